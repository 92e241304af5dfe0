//! A bad network between the router and LiveKit: the media of every call goes through a relay that loses, delays and
//! reorders it as a seed says, and keeps when what left the router.
//!
//! ICE would find the way past a relay, so the signalling goes through a proxy that shows the router no address of the
//! server's but the relay's, and the server none of the router's.

mod proxy;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::network::{Network, Weather};
use crate::rig::Rig;

/// How bad each way is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path {
    pub seed: u64,
    /// From the caller to the router.
    pub to_router: Weather,
    pub to_livekit: Weather,
}

/// A packet of media that left the router.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub at: Instant,
    /// Of the encrypted packet.
    pub bytes: usize,
}

/// Encrypted packets of Opus silence are this long or shorter; the shortest of speech are longer.
pub const SILENCE_BYTES: usize = 60;

/// The relay. Its threads end with it.
pub struct Relay {
    /// What the router is to take for LiveKit.
    pub url: String,
    media: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    _proxy: proxy::Proxy,
}

#[derive(Default)]
struct Shared {
    /// What left the router, by the socket of the call.
    sent: Mutex<HashMap<SocketAddr, Vec<Sent>>>,
    due: Mutex<BTreeMap<(Instant, u64), Datagram>>,
    changed: Condvar,
    /// Calls that are as good as unplugged.
    cut: Mutex<HashSet<SocketAddr>>,
    /// Datagrams that came from routers, and from the server.
    came: [AtomicUsize; 2],
    stop: AtomicBool,
}

/// One that waits until it has been under way long enough.
struct Datagram {
    from: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of a relay panics")
}

impl Relay {
    pub async fn open(rig: &Rig, path: Path) -> Self {
        let signalling = url::Url::parse(&rig.livekit_url).unwrap().socket_addrs(|| None).unwrap()[0];
        // The rig's media port is two above its signalling.
        let media = SocketAddr::new(signalling.ip(), signalling.port() + 2);
        let socket = Arc::new(port_as_long_as(media));
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let relay = socket.local_addr().unwrap();
        let proxy = proxy::Proxy::open(signalling, media, relay).await;
        let shared = Arc::new(Shared::default());
        let (inside, outside) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || Calls::new(inside, socket, media, path).run()),
            thread::spawn(move || outside.deliver()),
        ];
        Self { url: format!("ws://{}", proxy.address), media: relay, shared, threads, _proxy: proxy }
    }

    /// From now on nothing gets through for the connections there are, either way; new ones do.
    pub fn cut(&self) {
        let connections: Vec<SocketAddr> = lock(&self.shared.sent).keys().copied().collect();
        lock(&self.shared.cut).extend(connections);
    }

    /// What left the router so far, by call.
    pub fn sent(&self) -> Vec<Vec<Sent>> {
        lock(&self.shared.sent).values().cloned().collect()
    }

    /// When the first frame since then left that is no silence.
    pub fn first_speech(&self, since: Instant) -> Option<Instant> {
        self.speech(since).min()
    }

    /// When the last one left.
    pub fn last_speech(&self, since: Instant) -> Option<Instant> {
        self.speech(since).max()
    }

    fn speech(&self, since: Instant) -> impl Iterator<Item = Instant> {
        let sent = self.sent().into_iter().flatten();
        sent.filter(move |sent| sent.at >= since && sent.bytes > SILENCE_BYTES).map(|sent| sent.at)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if thread::panicking() {
            println!(
                "at the relay {}: {:?} datagrams from routers and the server",
                self.media, self.shared.came
            );
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// A free port that is written with as many digits as `like`, so that it can take its place in a message.
fn port_as_long_as(like: SocketAddr) -> UdpSocket {
    let digits = like.port().to_string().len() as u32;
    let ports =
        (10u16.pow(digits - 1)..=u16::MAX).rev().filter(|port| port.to_string().len() as u32 == digits);
    let mut sockets = ports.filter_map(|port| UdpSocket::bind((like.ip(), port)).ok());
    sockets.next().expect("a port is free")
}

/// The calls' ways, each with a socket of its own towards the server.
struct Calls {
    shared: Arc<Shared>,
    /// Where the routers send to.
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    path: Path,
    calls: HashMap<SocketAddr, (Arc<UdpSocket>, Network)>,
    threads: Vec<JoinHandle<()>>,
}

impl Calls {
    fn new(shared: Arc<Shared>, socket: Arc<UdpSocket>, server: SocketAddr, path: Path) -> Self {
        Self { shared, socket, server, path, calls: HashMap::new(), threads: Vec::new() }
    }

    fn run(mut self) {
        let mut buffer = [0; 2048];
        while !self.shared.stop.load(Ordering::Relaxed) {
            let Ok((length, router)) = self.socket.recv_from(&mut buffer) else { continue };
            let at = Instant::now();
            self.shared.came[0].fetch_add(1, Ordering::Relaxed);
            if lock(&self.shared.cut).contains(&router) {
                continue;
            }
            let bytes = &buffer[..length];
            if is_media(bytes) {
                lock(&self.shared.sent).entry(router).or_default().push(Sent { at, bytes: length });
            }
            if !self.calls.contains_key(&router) {
                self.open(router);
            }
            let (socket, network) = self.calls.get_mut(&router).expect("it was opened");
            self.shared.send(at, network, socket, self.server, bytes);
        }
        for thread in self.threads {
            let _ended = thread.join();
        }
    }

    fn open(&mut self, router: SocketAddr) {
        let socket = UdpSocket::bind((self.server.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let socket = Arc::new(socket);
        let seed = self.path.seed + 2 * self.calls.len() as u64;
        let (back, to_router) = (Network::new(seed, self.path.to_router), Arc::clone(&self.socket));
        let (shared, from) = (Arc::clone(&self.shared), Arc::clone(&socket));
        self.threads.push(thread::spawn(move || shared.return_from(&from, back, &to_router, router)));
        self.calls.insert(router, (socket, Network::new(seed + 1, self.path.to_livekit)));
    }
}

impl Shared {
    /// Passes on what the server sends to one call.
    fn return_from(
        &self,
        server: &UdpSocket,
        mut network: Network,
        socket: &Arc<UdpSocket>,
        router: SocketAddr,
    ) {
        let mut buffer = [0; 2048];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(length) = server.recv(&mut buffer) else { continue };
            self.came[1].fetch_add(1, Ordering::Relaxed);
            if !lock(&self.cut).contains(&router) {
                self.send(Instant::now(), &mut network, socket, router, &buffer[..length]);
            }
        }
    }

    /// Media suffers from the network; what sets up the connection and keeps it does not.
    fn send(&self, now: Instant, network: &mut Network, from: &Arc<UdpSocket>, to: SocketAddr, bytes: &[u8]) {
        let delays = if is_media(bytes) { network.next() } else { vec![Duration::ZERO] };
        for delay in delays {
            if delay.is_zero() {
                let _sent = from.send_to(bytes, to);
                continue;
            }
            let mut due = lock(&self.due);
            let number = due.len() as u64;
            due.insert((now + delay, number), Datagram { from: Arc::clone(from), to, bytes: bytes.to_vec() });
            self.changed.notify_one();
        }
    }

    /// Sends what has been under way long enough.
    fn deliver(&self) {
        let mut due = lock(&self.due);
        while !self.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            while let Some(first) = due.first_entry().filter(|first| first.key().0 <= now) {
                let Datagram { from, to, bytes } = first.remove();
                let _sent = from.send_to(&bytes, to);
            }
            let wait = due.first_key_value().map_or(Duration::from_millis(100), |((at, _), _)| *at - now);
            due = self.changed.wait_timeout(due, wait).expect("no thread of a relay panics").0;
        }
    }
}

/// RTP and not RTCP, DTLS or STUN (RFC 7983, RFC 5761).
fn is_media(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, kind, ..] if !(64..=95).contains(&(kind & 0x7F)))
}
