//! The way to livekit-server's sockets: a relay that can cut what goes through it, and say things in the server's name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::rig::until;

/// A running relay; dropping it ends its connections.
pub struct Signalling {
    pub port: u16,
    open: Arc<Mutex<Vec<Connection>>>,
    _task: JoinSet<()>,
}

struct Connection {
    id: u64,
    /// What was asked for: `/agent`, `/rtc/v1`, ...
    path: String,
    orders: mpsc::Sender<Order>,
}

enum Order {
    Cut,
    Say(Vec<u8>),
}

impl Signalling {
    /// Signallings to `target` from a port of its own.
    pub async fn through_to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&open);
        let accept = async move {
            let mut connections = JoinSet::new();
            for id in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // Either end may be gone; so is the connection then.
                    let _ended = serve(client, target, id, &shared).await;
                    lock(&shared).retain(|connection| connection.id != id);
                });
                while connections.try_join_next().is_some() {}
            }
        };
        Self { port, open, _task: JoinSet::from_iter([accept]) }
    }

    /// Waits until so many connections to that path are open.
    pub async fn wait_for(&self, path: &str, count: usize) {
        let what = format!("{count} connections to {path}");
        until(&what, Duration::from_secs(10), || (self.count(path) == count).then_some(())).await;
    }

    /// Cuts every connection to that path, without a word.
    pub fn cut(&self, path: &str) {
        self.order(path, || Order::Cut);
    }

    /// Sends one binary WebSocket message to every client of that path, as if the server had.
    pub fn say(&self, path: &str, message: &[u8]) {
        let length =
            u8::try_from(message.len()).ok().filter(|length| *length < 126).expect("a short message");
        self.order(path, || Order::Say([&[0x82, length], message].concat()));
    }

    fn count(&self, path: &str) -> usize {
        lock(&self.open).iter().filter(|connection| connection.path.starts_with(path)).count()
    }

    fn order(&self, path: &str, order: impl Fn() -> Order) {
        let open = lock(&self.open);
        let chosen: Vec<&Connection> = open.iter().filter(|open| open.path.starts_with(path)).collect();
        assert!(!chosen.is_empty(), "nothing is connected to {path}");
        for connection in chosen {
            connection.orders.try_send(order()).expect("the connection takes orders");
        }
    }
}

async fn serve(
    mut client: TcpStream,
    target: SocketAddr,
    id: u64,
    open: &Mutex<Vec<Connection>>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    let (orders, mut ordered) = mpsc::channel(4);
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let length = client.read(&mut up).await?;
    let head = String::from_utf8_lossy(&up[..length]);
    let path =
        head.split(' ').nth(1).and_then(|target| target.split('?').next()).unwrap_or_default().to_owned();
    server.write_all(&up[..length]).await?;
    lock(open).push(Connection { id, path, orders });
    loop {
        tokio::select! {
            length = client.read(&mut up) => match length? {
                0 => return Ok(()),
                length => server.write_all(&up[..length]).await?,
            },
            length = server.read(&mut down) => match length? {
                0 => return Ok(()),
                length => client.write_all(&down[..length]).await?,
            },
            // livekit-server writes whole messages, so between two reads is between two messages.
            order = ordered.recv() => match order {
                Some(Order::Say(bytes)) => client.write_all(&bytes).await?,
                Some(Order::Cut) | None => return Ok(()),
            },
        }
    }
}

fn lock(open: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    open.lock().expect("no connection panics")
}
