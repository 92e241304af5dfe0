use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::network::{Network, Weather};

/// A bad network between a phone and a router: both send to it, and it passes on what it does not lose.
pub struct Relay {
    address: SocketAddr,
    phone: Arc<OnceLock<SocketAddr>>,
    /// What became of each packet to the phone: whether it was passed on.
    passed: Arc<Mutex<Vec<bool>>>,
    _task: JoinSet<()>,
}

impl Relay {
    pub async fn open(seed: u64, weather: Weather) -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        let phone: Arc<OnceLock<SocketAddr>> = Arc::default();
        let passed: Arc<Mutex<Vec<bool>>> = Arc::default();
        let mut task = JoinSet::new();
        task.spawn(pass_on(socket, Arc::clone(&phone), Arc::clone(&passed), seed, weather));
        Self { address, phone, passed, _task: task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The phone is there; whoever else sends is the router.
    pub fn serve(&self, phone: SocketAddr) {
        self.phone.set(phone).unwrap();
    }

    /// Of what was to go to the phone so far: the share that was lost, and the most packets in a row.
    pub fn lost(&self) -> (f64, u32) {
        let passed = self.passed.lock().unwrap();
        let lost = passed.iter().filter(|is| !**is).count();
        let longest = passed.chunk_by(|a, b| a == b).filter(|run| !run[0]).map(<[_]>::len).max();
        (lost as f64 / passed.len() as f64, longest.unwrap_or(0) as u32)
    }
}

async fn pass_on(
    socket: Arc<UdpSocket>,
    phone: Arc<OnceLock<SocketAddr>>,
    passed: Arc<Mutex<Vec<bool>>>,
    seed: u64,
    weather: Weather,
) {
    let (mut to_phone, mut to_router) = (Network::new(seed, weather), Network::new(seed + 1, weather));
    let (mut router, mut under_way, mut buffer) = (None, JoinSet::new(), [0; 2_048]);
    loop {
        let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
        let Some(phone) = phone.get().copied() else { continue };
        let (network, target) =
            if source == phone { (&mut to_router, router) } else { (&mut to_phone, Some(phone)) };
        if source != phone {
            router = Some(source);
        }
        let Some(target) = target else { continue };
        let copies = network.next();
        if target == phone {
            passed.lock().unwrap().push(!copies.is_empty());
        }
        for delay in copies {
            let (socket, datagram) = (Arc::clone(&socket), buffer[..length].to_vec());
            under_way.spawn(async move {
                sleep(delay).await;
                let _sent = socket.send_to(&datagram, target).await;
            });
        }
        while under_way.try_join_next().is_some() {}
    }
}
