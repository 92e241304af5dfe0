//! More INVITEs than a router takes, by far.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dialplane::kit::phone::{Call, Dial, Stage};
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::messages::{self, Ids, header};
use super::steady::Steady;
use super::{SOON, World};

/// INVITEs a second: ten times what one address may send.
const RATE: usize = 20_000;
const LENGTH: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(2);

/// From an INVITE to its 503, of most: before the carrier would send it again (T1).
const QUICK: Duration = Duration::from_millis(500);

/// What a flood may add to the router's memory, in KiB, with all that it remembers for 32 s.
const GROWTH: u64 = 48 * 1024;

const KNOWN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
const STRANGE: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 9);

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_a_carrier_is_refused_at_once_and_calls_in_progress_go_on() {
    let world = World::start(1).await;
    let steady = Steady::place(&world).await;
    let poured = pour(&world, KNOWN).await;
    assert!(poured.refused.len() > 2_000, "{poured:?}");
    let (_, most) = poured.refused.split_at(poured.refused.len() * 9 / 10);
    assert!(most[0] <= QUICK, "{:?}", most[0]);
    is_over(world, steady).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_a_stranger_hears_nothing_and_calls_in_progress_go_on() {
    let world = World::start(1).await;
    let steady = Steady::place(&world).await;
    let poured = pour(&world, STRANGE).await;
    assert!(poured.refused.is_empty(), "{poured:?}");
    is_over(world, steady).await;
}

#[derive(Debug)]
struct Poured {
    /// From the INVITE to its 503, the shortest first.
    refused: Vec<Duration>,
}

/// Pours, and acknowledges nothing.
async fn pour(world: &World, from: Ipv4Addr) -> Poured {
    let (before, used) = (world.router.memory(), world.router.cpu());
    let socket = UdpSocket::bind((from, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let (mut sent, mut refused) = (Vec::new(), Vec::new());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let until = Instant::now() + LENGTH;
    while Instant::now() < until {
        tick.tick().await;
        for _ in 0..RATE * TICK.as_millis() as usize / 1_000 {
            // What does not fit into the router's buffer is lost, as on any network.
            let _ = socket.try_send_to(&invite(sent.len(), address), world.sip);
            sent.push(Some(Instant::now()));
        }
        answers(&socket, &mut sent, &mut refused);
    }
    // What is late is read when it comes, and not later.
    while Instant::now() < until + Duration::from_millis(500) {
        tick.tick().await;
        answers(&socket, &mut sent, &mut refused);
    }
    refused.sort_unstable();
    let (after, used) = (world.router.memory(), world.router.cpu() - used);
    let quantile = |of: usize| refused.get(refused.len() * of / 100);
    println!(
        "{} INVITEs from {from}: {} refused, after {:?} (median), {:?} (99 %); memory {before} -> {after} KiB, \
         processor {used:?}",
        sent.len(),
        refused.len(),
        quantile(50),
        quantile(99),
    );
    assert!(after.saturating_sub(before) <= GROWTH, "{before} -> {after} KiB");
    Poured { refused }
}

fn invite(number: usize, from: SocketAddr) -> Vec<u8> {
    let ids = Ids {
        call_id: format!("{number}@flood"),
        from_tag: "flood".to_owned(),
        to_tag: None,
        branch: format!("z9hG4bK-flood-{number}"),
        sequence: 1,
    };
    messages::request("INVITE", from, from, &ids, 15)
}

/// Reads what came, and notes the first answer to each INVITE.
fn answers(socket: &UdpSocket, sent: &mut [Option<Instant>], refused: &mut Vec<Duration>) {
    let mut buffer = [0; 4_096];
    while let Ok(length) = socket.try_recv(&mut buffer) {
        let answer = String::from_utf8_lossy(&buffer[..length]);
        assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
        assert_eq!(header(&answer, "Retry-After"), Some("2"), "{answer}");
        let number: usize = header(&answer, "Call-ID").unwrap().split('@').next().unwrap().parse().unwrap();
        refused.extend(sent[number].take().map(|at| at.elapsed()));
    }
}

/// The call was not disturbed, and when it is over the next is taken.
async fn is_over(world: World, steady: Steady) {
    steady.was_undisturbed(&world).await;
    let next = async {
        loop {
            let mut call = Call::place(&Dial::new(world.sip, "+15557770001", "+15551230003")).await.unwrap();
            if let Stage::Answered(_) = call.answered(SOON).await.unwrap() {
                return call;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let mut call = timeout(SOON, next).await.expect("a call is taken after the flood");
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    Steady::has_its_record(&world.end().await);
}
