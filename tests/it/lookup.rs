//! The call-config lookup over real sockets: what is sent, and what every failure of a backend comes to.

mod address;
mod cached;
mod failing;
mod names;
mod openapi;
mod server;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dialplane::call::{Call, CallId, Caller, Country, Diverter, Number, Origin, Refusal, Trunk};
use dialplane::dialplan::{Action, Backend, Instead, Limits, Match, Routed, Tenant};
use dialplane::http::{Client, sign};
use dialplane::lookup::{
    Answer, Budget, CacheBounds, ConfigSource, Decision, Lookup, Policy, Unmatched, Why,
};
use dialplane::telemetry::Metrics;
use dialplane::tenant::{Agent, Choice, Greeting, TenantId, Transfers};
use dialplane::tls::Tls;
use jiff::Timestamp;
use serde_json::{Value, json};

use server::{Script, Server, answer, json as json_answer};

const NOW: &str = "2026-03-01T12:00:00.250Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn client(tls: &Tls) -> Client {
    Client::with_connect_timeout(tls, AMPLE).unwrap()
}

pub fn call() -> Call {
    Call {
        id: CallId::from_u128(0x0195_51f0_0000_7000_8000_0000_0000_0001),
        origin: Origin::LiveKit { project: "main".into() },
        received_at: now(),
        room: "call-_+15551230001_x".into(),
        called: Number::read("+1 555 777 0001", None),
        diverter: Some(Diverter::open(Number::read("+15556001234", None))),
        caller: Caller::Number(Number::read("5551230001", Country::parse("US"))),
        caller_name: Some("Ada".into()),
        verified: None,
        trunk: Some(Trunk { id: "ST_abc".into(), name: Some("acme-sip".into()) }),
        rule_id: Some("SDR_1".into()),
        sip_call_id: Some("SCL_1".into()),
        sip_call_id_full: Some("a84b4c76e66710@pc33".into()),
        headers: BTreeMap::from([("x-campaign".to_owned(), "spring".into())]),
        answered: false,
        redirects: false,
        resumed_from: None,
    }
}

fn backend(url: &str) -> Backend {
    Backend { url: url.parse().unwrap(), secrets: Vec::new(), bearer: None, cache_by: None }
}

/// A route of the tenant `acme` whose agent has the voice `dialplan`.
pub fn routed(backend: Option<Backend>) -> Routed {
    let agent = Agent { voice: Choice::This("dialplan".into()), ..Agent::default() };
    let tenant = Tenant {
        id: TenantId::parse("acme").unwrap(),
        name: None,
        tier: None,
        backend,
        limits: Limits::default(),
        transfers: Transfers::default(),
    };
    Routed {
        tenant: Arc::new(tenant),
        route: "front-desk".into(),
        matched: Match::Exact,
        action: Action::Answer { agent: Some(Arc::new(agent)) },
    }
}

fn lookup(router: Option<Backend>, attempt: Duration) -> Lookup {
    lookup_by(Policy { router, budget: Budget { attempt, ..Budget::default() }, ..policy() })
}

fn lookup_by(policy: Policy) -> Lookup {
    Lookup::new(client(&Tls::trusting([])), policy, Metrics::new())
}

fn policy() -> Policy {
    Policy {
        router: None,
        default: Agent { prompt: Choice::This("default".into()), ..Agent::default() },
        transfers: Transfers::default(),
        unmatched: Unmatched::Ask,
        budget: Budget::default(),
        cache: CacheBounds::default(),
    }
}

/// What becomes of a routed call whose own backend follows the script.
async fn ask(script: Script, attempt: Duration) -> Answer {
    let server = Server::start(script).await;
    let routed = routed(Some(backend(&server.url())));
    lookup(None, attempt).resolve(&call(), Some(&routed), now()).await
}

fn prompt(answer: &Answer) -> Option<&str> {
    match &answer.decision {
        Decision::Answer(config) => config.prompt.as_ref().map(|prompt| prompt.reveal().as_str()),
        Decision::Instead(instead) => panic!("{instead:?}"),
    }
}

/// The example call, by this caller.
fn call_of(caller: u32) -> Call {
    Call { caller: Caller::Number(Number::read(&format!("+1555123{caller:04}"), None)), ..call() }
}

fn voice(answer: &Answer) -> Option<&str> {
    match &answer.decision {
        Decision::Answer(config) => config.voice.as_deref(),
        Decision::Instead(instead) => panic!("{instead:?}"),
    }
}

/// Long enough for a loopback exchange on a busy machine.
const AMPLE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn whatever_goes_wrong_the_dialplans_agent_serves_and_the_report_says_why() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let brief = Duration::from_millis(200);
    for (what, script, attempt, why) in [
        ("slow", Script::SayAndHang(String::new()), brief, Why::Timeout),
        (
            "hanging in the middle of the body",
            Script::SayAndHang(format!("{head}content-length: 20\r\n\r\n{{\"voice\"")),
            brief,
            Why::Timeout,
        ),
        (
            "broken in the middle of the body",
            Script::Say(format!("{head}content-length: 20\r\n\r\n{{\"voice\"")),
            AMPLE,
            Why::Broken,
        ),
        ("closed without an answer", Script::Say(String::new()), AMPLE, Why::Broken),
        ("no HTTP", Script::Say("SSH-2.0-OpenSSH\r\n".into()), AMPLE, Why::Broken),
        ("500", answer("500 Oops", "application/json", r#"{"voice":"x"}"#), AMPLE, Why::Status(500)),
        ("429", answer("429 Slow down", "text/plain", ""), AMPLE, Why::Status(429)),
        ("404", answer("404 Not Found", "text/plain", "no"), AMPLE, Why::Unknown),
        ("204", Script::Say("HTTP/1.1 204 No Content\r\n\r\n".into()), AMPLE, Why::Unknown),
        ("garbage", json_answer("{\"voice\": \"x\""), AMPLE, Why::Malformed),
        ("an array", json_answer("[]"), AMPLE, Why::Malformed),
        ("an empty body", json_answer(""), AMPLE, Why::Malformed),
        ("a web page", answer("200 OK", "text/html", r#"{"voice":"x"}"#), AMPLE, Why::ContentType),
        (
            "no content type",
            Script::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into()),
            AMPLE,
            Why::ContentType,
        ),
        ("a default", json_answer(r#"{"action":"default"}"#), AMPLE, Why::Declined),
    ] {
        let answer = ask(script, attempt).await;
        assert_eq!(answer.report.why, Some(why), "{what}");
        assert_eq!(answer.report.source, ConfigSource::Dialplan, "{what}");
        let attempts = if matches!(why, Why::Timeout | Why::Status(429 | 500)) { 2 } else { 1 };
        assert_eq!(answer.report.attempts, attempts, "{what}");
        assert_eq!(voice(&answer), Some("dialplan"), "{what}");
        assert_eq!(answer.tenant.unwrap().as_str(), "acme", "{what}");
    }
}

#[tokio::test]
async fn a_backend_that_is_down_is_told_from_one_that_is_slow() {
    // Bound and not listening: nobody else gets the port, and every connection is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let down = backend(&format!("http://127.0.0.1:{port}/"));
    let answer = lookup(Some(down), AMPLE).resolve(&call(), None, now()).await;
    assert_eq!((answer.report.why, answer.report.source), (Some(Why::Connect), ConfigSource::Default));
    assert_eq!((answer.tenant, answer.report.attempts), (None, 2));
}

#[tokio::test]
async fn an_answer_without_end_is_left_at_256_kib() {
    const LENGTH: usize = 50 << 20;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (what, script) in [
        ("announced", format!("{head}content-length: {LENGTH}\r\n\r\n")),
        ("until the end of the connection", format!("{head}\r\n")),
    ] {
        let server = Server::start(Script::SayAndFill(script, LENGTH)).await;
        let routed = routed(Some(backend(&server.url())));
        let answer = lookup(None, AMPLE).resolve(&call(), Some(&routed), now()).await;
        assert_eq!(answer.report.why, Some(Why::TooLarge), "{what}");
        let sent = server.sent.load(Ordering::SeqCst);
        assert!(sent < LENGTH / 2, "{what}: {sent} bytes were taken");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Server::start(json_answer("{}")).await;
    let location = elsewhere.url();
    let answer = ask(
        Script::Say(format!("HTTP/1.1 307 There\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")),
        AMPLE,
    )
    .await;
    assert_eq!(answer.report.why, Some(Why::Status(307)));
    assert!(elsewhere.requests.try_recv().is_err(), "the signed request went elsewhere");
}

#[tokio::test]
async fn a_good_answer_serves_field_by_field_and_its_faults_are_named() {
    let body = json!({"systemPrompt": "You are the backend's.", "temperature": "hot", "voice": null,
        "tenantId": "other", "metadata": {"k": 1}, "limits": {"maxDurationSeconds": 60}});
    let answer = ask(json_answer(&body.to_string()), AMPLE).await;
    assert_eq!((answer.report.source, answer.report.why), (ConfigSource::Backend, None));
    assert_eq!(
        answer.report.warnings,
        [
            "temperature: expected a number from 0 to 2, found a string of 3 bytes",
            "tenantId: only the router's own backend may name another tenant",
        ]
    );
    assert_eq!(answer.tenant.as_ref().unwrap().as_str(), "acme");
    assert_eq!(voice(&answer), Some("dialplan"));
    let Decision::Answer(config) = answer.decision else { panic!("refused") };
    assert_eq!(config.prompt, Some("You are the backend's.".into()));
    assert_eq!(config.max_duration, Some(Duration::from_secs(60)));
    assert_eq!(config.metadata["k"], 1);

    let refused = ask(json_answer(r#"{"action":"reject","reject":{"reason":"busy"}}"#), AMPLE).await;
    assert_eq!(refused.decision, Decision::Instead(Instead::Refuse(Refusal::Busy)));
}

#[tokio::test]
async fn the_router_refuses_or_answers_by_itself_without_a_backend() {
    let lookup = lookup(None, AMPLE);
    let answer = lookup.resolve(&call(), Some(&routed(None)), now()).await;
    assert_eq!(answer.report.why, Some(Why::NoBackend));
    assert_eq!((answer.report.attempts, voice(&answer)), (0, Some("dialplan")));
    let refusing = Routed { action: Action::Instead(Instead::Refuse(Refusal::Declined)), ..routed(None) };
    let answer = lookup.resolve(&call(), Some(&refusing), now()).await;
    assert_eq!(answer.decision, Decision::Instead(Instead::Refuse(Refusal::Declined)));
}

#[tokio::test]
async fn the_request_is_the_contracts_to_the_letter_and_both_secrets_sign_it() {
    let mut server = Server::start(json_answer("{}")).await;
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "the old one"]
        .map(|text| sign::Secret::parse(text).unwrap());
    let own = Backend { secrets: secrets.to_vec(), bearer: Some("token".into()), ..backend(&server.url()) };
    lookup(None, Budget::default().attempt).resolve(&call(), Some(&routed(Some(own))), now()).await;

    let request = server.requests.recv().await.unwrap();
    assert_eq!(request.line, "POST /call-config HTTP/1.1");
    let id = "cfg_019551f0-0000-7000-8000-000000000001";
    for (name, expected) in [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("authorization", "Bearer token"),
        ("user-agent", concat!("dialplane/", env!("CARGO_PKG_VERSION"))),
        ("traceparent", "00-019551f0000070008000000000000001-8000000000000001-01"),
        ("webhook-id", id),
        ("webhook-timestamp", "1772366400"),
    ] {
        assert_eq!(request.headers[name], expected, "{name}");
    }
    let signatures = secrets.map(|secret| sign::sign(&[secret], id, now().as_second(), &request.body));
    assert_eq!(request.headers["webhook-signature"], signatures.join(" "));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, crate::schemas::fixture("call-config/request.json"));
    crate::schemas::assert_valid("call-config-request.schema.json", &body);
}

#[tokio::test]
async fn what_a_call_lacks_is_an_empty_string_above_and_null_below() {
    let mut server = Server::start(json_answer(r#"{"tenantId":"named"}"#)).await;
    let bare = Call {
        caller: Caller::Anonymous,
        caller_name: None,
        diverter: None,
        called: Number::read("reception", None),
        trunk: None,
        sip_call_id: None,
        sip_call_id_full: None,
        headers: BTreeMap::new(),
        ..call()
    };
    let answer = lookup(Some(backend(&server.url())), AMPLE).resolve(&bare, None, now()).await;
    assert_eq!(answer.tenant.unwrap().as_str(), "named");

    let request = server.requests.recv().await.unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    for (field, expected) in [
        ("/callerPhone", json!("")),
        ("/calledPhone", json!("reception")),
        ("/trunkId", json!("")),
        ("/sipCallId", json!("")),
        ("/caller", json!({"number": null, "raw": null, "name": null, "anonymous": true, "verified": null})),
        ("/called", json!({"number": null, "raw": "reception", "divertedFrom": null})),
        ("/route", json!(null)),
        ("/call/sipCallIdFull", json!(null)),
    ] {
        assert_eq!(body.pointer(field), Some(&expected), "{field}");
    }
    assert!(!request.headers.contains_key("webhook-signature"), "no secret, no signature");
    crate::schemas::assert_valid("call-config-request.schema.json", &body);
}
