//! SIPp against the router's own SIP port: the whole path with a scripted model, and neither LiveKit nor the rig.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use dialplane::kit::model::script::{Behaviour, Script};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::port::{Plan, Port};
use crate::ports;

const RECEPTION: &str = "+15557770001";
const BLOCKED: &str = "+15557770002";
/// Whose calls last two seconds and a goodbye.
const BRIEF: &str = "+15557770003";
/// Who rings there is handed on.
const ELSEWHERE: &str = "+15557770004";
const NOBODY: &str = "+15559990000";

/// Longer than any scenario takes.
const LONGEST: Duration = Duration::from_secs(90);

/// A router for SIPp to call.
struct World {
    port: Port,
}

impl World {
    async fn start(calls: usize, behaviour: Behaviour) -> Self {
        Self::with(calls, behaviour, "").await
    }

    /// `settings`: a file of them, where there is one.
    async fn with(calls: usize, behaviour: Behaviour, settings: &str) -> Self {
        let route = |id: &str, called: &str, rest: &str| {
            format!("[[route]]\nid = '{id}'\ncalled = ['{called}']\n{rest}\n")
        };
        let acme = route("reception", RECEPTION, "agent = 'desk'")
            + &route("blocked", BLOCKED, "reject = 'declined'")
            + &route("elsewhere", ELSEWHERE, "transfer = 'tel:+15557770099'");
        let brief = route("brief", BRIEF, "agent = 'desk'");
        let agent = "[agent.desk]\nprompt = 'You answer the phone.'\ngreeting = 'Hello.'\n";
        let limits = "[limits]\nmax_duration = '2s'\n";
        let plan = Plan {
            script: Script::always(behaviour),
            dialplans: vec![
                ("acme.toml", format!("tenant = 'acme'\n{acme}{agent}")),
                ("brief.toml", format!("tenant = 'brief'\n{brief}{agent}{limits}")),
            ],
            variables: vec![
                ("DIALPLANE_MAX_CALLS", calls.to_string()),
                ("OFFICE_PASSWORD", "open-sesame".to_owned()),
            ],
            settings: settings.to_owned(),
            tls: None,
        };
        Self { port: Port::open(plan).await }
    }

    /// Starts SIPp with a scenario of tests/sip.
    fn call(&self, scenario: &str, called: &str) -> Scenario {
        self.call_with(scenario, called, &[])
    }

    fn call_with(&self, scenario: &str, called: &str, more: &[&str]) -> Scenario {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip").join(scenario).with_extension("xml");
        let dir = self.port.dir.join(format!("{scenario}-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&dir).unwrap();
        let port = ports::free().port();
        let screen = fs::File::create(dir.join("screen.log")).unwrap();
        let sipp = Command::new("sipp")
            .arg(self.port.sip.to_string())
            .args(["-m", "1", "-i", "127.0.0.1", "-nostdin", "-s", called, "-p", &port.to_string()])
            .args(["-auth_uri", &format!("{called}@{}", self.port.sip)])
            .args([
                "-trace_err",
                "-error_file",
                "errors.log",
                "-trace_msg",
                "-message_file",
                "messages.log",
                "-sf",
            ])
            .arg(file)
            .args(more)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stderr(screen.try_clone().unwrap())
            .stdout(screen)
            .kill_on_drop(true)
            .spawn()
            .expect("SIPp is installed");
        Scenario { dir, sipp }
    }

    /// Ends the router, and gives its records by how they ended.
    async fn end(self) -> Vec<(String, Value)> {
        let how = |record: &Value| record["ending"]["how"].as_str().unwrap().to_owned();
        self.port.close().await.into_iter().map(|record| (how(&record), record)).collect()
    }
}

/// A SIPp that runs.
struct Scenario {
    dir: PathBuf,
    sipp: Child,
}

impl Scenario {
    /// It ended as its file says.
    async fn succeeds(mut self) {
        let status = timeout(LONGEST, self.sipp.wait()).await.expect("SIPp ends").unwrap();
        let log = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        assert!(status.success(), "{status}\n{}\n{}", log("errors.log"), log("messages.log"));
    }
}

/// One call by that file, and how it ended by the record; `None` where there is none, as it became no call.
async fn check(scenario: &str, called: &str, ending: Option<&str>) {
    let world = World::start(10, Behaviour::default()).await;
    world.call(scenario, called).succeeds().await;
    let records: BTreeMap<String, Value> = world.end().await.into_iter().collect();
    let endings: Vec<&str> = records.keys().map(String::as_str).collect();
    assert_eq!(endings, Vec::from_iter(ending), "{scenario}");
    for record in records.values() {
        assert_eq!((&record["call"]["ingress"], &record["call"]["project"]), (&"sip".into(), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn calls_are_answered_and_end() {
    let theirs = [
        "the-caller-hangs-up",
        "a-late-offer-is-answered-in-the-ack",
        "a-retransmitted-invite-is-one-call",
        "the-caller-holds-and-resumes",
        "a-cancel-that-meets-the-200-has-no-effect",
        "ringing-is-acknowledged-where-the-caller-insists",
        "the-caller-refreshes-its-session",
        "an-offer-that-meets-ours-is-answered-491",
        "a-request-out-of-order-is-answered-500",
        "keys-arrive-in-info",
        "a-copy-of-an-invite-is-answered-482",
    ];
    let ours = [
        "the-router-hangs-up",
        "a-caller-that-moved-is-let-go-where-it-is-now",
        "the-way-back-is-the-recorded-one",
    ];
    let world = World::start(20, Behaviour::default()).await;
    let mut calls: Vec<Scenario> = theirs.iter().map(|scenario| world.call(scenario, RECEPTION)).collect();
    calls.extend(ours.iter().map(|scenario| world.call(scenario, BRIEF)));
    // SIPp takes no copy for what it is.
    calls.push(world.call_with("a-lost-200-is-sent-again", RECEPTION, &["-nr"]));
    join_all(calls.into_iter().map(Scenario::succeeds)).await;
    let records = world.end().await;
    let ended = |how: &str| records.iter().filter(|(ending, _)| ending == how).count();
    assert_eq!((ended("caller-hung-up"), ended("time-limit")), (theirs.len() + 1, ours.len()), "{records:?}");
    assert_eq!(records.len(), theirs.len() + 1 + ours.len(), "one record a call");
    let digits: u64 = records.iter().map(|(_, record)| record["digits"].as_u64().unwrap()).sum();
    assert_eq!(digits, 1, "one key was pressed");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn calls_over_tcp_are_the_same() {
    let world = World::start(20, Behaviour::default()).await;
    let calls = [
        ("the-caller-hangs-up", RECEPTION),
        ("the-router-hangs-up", BRIEF),
        ("a-late-offer-is-answered-in-the-ack", RECEPTION),
        ("the-caller-holds-and-resumes", RECEPTION),
        ("an-unknown-number-is-answered-404", NOBODY),
        ("options-is-answered-200", RECEPTION),
    ];
    let calls = calls.map(|(scenario, called)| world.call_with(scenario, called, &["-t", "t1"]));
    join_all(calls.map(Scenario::succeeds)).await;
    let mut endings: Vec<String> = world.end().await.into_iter().map(|(how, _)| how).collect();
    endings.sort();
    assert_eq!(endings, ["caller-hung-up", "caller-hung-up", "caller-hung-up", "refused", "time-limit"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn callers_are_handed_on() {
    let world = World::start(10, Behaviour::default()).await;
    world.call("a-caller-handed-on-while-it-rings-is-answered-302", ELSEWHERE).succeeds().await;
    let [(how, record)] = world.end().await.try_into().expect("one record");
    let timing = |record: &Value| record["timing_ms"].as_object().expect("times").clone();
    assert_eq!(how, "transferred");
    assert_eq!(
        (&timing(&record)["gate"], &timing(&record)["active"]),
        (&Value::Null, &Value::Null),
        "never answered"
    );

    let trunk = "[sip]\nlisten = '127.0.0.1:0'\n\
                 [[trunk]]\nname = 'acme'\naddresses = ['127.0.0.0/8']\nunanswered_transfer = 'refer'\n";
    let world = World::with(10, Behaviour::default(), trunk).await;
    world.call("the-router-refers-its-caller", ELSEWHERE).succeeds().await;
    let [(how, record)] = world.end().await.try_into().expect("one record");
    assert_eq!(how, "transferred");
    assert!(timing(&record)["active"].is_number(), "{record}");
}

/// SIPp tries the first challenge alone, and knows no algorithm but MD5.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn a_trunk_without_an_address_calls_with_its_password() {
    let office = "[sip]\nlisten = '127.0.0.1:0'\n[[trunk]]\nname = 'office'\nfrom = 'anywhere'\n\
                  digest = { username = 'office', password = 'env:OFFICE_PASSWORD', algorithms = ['MD5', 'SHA-256'] }\n";
    let world = World::with(10, Behaviour::default(), office).await;
    let scenario = "a-caller-from-anywhere-answers-a-challenge";
    let calls = [&[][..], &["-t", "t1"]].map(|more| world.call_with(scenario, RECEPTION, more));
    join_all(calls.map(Scenario::succeeds)).await;
    let records = world.end().await;
    assert_eq!(records.len(), 2, "{records:?}");
    for (ending, record) in &records {
        let trunk = &record["call"]["trunk"]["name"];
        assert_eq!((ending.as_str(), trunk), ("caller-hung-up", &"office".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn callers_give_up() {
    // The model says nothing before the caller has cancelled.
    let slow = || Behaviour { first_audio: Duration::from_secs(2), ..Behaviour::default() };
    for scenario in ["the-caller-cancels", "an-early-bye-ends-the-call"] {
        let world = World::start(10, slow()).await;
        world.call(scenario, RECEPTION).succeeds().await;
        let endings: Vec<String> = world.end().await.into_iter().map(|(how, _)| how).collect();
        assert_eq!(endings, ["caller-cancelled"], "{scenario}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn calls_are_refused_with_their_codes() {
    check("an-unknown-number-is-answered-404", NOBODY, Some("refused")).await;
    check("a-blocked-number-is-answered-603", BLOCKED, Some("refused")).await;
    check("no-codec-in-common-is-answered-488", RECEPTION, None).await;
    check("an-extension-that-we-lack-is-answered-420", RECEPTION, None).await;
    check("a-call-that-went-round-and-round-is-answered-483", RECEPTION, None).await;
    check("options-is-answered-200", RECEPTION, None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp"]
async fn a_full_router_refuses_and_the_call_that_is_up_goes_on() {
    let world = World::start(1, Behaviour::default()).await;
    let up = world.call("the-router-hangs-up", BRIEF);
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.call("a-full-router-is-answered-503-with-retry-after", RECEPTION).succeeds().await;
    up.succeeds().await;
    let endings: Vec<String> = world.end().await.into_iter().map(|(how, _)| how).collect();
    assert_eq!(endings, ["time-limit"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SIPp, and takes a minute"]
async fn calls_that_their_callers_forget_are_ended() {
    let lost = check("a-lost-ack-ends-the-call-after-32-seconds", RECEPTION, Some("caller-hung-up"));
    let expired = check("a-session-that-nobody-refreshes-expires", RECEPTION, Some("caller-hung-up"));
    tokio::join!(lost, expired);
}
