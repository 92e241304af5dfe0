//! SIP over TCP and TLS: connections are taken, opened and bounded here, each in a task of its own, so that none is in the way
//! of another.
//!
//! ```text
//! bytes ──> frame ──> connection ──> arrivals (bounded) ──> socket
//! bytes <── bounded <── connection <── flow <── transactions
//!                       opener (where the connection is gone)
//! ```

mod connection;
mod elsewhere;
pub mod frame;
mod opener;
pub mod places;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use self::opener::Opened;
pub use self::opener::Opener;
use self::places::{Place, Places, Share};
use super::flow::Flow;
use super::transport::{Peer, Transport};
use crate::tls::Tls;

/// Messages that were read and are not dealt with yet. While there are as many, nothing more is read.
const ARRIVALS: usize = 64;
/// How long a handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// After a connection could not be taken: there are no more files, say.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest wait for the last words on every connection when the port ends.
const FINISH: Duration = Duration::from_secs(2);

/// The connections of the port.
pub struct Streams {
    listener: TcpListener,
    tls: Option<TlsListener>,
    /// When the next connection is taken.
    rested: Option<Instant>,
    places: Places,
    tasks: JoinSet<()>,
    served: Served,
    arrivals: mpsc::Receiver<Arrival>,
    opened: mpsc::Receiver<Opened>,
    handshakes: Places,
}

/// What every connection is given.
#[derive(Clone)]
struct Served {
    arrivals: mpsc::Sender<Arrival>,
    opener: Opener,
    stop: CancellationToken,
}

/// Who has opened a connection.
enum By {
    /// A caller, who has a place.
    Peer(Place),
    /// We, for whoever is to be told.
    Us(oneshot::Sender<Flow>),
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Where connections over TLS come to.
pub struct TlsListener {
    pub listener: TcpListener,
    pub acceptor: TlsAcceptor,
}

pub enum Event {
    /// Somebody has connected. Nothing was read.
    Knock(TcpStream, Peer),
    Arrival(Arrival),
}

/// A message, whole.
pub struct Arrival {
    pub flow: Flow,
    pub message: Vec<u8>,
}

impl Streams {
    /// Those that we open trust whom `trusted` does.
    pub fn new(listener: TcpListener, tls: Option<TlsListener>, trusted: &Tls) -> io::Result<(Self, Opener)> {
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        let (opener, opened) = Opener::new(listener.local_addr()?, trusted);
        let served = Served { arrivals: sender, opener: opener.clone(), stop: CancellationToken::new() };
        let streams = Self {
            listener,
            tls,
            rested: None,
            places: Places::default(),
            tasks: JoinSet::new(),
            served,
            arrivals,
            opened,
            handshakes: Places::default(),
        };
        Ok((streams, opener))
    }

    /// What happens next. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            select! {
                Some(arrival) = self.arrivals.recv() => return Event::Arrival(arrival),
                accepted = accept(&self.listener, self.tls.as_ref(), self.rested) => match accepted {
                    Ok((stream, peer)) => {
                        self.rested = None;
                        return Event::Knock(stream, peer);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "SIP connection could not be taken");
                        self.rested = Some(Instant::now() + PAUSE);
                    }
                },
                Some(Opened { stream, peer, flow }) = self.opened.recv() => {
                    self.tasks.spawn(serve(stream, peer, By::Us(flow), self.served.clone()));
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Serves somebody who has connected and may; `Err` when there are as many as may be.
    pub fn admit(&mut self, stream: TcpStream, peer: Peer, share: Share) -> Result<(), TooMany> {
        let address = peer.address.ip();
        let place = self.places.take(address, share.connections).ok_or(TooMany)?;
        match self.tls.as_ref().filter(|_| peer.transport.is_secure()) {
            None => _ = self.tasks.spawn(serve(stream, peer, By::Peer(place), self.served.clone())),
            Some(tls) => {
                let handshake = self.handshakes.take(address, share.handshakes).ok_or(TooMany)?;
                let (acceptor, served) = (tls.acceptor.clone(), self.served.clone());
                self.tasks.spawn(async move {
                    if let Some(secured) = secure(stream, &acceptor, handshake).await {
                        serve(secured, peer, By::Peer(place), served).await;
                    }
                });
            }
        }
        Ok(())
    }

    /// Says what is still to be said on every connection, and closes it.
    pub async fn finish(mut self) {
        self.served.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What is not read by now is not waited for.
        let _ = timeout(FINISH, all).await;
    }
}

/// One more connection than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// The next connection. Cancel safe.
async fn accept(
    tcp: &TcpListener,
    tls: Option<&TlsListener>,
    rested: Option<Instant>,
) -> io::Result<(TcpStream, Peer)> {
    if let Some(at) = rested {
        sleep_until(at).await;
    }
    let over_tls = async {
        match tls {
            Some(tls) => tls.listener.accept().await,
            None => pending().await,
        }
    };
    let ((stream, address), transport) = select! {
        accepted = tcp.accept() => (accepted?, Transport::Tcp),
        accepted = over_tls => (accepted?, Transport::Tls),
    };
    // Messages are small, and nobody wants to wait for the next.
    stream.set_nodelay(true)?;
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    Ok((stream, Peer { transport, address }))
}

async fn secure(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    _handshake: Place,
) -> Option<TlsStream<TcpStream>> {
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(_)) | Err(_) => {
            tracing::debug!("TLS handshake of a SIP connection failed");
            None
        }
    }
}

async fn serve<S: Stream>(stream: S, peer: Peer, by: By, served: Served) {
    let Ok((flow, outgoing)) = Flow::connection(peer).await else { return };
    let Served { arrivals, opener, stop } = served;
    let place = match by {
        By::Peer(place) => Some(place),
        By::Us(told) => {
            // Who wanted it may be gone: then nobody uses it, and it is closed some time.
            let _ = told.send(flow.clone());
            None
        }
    };
    let connection = Connection::new(stream, flow, outgoing, arrivals);
    let connection = if place.is_some() { connection.awaiting(Instant::now()) } else { connection };
    let outgoing = connection.run(&stop).await;
    drop(place);
    select! {
        () = elsewhere::deliver(outgoing, peer, &opener) => {}
        () = stop.cancelled() => {}
    }
}
