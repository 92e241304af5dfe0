//! Whole calls without LiveKit: a phone, the router with a SIP port of its own, a scripted model and a backend, all over
//! loopback.

mod codecs;
mod deaf;
mod edge;
mod g711;
mod keys;
mod relay;
mod sealed;
mod timers;
mod transports;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dialplane::app::{App, Stop};
use dialplane::config::Settings;
use dialplane::document::Given;
use dialplane::kit::backend::Backend;
use dialplane::kit::backend::script::{Answer, Script as BackendScript};
use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::{SessionLog, Utterance};
use dialplane::kit::model::script::{Behaviour, Script};
use dialplane::kit::phone::{Call, Codec, Dial, Recording, Say, Stage};
use dialplane::kit::tone::tone_of;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::heard::{find, lasts};

const SOON: Duration = Duration::from_secs(10);
const CALLED: &str = "+15557770001";
const CALLER: &str = "+15551230001";
/// What the caller says, in Hz; no voice of the model is near it.
const TONE: f32 = 600.0;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn dial(sip: SocketAddr) -> Dial {
    // The machine may be busy beside the call.
    Dial { jitter_buffer: ms(200), ..Dial::new(sip, CALLED, CALLER) }
}

/// A running router, and what it needs.
struct World {
    model: ModelServer,
    backend: Backend,
    sip: SocketAddr,
    records: PathBuf,
    stop: Stop,
    router: JoinSet<()>,
}

impl World {
    async fn start(behaviour: Behaviour) -> Self {
        Self::scripted(Script::always(behaviour)).await
    }

    async fn scripted(script: Script) -> Self {
        Self::configured(script, json!({})).await
    }

    /// The backend says more of the agent.
    async fn configured(script: Script, answer: Value) -> Self {
        Self::with_files(script, answer, []).await
    }

    /// With a model that takes G.711 as it is.
    async fn in_g711(behaviour: Behaviour) -> Self {
        let settings = "[[provider]]\nname = 'scripted'\ng711 = true\n".to_owned();
        Self::with_files(Script::always(behaviour), json!({}), [("dialplane.toml", settings)]).await
    }

    /// With these files, the first of which is its settings. `MODEL_URL` stands there for the model's address.
    async fn with_files<const N: usize>(
        script: Script,
        mut answer: Value,
        files: [(&str, String); N],
    ) -> Self {
        let model = ModelServer::start(script).await.unwrap();
        answer["voice"] = json!("marin");
        answer["systemPrompt"] = json!("You answer the phone.");
        let backend = Backend::start(BackendScript::always(Answer::ok(answer))).await.unwrap();
        let records = std::env::temp_dir().join(format!("dialplane-direct-{}.jsonl", uuid::Uuid::now_v7()));
        let (model_url, backend_url) = (model.url(), backend.url());
        let settings = files.first().map(|(path, _)| PathBuf::from(path));
        let files = files.map(|(path, text)| (path.into(), text.replace("MODEL_URL", &model_url)));
        let names_models = files.iter().any(|(_, text)| text.contains(&model_url));
        let mut given = Given::variables([
            ("DIALPLANE_SIP", "127.0.0.1:0"),
            ("DIALPLANE_HTTP", "127.0.0.1:0"),
            ("OPENAI_API_KEY", "sk-of-the-test"),
            ("OPENAI_BASE_URL", if names_models { "" } else { model_url.as_str() }),
            ("DIALPLANE_CALL_CONFIG_URL", backend_url.as_str()),
            ("DIALPLANE_RECORDS", records.to_str().unwrap()),
        ]);
        given.files.extend(files);
        let settings = Settings::load(settings.as_deref(), &given, 1).expect("settings");
        let app = App::start(settings).await.expect("a router");
        let (sip, stop) = (app.sip().expect("a SIP port"), Stop::default());
        let mut router = JoinSet::new();
        router.spawn(app.run(stop.clone()));
        Self { model, backend, sip, records, stop, router }
    }

    fn dial(&self) -> Dial {
        dial(self.sip)
    }

    /// The caller has said a sentence, and the model has heard its end.
    async fn understood(&self) -> Utterance {
        let over =
            |session: &SessionLog| session.utterances.last().filter(|said| said.stopped.is_some()).cloned();
        self.model.wait_for(|sessions| over(sessions.first()?), SOON).await.unwrap()
    }

    /// Ends the router; its one record.
    async fn end(mut self) -> Value {
        self.stop.drain.cancel();
        timeout(SOON, self.router.join_next()).await.expect("the router ends").unwrap().unwrap();
        for session in self.model.sessions() {
            assert!(session.faults().is_empty(), "the model refused {:?}", session.faults());
        }
        for request in self.backend.requests() {
            assert_eq!(request.refused, None, "the backend refused {}", request.body);
        }
        let text = std::fs::read_to_string(&self.records).unwrap();
        std::fs::remove_file(&self.records).unwrap();
        assert!(!self.records.with_extension("jsonl.open").exists(), "no call is open");
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_breaks_in_has_heard_all_but_what_their_phone_holds_back() {
    let greeting = ms(8_000);
    for (codec, g711) in [(Codec::Pcmu, false), (Codec::Pcmu, true), (Codec::Pcma, true)] {
        let behaviour = Behaviour { greeting, ..Behaviour::default() };
        let world = if g711 { World::in_g711(behaviour).await } else { World::start(behaviour).await };
        let voice = tone_of("marin");
        let mut call = Call::place(&Dial { codec, ..world.dial() }).await.unwrap();
        assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
        let hears = |heard: &Recording| find(heard, voice).is_some_and(|tone| tone.length >= ms(1_000));
        call.hears(hears, SOON).await.unwrap();
        call.say(vec![Say::Tone { hz: TONE, length: ms(600) }]).await;
        let cut = |sessions: &[SessionLog]| Some(sessions.first()?.truncations.first()?.audio_end);
        let told = world.model.wait_for(cut, SOON).await.unwrap();
        // What left before arrives; the model's answer to them follows later.
        sleep(ms(200)).await;
        let heard = call.heard();
        let answered = heard.length().min(find(&heard, voice).expect("the greeting").length);
        let held_back = answered.saturating_sub(told);
        assert!((ms(20)..=ms(70)).contains(&held_back), "{codec:?} {g711}: told {told:?} of {answered:?}");
        call.hang_up().await;
        assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_holds_the_call_misses_nothing_of_what_is_said() {
    let greeting = ms(3_000);
    let world = World::start(Behaviour { greeting, ..Behaviour::default() }).await;
    let voice = tone_of("marin");
    let mut call = Call::place(&world.dial()).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let said = |heard: &Recording| {
        find(heard, voice).map_or(Duration::ZERO, |tone| tone.length.mul_f64(1.0 - tone.missing))
    };
    call.hears(|heard| said(heard) >= ms(500), SOON).await.unwrap();

    call.hold(true).await;
    // A second in which the phone hears not one packet more.
    let mut held = call.heard().length();
    let second = async {
        loop {
            sleep(ms(1_000)).await;
            let now = call.heard().length();
            if std::mem::replace(&mut held, now) == now {
                return;
            }
        }
    };
    timeout(SOON, second).await.expect("the router falls silent");
    assert!(said(&call.heard()) < ms(2_000), "{:?} before the hold", said(&call.heard()));

    call.hold(false).await;
    let heard = call.hears(|heard| said(heard) >= ms(2_900), SOON).await.unwrap();
    assert!(heard.longest_gap >= ms(1_000), "{:?}", heard.longest_gap);
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    world.end().await;
}
