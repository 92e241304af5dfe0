//! Two tenants on one router, each with its own agent.

use std::time::Duration;

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::ear::{missing, total};
use crate::world::{ACME, ADA, BERLIN, Plan, SOON, World, hears_out, pitch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn each_tenants_callers_hear_their_own_agent() {
    let acme = json!({
        "systemPrompt": "You are the receptionist of Acme Dental in Springfield.",
        "model": "gpt-realtime-2.1", "voice": "marin",
        "startMessage": "Thank you for calling Acme Dental, how can I help?"
    });
    let berlin = json!({
        "systemPrompt": "Du bist die freundliche Stimme der Praxis Sonnenschein in Berlin.",
        "model": "gpt-realtime-2.1-mini", "voice": "cedar",
        "startMessage": "Guten Tag, hier ist die Praxis Sonnenschein am Apparat."
    });
    let plan = Plan::new(Behaviour::default(), &acme).hide(&berlin);
    let world = World::start(plan.by_called([(ACME, acme.clone()), (BERLIN, berlin.clone())])).await;

    for (at, (called, answer)) in [(ACME, acme), (BERLIN, berlin)].into_iter().enumerate() {
        let mut call = world.call(called);
        call.answered(SOON).await;
        let voice = pitch(answer["voice"].as_str().unwrap());
        let heard = hears_out(&call, voice).await;
        let greeting = Behaviour::default().greeting;
        assert!(missing(&heard, voice, greeting) <= 5.0, "{heard:?}");
        assert!(total(&heard, voice) <= greeting + Duration::from_millis(100), "{heard:?}");

        let session = &world.model.sessions()[at];
        assert_eq!(session.model, answer["model"]);
        assert_eq!(session.session["instructions"], answer["systemPrompt"]);
        assert_eq!(session.session["audio"]["output"]["voice"], answer["voice"]);
        let asked = session.responses[0].asked.to_string();
        assert!(asked.contains(answer["startMessage"].as_str().unwrap()), "the greeting was asked for");

        let request = &world.backend.as_ref().unwrap().requests()[at].body;
        assert_eq!(request["calledPhone"], called);
        assert_eq!(request["callerPhone"], ADA);
        let sip = world.livekit.sip_attributes().await;
        assert_eq!(request["trunkId"], sip["sip.trunkID"]);
        assert_eq!(request["sipCallId"], sip["sip.callID"]);

        call.hang_up();
        assert!(call.over(SOON).await.1.success());
    }
    let records = world.end(2).await;
    assert!(records.iter().all(|record| record["ending"]["how"] == "caller-hung-up"), "{records:?}");
}
