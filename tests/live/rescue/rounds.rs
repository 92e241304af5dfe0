//! What it costs to look for callers without an agent.

use std::fs;
use std::time::Duration;

use super::fleet::world;

const ROOMS: usize = 100;
/// Ten rounds.
const WATCHED: Duration = Duration::from_secs(20);

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
