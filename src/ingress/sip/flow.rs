//! The way a message came, which its answers go back.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use rsipstack::sip::SipMessage;
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::transport::{Peer, Transport};

/// A way to a peer: a UDP socket and an address, or a connection. Whoever keeps a clone keeps the connection from
/// being closed for want of use.
#[derive(Clone)]
pub struct Flow {
    pub peer: Peer,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Datagrams(UdpConnection),
    Connection(Arc<Link>),
}

/// One connection.
struct Link {
    channel: ChannelConnection,
    /// Cancelled once it is closed.
    closed: CancellationToken,
    carries_calls: Arc<AtomicBool>,
}

/// A connection's flow, as long as others have it.
#[derive(Clone)]
pub struct WeakFlow(Peer, Weak<Link>);

/// What is to be sent on a connection. The SIP stack's channel has no bound: whoever has this must take what comes at
/// once, and bound what is kept of it.
pub struct Outgoing {
    messages: UnboundedReceiver<TransportEvent>,
    carries_calls: Arc<AtomicBool>,
}

impl Flow {
    pub const fn datagrams(socket: UdpConnection, to: SocketAddr) -> Self {
        Self { peer: Peer { transport: Transport::Udp, address: to }, way: Way::Datagrams(socket) }
    }

    /// A connection's. The stack takes its own channel for a reliable transport, as it is one here.
    pub async fn connection(peer: Peer) -> Result<(Self, Outgoing), rsipstack::Error> {
        let (sender, messages) = unbounded_channel();
        let (_, incoming) = unbounded_channel();
        let channel = ChannelConnection::create_connection(incoming, sender, address(peer), None).await?;
        let carries_calls = Arc::<AtomicBool>::default();
        let outgoing = Outgoing { messages, carries_calls: Arc::clone(&carries_calls) };
        let link = Link { channel, closed: CancellationToken::new(), carries_calls };
        Ok((Self { peer, way: Way::Connection(Arc::new(link)) }, outgoing))
    }

    /// What the SIP stack sends by.
    pub fn of_the_stack(&self) -> SipConnection {
        match &self.way {
            Way::Datagrams(socket) => SipConnection::Udp(socket.clone()),
            Way::Connection(link) => SipConnection::Channel(link.channel.clone()),
        }
    }

    pub fn address(&self) -> SipAddr {
        address(self.peer)
    }

    pub fn is_open(&self) -> bool {
        self.link().is_none_or(|link| !link.closed.is_cancelled())
    }

    /// Waits for the end of the connection; for ever where there is none. Cancel safe.
    pub async fn closed(&self) {
        match self.link() {
            Some(link) => link.closed.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// A call of a trunk's has come this way.
    pub fn carry_calls(&self) {
        if let Some(link) = self.link() {
            link.carries_calls.store(true, Ordering::Relaxed);
        }
    }

    /// Of a connection.
    pub fn downgrade(&self) -> Option<WeakFlow> {
        self.link().map(|link| WeakFlow(self.peer, Arc::downgrade(link)))
    }

    pub(super) fn close(&self) {
        if let Some(link) = self.link() {
            link.closed.cancel();
        }
    }

    /// Whether there is another clone of it: a call, or a message that is being dealt with.
    pub(super) fn is_in_use(&self) -> bool {
        self.link().is_some_and(|link| Arc::strong_count(link) > 1)
    }

    const fn link(&self) -> Option<&Arc<Link>> {
        match &self.way {
            Way::Datagrams(_) => None,
            Way::Connection(link) => Some(link),
        }
    }
}

impl WeakFlow {
    /// The flow, while the connection is open.
    pub fn upgrade(&self) -> Option<Flow> {
        let flow = Flow { peer: self.0, way: Way::Connection(self.1.upgrade()?) };
        flow.is_open().then_some(flow)
    }
}

impl Outgoing {
    /// The next message; `None` once nobody can send any more. Cancel safe.
    pub async fn next(&mut self) -> Option<SipMessage> {
        while let Some(event) = self.messages.recv().await {
            if let Some(message) = message(event) {
                return Some(message);
            }
        }
        None
    }

    /// What is there already.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        while let Ok(event) = self.messages.try_recv() {
            rest.extend(message(event).map(|message| message.to_bytes()).unwrap_or_default());
        }
        rest
    }

    /// Whether a call of a trunk's has come on the connection.
    pub fn carries_calls(&self) -> bool {
        self.carries_calls.load(Ordering::Relaxed)
    }
}

fn message(event: TransportEvent) -> Option<SipMessage> {
    match event {
        TransportEvent::Incoming(message, ..) => Some(message),
        TransportEvent::New(_) | TransportEvent::Closed(_) => None,
    }
}

fn address(peer: Peer) -> SipAddr {
    SipAddr { r#type: Some(peer.transport.of_the_stack()), addr: peer.address.into() }
}
