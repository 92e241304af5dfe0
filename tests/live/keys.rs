//! Keys: those that a caller presses, and those that the model does.

use std::time::Duration;

use dialplane::kit::model::script::{Behaviour, ToolCue};
use serde_json::json;

use crate::rig::until;
use crate::rtp::Say;
use crate::world::{ACME, CALLER, Plan, SOON, World, hears_first, hears_out, pitch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn every_key_that_the_caller_presses_is_counted_once() {
    let behaviour = Behaviour { greeting: Duration::from_secs(20), ..Behaviour::default() };
    let world = World::start(Plan::new(behaviour, &json!({"voice": "marin"}))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch("marin")).await;
    let keys = (0..16).flat_map(|code| [Say::Key(code), Say::Silence(Duration::from_millis(60))]);
    call.endpoint.say(keys.collect());
    until("every key is sent", SOON, || (call.endpoint.said().len() == 32).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    let records = world.end(1).await;
    assert_eq!(records[0]["digits"], 16, "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn every_key_that_the_model_presses_reaches_the_callers_telephone() {
    let tool_calls = vec![ToolCue::after(1, "send_dtmf", &json!({"digits": "0123456789*#ABCD"}))];
    let behaviour = Behaviour { greeting: Duration::from_secs(1), tool_calls, ..Behaviour::default() };
    let answer = json!({"voice": "marin", "tools": ["send_dtmf"]});
    let world = World::start(Plan::new(behaviour, &answer)).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_out(&call, pitch("marin")).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_millis(600) }]);
    // livekit-sip takes half a second for each.
    let all = || (call.endpoint.keys().len() >= 16).then(|| call.endpoint.keys());
    let keys = until("every key is heard", SOON, all).await;
    assert_eq!(keys, (0..16).collect::<Vec<u8>>());
    let told = |sessions: &[dialplane::kit::model::log::SessionLog]| {
        sessions.first()?.tool_calls.first()?.output.clone()
    };
    assert_eq!(world.model.wait_for(told, SOON).await.unwrap(), "The keys were pressed.");
    call.leave().await;
    let records = world.end(1).await;
    assert_eq!(records[0]["tool_calls"][0]["outcome"], "done", "{records:?}");
}
