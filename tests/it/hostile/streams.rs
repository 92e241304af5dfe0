//! Connections on which everything goes wrong that can.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::messages::{self, Ids, METHODS};
use super::mutation::Mutator;
use super::steady::Steady;
use super::{SOON, World};

const STREAMS: usize = 300;
const AT_ONCE: usize = 20;
/// The most that one of them lasts.
const LONGEST: Duration = Duration::from_secs(3);

/// What they may add to the router's memory, in KiB.
const GROWTH: u64 = 24 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_broken_streams_disturb_no_call_and_leave_nothing_behind() {
    let world = World::start(100).await;
    let steady = Steady::place(&world).await;
    assert!(is_served(world.sip).await, "a good connection");
    let (memory, open) = (world.router.memory(), descriptors(&world));
    let (mut mutator, mut under_way) = (Mutator::new(9), JoinSet::new());
    for number in 0..STREAMS {
        if under_way.len() == AT_ONCE {
            under_way.join_next().await.unwrap().unwrap();
        }
        let broken = Broken::new(number, &mut mutator, world.sip);
        under_way.spawn(async move {
            let (router, from) = (broken.router, Ipv4Addr::new(127, 0, 0, 2 + (number % 12) as u8));
            // It goes wrong one way or the other; it only has to end.
            let _ = timeout(LONGEST, broken.send(connect(from, router).await)).await;
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.unwrap();
    }
    assert!(is_served(world.sip).await, "a good connection after all the others");
    let deadline = Instant::now() + SOON;
    // Those of calls that the attack began are few.
    while descriptors(&world) > open + AT_ONCE {
        assert!(Instant::now() < deadline, "{open} -> {} open files", descriptors(&world));
        sleep(Duration::from_millis(50)).await;
    }
    let after = world.router.memory();
    println!("memory {memory} -> {after} KiB, open files {open} -> {}", descriptors(&world));
    assert!(after.saturating_sub(memory) <= GROWTH, "{memory} -> {after} KiB");
    steady.was_undisturbed(&world).await;
    Steady::has_its_record(&world.end().await);
}

/// One connection.
struct Broken {
    router: SocketAddr,
    /// What is sent, piece by piece.
    pieces: Vec<Vec<u8>>,
    pause: Duration,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    HalfClose,
    Reset,
    /// Reads until the router closes it.
    Read,
}

impl Broken {
    fn new(number: usize, mutator: &mut Mutator, router: SocketAddr) -> Self {
        let good = |at: usize, method: &str| {
            let ids = Ids { call_id: format!("stream-{number}-{at}"), to_tag: None, ..Ids::nobody() };
            let ids = Ids { branch: format!("z9hG4bK-stream-{number}-{at}"), ..ids };
            let request = messages::request(method, SocketAddr::from(([127, 0, 0, 1], 9)), router, &ids, 15);
            messages::over("TCP", request)
        };
        let mut bytes = match number % 8 {
            0 => (0..mutator.up_to(20_000)).map(|_| mutator.up_to(255) as u8).collect(),
            1 => [&b"OPTIONS sip:a@b SIP/2.0\r\n"[..], &b"X: endless\r\n".repeat(20_000)].concat(),
            2 => {
                let length =
                    mutator.choose(&["18446744073709551615", "18446744073709551616", "4294967295", "-1"]);
                let text = String::from_utf8(good(0, "INVITE")).unwrap();
                let at = text.find("Content-Length: ").unwrap();
                let end = at + text[at..].find("\r\n").unwrap();
                [&text[..at], "Content-Length: ", length, &text[end..]].concat().into_bytes()
            }
            3 => b"\r\n".repeat(1 + mutator.up_to(2_000)),
            4 => (0..50).flat_map(|at| good(at, "OPTIONS")).collect(),
            _ => (0..4)
                .flat_map(|at| {
                    let method = mutator.choose(&METHODS);
                    mutator.mutate(&good(at, method))
                })
                .collect(),
        };
        let mut pieces = Vec::new();
        let longest = mutator.choose(&[1, 7, 100, 1_000, 100_000]).max(bytes.len() / 200);
        while !bytes.is_empty() {
            let rest = bytes.split_off(bytes.len().min(1 + mutator.up_to(longest)));
            pieces.push(std::mem::replace(&mut bytes, rest));
        }
        let pause = Duration::from_millis(mutator.choose(&[0, 0, 2, 10]));
        let end = mutator.choose(&[End::Close, End::HalfClose, End::Reset, End::Read]);
        Self { router, pieces, pause, end }
    }

    async fn send(self, mut stream: TcpStream) {
        for piece in self.pieces {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
            sleep(self.pause).await;
        }
        match self.end {
            End::Close => {}
            End::Reset => stream.set_zero_linger().unwrap(),
            End::HalfClose => {
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
            End::Read => drop(stream.read_to_end(&mut Vec::new()).await),
        }
    }
}

pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether a good request is answered on a connection of its own.
async fn is_served(router: SocketAddr) -> bool {
    let stream = connect(Ipv4Addr::LOCALHOST, router).await;
    let from = stream.local_addr().unwrap();
    is_answered(stream, from, "TCP").await
}

/// Whether a good request is answered there.
pub async fn is_answered(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: SocketAddr,
    transport: &str,
) -> bool {
    let ids = Ids { to_tag: None, ..Ids::nobody() };
    let request = messages::over(transport, messages::request("OPTIONS", from, from, &ids, 0));
    stream.write_all(&request).await.unwrap();
    let mut answer = [0; 12];
    let read = timeout(SOON, stream.read_exact(&mut answer)).await;
    read.is_ok_and(|read| read.is_ok()) && matches!(&answer, b"SIP/2.0 200 " | b"SIP/2.0 503 ")
}

/// Open files and sockets of the router.
pub fn descriptors(world: &World) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", world.router.id())).unwrap().count()
}
