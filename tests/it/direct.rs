//! Whole calls without LiveKit: a phone, the router with a SIP port of its own, a scripted model and a backend, all over
//! loopback.

mod deaf;
mod keys;
mod relay;
mod sealed;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use dialplane::app::{App, Stop};
use dialplane::config::Settings;
use dialplane::document::Given;
use dialplane::kit::backend::Backend;
use dialplane::kit::backend::script::{Answer, Script as BackendScript};
use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::{Refused, SessionLog};
use dialplane::kit::model::script::{Behaviour, Script};
use dialplane::kit::phone::{Call, Codec, Dial, RATE, Recording, Say, Stage};
use dialplane::kit::tone::{dominant, tone_of};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::heard::{Tone, find};
use crate::network::Weather;
use relay::Relay;

const SOON: Duration = Duration::from_secs(10);
const CALLED: &str = "+15557770001";
const CALLER: &str = "+15551230001";
/// What the caller says, in Hz; no voice of the model is near it.
const TONE: f32 = 600.0;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
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

    /// With these files, the first of which is its settings.
    async fn with_files<const N: usize>(
        script: Script,
        mut answer: Value,
        files: [(&str, String); N],
    ) -> Self {
        let model = ModelServer::start(script).await.unwrap();
        answer["voice"] = json!("marin");
        answer["systemPrompt"] = json!("You answer the phone.");
        let backend = Backend::start(BackendScript::always(Answer::ok(answer))).await.unwrap();
        static WORLDS: Mutex<u32> = Mutex::new(0);
        let number = {
            let mut worlds = WORLDS.lock().unwrap();
            *worlds += 1;
            *worlds
        };
        let records =
            std::env::temp_dir().join(format!("dialplane-direct-{}-{number}.jsonl", std::process::id()));
        let _before = std::fs::remove_file(&records);
        let (model_url, backend_url) = (model.url(), backend.url());
        let settings = files.first().map(|(path, _)| PathBuf::from(path));
        let mut given = Given::variables([
            ("DIALPLANE_SIP", "127.0.0.1:0"),
            ("DIALPLANE_HTTP", "127.0.0.1:0"),
            ("OPENAI_API_KEY", "sk-of-the-test"),
            ("OPENAI_BASE_URL", model_url.as_str()),
            ("DIALPLANE_CALL_CONFIG_URL", backend_url.as_str()),
            ("DIALPLANE_RECORDS", records.to_str().unwrap()),
        ]);
        given.files.extend(files.map(|(path, text)| (path.into(), text)));
        let settings = Settings::load(settings.as_deref(), &given, 1).expect("settings");
        let app = App::start(settings).await.expect("a router");
        let (sip, stop) = (app.sip().expect("a SIP port"), Stop::default());
        let mut router = JoinSet::new();
        router.spawn(app.run(stop.clone()));
        Self { model, backend, sip, records, stop, router }
    }

    fn dial(&self) -> Dial {
        // The machine may be busy beside the call.
        Dial { jitter_buffer: ms(200), ..Dial::new(self.sip, CALLED, CALLER) }
    }

    /// The caller has said a sentence, and the model has heard its end: how long it was, and its tone.
    async fn understood(&self) -> (Duration, Option<f32>) {
        let over = |session: &SessionLog| {
            session
                .utterances
                .last()
                .filter(|said| said.stopped.is_some())
                .map(|said| (said.voiced, said.tone_hz))
        };
        self.model.wait_for(|sessions| over(sessions.first()?), SOON).await.unwrap()
    }

    /// Ends the router; its one record.
    async fn end(mut self) -> Value {
        self.stop.drain.cancel();
        timeout(SOON, self.router.join_next()).await.expect("the router ends").unwrap().unwrap();
        for session in self.model.sessions() {
            // A response may end by itself while we have it stopped.
            let crossed = |refused: &&Refused| refused.error["code"] == "response_cancel_not_active";
            let refused: Vec<_> = session.refused.iter().filter(|refused| !crossed(refused)).collect();
            assert!(refused.is_empty(), "the model refused {refused:?}");
        }
        for request in self.backend.requests() {
            assert_eq!(request.refused, None, "the backend refused {}", request.body);
        }
        let text = std::fs::read_to_string(&self.records).unwrap();
        std::fs::remove_file(&self.records).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_talks_presses_keys_and_hangs_up_in_g711_and_g722() {
    for codec in Codec::ALL {
        let behaviour = Behaviour { greeting: ms(1_500), reply: ms(700), ..Behaviour::default() };
        let world = World::start(behaviour).await;
        let voice = tone_of("marin");
        let mut call = Call::place(&Dial { codec, ..world.dial() }).await.unwrap();
        let answered = call.answered(SOON).await.unwrap();
        assert!(matches!(answered, Stage::Answered(_)), "{answered:?}");

        let greeted = |heard: &Recording| find(heard, voice).is_some_and(|tone| tone.length >= ms(1_450));
        let heard = call.hears(greeted, SOON).await.unwrap();
        let greeting = find(&heard, voice).expect("the greeting");
        assert!(greeting.from <= ms(300) && greeting.missing < 0.02, "{codec:?}: {greeting:?}");
        let middle = ((greeting.from + greeting.length / 2).as_millis() * 8) as usize;
        let pitch = dominant(&heard.samples[middle - 800..middle + 800], RATE).expect("a tone");
        assert!((pitch - voice).abs() < 3.0, "{codec:?}: {pitch} Hz for {voice}");

        call.say(vec![Say::Tone { hz: TONE, length: ms(1_000) }]).await;
        let (voiced, tone) = world.understood().await;
        assert!(voiced.abs_diff(ms(1_000)) <= ms(120), "{codec:?}: {voiced:?}");
        assert!((tone.expect("a pure tone") - TONE).abs() < 5.0, "{codec:?}: {tone:?}");
        let answered = |heard: &Recording| find(heard, voice).is_some_and(|tone| tone.length >= ms(2_500));
        call.hears(answered, SOON).await.unwrap();

        let keys = "0123456789*#ABCD";
        let pressed = keys.chars().flat_map(|key| [Say::Key(key), Say::Silence(ms(60))]).collect();
        call.say(pressed).await;
        // The phone hears 20 ms for every 20 ms that it says.
        let end = call.heard().length() + ms(keys.len() as u64 * 300 + 200);
        call.hears(|heard| heard.length() >= end, SOON).await.unwrap();
        call.hang_up().await;
        assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));

        let record = world.end().await;
        assert_eq!(record["call"]["ingress"], "sip", "{record}");
        assert_eq!(record["digits"], 16, "{codec:?}: {record}");
        let media = &record["media"];
        for way in ["received", "sent"] {
            assert!(media[way]["packets"].as_u64().unwrap() > 200, "{media}");
        }
        assert_eq!(media["received"]["lost"], 0, "{media}");
    }
}

/// A call through that weather both ways: the model's greeting as the phone hears it, and the record.
async fn call_in(what: &str, weather: Weather) -> (Tone, Value) {
    let behaviour = Behaviour { greeting: ms(4_000), reply: ms(200), ..Behaviour::default() };
    let world = World::start(behaviour).await;
    let voice = tone_of("marin");
    let relay = Relay::open(7, weather).await;
    let mut call = Call::place(&Dial { audio_via: Some(relay.address()), ..world.dial() }).await.unwrap();
    relay.serve(call.audio());
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let greeted = |heard: &Recording| find(heard, voice).is_some_and(|tone| tone.length >= ms(3_900));
    let heard = call.hears(greeted, SOON).await.unwrap();
    call.say(vec![Say::Tone { hz: TONE, length: ms(3_000) }]).await;
    let (voiced, tone) = world.understood().await;
    assert!(voiced.abs_diff(ms(3_000)) <= ms(200), "{what}: one sentence of 3 s, {voiced:?}");
    assert!((tone.expect("a pure tone") - TONE).abs() < 5.0, "{what}: {tone:?}");
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    let greeting = find(&heard, voice).expect("the greeting");
    (greeting, world.end().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_understood_through_loss_and_jitter_and_hears_no_gap() {
    let (greeting, record) = call_in("5 % lost", Weather { loss: 0.05, ..Weather::default() }).await;
    // A phone conceals a few frames; nothing longer is missing, and no more than the network took.
    assert!(greeting.longest_hole <= ms(100) && greeting.missing < 0.12, "{greeting:?}");
    let received = &record["media"]["received"];
    let share = received["lost"].as_f64().unwrap() / received["packets"].as_f64().unwrap();
    assert!((0.01..0.12).contains(&share), "{received}");

    let (greeting, record) =
        call_in("50 ms of jitter", Weather { jitter: ms(50), ..Weather::default() }).await;
    assert!(greeting.longest_hole <= ms(20) && greeting.missing < 0.02, "{greeting:?}");
    let received = &record["media"]["received"];
    assert_eq!(received["lost"], 0, "{received}");
    assert!(received["jitter_ms"].as_f64().unwrap() > 5.0, "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_breaks_in_has_heard_all_but_what_their_phone_holds_back() {
    let world = World::start(Behaviour { greeting: ms(8_000), ..Behaviour::default() }).await;
    let voice = tone_of("marin");
    let mut call = Call::place(&world.dial()).await.unwrap();
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
    assert!((ms(20)..=ms(70)).contains(&held_back), "told {told:?} of {answered:?}");
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    world.end().await;
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
