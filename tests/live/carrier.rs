//! The trunk and the dispatch rule of `docs/sip.md`, as they stand there.

use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::world::{ACME, Plan, SOON, World, hears_first, pitch};

const VOICE: &str = "cedar";

/// The page's block of this kind.
fn block(kind: &str) -> Value {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sip.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```json {kind}\n")).expect("there is one");
    serde_json::from_str(rest.split("```").next().unwrap()).unwrap()
}

/// A trunk or a rule, for as long as this lives.
struct Made {
    id: Value,
    key: &'static str,
    delete: &'static str,
}

impl Made {
    fn trunk(body: &Value) -> Self {
        let (create, delete) = ("SIP/CreateSIPInboundTrunk", "SIP/DeleteSIPTrunk");
        Self::new(create, body, "sip_trunk_id", delete)
    }

    fn rule(body: &Value) -> Self {
        let (create, delete) = ("SIP/CreateSIPDispatchRule", "SIP/DeleteSIPDispatchRule");
        Self::new(create, body, "sip_dispatch_rule_id", delete)
    }

    fn new(create: &str, body: &Value, key: &'static str, delete: &'static str) -> Self {
        let id = Rig::api(create, body)[key].clone();
        assert!(id.is_string(), "it has an id");
        Self { id, key, delete }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        Rig::api(self.delete, &json!({self.key: self.id}));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn the_trunk_and_the_rule_of_the_carriers_page_bring_calls_in() {
    let world = World::start(Plan::new(Behaviour::default(), &json!({"voice": VOICE}))).await;
    let (mut trunk, mut rule) = (block("trunk"), block("rule"));
    assert_eq!(trunk["trunk"]["numbers"], json!([ACME]));
    trunk["trunk"]["allowed_addresses"] = json!(["127.0.0.0/8"]);
    let trunk = Made::trunk(&trunk);
    rule["dispatch_rule"]["trunk_ids"] = json!([trunk.id]);
    let _rule = Made::rule(&rule);
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch(VOICE)).await;
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    // The page's rule does not say, as the rig's does, that an empty room is to go soon.
    world.router.wait_for_records(1).await;
    world.livekit.clear().await;
    let records = world.end(1).await;
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up");
    assert_eq!(records[0]["call"]["trunk"]["id"], trunk.id);
}
