//! Models that fail, and routers that have another one to turn to.

use std::fs;
use std::time::{Duration, Instant};

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::{Behaviour, Fault, Script};
use serde_json::{Value, json};

use crate::ear::{Heard, Sound, total};
use crate::phone::Call;
use crate::rtp::Say;
use crate::world::{CALLER, Plan, World, hears};

/// The second provider's key; the first has the world's.
const OTHER_KEY: &str = "sk-other-3b8e6f2a90d15c77";

/// No caller waits so long for a sound of ours.
pub const NEVER: Duration = Duration::from_secs(2);

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn answer() -> Value {
    json!({"systemPrompt": "You keep the line whatever becomes of your model.", "voice": "marin",
        "startMessage": "Good morning, who is there please?"})
}

pub fn faulty(fault: Fault) -> Behaviour {
    Behaviour { greeting: ms(1000), fault, ..Behaviour::default() }
}

/// A router with two providers, `first` and `second`: the world's model server, and one that this returns.
pub async fn two_providers(plan: Plan, other: Script) -> (World, ModelServer) {
    two_providers_and(plan, other, "").await
}

/// With more of a settings file.
pub async fn two_providers_and(mut plan: Plan, other: Script, more: &str) -> (World, ModelServer) {
    let other = ModelServer::start(other).await.unwrap();
    plan.secrets = plan.secrets.key("the other model's key", OTHER_KEY);
    let url = other.url();
    let (world, ()) = World::start_with(plan, async |rig, meant| {
        let file = rig.dir.join(format!("dialplane-{}.toml", std::process::id()));
        let first = &meant["OPENAI_BASE_URL"];
        let text = format!(
            "[[provider]]\nname = \"first\"\nurl = \"{first}\"\napi_key = \"env:OPENAI_API_KEY\"\n\
             model = \"first-model\"\n\
             [[provider]]\nname = \"second\"\nurl = \"{url}\"\napi_key = \"env:OTHER_API_KEY\"\n\
             model = \"second-model\"\n{more}"
        );
        fs::write(&file, text).unwrap();
        let variables = [
            ("DIALPLANE_CONFIG", file.to_str().unwrap()),
            ("OPENAI_BASE_URL", ""),
            ("OTHER_API_KEY", OTHER_KEY),
        ];
        (variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), ())
    })
    .await;
    (world, other)
}

/// `provider model: why it ended`, session by session.
pub fn sessions(record: &Value) -> Vec<String> {
    let sessions = record["model"]["sessions"].as_array().unwrap().iter();
    sessions
        .map(|session| {
            let text = |field: &str| session[field].as_str().unwrap_or("lasted").to_owned();
            format!("{} {}: {}", text("provider"), text("model"), text("ended"))
        })
        .collect()
}

pub fn ending(record: &Value) -> (&str, &str, &str) {
    let text = |field: &str| record["ending"][field].as_str().unwrap_or_default();
    (text("by"), text("how"), text("detail"))
}

/// The caller says something and hears the answer: the longest wait of the call so far.
pub async fn longest_wait_for_an_answer(call: &Call, voice: u32) -> Duration {
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(600) }]);
    let heard = hears(call, "the answer is heard", &[voice], |heard| {
        (total(heard, voice) > ms(2200)).then(|| heard.to_vec())
    })
    .await;
    longest_wait(call, &heard)
}

/// The longest that the caller waited for a sound of ours: since the last one, or since they had finished themselves.
pub fn longest_wait(call: &Call, heard: &[Heard]) -> Duration {
    let timeline = call.endpoint.timeline().unwrap();
    let finished = |(at, say): (Instant, Say)| match say {
        Say::Tone { length, .. } => Some(timeline.at(at + length)),
        _ => None,
    };
    let finished: Vec<Duration> = call.endpoint.said().into_iter().filter_map(finished).collect();
    let last = heard.iter().rposition(|h| h.sound != Sound::Silence).unwrap_or_default();
    let silences = heard[..last].iter().enumerate().filter(|(_, h)| h.sound == Sound::Silence);
    let waits = silences.filter_map(|(at, silence)| {
        let during = |end: &Duration| (silence.start..silence.end).contains(end);
        let since = finished.iter().copied().filter(during).max();
        // Nobody waits before anything was said.
        Some(silence.end - since.or((at > 0).then_some(silence.start))?)
    });
    waits.max().unwrap_or_default()
}
