//! Everything a call needs: the rig, a scripted model, a backend, and a router between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dialplane::kit::backend::Backend;
use dialplane::kit::backend::script::{Answer, Script as BackendScript};
use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::{Behaviour, Script};
use dialplane::kit::tone::tone_of;
use serde_json::Value;

use crate::ear::{Heard, Sound, first, segments};
use crate::leak::Secrets;
use crate::livekit::LiveKit;
use crate::phone::{Call, Dial};
use crate::ports;
use crate::rig::{Rig, until_every};
use crate::router::{Router, Settings};

/// Longer than anything but a hang: the machine may be compiling beside us.
pub const SOON: Duration = Duration::from_secs(10);

pub const ACME: &str = "+15557770001";
pub const BERLIN: &str = "+493012345678";
pub const ADA: &str = "+15551230001";

/// What the caller says, in Hz; no voice of the model is near it.
pub const CALLER: u32 = 600;

const MODEL_KEY: &str = "sk-live-7d1f0c52e9ab4417";
const WEBHOOK_SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSBsaXZlIHRlc3Rz";

/// The frequency that a voice of the scripted model speaks in.
pub fn pitch(voice: &str) -> u32 {
    tone_of(voice).round() as u32
}

/// The setting of a test, before anything runs.
pub struct Plan {
    pub script: Script,
    /// `None`: no backend listens at the address that the router asks.
    pub backend: Option<BackendScript>,
    /// Dialplan files by name, and what they name.
    pub dialplans: BTreeMap<String, Vec<u8>>,
    pub variables: BTreeMap<String, String>,
    pub secrets: Secrets,
}

impl Plan {
    /// A model that behaves so, a backend that answers every call so, no dialplans.
    pub fn new(behaviour: Behaviour, answer: &Value) -> Self {
        Self {
            secrets: Secrets::default().words("what the model says", &behaviour.words),
            script: Script::always(behaviour),
            backend: Some(BackendScript::always(Answer::ok(answer.clone()))),
            dialplans: BTreeMap::new(),
            variables: BTreeMap::new(),
        }
        .hide(answer)
    }

    /// Adds the prompt and the greeting of an answer to what must not leak.
    #[must_use]
    pub fn hide(mut self, answer: &Value) -> Self {
        for field in ["systemPrompt", "startMessage"] {
            if let Some(text) = answer[field].as_str() {
                self.secrets = self.secrets.words(field, text);
            }
        }
        self
    }

    /// Each called number gets its own answer.
    #[must_use]
    pub fn by_called<N: Into<String>>(mut self, answers: impl IntoIterator<Item = (N, Value)>) -> Self {
        let answers = answers.into_iter().map(|(called, answer)| (called, Answer::ok(answer)));
        self.backend = Some(BackendScript::by_called(answers));
        self
    }

    #[must_use]
    pub fn dialplan(mut self, file: &str, text: &str) -> Self {
        self.dialplans.insert(file.to_owned(), text.into());
        self
    }
}

/// A running setting. End it with [`World::end`].
pub struct World {
    pub rig: Rig,
    pub livekit: LiveKit,
    pub model: ModelServer,
    pub backend: Option<Backend>,
    pub router: Router,
    /// Those of the router.
    pub settings: Settings,
    /// The router's [`World::descriptors`] before the first call.
    pub idle: usize,
    /// The ports of servers that the router's HTTP clients keep connections to.
    kept: Vec<u16>,
}

impl World {
    pub async fn start(plan: Plan) -> Self {
        Self::start_with(plan, async |_, _| (BTreeMap::new(), ())).await.0
    }

    /// `change` may put other addresses into the router's environment, knowing the ones that were meant, and hand
    /// out what must live on behind them.
    pub async fn start_with<T>(
        plan: Plan,
        change: impl AsyncFnOnce(&Rig, &BTreeMap<String, String>) -> (BTreeMap<String, String>, T),
    ) -> (Self, T) {
        dialplane::app::crypto::install();
        let rig = Rig::up();
        let livekit = LiveKit::new(&rig);
        livekit.clear().await;
        let model = ModelServer::start(plan.script).await.unwrap();
        let backend = match plan.backend {
            Some(script) => Some(Backend::start(script.signed_by(WEBHOOK_SECRET)).await.unwrap()),
            None => None,
        };
        let mut variables = BTreeMap::from([
            ("OPENAI_API_KEY".to_owned(), MODEL_KEY.to_owned()),
            ("OPENAI_BASE_URL".to_owned(), model.url()),
            ("DIALPLANE_CALL_CONFIG_SECRET".to_owned(), WEBHOOK_SECRET.to_owned()),
            ("DIALPLANE_CALL_CONFIG_URL".to_owned(), backend_url(backend.as_ref())),
        ]);
        variables.extend(plan.variables);
        let (changed, held) = change(&rig, &variables).await;
        variables.extend(changed);
        let secrets = [("a caller", ADA), ("a called number", ACME), ("a called number", BERLIN)]
            .into_iter()
            .fold(plan.secrets, |secrets, (name, number)| secrets.number(name, number))
            .key("the model's key", MODEL_KEY)
            .key("the webhook's secret", WEBHOOK_SECRET)
            .key("LiveKit's secret", &rig.api_secret);
        let livekit_url = variables.get("LIVEKIT_URL").unwrap_or(&rig.livekit_url);
        let kept_urls = [livekit_url, &variables["DIALPLANE_CALL_CONFIG_URL"]];
        let ports = kept_urls.into_iter().filter_map(|url| url::Url::parse(url).ok()?.port()).collect();
        let settings = Settings { variables, dialplans: plan.dialplans, secrets };
        let router = Router::start(&rig, &settings).await;
        let mut world = Self { rig, livekit, model, backend, router, settings, idle: 0, kept: ports };
        world.idle = world.descriptors();
        (world, held)
    }

    /// The router's open files and sockets, but for connections that its HTTP clients keep for the next request.
    /// LiveKit's port takes signalling too: who has that open is in a room.
    pub fn descriptors(&self) -> usize {
        self.router.descriptors(&self.kept)
    }

    pub fn call(&self, called: &str) -> Call {
        self.call_from(called, ADA)
    }

    pub fn call_from(&self, called: &str, caller: &str) -> Call {
        Call::place(&self.rig, &Dial::new(called, caller))
    }

    /// Ends everything and returns the call records.
    ///
    /// # Panics
    /// When a call has left something behind, the model refused an event of ours, or a secret leaked.
    pub async fn end(self, calls: usize) -> Vec<Value> {
        self.livekit.wait_until_empty().await;
        self.router.wait_for_records(calls).await;
        // A slot is given back once its call's record is written, and the sockets are closed by their tasks.
        until_every(Duration::from_millis(10), "no call, slot or socket is left", SOON, async || {
            let held = self.router.metric(SLOTS).await + self.router.metric(CALLS).await;
            (held == 0.0 && self.descriptors() <= self.idle).then_some(())
        })
        .await;
        self.assert_served();
        let records = self.router.stop().await;
        assert_eq!(records.len(), calls, "one record per call");
        records
    }

    /// The callers hang up, which ends everything: their records.
    pub async fn end_by(self, calls: impl IntoIterator<Item = Call>) -> Vec<Value> {
        let mut count = 0;
        for mut call in calls {
            call.leave().await;
            count += 1;
        }
        let records = self.end(count).await;
        assert!(records.iter().all(|record| record["ending"]["how"] == "caller-hung-up"), "{records:?}");
        records
    }

    /// # Panics
    /// When a model session is still open, or the model or the backend refused something of ours.
    pub fn assert_served(&self) {
        for session in self.model.sessions() {
            assert!(session.faults().is_empty(), "the model refused {:?}", session.faults());
            assert!(session.closed.is_some(), "a session is still open");
        }
        for request in self.backend.iter().flat_map(Backend::requests) {
            assert_eq!(request.refused, None, "the backend refused {}", request.body);
        }
    }
}

/// The calls that the router holds now, counted where they are admitted and where they run.
pub const SLOTS: &str = "dialplane_slots_taken";
pub const CALLS: &str = "dialplane_calls_active";

fn backend_url(backend: Option<&Backend>) -> String {
    match backend {
        Some(backend) => backend.url(),
        None => {
            format!("http://{}/call-config", ports::free())
        }
    }
}

/// These callers, who are all still there, hang up.
pub async fn hang_up(calls: impl IntoIterator<Item = Call>) {
    for mut call in calls {
        call.hang_up();
        let (times, status) = call.over(SOON).await;
        assert!(status.success() && times.let_go.is_none(), "nobody was cut off: {times:?}");
    }
}

/// What a call's phone has heard so far; `voices` are the tones to tell apart.
pub fn hear(call: &Call, voices: &[u32]) -> Vec<Heard> {
    call.endpoint.timeline().map(|timeline| segments(&timeline.samples, voices)).unwrap_or_default()
}

/// Waits until what was heard makes something of itself.
pub async fn hears<T>(call: &Call, what: &str, voices: &[u32], found: impl Fn(&[Heard]) -> Option<T>) -> T {
    // Listening to a whole call again takes a debug build some milliseconds.
    let pause = Duration::from_millis(50);
    until_every(pause, what, Duration::from_secs(20), async || found(&hear(call, voices))).await
}

/// Waits until the voice has spoken and been quiet for a while again.
pub async fn hears_out(call: &Call, voice: u32) -> Vec<Heard> {
    let quiet = Duration::from_millis(400);
    hears(call, "the voice has spoken and stopped", &[voice], |heard| {
        let spoke = heard.iter().any(|h| h.sound == Sound::Tone(voice));
        let last = heard.last()?;
        (spoke && last.sound == Sound::Silence && last.length() >= quiet).then(|| heard.to_vec())
    })
    .await
}

/// Waits for that voice; when the caller first heard it.
pub async fn hears_first(call: &Call, voice: u32) -> Instant {
    let at = hears(call, "the voice is heard", &[voice], |heard| first(heard, voice)).await;
    call.endpoint.timeline().expect("something was heard").start + at
}
