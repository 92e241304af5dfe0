//! `dialplane demo`, as a newcomer runs it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::Script;
use dialplane::kit::phone::{Call, Dial, Stage};
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{Instant, timeout};

/// Longer than any demo.
const SOON: Duration = Duration::from_secs(30);

/// Nothing of our own surroundings reaches it.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
    command.arg("demo").env_clear().current_dir(folder);
    command
}

fn demo(folder: &Path) -> Output {
    command(folder).output().unwrap()
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("dialplane-{name}-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Seconds of 16 bit PCM at 8 kHz, and the loudest sample.
fn heard(wav: &Path) -> (f64, u16) {
    let bytes = std::fs::read(wav).unwrap();
    let (head, data) = bytes.split_at(44);
    assert_eq!(
        (&head[..4], &head[8..16], &head[24..28]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], &8_000u32.to_le_bytes()[..])
    );
    let samples = data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair).unsigned_abs());
    (data.len() as f64 / 16_000.0, samples.max().unwrap())
}

#[test]
fn six_calls_are_placed_told_and_kept_within_20_s_with_nothing_configured() {
    let (folder, start) = (folder("demo"), Instant::now());
    let output = demo(&folder);
    let (told, took) = (String::from_utf8(output.stdout).unwrap(), start.elapsed());
    assert!(
        output.status.success() && !told.contains("WRONG"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    for line in [
        "answered: tenant bright-smile, route front-desk (exact), configuration from backend",
        "answered: tenant copper-kettle, route after-hours (prefix), configuration from dialplan (backend: unknown)",
        "answered: tenant harbour-clinic, route forwarded (exact), configuration from dialplan (backend: unknown)",
        "answered: tenant north-cab, route dispatch (exact), configuration from default (backend: broken)",
        "the agent greets: Good evening, this is the Copper Kettle.",
        "the caller says: I would like to move my appointment",
        "the agent answers: Of course. I will see you on Friday",
        "refused with 486, busy: tenant bright-smile, route emergencies (exact), limit calls",
        "refused with 404, not-found",
        "All six calls went as they should.",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
    let kept = folder.join("demo-output");
    for name in ["1-own-number.wav", "2-after-hours.wav", "3-forwarded.wav", "4-backend-down.wav"] {
        let (seconds, loudest) = heard(&kept.join(name));
        assert!(seconds >= 2.0 && loudest > 5_000, "{name}: {seconds} s, {loudest}");
    }
    assert!(!kept.join("records.jsonl.open").exists(), "no call is open");
    let records = std::fs::read_to_string(kept.join("records.jsonl")).unwrap();
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| record["call"]["ingress"] == "sip"), "{records:?}");
    // While its only place was taken.
    let at = |record: &Value, field: &str| record[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    let of =
        |number: &str| records.iter().find(|record| record["call"]["called"]["number"] == number).unwrap();
    let (up, refused) = (of("+12125550142"), of("+12125550143"));
    assert!(at(up, "offered_at") < at(refused, "offered_at") && at(refused, "ended_at") < at(up, "ended_at"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A model that one key opens, in place of the one that costs money.
async fn paid_for() -> ModelServer {
    let script = Script { keys: vec!["sk-demo".to_owned()], ..Script::default() };
    ModelServer::start(script).await.unwrap()
}

async fn demo_with_key(folder: &Path, key: &str, model: &ModelServer) -> (bool, String) {
    let mut command = tokio::process::Command::from(command(folder));
    command.env("OPENAI_API_KEY", key).env("OPENAI_BASE_URL", model.url());
    let output = command.output().await.unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn with_a_key_the_real_model_answers_and_it_is_said_that_this_costs_money() {
    let (folder, model) = (folder("paid-demo"), paid_for().await);
    let (is_right, told) = demo_with_key(&folder, "sk-demo", &model).await;
    assert!(is_right, "{told}");
    let first = told.lines().next().unwrap();
    assert!(first.contains("THESE CALLS COST MONEY") && !told.contains("sk-demo"), "{told}");
    let sessions = model.sessions();
    let voices: BTreeSet<&str> = sessions.iter().map(SessionLog::voice).collect();
    assert_eq!((sessions.len(), voices.len()), (4, 4), "one for each answered call: {voices:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_demo_in_which_calls_go_wrong_fails_and_names_them() {
    let (folder, model) = (folder("wrong-demo"), paid_for().await);
    let (is_right, told) = demo_with_key(&folder, "sk-another", &model).await;
    assert!(!is_right && told.contains("of the six calls did not go as they should"), "{told}");
    // The place of the first may be free again when the fifth comes.
    let refused = told.lines().filter(|line| line.ends_with("WRONG: the caller was told 503"));
    assert_eq!(refused.count(), 4, "{told}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_demo_that_stays_says_whom_to_call_and_answers() {
    let folder = folder("staying-demo");
    let mut command = tokio::process::Command::from(command(&folder));
    let mut demo = command.arg("--stay").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let invitation = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((number, router)) =
                line.trim().strip_prefix("sip:").and_then(|uri| uri.split_once('@'))
            {
                return (number.to_owned(), router.parse().unwrap());
            }
        }
        panic!("it says no number");
    };
    let (number, router) = timeout(SOON, invitation).await.unwrap();
    let mut call = Call::place(&Dial::new(router, &number, "+15551230009")).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    call.hears(|heard| heard.samples.iter().any(|sample| sample.unsigned_abs() > 5_000), SOON).await.unwrap();
    let pid = demo.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(timeout(SOON, demo.wait()).await.unwrap().unwrap().success());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_demo_that_cannot_be_given_fails_and_says_why() {
    let folder = folder("no-demo");
    std::fs::write(folder.join("demo-output"), "a file in the way").unwrap();
    let output = demo(&folder);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("demo-output"), "{said}");
    std::fs::remove_dir_all(folder).unwrap();
}
