//! A backend's bad days: every call is greeted in time all the same, and its record says what went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use dialplane::kit::backend::Backend;
use dialplane::kit::backend::script::{Answer, Fault, Script};
use dialplane::kit::model::script::Behaviour;
use dialplane::lookup::Budget;
use serde_json::{Value, json};

use crate::ports;
use crate::world::{Plan, SOON, World, hears_first, pitch};

/// What a call takes beside its lookup, on a machine that compiles beside us: rooms, codecs, and the model's greeting.
const CALL: Duration = Duration::from_secs(3);
/// Calls at once.
const AT_ONCE: usize = 5;

/// A backend's day, and what the record is to say of it.
struct Case {
    name: &'static str,
    answer: Answer,
    source: &'static str,
    why: Option<&'static str>,
    status: Option<u16>,
    attempts: u64,
    /// The fields that are dropped.
    warnings: Vec<String>,
}

impl Case {
    /// The dialplan's agent serves.
    fn fails(name: &'static str, why: &'static str, attempts: u64, answer: Answer) -> Self {
        let status = (why == "status").then_some(answer.status);
        Self { name, answer, source: "dialplan", why: Some(why), status, attempts, warnings: Vec::new() }
    }

    fn serves(name: &'static str, answer: &Value, dropped: &[&str]) -> Self {
        let warnings = dropped.iter().map(|field| (*field).to_owned()).collect();
        let answer = Answer::ok(answer.clone());
        Self { name, answer, source: "backend", why: None, status: None, attempts: 1, warnings }
    }

    /// The agent of the dialplan speaks unless the backend says another voice.
    fn voice(&self) -> &'static str {
        if self.why.is_none() && self.warnings.is_empty() { "marin" } else { "cedar" }
    }
}

const DOWN: &str = "down";
const REDIRECTED: &str = "redirected";

fn cases(elsewhere: &str) -> Vec<Case> {
    let agent = json!({"voice": "marin", "systemPrompt": "You are the agent of a backend that is well."});
    let good = || Answer::ok(agent.clone());
    let fault = |fault| good().with(fault);
    let mut cases = vec![
        Case::fails(DOWN, "connect", 2, Answer::status(500)),
        Case::fails("slow (10 s)", "timeout", 2, good().after(Duration::from_secs(10))),
        Case::fails("hanging in the body", "timeout", 2, fault(Fault::HangMidBody)),
        Case::fails("cut in the body", "broken", 1, fault(Fault::CutMidBody)),
        Case::fails("500", "status", 2, Answer::status(500)),
        Case::fails(
            "429, Retry-After 30",
            "status",
            1,
            Answer::status(429).with(Fault::RetryAfter("30".into())),
        ),
        Case::fails(
            "429, Retry-After 1",
            "status",
            2,
            Answer::status(429).with(Fault::RetryAfter("1".into())),
        ),
        Case::fails("garbage", "malformed", 1, fault(Fault::Garbage)),
        Case::fails("404", "unknown", 1, Answer::status(404)),
        Case::fails("204", "unknown", 1, Answer::status(204)),
        Case::fails("a body of 50 MB", "too-large", 1, fault(Fault::Huge(50 << 20))),
        Case {
            // Followed, it would be found well.
            status: Some(307),
            ..Case::fails(REDIRECTED, "status", 1, fault(Fault::Redirect(elsewhere.to_owned())))
        },
        Case::fails("another content type", "content-type", 1, fault(Fault::ContentType("text/html".into()))),
    ];
    cases.extend(wrong_fields().iter().map(|(name, answer, dropped)| Case::serves(name, answer, dropped)));
    // One of them in every group of calls, to compare with.
    let groups = cases.len().div_ceil(AT_ONCE - 1);
    for group in 0..groups {
        cases.insert(group * AT_ONCE, Case::serves("well", &agent, &[]));
    }
    cases
}

/// Every field that an answer may have, wrong: of the wrong kind, out of bounds, or within objects that are right.
fn wrong_fields() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let kinds = json!({
        "action": 7, "tenantId": "no such id", "systemPrompt": 1, "model": ["gpt"], "voice": {"id": "ash"},
        "temperature": "hot", "startMessage": false, "greeting": "shout", "language": 49, "metadata": "m",
        "reject": [], "transfer": "t", "limits": 1, "cache": "c", "variables": ["v"], "tools": [{"name": "t"}],
    });
    let within = json!({
        "action": "hold", "temperature": 2.1, "systemPrompt": "x".repeat((64 << 10) + 1),
        "startMessage": "x".repeat((4 << 10) + 1), "voice": "v".repeat(129), "model": "m".repeat(129),
        "language": "en-US".repeat(100), "reject": {"reason": "tired"}, "transfer": {"to": "no such place"},
    });
    let deeper = json!({
        "limits": {"maxDurationSeconds": 0, "silenceSeconds": 0}, "metadata": {"m": "x".repeat(9 << 10)},
        "cache": {"ttlSeconds": -1, "revalidateSeconds": "1 h", "staleSeconds": 1e9, "by": ["weather"]},
        "variables": {"name": [], "a name": "b"},
    });
    let names = |answer: &Value| -> Vec<&'static str> {
        let all = FIELDS.iter().copied();
        all.filter(|field| answer.get(field).is_some()).collect()
    };
    let inner = vec![
        "limits.maxDurationSeconds",
        "limits.silenceSeconds",
        "metadata",
        "cache.ttlSeconds",
        "cache.revalidateSeconds",
        "cache.staleSeconds",
        "cache.by",
        "variables",
        "variables.name",
    ];
    let mut values = names(&within);
    values.retain(|field| !["reject", "transfer"].contains(field));
    values.extend(["reject.reason", "transfer.to"]);
    let kinds = ("every field of a wrong kind", kinds.clone(), names(&kinds));
    vec![kinds, ("every value out of bounds", within, values), ("every inner value wrong", deeper, inner)]
}

/// The contract's.
const FIELDS: [&str; 16] = [
    "action",
    "tenantId",
    "systemPrompt",
    "model",
    "voice",
    "temperature",
    "startMessage",
    "greeting",
    "language",
    "metadata",
    "reject",
    "transfer",
    "limits",
    "cache",
    "variables",
    "tools",
];

fn number(at: usize) -> String {
    format!("+155577702{at:02}")
}

/// A tenant of its own for each, so that none pays for another's backend.
fn dialplan(at: usize, backend: Option<&str>) -> String {
    let backend = backend.map_or(String::new(), |url| format!("[backend]\nurl = \"{url}\"\n"));
    format!(
        "tenant = \"case-{at}\"\n{backend}\
         [[route]]\nid = \"line\"\ncalled = [\"{}\"]\nagent = \"own\"\n\
         [agent.own]\nvoice = \"cedar\"\nprompt = \"You keep the line of a tenant whose backend has a bad day.\"\n\
         greeting = \"Good morning, what can I do for you?\"\n",
        number(at)
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn on_every_bad_day_of_a_backend_a_call_is_greeted_in_time_and_its_record_says_why() {
    let elsewhere = Backend::start(Script::always(Answer::ok(json!({"voice": "ash"})))).await.unwrap();
    let cases = cases(&elsewhere.url());
    let nowhere = format!("http://{}/call-config", ports::free());
    let behaviour = Behaviour { greeting: Duration::from_secs(1), ..Behaviour::default() };
    let mut plan = Plan::new(behaviour, &Value::Null);
    for (at, case) in cases.iter().enumerate() {
        let own = (case.name == DOWN).then_some(nowhere.as_str());
        plan = plan.dialplan(&format!("case-{at:02}.toml"), &dialplan(at, own));
        plan.secrets = plan.secrets.number("a called number", &number(at));
    }
    let answers = cases.iter().enumerate().map(|(at, case)| (number(at), case.answer.clone()));
    plan.backend = Some(Script::by_called(answers));
    let world = World::start(plan).await;

    let mut greeted = Vec::new();
    for (group, of_group) in cases.chunks(AT_ONCE).enumerate() {
        let first = group * AT_ONCE;
        let mut calls: Vec<_> = (first..first + of_group.len()).map(|at| world.call(&number(at))).collect();
        for (call, case) in calls.iter().zip(of_group) {
            call.answered(SOON).await;
            let heard = hears_first(call, pitch(case.voice())).await;
            greeted.push(call.times().since_invite(heard));
        }
        for call in &mut calls {
            call.hang_up();
            assert!(call.over(SOON).await.1.success());
        }
        world.livekit.wait_until_empty().await;
    }

    world.router.wait_for_records(cases.len()).await;
    let (records, metrics) = (world.router.records(), world.router.metrics().await);
    let record_of = |at: usize| {
        let tenant = json!(format!("case-{at}"));
        records.iter().find(|record| record["tenant"] == tenant).expect("a record for each")
    };
    println!("{:<28} {:>10} {:>10}  record", "the backend", "greeted ms", "lookup ms");
    for (at, (case, greeted)) in cases.iter().zip(&greeted).enumerate() {
        println!("{}", row(case, record_of(at), *greeted));
    }
    for (at, (case, greeted)) in cases.iter().zip(&greeted).enumerate() {
        check(case, record_of(at), *greeted);
    }
    assert_eq!(elsewhere.requests().len(), 0, "a redirect is not followed");
    let lookups = cases.iter().map(|case| {
        let why = case.why.unwrap_or_default();
        (format!("source=\"{}\",why=\"{why}\"", case.source), 1)
    });
    assert_eq!(samples(&metrics, "dialplane_config_lookups_total"), counted(lookups));
    let requests =
        cases.iter().map(|case| (format!("outcome=\"{}\"", case.why.unwrap_or("answered")), case.attempts));
    assert_eq!(samples(&metrics, "dialplane_config_requests_total"), counted(requests));
    world.end(cases.len()).await;
}

fn check(case: &Case, record: &Value, greeted: Duration) {
    let (name, config) = (case.name, &record["config"]);
    let whole = Budget::default().whole;
    assert!(greeted < whole + CALL, "{name}: greeted after {greeted:?}");
    assert_eq!(record["config_source"], case.source, "{name}");
    assert_eq!(config["why"], json!(case.why), "{name}");
    assert_eq!(config["status"], json!(case.status), "{name}");
    assert_eq!(config["attempts"], case.attempts, "{name}");
    // Timers fire late on a busy machine, but never by as much as another attempt.
    let ms = Duration::from_millis(config["ms"].as_u64().unwrap());
    assert!(ms < whole + Duration::from_millis(500), "{name}: the lookup took {ms:?}");
    let warnings = config["warnings"].as_array().unwrap().iter().map(|warning| {
        let text = warning.as_str().unwrap();
        text.split_once(": ").expect("a field and what is wrong with it").0.to_owned()
    });
    let mut warnings: Vec<String> = warnings.collect();
    let mut expected = case.warnings.clone();
    warnings.sort();
    expected.sort();
    assert_eq!(warnings, expected, "{name}");
}

/// The samples of one metric by their labels.
fn samples(metrics: &str, name: &str) -> BTreeMap<String, u64> {
    let samples =
        metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
    samples.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

fn counted(of: impl Iterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    of.fold(BTreeMap::new(), |mut sums, (labels, count)| {
        *sums.entry(labels).or_default() += count;
        sums
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_who_calls_again_is_served_from_the_cache_without_a_second_request() {
    let world = World::start(Plan::new(Behaviour::default(), &json!({"voice": "cedar"}))).await;
    for calls in 1..=2 {
        let mut call = world.call(crate::world::ACME);
        call.answered(SOON).await;
        hears_first(&call, pitch("cedar")).await;
        call.hang_up();
        assert!(call.over(SOON).await.1.success());
        world.router.wait_for_records(calls).await;
    }
    assert_eq!(world.backend.as_ref().unwrap().requests().len(), 1);
    let records = world.end(2).await;
    let sources: Vec<_> = records.iter().map(|record| &record["config_source"]).collect();
    assert_eq!(sources, ["backend", "cache"]);
    assert_eq!(records[1]["config"]["attempts"], 0);
}

fn row(case: &Case, record: &Value, greeted: Duration) -> String {
    let config = &record["config"];
    format!(
        "{:<28} {:>10} {:>10}  {} {} {} attempts {}",
        case.name,
        greeted.as_millis(),
        config["ms"],
        record["config_source"],
        config["why"],
        config["status"],
        config["attempts"]
    )
}
