//! A backend's bad day: what is tried again, what is remembered, and when it is left alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use dialplane::kit::backend::Backend as Mock;
use dialplane::kit::backend::script::{Answer as Said, Fault, Script as MockScript};
use dialplane::tenant::{By, Facet};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One answer after the other; the last one stays.
fn in_turn(answers: impl IntoIterator<Item = Said>) -> MockScript {
    let answers: Vec<Said> = answers.into_iter().collect();
    let count = AtomicUsize::new(0);
    MockScript::answering(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        answers[number].clone()
    })
}

async fn resolve(lookup: &Lookup, caller: u32) -> Answer {
    lookup.resolve(&call_of(caller), None, Timestamp::now()).await
}

#[tokio::test]
async fn a_request_that_failed_is_made_once_more_with_its_id_and_a_signature_of_its_own() {
    let good = || Said::ok(json!({"voice": "second"}));
    let brief = Duration::from_millis(300);
    for (what, first, attempt) in [
        ("503", Said::status(503), Budget::default().attempt),
        ("429", Said::status(429), Budget::default().attempt),
        ("too slow", Said::ok(json!({})).after(AMPLE), brief),
        ("hanging in the middle of the body", good().with(Fault::HangMidBody), brief),
    ] {
        let mock = Mock::start(in_turn([first, good()]).signed_by(SECRET)).await.unwrap();
        let secrets = vec![sign::Secret::parse(SECRET).unwrap()];
        let own = Backend { secrets, ..backend(&mock.url()) };
        let answer = lookup(Some(own), attempt).resolve(&call(), None, Timestamp::now()).await;
        assert_eq!((answer.report.source, answer.report.why), (ConfigSource::Backend, None), "{what}");
        assert_eq!((answer.report.attempts, voice(&answer)), (2, Some("second")), "{what}");
        let [first, second] = &mock.requests()[..] else { panic!("{what}: two requests") };
        assert_eq!((first.refused.as_ref(), second.refused.as_ref()), (None, None), "{what}");
        assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"], "{what}");
        assert_ne!(first.headers["webhook-signature"], second.headers["webhook-signature"], "{what}");
        assert_eq!((&first.body["id"], &first.body["attempt"]), (&second.body["id"], &json!(1)), "{what}");
        assert_eq!(second.body["attempt"], 2, "{what}");
        let deadline = |body: &Value| body["deadlineMs"].as_u64().unwrap();
        assert!(deadline(&second.body) <= deadline(&first.body), "{what}");
        mock.stop().await;
    }
}

/// Reads one request and leaves the connection open.
async fn exchange(socket: &mut TcpStream, answer: &str) {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        read.push(socket.read_u8().await.unwrap());
    }
    socket.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn the_second_request_has_a_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = async {
        let (mut first, _) = listener.accept().await.unwrap();
        exchange(&mut first, "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
        let (mut second, _) = listener.accept().await.unwrap();
        let good = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        exchange(&mut second, good).await;
        (first, second)
    };
    // One socket after the other: a second request on the first connection would never be answered.
    let lookup = lookup(Some(backend(&url)), AMPLE);
    let (answer, _open) = tokio::join!(resolve(&lookup, 1), server);
    assert_eq!((answer.report.why, answer.report.attempts), (None, 2));
}

#[tokio::test]
async fn a_backend_that_asks_for_more_time_than_there_is_has_it() {
    let busy = "HTTP/1.1 429 Slow down\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n";
    let mut server = Server::start(Script::Say(busy.into())).await;
    let lookup = lookup(Some(backend(&server.url())), AMPLE);
    for attempts in [1, 0] {
        let report = resolve(&lookup, 1).await.report;
        assert_eq!((report.why, report.attempts), (Some(Why::Status(429)), attempts));
    }
    assert!(server.requests.try_recv().is_ok() && server.requests.try_recv().is_err(), "one request");
}

#[tokio::test]
async fn a_wait_that_the_budget_has_room_for_is_waited() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(Script::Say(busy.into())).await;
    let budget = Budget { connect: AMPLE, attempt: AMPLE, whole: AMPLE };
    let lookup = lookup_by(Policy { router: Some(backend(&server.url())), budget, ..policy() });
    let report = resolve(&lookup, 1).await.report;
    assert_eq!((report.why, report.attempts), (Some(Why::Status(503)), 2));
    assert!(report.took >= Duration::from_secs(1), "{:?}", report.took);
}

#[tokio::test]
async fn the_old_answer_serves_where_the_backend_fails_and_says_why() {
    let kept = json!({"voice": "old", "cache": {"ttlSeconds": 0, "staleSeconds": 60}});
    let mock = Mock::start(in_turn([Said::ok(kept), Said::status(500)])).await.unwrap();
    let lookup = lookup(Some(backend(&mock.url())), AMPLE);
    assert_eq!(resolve(&lookup, 1).await.report.source, ConfigSource::Backend);
    for (what, attempts) in [("asked and failed", 2), ("remembered", 0)] {
        let answer = resolve(&lookup, 1).await;
        let report = &answer.report;
        assert_eq!((report.source, report.why), (ConfigSource::Stale, Some(Why::Status(500))), "{what}");
        assert_eq!((report.attempts, voice(&answer)), (attempts, Some("old")), "{what}");
        assert!(report.age.is_some(), "{what}");
    }
    assert_eq!(resolve(&lookup, 2).await.report.source, ConfigSource::Default, "nobody else's");
    assert_eq!(mock.requests().len(), 5);
}

#[tokio::test]
async fn a_backend_that_keeps_failing_is_left_alone_and_every_call_goes_on_at_once() {
    let mock = Mock::start(MockScript::always(Said::status(400))).await.unwrap();
    let router = Some(backend(&mock.url()));
    let metrics = Metrics::new();
    let lookup = Lookup::new(client(&Tls::trusting([])), Policy { router, ..policy() }, metrics.clone());
    for caller in 0..5 {
        assert_eq!(resolve(&lookup, caller).await.report.why, Some(Why::Status(400)));
    }
    let answer = resolve(&lookup, 5).await;
    assert_eq!((answer.report.why, answer.report.attempts), (Some(Why::BreakerOpen), 0));
    assert_eq!((answer.report.source, prompt(&answer)), (ConfigSource::Default, Some("default")));
    let elsewhere = lookup.resolve(&call_of(6), Some(&routed(Some(backend(&mock.url())))), now()).await;
    assert_eq!(elsewhere.report.why, Some(Why::Status(400)), "another tenant's calls are asked for");
    assert_eq!(mock.requests().len(), 6);
    let shown = metrics.render();
    for line in [
        "dialplane_config_breakers_open 1",
        r#"dialplane_config_requests_total{outcome="status"} 6"#,
        "dialplane_config_cache_entries 6",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
}

#[tokio::test]
async fn the_budget_holds_for_those_who_wait_beside_too() {
    let half = Said::ok(json!({"voice": "x"})).with(Fault::HangMidBody);
    let mock = Mock::start(MockScript::always(half)).await.unwrap();
    let whole = Duration::from_millis(400);
    let cache_by = Some(By::of(&[Facet::Called]));
    let router = Some(Backend { cache_by, ..backend(&mock.url()) });
    let budget = Budget { attempt: Duration::from_millis(250), whole, ..Budget::default() };
    let lookup = lookup_by(Policy { router, budget, ..policy() });
    let answers = join_all((0..10).map(|caller| resolve(&lookup, caller))).await;
    for answer in &answers {
        assert_eq!(answer.report.why, Some(Why::Timeout));
        assert!(answer.report.took < whole + Duration::from_secs(1), "{:?}", answer.report.took);
    }
    assert_eq!(answers.iter().map(|answer| answer.report.attempts).sum::<u8>(), 2);
    assert_eq!(mock.requests().len(), 2);
    mock.stop().await;
}
