//! One tenant, two ways in: what a record says of a call does not depend on the way it came.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::ear::{Sound, total};
use crate::phone::{Call, Dial};
use crate::ports;
use crate::rig::Rig;
use crate::rtp::Say;
use crate::world::{ACME, ADA, CALLER, Plan, SOON, World, hears, pitch};

const VOICE: &str = "marin";
/// Whatever the agent says.
const LENGTH: Duration = Duration::from_millis(800);

/// All that may differ, and what is below it.
const MAY_DIFFER: [&str; 19] = [
    // Which call it is, and when it was.
    "/id",
    "/offered_at",
    "/ended_at",
    "/call/received_at",
    "/model/session",
    "/model/sessions/0/session",
    "/timing_ms",
    "/config/ms",
    "/call/headers/from", // its tag
    "/call/headers/to",
    // The way in.
    "/call/ingress",
    "/call/project",
    "/call/room",
    "/call/rule_id",
    "/call/sip_call_id",
    "/call/sip_call_id_full",
    "/call/trunk/id",
    // What the way made of the audio, and how much of it the model was sent.
    "/media",
    "/model/usage/input_audio",
];

/// Every value that is no object or array, by its JSON pointer; empty ones too.
fn leaves(value: &Value, at: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, field)| leaves(field, &format!("{at}/{name}"), found));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(n, item)| leaves(item, &format!("{at}/{n}"), found));
        }
        leaf => _ = found.insert(at.to_owned(), leaf.clone()),
    }
}

/// Where two records differ, and how.
fn differences(a: &Value, b: &Value) -> Vec<(String, Value, Value)> {
    let [a, b] = [a, b].map(|record| {
        let mut found = BTreeMap::new();
        leaves(record, "", &mut found);
        found
    });
    let all = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
    let both = all.map(|key| {
        (key.clone(), a.get(key).cloned().unwrap_or_default(), b.get(key).cloned().unwrap_or_default())
    });
    both.filter(|(_, a, b)| a != b).collect()
}

/// Waits until the caller has heard so much of the voice, and then silence.
async fn hears_in_all(call: &Call, length: Duration) {
    hears(call, "all that the agent says", &[pitch(VOICE)], |heard| {
        let is_over = heard.last()?.sound == Sound::Silence;
        (is_over && total(heard, pitch(VOICE)) + Duration::from_millis(100) > length).then_some(())
    })
    .await;
}

/// The caller is greeted, says something, hears the answer, presses two keys, and hangs up.
async fn talk(rig: &Rig) {
    let mut call = Call::place(rig, &Dial::new(ACME, ADA));
    call.answered(SOON).await;
    hears_in_all(&call, LENGTH).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_millis(800) }]);
    hears_in_all(&call, LENGTH * 2).await;
    call.endpoint.say(vec![Say::Key(1), Say::Silence(Duration::from_millis(60)), Say::Key(11)]);
    hears_in_all(&call, LENGTH * 3).await;
    call.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_has_the_same_record_through_livekit_and_through_the_sip_port() {
    let behaviour = Behaviour { greeting: LENGTH, reply: LENGTH, ..Behaviour::default() };
    let answer = json!({"voice": VOICE, "systemPrompt": "You answer the phone of acme.", "startMessage": "Hello there.",
        "metadata": {"account": "acme-7"}});
    let mut plan = Plan::new(behaviour, &answer).hide(&answer).dialplan(
        "acme.toml",
        &format!("tenant = 'acme'\n[[route]]\nid = 'desk'\ntrunk = 'acme-sip'\ncalled = '{ACME}'\n"),
    );
    let rig = Rig::up();
    let port = ports::free();
    let file = rig.dir.join("same.toml");
    let trunk =
        format!("[[trunk]]\nname = 'acme-sip'\nids = ['{}']\naddresses = ['127.0.0.0/8']\n", rig.trunk);
    fs::write(&file, format!("[sip]\nlisten = '{port}'\n{trunk}")).unwrap();
    plan.variables.insert("DIALPLANE_CONFIG".to_owned(), file.to_str().unwrap().to_owned());
    let world = World::start(plan).await;
    talk(&rig).await;
    talk(&Rig { sip: port.to_string(), ..rig.clone() }).await;
    let records = world.end(2).await;
    let [by_livekit, by_sip] = &records[..] else { panic!("{records:?}") };
    assert_eq!([&by_livekit["call"]["ingress"], &by_sip["call"]["ingress"]], ["livekit", "sip"]);
    assert!(records.iter().all(|record| record["media"].is_object()), "{records:?}");
    let may_differ = |at: &str| {
        MAY_DIFFER
            .iter()
            .any(|field| at.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    let mut others = differences(by_livekit, by_sip);
    others.retain(|(at, ..)| !may_differ(at));
    assert!(others.is_empty(), "{others:#?}");
}
