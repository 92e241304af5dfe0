//! Connections for TLS that never come to the point, from strangers and from a carrier that has lost its mind.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dialplane::tls::Tls;
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::messages::{self, Ids};
use super::steady::Steady;
use super::streams::{connect, descriptors, is_answered};
use super::{SOON, World};
use crate::process::free_address;
use crate::sip::line::Line;

/// The carrier calls from 127.0.0.0/28, and whoever has the password from anywhere.
const ANYWHERE: &str = "[[trunk]]\nname = 'anywhere'\nfrom = 'anywhere'\n\
    digest = { username = 'acme', password = 'env:PASSWORD' }\n";
const CUSTOMER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 14);
const CARRIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// Connections of the attacks, and how many of them there are at a time.
const OF_MANY: usize = 2_000;
const OF_ONE: usize = 500;
const AT_ONCE: usize = 400;
/// The longest that one of them goes on by itself.
const LONGEST: Duration = Duration::from_secs(2);

/// What there may be at the most of strangers' connections, of one address of theirs, and of one of a carrier's.
const STRANGERS: usize = 500;
const STRANGER: usize = 20;
const CARRIERS: usize = 200;
/// And of handshakes: of strangers' in all, and of one address of a carrier's.
const HANDSHAKES: usize = 32;
/// Open files besides: the customer's connection, and those that are being refused.
const BESIDES: usize = 20;

/// What they may add to the router's memory, in KiB.
const GROWTH: u64 = 48 * 1024;

/// A router with TLS, and whoever trusts it.
struct Secure {
    world: World,
    tls: SocketAddr,
    connector: TlsConnector,
}

/// What was seen beside an attack.
#[derive(Debug, Default)]
struct Seen {
    served: usize,
    longest: Duration,
    most_open: usize,
}

impl Secure {
    async fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let tls = free_address();
        let settings = format!(
            "[sip.tls]\nlisten = '{tls}'\ncertificate = 'own.pem'\nkey = 'own.key'\n{}{ANYWHERE}",
            super::SETTINGS
        );
        let files = [("settings.toml", settings), ("own.pem", own.pem()), ("own.key", key.serialize_pem())];
        let world = World::with_files(100, &files).await;
        Self { world, tls, connector: Tls::trusting([own.der().clone()]).config().into() }
    }

    async fn steady(&self) -> Steady {
        let stream = self.secured(connect(Ipv4Addr::LOCALHOST, self.tls).await).await.unwrap();
        let local = stream.get_ref().0.local_addr().unwrap();
        Steady::place_by(Line::stream(local, "TLS", stream), self.tls).await
    }

    async fn secured(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.connector.connect(ServerName::from(self.tls.ip()), stream).await
    }

    /// Whether a good request is answered on a connection of its own.
    async fn serves(&self, from: Ipv4Addr) -> bool {
        let stream = connect(from, self.tls).await;
        let local = stream.local_addr().unwrap();
        let served =
            async { is_answered(self.secured(stream).await.ok()?, local, "TLS").await.then_some(()) };
        timeout(SOON, served).await.is_ok_and(|served| served.is_some())
    }

    /// Connections of every bad kind, each from one of the sources.
    async fn attack(&self, connections: usize, source: impl Fn(usize) -> Ipv4Addr) {
        let mut under_way = JoinSet::new();
        for number in 0..connections {
            if under_way.len() == AT_ONCE {
                under_way.join_next().await.unwrap().unwrap();
            }
            let (from, router, connector) = (source(number), self.tls, self.connector.clone());
            under_way.spawn(async move {
                let attacker = attacker(number, connect(from, router).await, connector);
                // It goes wrong one way or the other; it only has to end.
                let _ = timeout(LONGEST, attacker).await;
            });
        }
        while let Some(ended) = under_way.join_next().await {
            ended.unwrap();
        }
    }

    /// A customer is served all the time that the attack goes on.
    async fn serves_beside(&self, attack: impl Future<Output = ()>) -> Seen {
        let mut seen = Seen::default();
        let serving = async {
            loop {
                let begun = Instant::now();
                assert!(self.serves(CUSTOMER).await, "a good connection after {seen:?}");
                seen.served += 1;
                seen.longest = seen.longest.max(begun.elapsed());
                seen.most_open = seen.most_open.max(descriptors(&self.world));
                sleep(Duration::from_millis(100)).await;
            }
        };
        select! {
            () = attack => {}
            () = serving => {}
        }
        seen
    }

    /// Nothing is left of the attackers' connections.
    async fn is_cleared(&self, open: usize) {
        let deadline = Instant::now() + SOON;
        while descriptors(&self.world) > open + 2 {
            assert!(Instant::now() < deadline, "{open} -> {} open files", descriptors(&self.world));
            sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn attacker(number: usize, mut stream: TcpStream, connector: TlsConnector) -> std::io::Result<()> {
    let name = ServerName::from(stream.peer_addr()?.ip());
    match number % 5 {
        // A handshake that never begins,
        0 => {}
        // is none,
        1 => stream.write_all(&messages::packet(number, 9).repeat(1 + number % 50)).await?,
        // does not end, byte by byte,
        2 => {
            let mut hello = Vec::new();
            ClientConnection::new(Arc::clone(connector.config()), name).unwrap().write_tls(&mut hello)?;
            for byte in &hello[..hello.len() - 1] {
                stream.write_u8(*byte).await?;
                sleep(Duration::from_millis(20)).await;
            }
        }
        // is thrown away half-way,
        3 => {
            let mut hello = Vec::new();
            ClientConnection::new(Arc::clone(connector.config()), name).unwrap().write_tls(&mut hello)?;
            stream.write_all(&hello).await?;
            stream.read_u8().await?;
            return stream.set_zero_linger();
        }
        // or is good, and what follows comes byte by byte.
        _ => return dribble(connector.connect(name, stream).await?).await,
    }
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// Begins a request that never ends.
async fn dribble(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let request = request(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    for byte in request[..request.len() - 1].iter().cycle() {
        stream.write_u8(*byte).await?;
        stream.flush().await?;
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn request(from: SocketAddr) -> Vec<u8> {
    let ids = Ids { to_tag: None, ..Ids::nobody() };
    messages::over("TLS", messages::request("OPTIONS", from, from, &ids, 0))
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_on_tls_disturb_no_call_and_keep_no_customer_out() {
    let secure = Secure::start().await;
    let steady = secure.steady().await;
    assert!(secure.serves(CUSTOMER).await, "a good connection");
    let (memory, open) = (secure.world.router.memory(), descriptors(&secure.world));
    // Ten of each of two hundred addresses, and then many of one.
    let many = secure.attack(OF_MANY, |number| Ipv4Addr::new(127, 0, 9, (number % 200) as u8));
    let many = secure.serves_beside(many).await;
    secure.is_cleared(open).await;
    let one = secure.serves_beside(secure.attack(OF_ONE, |_| Ipv4Addr::new(127, 0, 8, 1))).await;
    secure.is_cleared(open).await;
    let after = secure.world.router.memory();
    println!("of many {many:?}, of one {one:?}; {open} open files before; memory {memory} -> {after} KiB");
    assert!(many.served > 5 && one.served > 1, "{many:?}, {one:?}");
    assert!(many.most_open <= open + STRANGERS + BESIDES, "{open} -> {many:?}");
    assert!(one.most_open <= open + STRANGER + BESIDES, "{open} -> {one:?}");
    assert!(after.saturating_sub(memory) <= GROWTH, "{memory} -> {after} KiB");
    steady.was_undisturbed(&secure.world).await;
    Steady::has_its_record(&secure.world.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_begin_leave_some_to_carriers() {
    let secure = Secure::start().await;
    let open = descriptors(&secure.world);
    let strangers = (1..=4).map(|stranger| Ipv4Addr::new(127, 0, 7, stranger)).collect();
    for (who, sources, each) in
        [("strangers", strangers, STRANGER), ("another carrier", vec![CARRIER], CARRIERS - BESIDES)]
    {
        let mut silent = Vec::new();
        for source in sources {
            for _ in 0..each {
                silent.push(connect(source, secure.tls).await);
            }
        }
        // Whoever came first is dealt with first.
        assert!(secure.serves(CUSTOMER).await, "a carrier's handshake beside those of {who}");
        let held = descriptors(&secure.world) - open;
        assert!((HANDSHAKES..HANDSHAKES + BESIDES).contains(&held), "{held} connections of {who} are held");
        drop(silent);
        secure.is_cleared(open).await;
    }
    secure.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_connects_and_connects_disturbs_no_call() {
    let secure = Secure::start().await;
    let steady = secure.steady().await;
    assert!(secure.serves(CUSTOMER).await, "a good connection");
    let (memory, open) = (secure.world.router.memory(), descriptors(&secure.world));
    let mut most_open = 0;
    let watching = async {
        loop {
            most_open = most_open.max(descriptors(&secure.world));
            sleep(Duration::from_millis(20)).await;
        }
    };
    select! {
        () = secure.attack(OF_MANY, |_| CARRIER) => {}
        () = watching => {}
    }
    secure.is_cleared(open).await;
    let after = secure.world.router.memory();
    println!("{open} open files before, {most_open} at the most; memory {memory} -> {after} KiB");
    assert!(most_open <= open + CARRIERS + BESIDES, "{open} -> {most_open} open files");
    assert!(after.saturating_sub(memory) <= GROWTH, "{memory} -> {after} KiB");
    assert!(secure.serves(CARRIER).await, "it is served again");
    steady.was_undisturbed(&secure.world).await;
    Steady::has_its_record(&secure.world.end().await);
}

/// Each on a connection that is good to begin with.
#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_or_never_comes_to_an_end_is_cut_off() {
    let secure = Secure::start().await;
    let steady = secure.steady().await;
    let (memory, open) = (secure.world.router.memory(), descriptors(&secure.world));
    let mut cut_off = JoinSet::new();
    for number in 0..10 {
        let stream = connect(CARRIER, secure.tls).await;
        let stream = secure.secured(stream).await.unwrap();
        if number % 2 == 0 {
            cut_off.spawn(dribble(stream));
        } else {
            cut_off.spawn(pour(stream));
        }
    }
    let all = async {
        while let Some(ended) = cut_off.join_next().await {
            ended.unwrap().unwrap_err();
        }
    };
    timeout(2 * SOON, all).await.expect("all are cut off");
    secure.is_cleared(open).await;
    let after = secure.world.router.memory();
    println!("memory {memory} -> {after} KiB");
    assert!(after.saturating_sub(memory) <= GROWTH, "{memory} -> {after} KiB");
    steady.was_undisturbed(&secure.world).await;
    Steady::has_its_record(&secure.world.end().await);
}

/// Asks, and reads none of the answers.
async fn pour(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    // What has to be copied into the answer.
    let ids = Ids { to_tag: None, call_id: "long".repeat(3_000), ..Ids::nobody() };
    let from = stream.get_ref().0.local_addr()?;
    let request = messages::over("TLS", messages::request("OPTIONS", from, from, &ids, 0));
    loop {
        stream.write_all(&request).await?;
        stream.flush().await?;
        // Slower than what is let in from one address.
        sleep(Duration::from_millis(5)).await;
    }
}
