//! However a call ends: one record with the right ending, and nothing left behind.

use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::{Behaviour, Fault, Script};
use serde_json::{Value, json};

use crate::world::{ACME, CALLS, Plan, SLOTS, SOON, World, hears_first, hears_out, pitch};

fn answer() -> Value {
    json!({"voice": "marin", "systemPrompt": "You end every call the way it should end."})
}

fn plan(greeting: Duration) -> Plan {
    Plan::new(Behaviour { greeting, ..Behaviour::default() }, &answer())
}

fn ending(record: &Value) -> &str {
    record["ending"]["how"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_who_hangs_up_leaves_nothing_behind() {
    let world = World::start(plan(Duration::from_secs(10))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    assert_eq!(world.router.metric(SLOTS).await, 1.0, "a call up holds a slot");
    assert_eq!(world.livekit.participants().await.len(), 2, "the caller and the agent");
    assert_eq!(world.router.metric(CALLS).await, 1.0);
    assert!(world.descriptors() > world.idle, "a call up has sockets");

    // In the middle of the greeting.
    hears_first(&call, pitch("marin")).await;
    call.hang_up();
    let (times, status) = call.over(SOON).await;
    assert!(status.success() && times.let_go.is_none());
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]), "caller-hung-up", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_whose_time_is_over_leaves_nothing_behind() {
    let limited = json!({"voice": "marin", "systemPrompt": "You have three seconds and not one more.",
        "limits": {"maxDurationSeconds": 3}});
    let world = World::start(Plan::new(Behaviour::default(), &limited)).await;
    let mut call = world.call(ACME);
    let answered = call.answered(SOON).await;
    let (times, status) = call.over(Duration::from_secs(20)).await;
    assert!(status.success() && times.hung_up.is_none());
    let talked = times.let_go.expect("we hung up") - answered;
    assert!((3.0..12.0).contains(&talked.as_secs_f64()), "three seconds, then a farewell: {talked:?}");
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]), "time-limit", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_who_gives_up_while_it_rings_leaves_nothing_behind() {
    let slow = Behaviour { first_audio: Duration::from_secs(2), ..Behaviour::default() };
    let world = World::start(Plan::new(slow, &answer())).await;
    let mut call = world.call(ACME);
    let asked = |sessions: &[SessionLog]| {
        sessions.first().filter(|session| !session.responses.is_empty()).map(|_| ())
    };
    world.model.wait_for(asked, SOON).await.expect("the greeting is asked for");
    call.wait("it rings", SOON, |times| times.ringing).await;
    call.hang_up();
    let (times, status) = call.over(SOON).await;
    assert!(status.success() && times.answered.is_none(), "{times:?}");
    assert_eq!(times.refused.map(|(_, code)| code), Some(487));
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]), "caller-cancelled", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn callers_who_give_up_as_soon_as_it_rings_leave_nothing_behind() {
    // livekit-sip says 180 when it has dispatched us, so we are about to join: several calls, several moments.
    const CALLS: usize = 5;
    let world = World::start(plan(Duration::from_secs(2))).await;
    for _ in 0..CALLS {
        let mut call = world.call(ACME);
        call.wait("it rings", SOON, |times| times.ringing).await;
        call.hang_up();
        let (times, status) = call.over(SOON).await;
        assert!(status.success() && times.answered.is_none(), "{times:?}");
        assert_eq!(times.refused.map(|(_, code)| code), Some(487));
    }
    let records = world.end(CALLS).await;
    let endings: Vec<&str> = records.iter().map(ending).collect();
    assert_eq!(endings, ["caller-cancelled"; CALLS], "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_router_that_is_told_to_end_lets_its_callers_go_and_records_them() {
    let mut world = World::start(plan(Duration::from_secs(2))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_out(&call, pitch("marin")).await;
    let metrics = world.router.metrics().await;
    world.router.terminate();
    let status = world.router.ended(Duration::from_secs(60)).await;
    assert!(status.success(), "{status}");
    let (times, status) = call.over(SOON).await;
    assert!(status.success() && times.let_go.is_some(), "the caller is not left in silence: {times:?}");
    world.livekit.wait_until_empty().await;
    world.assert_served();
    world.router.assert_tight(&metrics);
    let records = world.router.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(ending(&records[0]), "drained", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn calls_that_cannot_be_served_are_refused_unanswered() {
    let mut plan = plan(Duration::from_secs(2));
    let fault = Fault::RefuseUpgrade(503);
    plan.script = Script::always(Behaviour { fault, ..Behaviour::default() });
    let answers = [
        ("+15557770011", json!({})),
        ("+15557770012", json!({"action": "reject", "reject": {"reason": "busy"}})),
    ];
    let world = World::start(plan.by_called(answers)).await;
    for called in ["+15557770011", "+15557770012"] {
        let mut call = world.call(called);
        let (times, status) = call.over(Duration::from_secs(20)).await;
        assert!(status.success() && times.answered.is_none(), "{times:?}");
        // livekit-sip knows no other refusal.
        assert_eq!(times.refused.map(|(_, code)| code), Some(486));
    }
    let records = world.end(2).await;
    let endings: Vec<&str> = records.iter().map(ending).collect();
    assert_eq!(endings, ["failed", "refused"], "{records:?}");
    let details: Vec<_> = records.iter().map(|record| &record["ending"]["detail"]).collect();
    assert_eq!(details, ["model-unavailable", "busy"], "{records:?}");
}
