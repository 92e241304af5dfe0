use std::io::ErrorKind;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialplane::kit::backend::Backend;
use dialplane::kit::backend::script::{Answer, Fault, Script};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(5);

fn request() -> Value {
    json!({
        "version": "1", "id": "cfg_01", "attempt": 1, "deadlineMs": 1400,
        "callerPhone": "", "calledPhone": "+15557770001", "trunkId": "", "sipCallId": "",
        "caller": {"number": null, "raw": null, "name": null, "anonymous": true, "verified": null},
        "called": {"number": "+15557770001", "raw": "+15557770001", "divertedFrom": null},
        "route": null,
        "call": {
            "id": "0198", "sipCallIdFull": null, "ingress": "livekit", "project": "main", "room": "call-1",
            "headers": {}, "receivedAt": "2026-11-22T20:00:00Z",
        },
    })
}

fn client() -> reqwest::Client {
    // The first of several tests in this process wins; all install the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

fn post(backend: &Backend, body: &Value) -> reqwest::RequestBuilder {
    client().post(backend.url()).header("content-type", "application/json").body(body.to_string())
}

async fn text_of(answer: reqwest::Response) -> String {
    String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn answers_go_by_called_number_and_requests_are_recorded() {
    let script = Script::by_called([("+15557770001", Answer::ok(json!({"voice": "marin"})))]);
    let backend = Backend::start(script).await.unwrap();
    let answer = post(&backend, &request()).header("traceparent", "00-1-2-03").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (200, "application/json")
    );
    assert_eq!(text_of(answer).await, r#"{"voice":"marin"}"#);
    let mut other = request();
    other["calledPhone"] = json!("+15557770002");
    assert_eq!(post(&backend, &other).send().await.unwrap().status(), 404);

    let seen =
        backend.wait_for(|requests| (requests.len() == 2).then(|| requests.to_vec()), SOON).await.unwrap();
    assert_eq!((&seen[0].body, &seen[0].headers["traceparent"]), (&request(), &"00-1-2-03".to_owned()));
    assert_eq!(seen[0].refused, None);
}

#[tokio::test]
async fn a_request_off_the_contract_is_refused_and_the_script_not_asked() {
    let backend = Backend::start(Script::answering(|_| panic!("asked"))).await.unwrap();
    let mut wrong = request();
    wrong["extra"] = json!(1);
    assert_eq!(post(&backend, &wrong).send().await.unwrap().status(), 422);
    let plain = client().post(backend.url()).body(request().to_string());
    assert_eq!(plain.send().await.unwrap().status(), 415);
    assert_eq!(client().get(backend.url()).send().await.unwrap().status(), 405);
    let reasons: Vec<Option<String>> =
        backend.requests().into_iter().map(|request| request.refused).collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].as_ref().unwrap().starts_with("extra: unknown_parameter"), "{reasons:?}");
}

#[tokio::test]
async fn a_signature_and_a_token_are_asked_for() {
    let mut script = Script::always(Answer::status(204)).signed_by("whsec_c2VjcmV0");
    script.bearer = Some("token".into());
    let backend = Backend::start(script).await.unwrap();
    let body = request().to_string();
    let now = Timestamp::now().as_second();
    let signed = |secret: &str, bearer: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("msg_1.{now}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(tag));
        post(&backend, &request())
            .header("authorization", format!("Bearer {bearer}"))
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
    };
    assert_eq!(signed("secret", "token").send().await.unwrap().status(), 204);
    assert_eq!(signed("other", "token").send().await.unwrap().status(), 401);
    assert_eq!(signed("secret", "other").send().await.unwrap().status(), 401);
    let unsigned = post(&backend, &request()).header("authorization", "Bearer token");
    assert_eq!(unsigned.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_backend_with_a_secret_that_is_no_key_does_not_start() {
    for secret in ["whsec_not base64", "whsec_", ""] {
        let script = Script::always(Answer::status(204)).signed_by("a good one").signed_by(secret);
        assert_eq!(Backend::start(script).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{secret}");
    }
}

#[tokio::test]
async fn a_fault_shows_as_the_script_says() {
    let answer = |fault| Answer::ok(json!({"systemPrompt": "hello"})).with(fault);
    let backend = |fault| Backend::start(Script::always(answer(fault)));
    let wait = Duration::from_millis(200);

    let server = backend(Fault::HangMidBody).await.unwrap();
    let response = post(&server, &request()).send().await.unwrap();
    assert!(tokio::time::timeout(wait, response.bytes()).await.is_err(), "the body ended");
    tokio::time::timeout(SOON, server.stop()).await.unwrap();

    let server = backend(Fault::HangUp).await.unwrap();
    assert!(post(&server, &request()).send().await.is_err());

    let server = backend(Fault::CutMidBody).await.unwrap();
    let response = post(&server, &request()).send().await.unwrap();
    assert!(response.bytes().await.is_err());

    let server = backend(Fault::Garbage).await.unwrap();
    let body = post(&server, &request()).send().await.unwrap().bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).is_err());

    let server = backend(Fault::ContentType("text/html".into())).await.unwrap();
    let response = post(&server, &request()).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html");

    let server = backend(Fault::Huge(300_000)).await.unwrap();
    let body = post(&server, &request()).send().await.unwrap().bytes().await.unwrap();
    assert!(body.len() > 300_000 && serde_json::from_slice::<Value>(&body).is_ok());

    let server = backend(Fault::Redirect("http://127.0.0.1:9/".into())).await.unwrap();
    let response = post(&server, &request()).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
        (307, "http://127.0.0.1:9/")
    );

    let busy = Answer::status(429).with(Fault::RetryAfter("30".into()));
    let server = Backend::start(Script::always(busy)).await.unwrap();
    let response = post(&server, &request()).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()),
        (429, "30")
    );

    let server = Backend::start(Script::always(Answer::status(200).after(wait))).await.unwrap();
    let begun = Instant::now();
    post(&server, &request()).send().await.unwrap();
    assert!(begun.elapsed() >= wait);
}
