//! The keys that a caller presses.

use std::time::Duration;

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::rig::until;
use crate::rtp::Say;
use crate::world::{ACME, Plan, SOON, World, hears_first, pitch};

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
