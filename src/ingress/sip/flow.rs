//! The way a message came, which its answers go back.

use std::net::SocketAddr;
use std::sync::Arc;

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
    connection: SipConnection,
    /// A connection's, cancelled once it is closed.
    link: Option<Arc<CancellationToken>>,
}

/// What is to be sent on a connection. The SIP stack's channel has no bound: whoever has this must take what comes at
/// once, and bound what is kept of it.
pub struct Outgoing(UnboundedReceiver<TransportEvent>);

impl Flow {
    pub const fn datagrams(socket: UdpConnection, to: SocketAddr) -> Self {
        let peer = Peer { transport: Transport::Udp, address: to };
        Self { peer, connection: SipConnection::Udp(socket), link: None }
    }

    /// A connection's. The stack takes its own channel for a reliable transport, as it is one here.
    pub async fn connection(peer: Peer) -> Result<(Self, Outgoing), rsipstack::Error> {
        let (sender, outgoing) = unbounded_channel();
        let (_, incoming) = unbounded_channel();
        let channel = ChannelConnection::create_connection(incoming, sender, address(peer), None).await?;
        let link = Some(Arc::new(CancellationToken::new()));
        Ok((Self { peer, connection: SipConnection::Channel(channel), link }, Outgoing(outgoing)))
    }

    /// What the SIP stack sends by.
    pub fn of_the_stack(&self) -> SipConnection {
        self.connection.clone()
    }

    pub fn address(&self) -> SipAddr {
        address(self.peer)
    }

    pub fn is_open(&self) -> bool {
        self.link.as_ref().is_none_or(|closed| !closed.is_cancelled())
    }

    /// Waits for the end of the connection; for ever where there is none. Cancel safe.
    pub async fn closed(&self) {
        match &self.link {
            Some(closed) => closed.cancelled().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn close(&self) {
        if let Some(closed) = &self.link {
            closed.cancel();
        }
    }

    /// Whether there is another clone of it: a call, or a message that is being dealt with.
    pub(super) fn is_in_use(&self) -> bool {
        self.link.as_ref().is_some_and(|link| Arc::strong_count(link) > 1)
    }
}

impl Outgoing {
    /// The next message; `None` once nobody can send any more. Cancel safe.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        while let Some(event) = self.0.recv().await {
            if let Some(message) = message(event) {
                return Some(message);
            }
        }
        None
    }

    /// What is there already.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        while let Ok(event) = self.0.try_recv() {
            rest.extend(message(event).unwrap_or_default());
        }
        rest
    }
}

fn message(event: TransportEvent) -> Option<Vec<u8>> {
    match event {
        TransportEvent::Incoming(SipMessage::Request(request), ..) => Some(request.to_bytes()),
        TransportEvent::Incoming(SipMessage::Response(response), ..) => Some(response.to_bytes()),
        TransportEvent::New(_) | TransportEvent::Closed(_) => None,
    }
}

fn address(peer: Peer) -> SipAddr {
    SipAddr { r#type: Some(peer.transport.of_the_stack()), addr: peer.address.into() }
}
