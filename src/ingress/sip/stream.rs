//! SIP over TCP and TLS: connections are taken, opened and bounded here, each in a task of its own, so that none is in the way
//! of another.
//!
//! ```text
//! bytes ──> frame ──> connection ──> arrivals (bounded) ──> socket
//! bytes <── bounded <── connection <── flow <── transactions
//! ```

mod connection;
pub mod frame;
pub mod places;

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use self::places::{Most, Place, Places};
use super::flow::Flow;
use super::transport::{Peer, Transport};

/// Messages that were read and are not dealt with yet. While there are as many, nothing more is read.
const ARRIVALS: usize = 64;
/// Connections of ours that are open and not served yet.
const OPENED: usize = 16;
/// The longest wait for a connection of ours.
const CONNECT: Duration = Duration::from_secs(3);
/// Handshakes of TLS at once, and how long one may take.
const HANDSHAKES: usize = 64;
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
    sender: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
    opened: mpsc::Receiver<Opened>,
    handshakes: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Where connections over TLS come to.
pub struct TlsListener {
    pub listener: TcpListener,
    pub acceptor: TlsAcceptor,
}

/// Opens connections. Clones share the port.
#[derive(Clone)]
pub struct Opener {
    /// Where the port listens: connections of ours come from the same address.
    local: SocketAddr,
    opened: mpsc::Sender<Opened>,
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

struct Opened {
    stream: TcpStream,
    peer: Peer,
    flow: oneshot::Sender<Flow>,
}

impl Streams {
    pub fn new(listener: TcpListener, tls: Option<TlsListener>) -> io::Result<(Self, Opener)> {
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        let (open_sender, opened) = mpsc::channel(OPENED);
        let opener = Opener { local: listener.local_addr()?, opened: open_sender };
        let streams = Self {
            listener,
            tls,
            rested: None,
            places: Places::default(),
            tasks: JoinSet::new(),
            sender,
            arrivals,
            opened,
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            stop: CancellationToken::new(),
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
                    // As many as there are calls, at most.
                    self.serve(stream, peer, None, Some(flow));
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Serves somebody who has connected and may; `Err` when there are as many as may be.
    pub fn admit(&mut self, stream: TcpStream, peer: Peer, most: Most) -> Result<(), TooMany> {
        let place = self.places.take(peer.address.ip(), most).ok_or(TooMany)?;
        match self.tls.as_ref().filter(|_| peer.transport.is_secure()) {
            None => self.serve(stream, peer, Some(place), None),
            Some(tls) => {
                let handshake = Arc::clone(&self.handshakes).try_acquire_owned().map_err(|_| TooMany)?;
                let acceptor = tls.acceptor.clone();
                let (arrivals, stop) = (self.sender.clone(), self.stop.clone());
                self.tasks.spawn(async move {
                    if let Some(secured) = secure(stream, &acceptor, handshake).await {
                        serve(secured, peer, Some(place), None, arrivals, stop).await;
                    }
                });
            }
        }
        Ok(())
    }

    fn serve(
        &mut self,
        stream: TcpStream,
        peer: Peer,
        place: Option<Place>,
        told: Option<oneshot::Sender<Flow>>,
    ) {
        let (arrivals, stop) = (self.sender.clone(), self.stop.clone());
        self.tasks.spawn(serve(stream, peer, place, told, arrivals, stop));
    }

    /// Says what is still to be said on every connection, and closes it.
    pub async fn finish(mut self) {
        self.stop.cancel();
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
    _handshake: OwnedSemaphorePermit,
) -> Option<TlsStream<TcpStream>> {
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(_)) | Err(_) => {
            tracing::debug!("TLS handshake of a SIP connection failed");
            None
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite>(
    stream: S,
    peer: Peer,
    place: Option<Place>,
    told: Option<oneshot::Sender<Flow>>,
    arrivals: mpsc::Sender<Arrival>,
    stop: CancellationToken,
) {
    let Ok((flow, outgoing)) = Flow::connection(peer).await else { return };
    if let Some(told) = told {
        // Who wanted it may be gone: then nobody uses it, and it is closed some time.
        let _ = told.send(flow.clone());
    }
    let connection = Connection::new(stream, flow, outgoing, arrivals);
    let connection = if place.is_some() { connection.awaiting(Instant::now()) } else { connection };
    let mut outgoing = connection.run(&stop).await;
    drop(place);
    // A transaction whose connection is gone sends on, and ends by its timers.
    let unheard = async { while outgoing.next().await.is_some() {} };
    select! {
        () = unheard => {}
        () = stop.cancelled() => {}
    }
}

impl Opener {
    /// Connects to a peer.
    pub async fn open(&self, to: SocketAddr) -> io::Result<Flow> {
        let stream = timeout(CONNECT, self.connect(to)).await??;
        let peer = Peer { transport: Transport::Tcp, address: to };
        let (told, flow) = oneshot::channel();
        let gone = |_| io::Error::from(io::ErrorKind::NotConnected);
        let opened = Opened { stream, peer, flow: told };
        self.opened.send(opened).await.map_err(|_| io::ErrorKind::NotConnected)?;
        flow.await.map_err(gone)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let local = self.local.ip();
        if !local.is_unspecified() && local.is_ipv4() == to.is_ipv4() {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
