//! The backend is down: a lower rung of the answer ladder serves.

use std::time::Duration;

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::ear::missing;
use crate::rig::until_every;
use crate::world::{ACME, BERLIN, Plan, SOON, World, hears_out, pitch};

const DIALPLAN: &str = r#"
tenant = "acme-dental"

[numbers]
country = "US"

[[route]]
id = "front-desk"
called = ["+1 555 777 0001"]
agent = "reception"

[[route]]
id = "abroad"
called = ["+49 30 12345678"]

[agent.reception]
voice = "cedar"
prompt = "You keep the practice running while its backend is down."
greeting = "Acme Dental, we are having a slow day, how can I help?"
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn without_its_backend_a_call_is_greeted_by_the_dialplans_agent_else_by_the_default_prompt() {
    let greeting = Duration::from_secs(2);
    let agent = json!({
        "systemPrompt": "You keep the practice running while its backend is down.",
        "startMessage": "Acme Dental, we are having a slow day, how can I help?"
    });
    let behaviour = Behaviour { greeting, ..Behaviour::default() };
    let mut plan = Plan::new(behaviour, &agent).dialplan("acme.toml", DIALPLAN);
    plan.backend = None;
    let world = World::start(plan).await;

    for (at, (called, voice)) in [(ACME, "cedar"), (BERLIN, "alloy")].into_iter().enumerate() {
        let mut call = world.call(called);
        call.answered(SOON).await;
        let heard = hears_out(&call, pitch(voice)).await;
        assert!(missing(&heard, pitch(voice), greeting) <= 5.0, "{heard:?}");
        let session = &world.model.sessions()[at];
        let prompt = session.session["instructions"].as_str().unwrap_or_default();
        let is_agents = prompt == agent["systemPrompt"];
        assert_eq!(is_agents, voice == "cedar", "the prompt of call {at}");
        assert!(!prompt.is_empty(), "a default prompt is built in");
        call.hang_up();
        assert!(call.over(SOON).await.1.success());
    }
    for rung in ["dialplan", "default"] {
        let counted = format!("dialplane_config_lookups_total{{source=\"{rung}\",why=\"connect\"}} 1");
        until_every(Duration::from_millis(20), &counted, SOON, async || {
            world.router.metrics().await.lines().any(|line| line == counted).then_some(())
        })
        .await;
    }
    let records = world.end(2).await;
    let rungs: Vec<_> = records.iter().map(|record| &record["config_source"]).collect();
    assert_eq!(rungs, ["dialplan", "default"], "{records:?}");
    assert!(records.iter().all(|record| record["config"]["why"] == "connect"), "{records:?}");
}
