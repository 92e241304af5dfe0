use std::io;
use std::sync::{Arc, Mutex};

use dialplane::ingress::leg::{Incoming, LegCommand, LegEvent};
use dialplane::telemetry::logs::{self, Format};
use tokio::net::UdpSocket;
use tokio::select;
use tokio::task::JoinSet;

use super::World;
use super::attack::Attack;
use super::messages::Ids;
use super::steady::Steady;
use crate::sip;
use crate::sip::phone::Phone;

/// Until the router has done everything once.
const FIRST: usize = 4_000;
const ALL: usize = 20_000;

/// Of memory, in KiB: what each message may leave behind for as long as its transaction is remembered (32 s), and what a
/// process takes besides.
const REMEMBERED: usize = 1;
const BESIDES: usize = 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_broken_datagrams_disturb_no_call_and_fill_no_memory() {
    let world = World::start(100).await;
    let steady = Steady::place(&world).await;
    let mut attack = Attack::new(7, world.sip, (steady.ids.clone(), steady.media)).await;
    attack.send(FIRST).await;
    let before = world.router.memory();
    attack.send(ALL - FIRST).await;
    let after = world.router.memory();
    println!("{:?}, memory {before} -> {after} KiB, processor {:?}", attack.seen, world.router.cpu());
    attack.seen.has([400, 405, 415, 420, 481, 501, 505]);
    let allowed = (ALL - FIRST) * REMEMBERED + BESIDES;
    assert!(after.saturating_sub(before) <= allowed as u64, "{before} -> {after} KiB");
    steady.was_undisturbed(&world).await;
    Steady::has_its_record(&world.end().await);
}

/// A router that has much to do takes no calls: here every call is taken, and attacked from within.
#[tokio::test]
async fn calls_that_are_attacked_from_within_cost_no_other_call_its_place() {
    let log = Log::default();
    let writer = log.clone();
    let _logging =
        tracing::subscriber::set_default(logs::subscriber(Format::Human, tracing::Level::INFO, move || {
            writer.clone()
        }));
    let mut world = sip::World::with(100, sip::trunks("")).await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut attack = Attack::new(8, world.address, (Ids::nobody(), nobody)).await;
    let mut sessions = JoinSet::new();
    select! {
        () = attack.send(ALL) => {}
        () = serve(&mut world, &mut sessions) => {}
    }
    println!("{:?}", attack.seen);
    attack.seen.has([100, 180, 200, 400, 405, 415, 420, 481, 488, 500, 501, 505]);
    assert!(attack.seen.calls >= 300, "{:?}", attack.seen);
    assert!(!log.text().contains("panic"), "{}", log.text());

    sessions.shutdown().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let mut session = world.call().await;
    session.answer().await;
    phone.status("INVITE", 200).await;
    assert_eq!(world.slots.taken(), 1, "the one call that is up");
}

async fn serve(world: &mut sip::World, sessions: &mut JoinSet<()>) {
    loop {
        let incoming = world.incoming().await;
        sessions.spawn(talk(incoming));
    }
}

/// Answers, and sends audio until the caller is gone.
async fn talk(incoming: Incoming) {
    let Incoming { leg, slot: _slot, .. } = incoming;
    let mut events = leg.events;
    let _ = leg.commands.send(LegCommand::Answer).await;
    while let Some(event) = events.recv().await {
        match event {
            LegEvent::Audio(_) => drop(leg.commands.try_send(LegCommand::Frame(Arc::from([0xFF; 160])))),
            LegEvent::Ended(_) => break,
            _ => {}
        }
    }
    let _ = leg.commands.send(LegCommand::Leave { failed: None }).await;
}

/// What the router logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
