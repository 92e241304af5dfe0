//! Callers who ring and nobody comes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::fleet::{
    VOICE, another, asked_for, end, records_of_the_dead, signed, world, world_without_router,
};
use crate::phone::Call;
use crate::rig::until_every;
use crate::router::Router;
use crate::world::{ACME, BERLIN, SOON, World, hears_first, pitch};

/// A caller rings no longer; and the carrier's timer, which is the last resort, may be late by some of these.
const PATIENCE: Duration = Duration::from_secs(20);
const LATE: Duration = Duration::from_secs(4);

/// A trunk's timer that is not what refuses a call; the rig's is 20 s.
const LONG: Duration = Duration::from_secs(60);

/// Another call rings for as long as a caller may, and is refused; the trunk's timer is the rig's again.
async fn a_second_is_refused(world: &World) {
    let mut second = world.call(BERLIN);
    let (times, status) = second.over(PATIENCE + LATE).await;
    world.rig.set_ringing_timeout(PATIENCE);
    let (refused, code) = times.refused.expect("it is refused");
    println!("refused {:.1} s after the INVITE", seconds(times.since_invite(refused)));
    assert!(status.success() && code == 486, "{times:?}");
    assert!(times.since_invite(refused) >= PATIENCE);
}

/// A fleet of one router, whose only slot the call has.
async fn full_house() -> (World, Router, Call) {
    let mut world = world(Duration::ZERO, Duration::from_secs(40)).await;
    for (name, value) in [("DIALPLANE_MAX_CALLS", "1"), ("DIALPLANE_DRAIN_SECONDS", "60")] {
        world.settings.variables.insert(name.to_owned(), value.to_owned());
    }
    world.router.terminate();
    assert!(world.router.ended(SOON).await.success());
    let router = another(&world).await;
    let call = world.call(ACME);
    call.answered(SOON).await;
    (world, router, call)
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_that_rang_before_any_router_ran_is_answered() {
    let world = world_without_router(Duration::from_secs(2)).await;
    let mut call = world.call(ACME);
    call.wait("it rings", SOON, |times| times.ringing).await;
    // LiveKit has asked for an agent, in vain, and forgets about it: nothing tells of that but time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let router = another(&world).await;
    let started = Instant::now();
    let answered = call.answered(SOON).await;
    println!("answered {:.1} s after the router was ready", seconds(answered - started));
    hears_first(&call, pitch(VOICE)).await;
    call.leave().await;
    let (taken, resumed) = (
        router.metric("dialplane_rescues_total").await,
        router.metric("dialplane_calls_resumed_total").await,
    );
    assert_eq!((taken, resumed), (1.0, 0.0));
    let records = end(&world.livekit, vec![router]).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_router_killed_while_a_call_rings_is_replaced_before_the_caller_gives_up() {
    let mut world = world(Duration::from_secs(2), Duration::from_secs(3)).await;
    let mut call = world.call(ACME);
    asked_for(&world, 1).await;
    signed(&world).await;
    world.router.kill();
    let other = another(&world).await;
    let answered = call.answered(PATIENCE).await;
    println!("answered {:.1} s after the INVITE", seconds(call.times().since_invite(answered)));
    hears_first(&call, pitch(VOICE)).await;
    call.leave().await;
    let records = end(&world.livekit, vec![other]).await;
    let first = records_of_the_dead(&world, &world.router).await;
    assert_eq!((records.len(), first.len()), (1, 1), "{records:?} {first:?}");
    assert_eq!(first[0]["ending"]["how"], "interrupted");
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up");
    assert_eq!(records[0]["resumed_from"], first[0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_dozen_calls_and_two_routers_that_look_for_them_make_a_dozen_sessions() {
    const CALLS: usize = 12;
    let world = world_without_router(Duration::from_secs(30)).await;
    let mut calls: Vec<_> =
        (0..CALLS).map(|at| world.call_from(ACME, &format!("+155512300{at:02}"))).collect();
    for call in &calls {
        call.wait("it rings", SOON, |times| times.ringing).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (first, second) = tokio::join!(another(&world), another(&world));
    let mut most = 0;
    until_every(Duration::from_millis(50), "every call is answered", PATIENCE, async || {
        most = most.max(world.livekit.most_speakers().await);
        calls.iter().all(|call| call.times().answered.is_some()).then_some(())
    })
    .await;
    for call in &calls {
        call.answered(SOON).await;
        hears_first(call, pitch(VOICE)).await;
        most = most.max(world.livekit.most_speakers().await);
    }
    assert_eq!(most, 1, "one agent speaks in each room");
    for call in &mut calls {
        call.leave().await;
    }
    let yielded = first.metric("dialplane_jobs_yielded_total").await
        + second.metric("dialplane_jobs_yielded_total").await;
    let (ours, theirs) = (first.records().len(), second.records().len());
    let records = end(&world.livekit, vec![first, second]).await;
    println!("{ours} and {theirs} calls, {yielded} jobs yielded");
    assert_eq!(records.len(), CALLS, "one record per call");
    let sip_calls: BTreeSet<_> =
        records.iter().map(|record| record["call"]["sip_call_id"].to_string()).collect();
    assert_eq!(sip_calls.len(), CALLS);
    assert!(records.iter().all(|record| record["ending"]["how"] == "caller-hung-up"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whom_a_full_fleet_cannot_take_is_taken_when_a_slot_is_free() {
    let (world, router, mut first) = full_house().await;
    let mut second = world.call(BERLIN);
    second.wait("it rings", SOON, |times| times.ringing).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(second.times().answered.is_none());
    let freed = Instant::now();
    first.leave().await;
    let answered = second.answered(SOON).await;
    println!("answered {:.1} s after a slot was free", seconds(answered - freed));
    second.leave().await;
    assert_eq!(end(&world.livekit, vec![router]).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whom_a_full_fleet_cannot_take_at_all_is_refused_by_the_router() {
    let (world, router, mut first) = full_house().await;
    world.rig.set_ringing_timeout(LONG);
    a_second_is_refused(&world).await;
    assert!(router.metrics().await.contains("dialplane_rescues_total{outcome=\"refused\"} 1"));
    first.leave().await;
    assert_eq!(end(&world.livekit, vec![router]).await.len(), 1, "no router had the second call");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whom_only_a_draining_router_finds_is_refused_by_it() {
    let (world, mut router, mut first) = full_house().await;
    world.rig.set_ringing_timeout(LONG);
    router.terminate();
    a_second_is_refused(&world).await;
    first.leave().await;
    assert!(router.ended(SOON).await.success(), "with its last call");
    assert_eq!(router.records().len(), 1, "no router had the second call");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_that_no_router_is_there_for_is_refused_by_the_trunks_own_timer() {
    let world = world_without_router(Duration::ZERO).await;
    let mut call = world.call(ACME);
    let (times, status) = call.over(PATIENCE + LATE).await;
    let (refused, code) = times.refused.expect("it is refused");
    println!("refused {:.1} s after the INVITE", seconds(times.since_invite(refused)));
    assert!(status.success() && code == 486, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_router_that_hangs_loses_no_call_while_another_lives() {
    const CALLS: usize = 6;
    let world = world(Duration::ZERO, Duration::from_secs(2)).await;
    let other = another(&world).await;
    world.router.signal("STOP");
    let mut calls: Vec<_> =
        (0..CALLS).map(|at| world.call_from(ACME, &format!("+155512300{at:02}"))).collect();
    let mut waits = Vec::new();
    for call in &calls {
        let answered = call.answered(PATIENCE).await;
        waits.push(seconds(call.times().since_invite(answered)));
    }
    println!("answered after {waits:.1?} s");
    for call in &mut calls {
        hears_first(call, pitch(VOICE)).await;
        call.leave().await;
    }
    world.livekit.wait_until_empty().await;
    other.wait_for_records(CALLS).await;
    world.router.signal("CONT");
    let World { livekit, router, .. } = world;
    let records = end(&livekit, vec![other, router]).await;
    let endings: Vec<_> = records.iter().map(|record| record["ending"]["how"].clone()).collect();
    assert_eq!(endings, vec![json!("caller-hung-up"); CALLS], "one record per call");
}
