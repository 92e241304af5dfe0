//! Callers whose router dies in the middle of their call.

use std::fs;
use std::time::{Duration, Instant};

use super::fleet::{VOICE, another, end, records_of_the_dead, world};
use crate::ear::Sound;
use crate::phone::Call;
use crate::rig::until_every;
use crate::room::server;
use crate::router::Router;
use crate::world::{ACME, SOON, World, hear, hears_first, pitch};

/// LiveKit takes 20 s to notice that an agent is gone.
const FOUND: Duration = Duration::from_secs(25);

/// A greeted caller whose router was killed, when that was, and the router that is there now.
async fn orphaned(world: &mut World) -> (Call, Instant, Router) {
    let call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch(VOICE)).await;
    world.router.kill();
    let killed = Instant::now();
    let other = another(world).await;
    (call, killed, other)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whose_router_was_killed_talks_to_another_one_within_25_seconds() {
    let mut world = world(Duration::ZERO, Duration::from_secs(3)).await;
    let (mut call, killed, other) = orphaned(&mut world).await;
    let again = until_every(Duration::from_millis(50), "a new greeting", FOUND + SOON, async || {
        let start = call.endpoint.timeline()?.start;
        let heard = hear(&call, &[pitch(VOICE)]);
        let voices = heard.iter().filter(|heard| heard.sound == Sound::Tone(pitch(VOICE)));
        voices.map(|heard| start + heard.start).find(|at| *at > killed + Duration::from_secs(3))
    })
    .await;
    println!(
        "the caller heard silence, and a new greeting {:.1} s after the kill",
        (again - killed).as_secs_f64()
    );
    for heard in
        hear(&call, &[pitch(VOICE)]).iter().filter(|heard| heard.length() > Duration::from_millis(200))
    {
        println!(
            "  {:>6.2} - {:>6.2} s  {:?}",
            heard.start.as_secs_f64(),
            heard.end.as_secs_f64(),
            heard.sound
        );
    }
    assert!(again - killed <= FOUND, "{:?}", again - killed);
    call.leave().await;
    assert_eq!(other.metric("dialplane_calls_resumed_total").await, 1.0);
    let records = end(&world.livekit, vec![other]).await;
    let first = records_of_the_dead(&world, &world.router).await;
    assert_eq!((records.len(), first.len()), (1, 1), "{records:?} {first:?}");
    assert_eq!(first[0]["ending"]["how"], "interrupted");
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up");
    assert_eq!(records[0]["resumed_from"], first[0]["id"]);
    assert_eq!(records[0]["call"]["sip_call_id"], first[0]["call"]["sip_call_id"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn by_policy_a_caller_whose_router_was_killed_is_let_go_instead() {
    let mut world = world(Duration::ZERO, Duration::from_secs(3)).await;
    let file = world.rig.dir.join("hang-up.toml");
    fs::write(&file, "[[livekit]]\nname = \"main\"\norphans = \"hang-up\"\n").unwrap();
    world.settings.variables.insert("DIALPLANE_CONFIG".to_owned(), file.to_str().unwrap().to_owned());
    let (mut call, killed, other) = orphaned(&mut world).await;
    let (times, status) = call.over(FOUND + SOON).await;
    let let_go = times.let_go.expect("the caller is let go");
    println!("let go {:.1} s after the kill", (let_go - killed).as_secs_f64());
    assert!(status.success() && let_go - killed <= FOUND, "{times:?}");
    // The caller may be gone before LiveKit's answer says so.
    let counted = "dialplane_rescues_total{outcome=\"hung-up\"} 1";
    let metrics = async || other.metrics().await.contains(counted).then_some(());
    until_every(Duration::from_millis(20), "the rescue is counted", SOON, metrics).await;
    assert_eq!(end(&world.livekit, vec![other]).await.len(), 0, "no session began");
}

/// The list that LiveKit gives has whoever was there when the server crashed, until they come back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whose_router_died_with_livekit_server_is_not_taken_for_attended_by_a_list_that_is_out_of_date()
 {
    let mut world = world(Duration::ZERO, Duration::from_secs(3)).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch(VOICE)).await;
    // An agent that came less than 4 s before its caller is not doubted.
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.router.kill();
    server("restart");
    // livekit-sip comes back within 7.5 s, and nobody is there when LiveKit asks for an agent.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let listed = world.livekit.participants().await;
    assert!(listed.iter().any(|listed| listed.contains("/agent-")), "the dead agent is listed: {listed:?}");
    let started = Instant::now();
    let other = another(&world).await;
    let again = until_every(Duration::from_millis(50), "a new greeting", FOUND, async || {
        let start = call.endpoint.timeline()?.start;
        let heard = hear(&call, &[pitch(VOICE)]);
        let voices = heard.iter().filter(|heard| heard.sound == Sound::Tone(pitch(VOICE)));
        voices.map(|heard| start + heard.start).find(|at| *at > started)
    })
    .await;
    println!("a new greeting {:.1} s after a router was there", (again - started).as_secs_f64());
    call.leave().await;
    assert_eq!(end(&world.livekit, vec![other]).await.len(), 1);
}
