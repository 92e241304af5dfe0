//! Whole conversations with the scripted model, which refuses what the service would refuse.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::{Closing, SessionLog};
use dialplane::kit::model::script::{Behaviour, Dialect as Wire, Fault, Script};
use dialplane::kit::tone::{dominant, sine, tone_of};
use dialplane::media::audio::{Audio, Format};
use dialplane::media::{FRAME, FRAME_SAMPLES, MODEL_RATE, Pcm};
use dialplane::realtime::{ItemId, ResponseOutcome};
use tokio::time::{Instant, sleep_until};

use super::*;

pub fn call(server: &ModelServer, greeting: Greeting) -> ModelSession {
    call_with(server, Opening { greeting, ..opening() })
}

pub fn call_with(server: &ModelServer, opening: Opening) -> ModelSession {
    let provider = Provider {
        name: "kit".into(),
        dialect: match server.dialect() {
            Wire::Ga => Dialect::OpenAiRealtime,
            Wire::Beta => Dialect::OpenAiRealtimeBeta,
        },
        url: server.url().parse().unwrap(),
        api_key: Redacted::new("sk-test".to_owned()),
        model: "default-model".into(),
        fallback: Vec::new(),
        transcription: Some("gpt-transcribe".into()),
        g711: false,
    };
    dialer().open(&provider, opening)
}

pub fn opening() -> Opening {
    Opening {
        model: "gpt-realtime-2.1".into(),
        voice: Some("sage".into()),
        audio: Format::Pcm,
        instructions: Some("You answer the phone.".into()),
        temperature: Some(0.7),
        greeting: Greeting::FromPrompt,
        language: None,
        max_output_tokens: 1024,
        turn_detection: TurnDetection::default(),
        interruptible: true,
        tools: Vec::new(),
        history: Vec::new(),
    }
}

/// Servers whose greeting does not end by itself.
async fn slow_servers() -> [ModelServer; 2] {
    let greeting = Duration::from_secs(30);
    servers(&Behaviour { greeting, delta_gap: FRAME * 5, ..Behaviour::default() }).await
}

pub async fn log(server: &ModelServer, found: impl Fn(&SessionLog) -> bool) -> SessionLog {
    let seen = |sessions: &[SessionLog]| sessions.first().filter(|log| found(log)).cloned();
    server.wait_for(seen, PATIENCE).await.expect("the server sees it in time")
}

/// Nothing that we sent was refused. It goes to a file of this test run, for `tests/peers/run events` to judge as well.
pub fn assert_taken(log: &SessionLog) {
    static SENT: LazyLock<[Mutex<File>; 2]> = LazyLock::new(|| {
        ["client-events.jsonl", "client-events-beta.jsonl"]
            .map(|name| Mutex::new(File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap()))
    });
    assert!(log.refused.is_empty(), "{:?}", log.refused);
    let lines: String = log.events.iter().map(|event| format!("{}\n", event.value)).collect();
    let beta = log.headers.contains_key("openai-beta");
    SENT[usize::from(beta)].lock().unwrap().write_all(lines.as_bytes()).unwrap();
}

/// A server of each shape of the dialect.
pub async fn servers(behaviour: &Behaviour) -> [ModelServer; 2] {
    let start = |dialect| ModelServer::start(Script { dialect, ..Script::always(behaviour.clone()) });
    [start(Wire::Ga).await.unwrap(), start(Wire::Beta).await.unwrap()]
}

/// Speaks to the model in real time, 20 ms by 20 ms, until it is dropped: a tone until told to be quiet.
pub fn speak(commands: mpsc::Sender<ModelCommand>, quiet: Arc<AtomicBool>) -> JoinSet<()> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        let (mut due, mut sample) = (Instant::now(), 0);
        loop {
            let end = sample + FRAME_SAMPLES as u64;
            let voice = if quiet.load(Ordering::Relaxed) { 0.0 } else { 0.5 };
            let frame = sine(600.0, voice, MODEL_RATE, sample, end);
            if commands.send(ModelCommand::Audio(Audio::Pcm(frame))).await.is_err() {
                return;
            }
            (due, sample) = (due + FRAME, end);
            sleep_until(due).await;
        }
    });
    task
}

/// Everything that is said of the next item, until its response is over.
pub async fn response(session: &mut ModelSession) -> (Pcm, ResponseOutcome) {
    let mut said = Pcm::new();
    loop {
        match next(session).await {
            ModelEvent::AgentAudio { audio, .. } => said.extend(&*audio.samples()),
            ModelEvent::AgentDone { outcome, .. } => return (said, outcome),
            ModelEvent::Ready { .. }
            | ModelEvent::Configured { .. }
            | ModelEvent::CallerStarted
            | ModelEvent::CallerStopped { .. }
            | ModelEvent::AgentStarted { .. }
            | ModelEvent::CallerText { .. }
            | ModelEvent::AgentText { .. }
            | ModelEvent::Saying { .. }
            | ModelEvent::Limits(_)
            | ModelEvent::Alive
            | ModelEvent::AgentAudioDone { .. } => {}
            other @ (ModelEvent::ToolCalled { .. } | ModelEvent::Warning { .. } | ModelEvent::Closed(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

#[tokio::test]
async fn each_greeting_is_spoken_in_the_calls_voice_and_nothing_we_send_is_refused() {
    let greetings = [Greeting::Say("Thank you for calling.".into()), Greeting::FromPrompt];
    for (server, greeting) in servers(&Behaviour::default()).await.into_iter().zip(greetings) {
        let mut session = call(&server, greeting.clone());
        until_configured(&mut session).await;
        let (said, outcome) = response(&mut session).await;
        assert_eq!(outcome, ResponseOutcome::Completed);
        assert_eq!(said.len(), 2 * MODEL_RATE as usize, "two seconds");
        assert!((dominant(&said, MODEL_RATE).unwrap() - tone_of("sage")).abs() < 30.0);
        session.commands.send(ModelCommand::Close).await.unwrap();
        assert_eq!(closed(&mut session).await, Closed::Asked);
        let log = log(&server, |log| log.closed.is_some()).await;
        assert_taken(&log);
        assert_eq!(log.closed.unwrap().1, Closing::Client { code: Some(1000) });
        assert_eq!(log.session["instructions"], "You answer the phone.");
        let applied = Some(0.7).filter(|_| server.dialect() == Wire::Beta);
        assert_eq!(log.session["temperature"].as_f64(), applied);
        let words = log.responses[0].asked["instructions"].as_str().unwrap_or_default().to_owned();
        assert_eq!(words.contains("Thank you for calling."), matches!(greeting, Greeting::Say(_)));
    }
}

#[tokio::test]
async fn a_caller_who_breaks_in_stops_the_greeting_and_is_answered() {
    for server in slow_servers().await {
        break_in(&server).await;
    }
}

async fn break_in(server: &ModelServer) {
    let mut session = call(server, Greeting::FromPrompt);
    until_configured(&mut session).await;
    let quiet = Arc::new(AtomicBool::new(false));
    let _caller = speak(session.commands.clone(), Arc::clone(&quiet));
    let mut playing = None;
    loop {
        match next(&mut session).await {
            ModelEvent::AgentAudio { item, .. } => playing = Some(item),
            ModelEvent::CallerStarted => break,
            _ => {}
        }
    }
    let item: ItemId = playing.expect("the greeting had begun");
    session.commands.send(ModelCommand::StopSpeaking).await.unwrap();
    let heard = Duration::from_millis(40);
    session.commands.send(ModelCommand::Heard { item: item.clone(), heard }).await.unwrap();
    let (late, outcome) = response(&mut session).await;
    assert_eq!((late, outcome), (Pcm::new(), ResponseOutcome::Cancelled));
    let log_then = log(server, |log| !log.truncations.is_empty()).await;
    assert_eq!(
        (log_then.truncations[0].item.clone(), log_then.truncations[0].audio_end),
        (item.0.to_string(), heard)
    );

    quiet.store(true, Ordering::Relaxed);
    let (answer, outcome) = response(&mut session).await;
    assert_eq!(outcome, ResponseOutcome::Completed);
    assert_eq!(answer.len(), MODEL_RATE as usize * 3 / 2, "the reply, whole");
    let log = log(server, |log| log.utterances.first().is_some_and(|said| said.stopped.is_some())).await;
    assert!((log.utterances[0].tone_hz.unwrap() - 600.0).abs() < 30.0);
    assert_taken(&log);
}

#[tokio::test]
async fn our_own_stop_cancels_the_response_and_an_item_of_which_nothing_was_heard_is_cut_to_nothing() {
    let [server, _] = slow_servers().await;
    let mut session = call(&server, Greeting::FromPrompt);
    until_configured(&mut session).await;
    let item = loop {
        if let ModelEvent::AgentAudio { item, .. } = next(&mut session).await {
            break item;
        }
    };
    for command in [ModelCommand::StopSpeaking, ModelCommand::Heard { item, heard: Duration::ZERO }] {
        session.commands.send(command).await.unwrap();
    }
    assert_eq!(response(&mut session).await.1, ResponseOutcome::Cancelled);
    let log = log(&server, |log| !log.truncations.is_empty()).await;
    assert_eq!(log.truncations[0].audio_end, Duration::ZERO);
    assert_taken(&log);
}

#[tokio::test]
async fn every_fault_of_the_script_ends_the_session_with_its_reason() {
    let table = [
        (Fault::RefuseUpgrade(401), refused("http-401")),
        (Fault::TooManyRequests { retry_after: 7 }, busy("http-429", Some(7))),
        (Fault::FailSession { code: "invalid_api_key".into() }, refused("invalid_api_key")),
        (Fault::FailSession { code: "invalid_value".into() }, refused("invalid_value")),
        (Fault::FailResponses { code: "insufficient_quota".into() }, refused("insufficient_quota")),
        (Fault::DropAfterAudio(Duration::from_millis(500)), lost("connection reset")),
        (Fault::ExpireAfter(Duration::from_millis(50)), refused("session_expired")),
    ];
    for (fault, expected) in table {
        let server =
            ModelServer::start(Script::always(Behaviour { fault: fault.clone(), ..Behaviour::default() }));
        let server = server.await.unwrap();
        let mut session = call(&server, Greeting::FromPrompt);
        assert_eq!(closed(&mut session).await, expected, "{fault:?}");
    }
}
