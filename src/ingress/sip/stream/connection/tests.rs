use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinSet;

use super::*;
use crate::ingress::sip::transport::{Peer, Transport};

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bK1\r\n\
                       From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 7\r\nCSeq: 1 OPTIONS\r\n";

/// A connection, and the peer's end of it.
struct World {
    peer: DuplexStream,
    flow: Flow,
    arrivals: mpsc::Receiver<Arrival>,
    stop: CancellationToken,
    connection: JoinSet<()>,
}

impl World {
    /// With room for so many bytes on the way.
    async fn new(room: usize) -> Self {
        let (ours, peer) = duplex(room);
        let address = "127.0.0.1:5099".parse().unwrap();
        let (flow, outgoing) = Flow::connection(Peer { transport: Transport::Tcp, address }).await.unwrap();
        let (sender, arrivals) = mpsc::channel(1);
        let (stop, mut connection) = (CancellationToken::new(), JoinSet::new());
        let (kept, stopped) = (flow.clone(), stop.clone());
        connection.spawn(async move {
            let served = Connection::new(ours, flow, outgoing, sender).awaiting(Instant::now());
            served.run(&stopped).await;
        });
        Self { peer, flow: kept, arrivals, stop, connection }
    }

    async fn says(&mut self, text: &str) {
        self.peer.write_all(text.as_bytes()).await.unwrap();
    }

    async fn hears(&mut self, text: &str) {
        let mut heard = vec![0; text.len()];
        self.peer.read_exact(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    /// The next that reaches the port.
    async fn arrived(&mut self) -> String {
        String::from_utf8(self.arrivals.recv().await.unwrap().message).unwrap()
    }

    async fn send(&self) {
        let response = rsipstack::sip::Response::try_from("SIP/2.0 200 OK\r\nCall-ID: 7\r\n\r\n").unwrap();
        self.flow.of_the_stack().send(response.into(), None).await.unwrap();
    }

    /// It ends, after that time, without anybody having kept it.
    async fn ends_after(self, expected: Duration) {
        let Self { peer, flow, arrivals, stop, mut connection } = self;
        let start = Instant::now();
        drop(flow);
        connection.join_next().await.unwrap().unwrap();
        let lifetime = start.elapsed();
        assert!((expected..=expected + LINGER).contains(&lifetime), "{lifetime:?}");
        drop((peer, arrivals, stop));
    }
}

fn whole() -> String {
    format!("{OPTIONS}l: 0\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_end_in_time_ends_the_connection() {
    World::new(1024).await.ends_after(UNFINISHED).await;
    let mut slow = World::new(1024).await;
    slow.says(&format!("{}OPTIONS", whole())).await;
    assert_eq!(slow.arrived().await, whole());
    slow.ends_after(UNFINISHED).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_unless_a_call_is_on_it() {
    let mut world = World::new(1024).await;
    world.says(&whole()).await;
    world.arrived().await;
    tokio::time::sleep(3 * IDLE).await;
    assert!(world.flow.is_open(), "the test keeps it, as a call does");
    let since = Instant::now();
    world.says("\r\n\r\n").await;
    world.hears("\r\n").await;
    assert_eq!(since.elapsed(), Duration::ZERO);
    world.ends_after(IDLE).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_kept_no_more_than_the_bound() {
    let mut world = World::new(64).await;
    world.says("OPTIONS").await;
    let mut sent = 0;
    while world.flow.is_open() {
        world.send().await;
        tokio::task::yield_now().await;
        sent += 1;
    }
    let length = "SIP/2.0 200 OK\r\nCall-ID: 7\r\n\r\n".len();
    assert!((UNSENT / length..UNSENT / length + 20).contains(&sent), "{sent}");
    world.ends_after(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_lags_is_not_read_for_and_loses_nothing() {
    let mut world = World::new(256).await;
    let all: String = (0..9).map(|n| format!("{OPTIONS}X: {n}\r\nl: 0\r\n\r\n")).collect();
    let written = timeout(Duration::from_secs(1), world.peer.write_all(all.as_bytes())).await;
    assert!(written.is_err(), "more was read than has a place");
    for n in 0..3 {
        assert!(world.arrived().await.contains(&format!("X: {n}")));
    }
    assert!(world.flow.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_message_too_long_and_a_stream_without_sense_get_what_answer_there_can_be() {
    for (stream, answer) in [
        (format!("{OPTIONS}l: 99999\r\n\r\n"), "SIP/2.0 513 "),
        (format!("{OPTIONS}\r\n"), "SIP/2.0 400 "),
        (format!("{OPTIONS}\r\n").replace("OPTIONS", "ACK"), ""),
        ("SIP/2.0 200 OK\r\nCall-ID: 7\r\n\r\n".to_owned(), ""),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), ""),
    ] {
        let mut world = World::new(8192).await;
        world.says(&format!("{}{stream}", whole())).await;
        assert_eq!(world.arrived().await, whole());
        let mut heard = String::new();
        world.peer.read_to_string(&mut heard).await.unwrap();
        assert!(heard.starts_with(answer) && heard.is_empty() == answer.is_empty(), "{stream}: {heard}");
        assert!(!world.flow.is_open());
        world.ends_after(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_still_to_be_said_is_said_when_the_port_ends() {
    let mut world = World::new(8192).await;
    world.stop.cancel();
    world.send().await;
    world.hears("SIP/2.0 200 OK\r\n").await;
    world.ends_after(Duration::ZERO).await;
}
