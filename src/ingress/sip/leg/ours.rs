//! The requests that we send in a dialog: BYE, REFER and UPDATE.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rsipstack::sip::{Header, Request};
use tokio::net::lookup_host;
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ingress::sip::dialog::{Address, Dialog, Hop};
use crate::ingress::sip::flow::Flow;
use crate::ingress::sip::message::fresh_tag;
use crate::ingress::sip::timer::Said;
use crate::ingress::sip::transport::{Peer, Remote, Transport};
use crate::ingress::sip::uas::{Answer, Uas};

/// The longest wait for the address of a proxy or a phone that is known by its name.
const LOOKUP: Duration = Duration::from_secs(2);
/// Service Unavailable: what a request comes to that could not be sent (RFC 3261, section 8.1.3.1).
const NOT_SENT: u16 = 503;

pub(super) struct Ours {
    way: Way,
    sent: JoinSet<Done>,
}

/// How the caller is reached.
#[derive(Clone)]
struct Way {
    uas: Uas,
    /// The way that the INVITE came, or the last request of its transport.
    flow: Flow,
    local: SocketAddr,
}

/// A request of ours is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Whatever it came to, the call is over.
    Bye,
    /// The final status of a REFER.
    Refer(u16),
    /// The same of a refresh, and what it says of the session timer.
    Refresh { status: u16, said: Option<Said> },
}

impl Ours {
    pub(super) fn new(uas: Uas, flow: Flow, local: SocketAddr) -> Self {
        Self { way: Way { uas, flow, local }, sent: JoinSet::new() }
    }

    pub(super) fn contact(&self, dialog: &Dialog) -> String {
        dialog.contact(self.way.local)
    }

    pub(super) fn bye(&mut self, bye: (Request, Hop)) {
        self.send(bye, |_| Done::Bye);
    }

    pub(super) fn refer(&mut self, refer: (Request, Hop)) {
        self.send(refer, |answer| Done::Refer(answer.status));
    }

    pub(super) fn refresh(&mut self, refresh: (Request, Hop)) {
        self.send(refresh, |Answer { status, headers }| {
            // What cannot be read says nothing.
            Done::Refresh { status, said: Said::in_headers(&headers).unwrap_or_default() }
        });
    }

    fn send(&mut self, (request, hop): (Request, Hop), done: impl FnOnce(Answer) -> Done + Send + 'static) {
        let way = self.way.clone();
        self.sent.spawn(async move { done(way.ask(request, hop).await) });
    }

    /// Waits for the next that is over; for ever when there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Done {
        match self.sent.join_next().await {
            Some(Ok(done)) => done,
            // A bug: it was not sent.
            Some(Err(_)) => Done::Refer(500),
            None => pending().await,
        }
    }

    /// A request of the caller's came this way. Who has lost a connection, which we may not know, and made another, is
    /// reached by that.
    pub(super) fn heard_on(&mut self, flow: &Flow) {
        if self.way.flow.peer.transport == flow.peer.transport {
            self.way.flow = flow.clone();
            flow.carry_calls();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.sent.is_empty()
    }
}

impl Way {
    /// A connection that breaks may have taken the request with it, or not: then it goes on another, once.
    async fn ask(&self, request: Request, hop: Hop) -> Answer {
        match self.ask_once(request.clone(), hop.clone()).await {
            Ok(answer) => answer,
            Err(_) => self.ask_once(request, hop).await.unwrap_or_else(|_| Answer::nobodys(NOT_SENT)),
        }
    }

    async fn ask_once(&self, mut request: Request, hop: Hop) -> io::Result<Answer> {
        let flow = self.find(hop).await?;
        let via = self.via(flow.peer.transport);
        request.headers.push_front(Header::Via(via.into()));
        select! {
            answer = self.uas.ask(request, &flow) => Ok(answer),
            () = flow.closed() => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The caller's own connection, while there is one: it may well be that no other gets there.
    async fn find(&self, hop: Hop) -> io::Result<Flow> {
        if self.flow.peer.transport.is_stream() && self.flow.is_open() {
            return Ok(self.flow.clone());
        }
        self.uas.way_to(&remote(hop).await).await
    }

    /// Of a transaction of our own.
    fn via(&self, transport: Transport) -> String {
        let (name, branch) = (transport.name(), fresh_tag() + &fresh_tag());
        format!("SIP/2.0/{name} {};rport;branch=z9hG4bK{branch}", self.local)
    }
}

async fn remote(Hop { transport, address }: Hop) -> Remote {
    let (address, host) = match address {
        Address::Known(address) => (address, address.ip().to_string()),
        Address::Named { host, port, otherwise } => {
            let found = timeout(LOOKUP, lookup_host((&*host, port))).await;
            let of_our_kind = |address: &SocketAddr| address.is_ipv4() == otherwise.is_ipv4();
            let found = found.ok().and_then(Result::ok).and_then(|mut all| all.find(of_our_kind));
            (found.unwrap_or(otherwise), host)
        }
    };
    Remote { peer: Peer { transport, address }, host }
}
