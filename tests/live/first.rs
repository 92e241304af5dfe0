//! The first call that a newcomer sees: `tests/rig/first-call` runs this and shows `demo-output/timeline.txt`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use dialplane::kit::backend::script::{Answer, Script};
use dialplane::kit::model::script::Behaviour;
use serde_json::Value;

use crate::ear::Sound;
use crate::rtp::Say;
use crate::wav;
use crate::world::{CALLER, Plan, SOON, World, hear, hears, hears_first, hears_out, pitch};

/// The front desk of `dialplans/brightsmile-dental.toml`.
const FRONT_DESK: &str = "+12125550142";
/// Its agent's voice.
const VOICE: &str = "marin";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_to_the_front_desk_of_the_example_dialplans() {
    let world = World::start(plan()).await;
    let mut call = world.call(FRONT_DESK);
    let answered = call.answered(SOON).await;
    let greeted = hears_first(&call, pitch(VOICE)).await;
    hears_out(&call, pitch(VOICE)).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_millis(1200) }]);
    hears(&call, "greeting and answer", &[pitch(VOICE)], |heard| {
        let turns = heard.iter().filter(|h| h.sound == Sound::Tone(pitch(VOICE))).count();
        (turns >= 2 && heard.last()?.sound == Sound::Silence).then_some(())
    })
    .await;
    let said = call.endpoint.said()[0].0;
    call.hang_up();
    let (times, status) = call.over(SOON).await;
    assert!(status.success());

    let records = world.end(1).await;
    let record = &records[0];
    assert_eq!(record["tenant"], "brightsmile-dental");
    assert_eq!(record["config_source"], "dialplan");
    assert_eq!(record["config"]["why"], "unknown");

    let timeline = call.endpoint.timeline().unwrap();
    let heard = hear(&call, &[pitch(VOICE)]);
    let mut turns = heard.iter().filter(|h| h.sound == Sound::Tone(pitch(VOICE)));
    let (greeting, reply) = (turns.next().unwrap(), turns.next_back().unwrap());
    let offered = call.moment(record["offered_at"].as_str().unwrap().parse().unwrap());
    let inside = |stage: &str| offered + Duration::from_millis(record["timing_ms"][stage].as_u64().unwrap());
    let mut steps = vec![
        (times.invited.unwrap(), format!("INVITE {FRONT_DESK} ->")),
        (times.ringing.unwrap(), "<- 180 Ringing".to_owned()),
        (offered, "     offered to Dialplane, which takes a slot for it".to_owned()),
        (inside("arrived"), format!("     it is for {}", route(record))),
        (
            inside("configured"),
            "     the backend does not know it (404): the dialplan's agent serves".to_owned(),
        ),
        (inside("model_ready"), format!("     the model is connected and takes our prompt, as {VOICE}")),
        (inside("gate"), "     the greeting begins to come: answer the call".to_owned()),
        (answered, "<- 200 OK".to_owned()),
        (
            greeted,
            format!("<= the greeting is heard: {} ms of {} Hz", greeting.length().as_millis(), pitch(VOICE)),
        ),
        (said, format!("   the caller speaks: 1200 ms of {CALLER} Hz =>")),
        (timeline.start + reply.start, format!("<= the agent answers: {} ms", reply.length().as_millis())),
        (times.hung_up.unwrap(), "BYE ->".to_owned()),
    ];
    // Of two steps in one millisecond the first named came first.
    steps.sort_by_key(|(at, _)| *at);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo-output");
    fs::create_dir_all(&folder).unwrap();
    let lines = steps.iter().map(|(at, what)| {
        let ms = at.saturating_duration_since(times.invited.unwrap()).as_millis();
        format!("{ms:>6} ms  {what}\n")
    });
    fs::write(folder.join("timeline.txt"), lines.collect::<String>()).unwrap();
    fs::write(folder.join("heard.wav"), wav::of(&timeline.samples)).unwrap();
    fs::write(folder.join("record.json"), serde_json::to_string_pretty(record).unwrap()).unwrap();
}

/// `brightsmile-dental, route front-desk (exact)`
fn route(record: &Value) -> String {
    let text = |field: &str| record.pointer(field).and_then(Value::as_str).unwrap_or_default();
    format!("{}, route {} ({})", text("/tenant"), text("/route/id"), text("/route/match"))
}

/// The example dialplans, and a backend that knows none of their calls.
fn plan() -> Plan {
    let mut plan = Plan::new(Behaviour::default(), &serde_json::json!({}));
    plan.backend = Some(Script::always(Answer::status(404)));
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/dialplans")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        plan = plan.dialplan(name, &fs::read_to_string(&path).unwrap());
    }
    plan
}
