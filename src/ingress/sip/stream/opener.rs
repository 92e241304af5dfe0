//! Connections of our own, to callers whose own are gone: one to each, which all its calls share, and no more than may be.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Stream;
use crate::ingress::sip::flow::{Flow, WeakFlow};
use crate::ingress::sip::transport::{Peer, Remote, Transport};
use crate::tls::Tls;

/// Connections of ours that are open and not served yet.
pub(super) const OPENED: usize = 16;
/// Peers that there are connections of ours to.
const PEERS: usize = 500;
/// The longest wait for a connection, with its handshake and whoever else waits for the same.
const CONNECT: Duration = Duration::from_secs(3);

/// Opens connections. Clones share them.
#[derive(Clone)]
pub struct Opener {
    /// Where the port listens: connections of ours come from the same address.
    local: SocketAddr,
    connector: TlsConnector,
    opened: mpsc::Sender<Opened>,
    lines: Lines,
}

/// A connection that is to be served.
pub(super) struct Opened {
    pub stream: Box<dyn Stream>,
    pub peer: Peer,
    pub flow: oneshot::Sender<Flow>,
}

/// The connection to one peer, if there is one. Whoever needs it waits for who opens it.
type Line = Arc<tokio::sync::Mutex<Option<WeakFlow>>>;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<HashMap<Remote, Line>>>);

impl Opener {
    pub(super) fn new(local: SocketAddr, tls: &Tls) -> (Self, mpsc::Receiver<Opened>) {
        let (sender, opened) = mpsc::channel(OPENED);
        let connector = tls.config().into();
        (Self { local, connector, opened: sender, lines: Lines::default() }, opened)
    }

    /// The connection of ours to that peer. Over TLS, its certificate has been found to be good.
    pub async fn open(&self, to: &Remote) -> io::Result<Flow> {
        let line = self.lines.of(to).ok_or(io::ErrorKind::QuotaExceeded)?;
        let open = async {
            let mut known = line.lock().await;
            if let Some(flow) = known.as_ref().and_then(WeakFlow::upgrade) {
                return Ok(flow);
            }
            let flow = self.serve(self.connect(to).await?, to.peer).await?;
            *known = flow.downgrade();
            Ok(flow)
        };
        timeout(CONNECT, open).await?
    }

    async fn connect(&self, to: &Remote) -> io::Result<Box<dyn Stream>> {
        let Peer { transport, address } = to.peer;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let local = self.local.ip();
        if !local.is_unspecified() && local.is_ipv4() == address.is_ipv4() {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        let stream: TcpStream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        match transport {
            Transport::Udp => Err(io::ErrorKind::Unsupported.into()),
            Transport::Tcp => Ok(Box::new(stream)),
            Transport::Tls => {
                let name = to.host.clone().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
                Ok(Box::new(self.connector.connect(name, stream).await?))
            }
        }
    }

    async fn serve(&self, stream: Box<dyn Stream>, peer: Peer) -> io::Result<Flow> {
        let (told, flow) = oneshot::channel();
        // The port is over.
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.opened.send(Opened { stream, peer, flow: told }).await.map_err(|_| gone())?;
        flow.await.map_err(|_| gone())
    }
}

impl Lines {
    /// `None` where there are as many as may be.
    fn of(&self, to: &Remote) -> Option<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(to) {
            return Some(Arc::clone(line));
        }
        if lines.len() >= PEERS {
            lines.retain(|_, line| is_in_use(line));
        }
        if lines.len() >= PEERS {
            return None;
        }
        let line = Line::default();
        lines.insert(to.clone(), Arc::clone(&line));
        Some(line)
    }
}

/// Whether somebody opens it, or it is open.
fn is_in_use(line: &Line) -> bool {
    Arc::strong_count(line) > 1
        || line.try_lock().is_ok_and(|known| known.as_ref().is_some_and(|flow| flow.upgrade().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(n: usize) -> Remote {
        let address = SocketAddr::from(([192, 0, 2, 1], u16::try_from(n).unwrap()));
        Remote { peer: Peer { transport: Transport::Tcp, address }, host: "192.0.2.1".into() }
    }

    #[test]
    fn there_are_no_more_than_may_be_and_one_that_is_gone_leaves_its_place() {
        let lines = Lines::default();
        let mut held: Vec<Line> = (0..PEERS).map(|n| lines.of(&remote(n)).unwrap()).collect();
        assert!(lines.of(&remote(PEERS)).is_none());
        assert!(Arc::ptr_eq(&lines.of(&remote(7)).unwrap(), &held[7]), "one to each");
        held.truncate(PEERS - 1);
        assert!(lines.of(&remote(PEERS)).is_some());
    }
}
