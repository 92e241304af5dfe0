//! A call that was sent on: the backend learns by whom, wherever the bridge tells the header.

use dialplane::kit::backend::Backend;
use dialplane::kit::backend::script::{Answer, Script};
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::phone::{Call, Dial};
use crate::rig::Rig;
use crate::world::{ACME, ADA, Plan, SOON, World, hears_first, pitch};

const FORWARDER: &str = "+15556001234";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_forwarded_call_tells_who_sent_it_on_by_attribute_and_by_question() {
    for headers in ["SIP_ALL_HEADERS", "SIP_NO_HEADERS"] {
        let trunk = Trunk::bringing(headers);
        let plan = Plan::new(Behaviour::default(), &json!({"voice": "cedar"}));
        let world = World::start(plan).await;
        let dial = Dial { header: format!("Diversion: <sip:{FORWARDER}@192.0.2.9>"), ..Dial::new(ACME, ADA) };
        let mut call = Call::place(&world.rig, &dial);
        call.answered(SOON).await;
        let came_along = world.livekit.sip_attributes().await.contains_key("sip.h.diversion");
        assert_eq!(came_along, headers == "SIP_ALL_HEADERS");

        let requests = world.backend.as_ref().map(Backend::requests).unwrap_or_default();
        let asked: &Value = &requests[0].body;
        assert_eq!(asked["called"]["divertedFrom"], FORWARDER, "{headers}");
        call.hang_up();
        assert!(call.over(SOON).await.1.success());
        let records = world.end(1).await;
        assert_eq!(records[0]["call"]["diverted_from"]["number"], FORWARDER, "{headers}");
        println!("{headers}: the facts are there {} ms after the offer", records[0]["timing_ms"]["arrived"]);
        drop(trunk);
    }
}

/// A forwarding service: every tenant's own number is sent on to the same one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn tenants_that_share_a_number_are_told_apart_by_who_sent_the_call_on() {
    let tenants = [("acme-dental", FORWARDER, "cedar"), ("sunny-vets", "+15556005678", "marin")];
    let prompt = |tenant: &str| format!("You answer what {tenant} sends on to the shared number.");
    let mut plan = Plan::new(Behaviour::default(), &Value::Null);
    for (tenant, diverted, voice) in tenants {
        let prompt = prompt(tenant);
        let text = format!(
            "tenant = \"{tenant}\"\n\
             [[route]]\nid = \"sent-on\"\ncalled = [\"{ACME}\"]\ndiverted = [\"{diverted}\"]\nagent = \"own\"\n\
             [agent.own]\nvoice = \"{voice}\"\nprompt = \"{prompt}\"\ngreeting = \"Good morning.\"\n"
        );
        plan = plan.dialplan(&format!("{tenant}.toml"), &text).hide(&json!({ "systemPrompt": prompt }));
        plan.secrets = plan.secrets.number("a diverting number", diverted);
    }
    // It knows none of the tenants' calls, and answers those that are nobody's.
    let answer =
        |is_nobodys| if is_nobodys { Answer::ok(json!({"voice": "ash"})) } else { Answer::status(404) };
    plan.backend = Some(Script::answering(move |request| answer(request.body["route"].is_null())));
    let world = World::start(plan).await;

    let sent_on = tenants.map(|(tenant, diverted, voice)| (Some(tenant), Some(diverted), voice));
    let calls = [sent_on[0], sent_on[1], (None, None, "ash"), (None, Some("+15556009999"), "ash")];
    for (at, (tenant, diverted, voice)) in calls.into_iter().enumerate() {
        let mut dial = Dial::new(ACME, ADA);
        if let Some(diverted) = diverted {
            dial.header = format!("Diversion: <sip:{diverted}@192.0.2.9>");
        }
        let mut call = Call::place(&world.rig, &dial);
        call.answered(SOON).await;
        hears_first(&call, pitch(voice)).await;
        let session = &world.model.sessions()[at];
        let is_tenants = tenant.is_some_and(|tenant| session.session["instructions"] == prompt(tenant));
        assert_eq!(is_tenants, tenant.is_some(), "the prompt of call {at}");
        call.hang_up();
        assert!(call.over(SOON).await.1.success());
    }
    let records = world.end(calls.len()).await;
    for (record, (tenant, diverted, _)) in records.iter().zip(calls) {
        assert_eq!(record["tenant"], json!(tenant), "{diverted:?}");
        assert_eq!(record["route"]["id"], json!(tenant.map(|_| "sent-on")), "{diverted:?}");
        assert_eq!(record["call"]["diverted_from"]["number"], json!(diverted));
    }
}

/// The rig's trunk, changed for as long as this lives.
struct Trunk;

impl Trunk {
    fn bringing(headers: &str) -> Self {
        Rig::up().set_include_headers(headers);
        Self
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        Rig::up().set_include_headers("SIP_ALL_HEADERS");
    }
}
