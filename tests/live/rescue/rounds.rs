//! What it costs to look for callers without an agent.

use std::fs;
use std::time::Duration;

use super::fleet::{another, world, world_without_router};
use crate::rig::until_every;
use crate::world::{ACME, SOON};

const ROOMS: usize = 100;
/// Ten rounds.
const WATCHED: Duration = Duration::from_secs(20);
/// A caller rings no longer.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_hundred_rooms_that_may_be_anything_cost_no_more_than_the_bound() {
    let world = world(Duration::ZERO, Duration::from_secs(2)).await;
    world.livekit.make_rooms(ROOMS).await;
    // Younger rooms are not looked into.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let log = world.rig.dir.join("livekit-server.log");
    let requests = || {
        let text = fs::read_to_string(&log).unwrap();
        let of = |method: &str| text.matches(&format!("\"msg\":\"API RoomService.{method}\"")).count();
        [of("ListRooms"), of("ListParticipants")]
    };
    let (before, cpu_before) = (requests(), world.router.cpu());
    tokio::time::sleep(WATCHED).await;
    let (after, cpu) = (requests(), world.router.cpu() - cpu_before);
    let [rounds, looks] = [after[0] - before[0], after[1] - before[1]];
    println!(
        "{ROOMS} rooms: {rounds} rounds, {looks} rooms looked into, {cpu:?} of processor time in {WATCHED:?}"
    );
    assert!((8..=12).contains(&rounds), "a round every 2 s: {rounds}");
    assert!(looks > 0 && looks <= 32 * (rounds + 1), "32 rooms a round at most: {looks}");
    assert!(cpu < WATCHED / 10, "{cpu:?}");
    world.livekit.clear().await;
    world.end(0).await;
}

/// The list of rooms leaves agents out where it counts participants.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_room_where_all_is_well_is_told_from_others_by_who_has_published() {
    /// LiveKit brings its list up to date every 5 s, and notices after 20 s that an agent is gone.
    const LISTED: Duration = Duration::from_secs(8);
    const GONE: Duration = Duration::from_secs(20);
    let world = world_without_router(Duration::from_secs(60)).await;
    let lists = async |publishers, participants, within| {
        let what = format!("the room is listed with {publishers} publishers, {participants} participants");
        let counted =
            async || (world.livekit.counted().await == Some((publishers, participants))).then_some(());
        until_every(Duration::from_millis(100), &what, within, counted).await;
    };
    let mut call = world.call(ACME);
    call.wait("it rings", SOON, |times| times.ringing).await;
    lists(1, 1, LISTED).await;
    let mut router = another(&world).await;
    call.answered(PATIENCE).await;
    lists(2, 1, LISTED).await;
    router.kill();
    lists(1, 1, GONE + LISTED).await;
    call.leave().await;
    world.livekit.wait_until_empty().await;
}
