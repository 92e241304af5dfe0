//! Calls that come to a SIP port of our own: no LiveKit between the carrier, or a phone, and us.
//!
//! ```text
//! socket, stream: filter, mend, parse ──> uas: transactions ──> door: a call? ──> leg per call <── LegCommand/LegEvent ──> session
//!                                                                             ├── leg::machine: decides
//!                                                                             ├── dialog: order, way back
//!                                                                             └── media: sdp, rtp, srtp
//! ```

pub mod allowance;
pub mod authentication;
pub mod body;
mod calls;
pub mod dialog;
pub mod digest;
pub mod door;
pub mod facts;
pub mod flow;
pub mod leg;
mod local;
pub mod media;
pub mod message;
mod refusals;
pub mod repair;
pub mod rtp;
pub mod sdp;
pub mod settings;
pub mod socket;
pub mod sources;
pub mod srtp;
pub mod stream;
pub mod timer;
pub mod transport;
pub mod uas;
mod vouch;

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use rsipstack::sip::SipMessage;
use rsipstack::transaction::{Transaction, TransactionReceiver};
use rsipstack::transport::udp::UdpConnection;
use tokio::net::UdpSocket;
use tokio::select;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::authentication::{Authentication, Verdict};
use self::calls::Calls;
use self::dialog::Dialog;
use self::door::{Judged, judge};
use self::flow::Flow;
use self::leg::Asked;
pub use self::local::OpenError;
use self::local::{address_towards, bind, bind_tls};
use self::media::{Media, Place};
use self::message::{Reply, fresh_tag};
use self::refusals::Refusals;
use self::rtp::ports::Ports;
use self::settings::{SipSettings, TlsSettings};
use self::socket::{Content, Received, Socket};
use self::sources::{Source, Sources};
use self::stream::{Streams, TlsListener};
use self::transport::{Peer, Transport};
use self::uas::Uas;
use crate::admission::{Permit, Permits, Slots};
use crate::call::CallId;
use crate::dialplan::trunk::{TrunkPlan, Trunks};
use crate::fleet::calls::{Admission, Limit};
use crate::ingress::leg::{Incoming, Leg};
use crate::telemetry::{Dropped, Metrics, TurnedAway};
use crate::tls::Tls;

/// After the socket failed to receive.
const PAUSE: Duration = Duration::from_millis(100);

/// Refused requests whose transactions are kept, for the ACK of an INVITE say. Beyond that, each copy of a request is
/// answered by itself (RFC 3261, section 8.2.7), so that a flood fills no memory.
const REFUSED: usize = 1_000;

/// What a phone's jitter buffer holds of the frames we sent. No bridge stands between.
const HELD_BACK: Duration = Duration::from_millis(40);

/// What the port and its legs share.
pub struct Site {
    pub settings: SipSettings,
    pub trunks: Arc<Trunks>,
    pub slots: Slots,
    pub metrics: Metrics,
    /// Whom we trust where we connect to a caller over TLS.
    pub trusted: Tls,
    /// Where calls go. It takes as many as there are slots, and each call in it holds one: it is never full.
    pub calls: mpsc::Sender<Incoming>,
}

/// The SIP port and its calls.
pub struct Port {
    site: Site,
    udp: Arc<UdpSocket>,
    tls_address: Option<SocketAddr>,
    rtp: Ports,
    /// The trunks', by their names.
    permits: Permits<Arc<str>>,
    authentication: Authentication,
    socket: Socket,
    uas: Uas,
    incoming: TransactionReceiver,
    calls: Calls,
    /// Transactions of requests that became no call.
    refused: JoinSet<()>,
    refusals: Refusals,
}

/// Who sent the message that is being dealt with.
struct Sender {
    flow: Flow,
    trunk: Option<Arc<TrunkPlan>>,
    at: Instant,
}

impl Port {
    /// Holds the port. Nothing is taken yet.
    pub async fn open(site: Site) -> Result<Self, OpenError> {
        let (udp, listener) = bind(site.settings.listen).await?;
        let tls = match &site.settings.tls {
            Some(TlsSettings { listen, identity }) => {
                Some(TlsListener { listener: bind_tls(*listen).await?, acceptor: identity.config().into() })
            }
            None => None,
        };
        let tls_address = tls.as_ref().map(|tls| tls.listener.local_addr()).transpose()?;
        let sender = UdpConnection::from_socket(udp.clone(), None, None).await;
        let sender = sender.map_err(io::Error::other)?;
        let (streams, opener) = Streams::new(listener, tls, &site.trusted)?;
        let (uas, incoming) = Uas::new(sender.clone(), opener)?;
        let sources = Sources::new(Arc::clone(&site.trunks));
        let socket = Socket::new(Arc::clone(&udp), sender, streams, sources, site.metrics.clone());
        let (calls, refused) = (Calls::default(), JoinSet::new());
        let rtp = Ports::new(site.settings.listen.ip(), &site.settings.rtp_ports);
        let authentication =
            Authentication::new(Arc::clone(&site.trunks), Instant::now()).map_err(io::Error::other)?;
        let (permits, refusals) = (Permits::strict(), Refusals::new(site.metrics.clone()));
        Ok(Self {
            site,
            udp,
            tls_address,
            rtp,
            permits,
            authentication,
            socket,
            uas,
            incoming,
            calls,
            refused,
            refusals,
        })
    }

    /// Where it listens for TLS, if it does.
    pub const fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Where it listens for UDP and TCP.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Takes calls until `drain`, then refuses new ones, and ends with the last. Dropping the future cuts every call off.
    pub async fn run(mut self, drain: CancellationToken) {
        let mut clock = JoinSet::from_iter([keep_time(self.uas.clone())]);
        let mut draining = false;
        while !(draining && self.calls.is_empty()) {
            select! {
                biased;
                () = drain.cancelled(), if !draining => {
                    draining = true;
                    self.site.slots.drain();
                }
                () = self.calls.ended() => {}
                Some(_) = self.refused.join_next() => {}
                Some(_) = clock.join_next() => {
                    tracing::error!("the clock of the SIP transactions has stopped, and begins anew");
                    sleep(PAUSE).await;
                    clock.spawn(keep_time(self.uas.clone()));
                }
                received = self.socket.next() => match received {
                    Ok(received) => self.received(received).await,
                    Err(error) => {
                        tracing::warn!(%error, "SIP socket failed");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
        clock.shutdown().await;
        self.refused.shutdown().await;
        self.socket.finish().await;
    }

    /// One message. A bug that it brings to light costs the message, not the port.
    async fn received(&mut self, received: Received) {
        let handled = AssertUnwindSafe(self.handle(received)).catch_unwind().await;
        if handled.is_err() {
            tracing::error!("a SIP message made the port panic");
        }
    }

    async fn handle(&mut self, Received { flow, from, length, content }: Received) {
        let at = Instant::now();
        let trunk = match content {
            Content::Message(SipMessage::Request(request)) => {
                match self.vouch(&request, &from, flow.peer.address.ip(), at) {
                    Verdict::Take(trunk, _) => {
                        let of_a_call = self.calls.is_of_one(&request);
                        self.uas.receive(request.into(), of_a_call, &flow).await;
                        trunk
                    }
                    Verdict::Challenge(reply, _) => {
                        return self.challenge(request, reply, &flow, length, at).await;
                    }
                    Verdict::Silence => return,
                }
            }
            Content::Message(response) => return self.uas.receive(response, true, &flow).await,
            Content::Wrong(..) if from == Source::Anyone => {
                return self.site.metrics.sip_dropped(Dropped::Stranger);
            }
            Content::Wrong(request, reply) => {
                self.refusals.note(&request, reply.status, from.trunk(), at);
                return self.uas.answer_once(request, reply, &flow).await;
            }
        };
        let sender = Sender { flow, trunk, at };
        // Whatever transaction it began is here already.
        while let Ok(transaction) = self.incoming.try_recv() {
            self.begun(transaction, &sender).await;
        }
    }

    async fn begun(&mut self, mut transaction: Transaction, sender: &Sender) {
        match judge(&mut transaction.original, &self.site.slots, Instant::now()) {
            Judged::Answer(reply) => self.refuse(transaction, reply, sender).await,
            Judged::Within(tag) => {
                let asked = Box::new(Asked { transaction, flow: sender.flow.clone() });
                if let Err((asked, reply)) = self.calls.pass(&tag, asked) {
                    self.refuse(asked.transaction, reply, sender).await;
                }
            }
            Judged::Call if self.calls.has_merged(&transaction.original) => {
                self.refuse(transaction, Reply::status(482), sender).await;
            }
            Judged::Call => match self.open_call(&transaction, sender).await {
                Ok(opened) => self.start(transaction, sender, opened).await,
                Err(reply) => self.refuse(transaction, reply, sender).await,
            },
        }
    }

    async fn refuse(&mut self, transaction: Transaction, reply: Reply, sender: &Sender) {
        self.refusals.note(&transaction.original, reply.status, sender.trunk.as_ref(), sender.at);
        if self.refused.len() < REFUSED {
            self.refused.spawn(uas::refuse(transaction, reply));
        } else {
            self.uas.answer_once(transaction.original.clone(), reply, &sender.flow).await;
        }
    }

    /// Whatever a call needs before anybody hears of it, or why it is refused.
    async fn open_call(&self, invite: &Transaction, sender: &Sender) -> Result<Opened, Reply> {
        let dialog = Dialog::begun_by(&invite.original, fresh_tag(), sender.flow.peer);
        let dialog = dialog.map_err(|_| Reply::status(400))?;
        timer::agree(&invite.original)?;
        let slot = self.site.slots.reserve(Instant::now()).map_err(|why| {
            self.site.metrics.offer_turned_away(why.turned_away());
            Reply::no_slot(why)
        })?;
        let trunk_permit = sender.trunk.as_ref().map(|trunk| self.permit(trunk)).transpose()?;
        let peer = sender.flow.peer;
        let local = self.local(peer).await.map_err(|_| Reply::status(500))?;
        let place = Place {
            address: local.ip(),
            codecs: sender.trunk.as_ref().map(|trunk| trunk.codecs).unwrap_or_default(),
            secure: peer.transport.is_secure(),
            ports: &self.rtp,
            metrics: &self.site.metrics,
        };
        let media = Media::open(&invite.original.body, place).await.inspect_err(|_| {
            self.site.metrics.offer_turned_away(TurnedAway::Media);
        })?;
        Ok(Opened { dialog, slot, trunk_permit, local, media })
    }

    /// One of the calls that the trunk may have.
    fn permit(&self, trunk: &TrunkPlan) -> Result<Permit<Arc<str>>, Reply> {
        let permit = self.permits.take(&trunk.name, trunk.caps, Instant::now());
        match permit.admission() {
            Admission::Within => Ok(permit),
            Admission::Beyond(limit) | Admission::Crowded(limit) => {
                self.site.metrics.offer_turned_away(match limit {
                    Limit::Calls => TurnedAway::TrunkCalls,
                    Limit::CallsPerSecond => TurnedAway::TrunkCallsPerSecond,
                });
                Err(Reply::trunk_full(limit))
            }
        }
    }

    async fn start(&mut self, mut invite: Transaction, sender: &Sender, opened: Opened) {
        let id = CallId::fresh();
        let offered_at = Timestamp::now();
        tracing::info!(call = %id, "call taken");
        // 100 Trying: from here on the caller's proxy sends the INVITE no more.
        let trying = message::response(&invite.original, Reply::status(100), "");
        let _ = invite.respond(trying).await;
        let call = facts::read(&invite.original, id, offered_at, sender.trunk.as_ref());
        let Opened { dialog, slot, trunk_permit, local, media } = opened;
        let codec = media.codec();
        let (leg, commands, events) = Leg::open();
        let (uas, flow) = (self.uas.clone(), sender.flow.clone());
        flow.carry_calls();
        self.calls.start(&invite.original.clone(), dialog.clone(), move |requests| {
            leg::run(leg::Task {
                uas,
                invite,
                dialog,
                media,
                call: Box::new(call),
                flow,
                local,
                requests,
                commands,
                events,
            })
        });
        let incoming = Incoming {
            id,
            offered: sender.at,
            offered_at,
            codec,
            held_back: HELD_BACK,
            leg,
            slot,
            trunk_permit,
        };
        if self.site.calls.try_send(incoming).is_err() {
            tracing::error!(call = %id, "call taken by a router that has ended");
        }
    }

    /// Our own address as this caller can reach it.
    async fn local(&self, caller: Peer) -> io::Result<SocketAddr> {
        let bound = match (caller.transport, self.tls_address) {
            (Transport::Tls, Some(bound)) => bound,
            _ => self.address()?,
        };
        let address = match self.site.settings.public {
            Some(public) => public,
            None if bound.ip().is_unspecified() => address_towards(caller.address).await?,
            None => bound.ip(),
        };
        Ok(SocketAddr::new(address, bound.port()))
    }
}

/// For ever, but for a bug.
async fn keep_time(uas: Uas) {
    uas.keep_time().await;
}

struct Opened {
    dialog: Dialog,
    slot: crate::admission::Slot,
    trunk_permit: Option<Permit<Arc<str>>>,
    local: SocketAddr,
    media: Media,
}
