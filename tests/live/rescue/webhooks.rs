//! LiveKit's own webhooks.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::fleet::{VOICE, another, end, records_of_the_dead, world_without_router};
use crate::phone::Call;
use crate::ports;
use crate::rig::{until, until_every};
use crate::room::server;
use crate::world::{ACME, SOON, World, hears_first, pitch};

/// livekit-server with webhooks; without again when this is dropped.
struct Webhooks {
    file: PathBuf,
    without: String,
}

impl Webhooks {
    fn to(http: SocketAddr, world: &World) -> Self {
        let file = world.rig.dir.join("livekit-server.yaml");
        let without = fs::read_to_string(&file).unwrap();
        let key = &world.rig.api_key;
        let webhook = format!("webhook:\n  api_key: {key}\n  urls: [\"http://{http}/livekit/webhook\"]\n");
        fs::write(&file, format!("{without}{webhook}")).unwrap();
        server("restart");
        Self { file, without }
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        fs::write(&self.file, &self.without).unwrap();
        server("restart");
    }
}

/// A setting without a router, whose webhooks go to where the next one listens.
async fn world(greeting: Duration) -> (World, Webhooks) {
    let mut world = world_without_router(greeting).await;
    let http = ports::free();
    let webhooks = Webhooks::to(http, &world);
    world.settings.variables.insert("DIALPLANE_HTTP".to_owned(), http.to_string());
    (world, webhooks)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn the_webhooks_of_the_real_server_are_accepted() {
    let (world, _webhooks) = world(Duration::from_secs(2)).await;
    let router = another(&world).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch(VOICE)).await;
    call.leave().await;
    // The room, the caller and the agent, each coming and going.
    until_every(Duration::from_millis(50), "six webhooks", SOON, async || {
        (router.metric("dialplane_livekit_webhooks_total").await >= 6.0).then_some(())
    })
    .await;
    assert!(!router.metrics().await.contains("unsigned"), "all of them are signed");
    let records = end(&world.livekit, vec![router]).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up");
}

/// Callers whom a full router misses, one every so often for longer than two rounds may be apart, and whom it has
/// room for before any dispatch is old enough. Rounds are 1.8 s apart at least: without webhooks one of these callers
/// comes less than `APART` too early for one, and is looked at 7 s and 1.5 s after the INVITE, or later.
const MISSED: usize = 10;
const APART: Duration = Duration::from_millis(280);
/// The dispatch gets 7.2 s old, and the second look is up to 0.5 s later; then the answer takes 0.3 s and more.
const TAKEN: Duration = Duration::from_millis(8_600);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn callers_whom_nobody_came_for_are_taken_before_a_round_could_find_them_all() {
    let (mut world, _webhooks) = world(Duration::from_secs(1)).await;
    world.settings.variables.insert("DIALPLANE_MAX_CALLS".to_owned(), MISSED.to_string());
    let router = another(&world).await;
    let call = |at: usize| world.call_from(ACME, &format!("+155512300{at:02}"));
    let mut first: Vec<Call> = (0..MISSED).map(call).collect();
    for call in &first {
        call.answered(SOON).await;
    }
    let mut missed = Vec::new();
    for at in 0..MISSED {
        missed.push(call(MISSED + at));
        tokio::time::sleep(APART).await;
    }
    assert!(missed.iter().all(|call| call.times().answered.is_none()), "the router is full");
    for call in &mut first {
        call.leave().await;
    }
    let mut waits = Vec::new();
    for call in &missed {
        let answered = call.answered(SOON).await;
        waits.push(call.times().since_invite(answered));
        hears_first(call, pitch(VOICE)).await;
    }
    println!("answered {waits:.1?} after the INVITE");
    assert!(waits.iter().all(|wait| *wait <= TAKEN), "{waits:?}");
    for call in &mut missed {
        call.leave().await;
    }
    assert_eq!(router.metric("dialplane_rescues_total").await, MISSED as f64);
    assert_eq!(end(&world.livekit, vec![router]).await.len(), 2 * MISSED);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whose_agent_leaves_is_taken_before_the_next_round() {
    let (world, _webhooks) = world(Duration::from_secs(2)).await;
    let mut first = another(&world).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch(VOICE)).await;
    first.kill();
    let other = another(&world).await;

    let log = || fs::read_to_string(world.rig.dir.join("livekit-server.log")).unwrap();
    let [list, look] = ["ListRooms", "ListParticipants"].map(|method| format!("API RoomService.{method}\""));
    let before = log().matches(&list).count();
    // The dispatch is old enough by then, and LiveKit still lists the agent.
    let round = until("five rounds, and the room is looked into", 2 * SOON, || {
        let log = log();
        let round = log.matches(&list).count();
        (round >= before + 5 && log.rfind(&look) > log.rfind(&list)).then_some(round)
    })
    .await;
    world.livekit.remove_agent().await;
    let counted = async |metric| {
        let once = async || (other.metric(metric).await == 1.0).then_some(());
        until_every(Duration::from_millis(20), metric, SOON, once).await;
    };
    counted("dialplane_rescues_total").await;
    assert_eq!(
        log().matches(&list).count(),
        round + 1,
        "the list that removing the agent takes, and no round"
    );
    counted("dialplane_calls_resumed_total").await;
    call.leave().await;
    let records = end(&world.livekit, vec![other]).await;
    let dead = records_of_the_dead(&world, &first).await;
    assert_eq!((records.len(), dead.len()), (1, 1), "{records:?} {dead:?}");
    assert_eq!(records[0]["resumed_from"], dead[0]["id"]);
}
