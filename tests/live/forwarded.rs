//! A call that was sent on: the backend learns by whom, wherever the bridge tells the header.

use std::path::Path;
use std::process::Command;

use dialplane::kit::backend::Backend;
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::phone::{Call, Dial};
use crate::world::{ACME, ADA, Plan, SOON, World};

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

/// The rig's trunk, changed for as long as this lives.
struct Trunk;

impl Trunk {
    fn bringing(headers: &str) -> Self {
        include_headers(headers);
        Self
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        include_headers("SIP_ALL_HEADERS");
    }
}

fn include_headers(which: &str) {
    let get = |name: &str| std::env::var(name).expect("the rig is up");
    let trunk = json!({
        "sip_trunk_id": get("RIG_TRUNK_ID"),
        "replace": {
            "name": get("RIG_TRUNK_NAME"),
            "allowed_addresses": ["127.0.0.0/8"],
            "include_headers": which,
            "ringing_timeout": "20s",
        },
    });
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/api");
    let done = Command::new(api).args(["SIP/UpdateSIPInboundTrunk", &trunk.to_string()]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
