//! A tenant's `[limits]`, as its callers and everybody else's meet them.

use std::time::Duration;

use dialplane::kit::backend::Received;
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::ear::{missing, total};
use crate::phone::{Call, Times};
use crate::rig::until_every;
use crate::routes::recording;
use crate::world::{ACME, BERLIN, Plan, SLOTS, SOON, World, hang_up, hear, hears_first, pitch};

/// Acme's agent and Berlin's.
const VOICES: [&str; 2] = ["marin", "cedar"];

/// What a full tenant's callers hear.
const TONE: u32 = 440;
const LENGTH: Duration = Duration::from_secs(4);
const DESTINATION: &str = "+15557770099";

/// A caller whom nobody but the full tenant knows.
const BEYOND: &str = "+15551230009";

/// Two tenants with limits of their own; the backend answers for both.
fn plan(acme: &str, berlin: &str) -> Plan {
    let prompt = "You count who calls.";
    let answers = [(ACME, VOICES[0]), (BERLIN, VOICES[1])]
        .map(|(called, voice)| (called, json!({"voice": voice, "systemPrompt": prompt})));
    let mut plan = Plan::new(Behaviour::default(), &json!({"systemPrompt": prompt}))
        .by_called(answers)
        .dialplan("acme.toml", &file("acme", ACME, acme))
        .dialplan("berlin.toml", &file("berlin", BERLIN, berlin));
    plan.dialplans.insert("full.wav".to_owned(), recording(TONE, LENGTH));
    plan.secrets =
        plan.secrets.number("where callers are handed on to", DESTINATION).number("a caller", BEYOND);
    plan
}

fn file(tenant: &str, number: &str, limits: &str) -> String {
    format!("tenant = '{tenant}'\n[[route]]\nid = 'all'\ncalled = '{number}'\n[limits]\n{limits}\n")
}

async fn is_greeted(call: &Call, voice: &str) {
    call.answered(SOON).await;
    hears_first(call, pitch(voice)).await;
}

async fn is_refused(call: &mut Call) {
    let (times, status) = call.over(SOON).await;
    assert!(status.success() && times.answered.is_none(), "{times:?}");
    assert_eq!(times.refused.map(|(_, code)| code), Some(486));
}

/// A place comes back when the call's record is written.
async fn held(world: &World, slots: f64) {
    until_every(Duration::from_millis(10), "the calls have given their slots back", SOON, async || {
        (world.router.metric(SLOTS).await == slots).then_some(())
    })
    .await;
}

/// Tenant, ending, its detail and the limit of every call, in order.
fn told(records: &[Value]) -> Vec<[&str; 4]> {
    let mut told: Vec<_> = records
        .iter()
        .map(|record| {
            let ending = &record["ending"];
            [&record["tenant"], &ending["how"], &ending["detail"], &record["limit"]]
                .map(|value| value.as_str().unwrap_or_default())
        })
        .collect();
    told.sort_unstable();
    told
}

const HUNG_UP: [&str; 4] = ["acme", "caller-hung-up", "", ""];
const BUSY: [&str; 4] = ["acme", "refused", "busy", "calls"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_full_tenants_next_caller_is_refused_until_somebody_hangs_up_and_nobody_elses() {
    let world = World::start(plan("calls = 2", "")).await;
    let up = [world.call(ACME), world.call(ACME)];
    for call in &up {
        is_greeted(call, VOICES[0]).await;
    }
    let (mut beyond, other) = (world.call_from(ACME, BEYOND), world.call(BERLIN));
    is_refused(&mut beyond).await;
    is_greeted(&other, VOICES[1]).await;
    assert_eq!(world.router.metric("dialplane_calls_limited_total").await, 1.0);
    let asked_about = |request: &Received| request.body["callerPhone"] == BEYOND;
    let requests = world.backend.as_ref().unwrap().requests();
    assert!(!requests.iter().any(asked_about), "nobody is asked about a refused call");

    let [first, second] = up;
    hang_up([first]).await;
    held(&world, 2.0).await;
    let next = world.call(ACME);
    is_greeted(&next, VOICES[0]).await;
    hang_up([second, other, next]).await;
    let records = world.end(5).await;
    let other = ["berlin", "caller-hung-up", "", ""];
    assert_eq!(told(&records), [HUNG_UP, HUNG_UP, HUNG_UP, BUSY, other], "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_limit_that_is_changed_holds_for_the_next_call_and_ends_none() {
    let world = World::start(plan("", "")).await;
    let up = [world.call(ACME), world.call(ACME)];
    for call in &up {
        is_greeted(call, VOICES[0]).await;
    }
    for (calls, is_full) in [(1, true), (2, true), (3, false)] {
        world.router.reload("acme.toml", &file("acme", ACME, &format!("calls = {calls}"))).await;
        let mut next = world.call(ACME);
        if is_full {
            is_refused(&mut next).await;
        } else {
            is_greeted(&next, VOICES[0]).await;
            hang_up([next]).await;
        }
    }
    hang_up(up).await;
    let records = world.end(5).await;
    assert_eq!(told(&records), [HUNG_UP, HUNG_UP, HUNG_UP, BUSY, BUSY], "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_full_tenants_callers_hear_a_recording_or_are_handed_on_and_one_too_many_is_refused() {
    let acme = "calls = 1\nwhen_full = { play = 'full.wav' }";
    let berlin = format!("calls = 1\nwhen_full = {{ transfer = 'tel:{DESTINATION}' }}");
    let mut plan = plan(acme, &berlin);
    // A tenth of it is one.
    plan.variables.insert("DIALPLANE_MAX_CALLS".to_owned(), "10".to_owned());
    let world = World::start(plan).await;
    let up = [world.call(ACME), world.call(BERLIN)];
    for (call, voice) in up.iter().zip(VOICES) {
        is_greeted(call, voice).await;
    }

    let (mut played, mut moved) = (world.call(ACME), world.call(BERLIN));
    played.answered(SOON).await;
    // The recording goes on meanwhile.
    is_refused(&mut world.call(ACME)).await;
    moved.answered(SOON).await;
    let (times, status) = moved.over(SOON).await;
    assert!(status.success() && times.let_go.is_some(), "{:?}", moved.messages());
    let messages = moved.messages();
    let refer = messages.iter().find(|m| !m.sent && m.is_request("REFER")).expect("a REFER");
    assert!(refer.header("Refer-To").is_some_and(|to| to.contains(&format!("tel:{DESTINATION}"))));
    let (times, status) = played.over(SOON).await;
    assert!(status.success() && times.let_go.is_some(), "we hang up: {times:?}");
    let heard = hear(&played, &[TONE]);
    assert!(missing(&heard, TONE, LENGTH) <= 5.0, "{heard:?}");
    assert!(total(&heard, TONE) <= LENGTH + Duration::from_millis(60), "{heard:?}");
    assert_eq!(world.model.sessions().len(), 2, "no model is asked for a call beyond");

    hang_up(up).await;
    let records = world.end(5).await;
    let expected = [
        HUNG_UP,
        ["acme", "played", "", "calls"],
        BUSY,
        ["berlin", "caller-hung-up", "", ""],
        ["berlin", "transferred", "", "calls"],
    ];
    assert_eq!(told(&records), expected, "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn calls_a_second_are_limited_and_the_shorter_of_the_longest_durations_ends_a_call() {
    let plan = plan("calls_per_second = 0.5\nmax_duration = '3s'", "max_duration = '30m'");
    let plan =
        plan.by_called([(ACME, VOICES[0], 1800), (BERLIN, VOICES[1], 2)].map(|(called, voice, seconds)| {
            (called, json!({"voice": voice, "limits": {"maxDurationSeconds": seconds}}))
        }));
    let world = World::start(plan).await;
    let mut rush = [world.call(ACME), world.call(ACME), world.call(ACME)];
    let mut other = world.call(BERLIN);
    for call in &rush {
        let outcome = |times: &Times| times.answered.or(times.refused.map(|(at, _)| at));
        call.wait("an answer or a refusal", SOON, outcome).await;
    }
    other.answered(SOON).await;
    let served = rush.iter().position(|call| call.times().answered.is_some()).expect("one a second may come");
    rush.swap(0, served);
    let [served, refused @ ..] = &mut rush;
    for call in refused {
        is_refused(call).await;
    }
    served.answered(SOON).await;
    for call in [served, &mut other] {
        let (times, status) = call.over(Duration::from_secs(20)).await;
        let let_go = times.let_go.filter(|_| status.success()).expect("we hung up");
        let talked = let_go - times.answered.expect("it was answered");
        assert!((2.0..12.0).contains(&talked.as_secs_f64()), "2 or 3 s, then a farewell: {talked:?}");
    }
    // More than the two seconds have gone by that one call is worth.
    let next = world.call(ACME);
    is_greeted(&next, VOICES[0]).await;
    hang_up([next]).await;
    let records = world.end(5).await;
    let busy = ["acme", "refused", "busy", "calls-per-second"];
    let over = |tenant| [tenant, "time-limit", "", ""];
    assert_eq!(told(&records), [HUNG_UP, busy, busy, over("acme"), over("berlin")], "{records:?}");
}
