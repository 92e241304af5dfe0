//! The requests that we send in a dialog: BYE and REFER.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use rsipstack::sip::Request;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ingress::sip::dialog::Hop;
use crate::ingress::sip::message::fresh_tag;
use crate::ingress::sip::uas::Uas;

/// The longest wait for the address of a proxy or a phone that is known by its name.
const LOOKUP: Duration = Duration::from_secs(2);

pub(super) struct Ours {
    uas: Uas,
    local: SocketAddr,
    sent: JoinSet<Done>,
}

/// A request of ours is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Whatever it came to, the call is over.
    Bye,
    /// The final status of a REFER.
    Refer(u16),
    /// The same of a refresh.
    Refresh(u16),
}

impl Ours {
    pub(super) fn new(uas: Uas, local: SocketAddr) -> Self {
        Self { uas, local, sent: JoinSet::new() }
    }

    pub(super) fn contact(&self) -> String {
        format!("<sip:{}>", self.local)
    }

    /// Of a transaction of our own.
    pub(super) fn via(&self) -> String {
        format!("SIP/2.0/UDP {};rport;branch=z9hG4bK{}{}", self.local, fresh_tag(), fresh_tag())
    }

    pub(super) fn bye(&mut self, (request, hop): (Request, Hop)) {
        let uas = self.uas.clone();
        self.sent.spawn(async move {
            uas.ask(request, address(hop).await).await;
            Done::Bye
        });
    }

    pub(super) fn refer(&mut self, (request, hop): (Request, Hop)) {
        let uas = self.uas.clone();
        self.sent.spawn(async move { Done::Refer(uas.ask(request, address(hop).await).await) });
    }

    pub(super) fn refresh(&mut self, (request, hop): (Request, Hop)) {
        let uas = self.uas.clone();
        self.sent.spawn(async move { Done::Refresh(uas.ask(request, address(hop).await).await) });
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

    pub(super) fn is_idle(&self) -> bool {
        self.sent.is_empty()
    }
}

async fn address(hop: Hop) -> SocketAddr {
    match hop {
        Hop::Address(address) => address,
        Hop::Named { host, port, otherwise } => {
            let found = timeout(LOOKUP, lookup_host((host, port))).await;
            let of_our_kind = |address: &SocketAddr| address.is_ipv4() == otherwise.is_ipv4();
            found.ok().and_then(Result::ok).and_then(|mut all| all.find(of_our_kind)).unwrap_or(otherwise)
        }
    }
}
