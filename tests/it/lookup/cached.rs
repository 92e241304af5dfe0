//! What is kept of a backend's answers, over real sockets and in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dialplane::kit::backend::Backend as Mock;
use dialplane::kit::backend::script::{Answer as Said, Script};
use dialplane::lookup::Purge;
use dialplane::tenant::{By, Facet};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::*;

const SHARED: By = By::of(&[Facet::Called, Facet::Trunk]);

/// Says who asked, with these terms.
fn echo(cache: Value) -> Script {
    Script::answering(move |request| {
        Said::ok(json!({"systemPrompt": request.body["callerPhone"], "cache": cache}))
    })
}

fn asks(mock: &Mock, cache_by: Option<By>) -> Lookup {
    lookup(Some(Backend { cache_by, ..backend(&mock.url()) }), AMPLE)
}

async fn resolve(lookup: &Lookup, caller: u32) -> Answer {
    lookup.resolve(&call_of(caller), None, Timestamp::now()).await
}

#[tokio::test]
async fn the_same_caller_and_number_make_no_second_request() {
    let mock = Mock::start(echo(json!(null))).await.unwrap();
    let lookup = asks(&mock, None);
    let first = resolve(&lookup, 1).await;
    assert_eq!(
        (first.report.source, first.report.attempts, first.report.age),
        (ConfigSource::Backend, 1, None)
    );
    let second = resolve(&lookup, 1).await;
    assert_eq!(
        (second.report.source, second.report.why, second.report.attempts),
        (ConfigSource::Cache, None, 0)
    );
    assert!(second.report.age.is_some_and(|age| age < AMPLE));
    assert_eq!((second.tenant, second.decision), (first.tenant, first.decision));
    assert_eq!(mock.requests().len(), 1);
    lookup.purge(&Purge::All);
    assert_eq!(resolve(&lookup, 1).await.report.source, ConfigSource::Backend);
    assert_eq!(mock.requests().len(), 2);
}

#[tokio::test]
async fn fifty_callers_at_once_make_one_request_where_answers_do_not_depend_on_them() {
    let mock = Mock::start(echo(json!({"by": ["called", "trunk"]}))).await.unwrap();
    let lookup = asks(&mock, Some(SHARED));
    let answers = join_all((0..50).map(|caller| resolve(&lookup, caller))).await;
    assert_eq!(mock.requests().len(), 1);
    assert_eq!(answers.iter().filter(|answer| !answer.report.coalesced).count(), 1);
    assert_eq!(answers.iter().map(|answer| answer.report.attempts).sum::<u8>(), 1);
    let first = prompt(&answers[0]);
    assert!(
        answers.iter().all(|answer| prompt(answer) == first && answer.report.source == ConfigSource::Backend)
    );
}

#[tokio::test]
async fn no_caller_gets_anothers_answer_where_by_does_not_exclude_them() {
    for (what, cache, cache_by) in [
        ("nothing is said", json!(null), None),
        ("the answer says so, against the file", json!({"by": ["caller", "called"]}), Some(SHARED)),
        ("the answer says it wrongly, beside the file", json!({"by": ["caler"]}), Some(SHARED)),
    ] {
        let mock = Mock::start(echo(cache)).await.unwrap();
        let lookup = asks(&mock, cache_by);
        for _ in 0..2 {
            let answers = join_all((0..50).map(|caller| resolve(&lookup, caller))).await;
            for (caller, answer) in answers.iter().enumerate() {
                assert_eq!(prompt(answer), Some(format!("+1555123{caller:04}").as_str()), "{what}");
            }
        }
        assert_eq!(mock.requests().len(), 50, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_says_so_serves_the_next_caller_too() {
    let mock = Mock::start(echo(json!({"by": ["called"]}))).await.unwrap();
    let lookup = asks(&mock, None);
    resolve(&lookup, 1).await;
    let other = resolve(&lookup, 2).await;
    assert_eq!((other.report.source, prompt(&other)), (ConfigSource::Cache, Some("+15551230001")));
    assert_eq!(mock.requests().len(), 1);
}

#[tokio::test]
async fn a_restarted_backends_new_answers_are_seen_within_ttl() {
    let ttl = Duration::from_millis(300);
    let says = |prompt: &str| {
        Said::ok(json!({"systemPrompt": prompt, "cache": {"ttlSeconds": 0.3, "revalidateSeconds": 0}}))
    };
    let old = Mock::start(Script::always(says("old"))).await.unwrap();
    let lookup = asks(&old, None);
    assert_eq!(prompt(&resolve(&lookup, 1).await), Some("old"));
    let addr = old.addr();
    old.stop().await;
    drop(old);
    let mut script = Script::always(says("new"));
    script.addr = addr;
    let _new = Mock::start(script).await.unwrap();
    let restarted = Instant::now();
    let seen = timeout(AMPLE, async {
        let mut last_old = restarted;
        loop {
            let asked = Instant::now();
            let answer = resolve(&lookup, 1).await;
            match (prompt(&answer), answer.report.source) {
                (Some("new"), _) => return last_old,
                (Some("old"), ConfigSource::Cache) => last_old = asked,
                other => panic!("{other:?}"),
            }
            tokio::task::yield_now().await;
        }
    });
    let last_old = seen.await.expect("the new answer");
    let late = last_old - restarted;
    assert!(late <= ttl, "a call {late:?} after the restart still got the old answer");
}

#[tokio::test]
async fn between_ttl_and_revalidate_the_kept_answer_serves_and_is_asked_for_behind_the_call() {
    let count = AtomicUsize::new(0);
    let script = Script::answering(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst).to_string();
        Said::ok(json!({"systemPrompt": number, "cache": {"ttlSeconds": 0, "revalidateSeconds": 60}}))
    });
    let mock = Mock::start(script).await.unwrap();
    let lookup = asks(&mock, None);
    assert_eq!(prompt(&resolve(&lookup, 1).await), Some("0"));
    let served = resolve(&lookup, 1).await;
    assert_eq!((served.report.source, prompt(&served)), (ConfigSource::Cache, Some("0")));
    let refreshed = async {
        while prompt(&resolve(&lookup, 1).await) == Some("0") {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, refreshed).await.expect("the refreshed answer");
    lookup.close().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_takes_no_answer_from_those_who_wait_beside() {
    let mock =
        Mock::start(Script::always(Said::ok(json!({})).after(Duration::from_millis(300)))).await.unwrap();
    let lookup = Arc::new(asks(&mock, Some(SHARED)));
    let mut calls = JoinSet::new();
    let spawn = |calls: &mut JoinSet<Answer>, caller| {
        let lookup = Arc::clone(&lookup);
        calls.spawn(async move { resolve(&lookup, caller).await })
    };
    let leader = spawn(&mut calls, 1);
    let asked = mock.wait_for(|requests| (!requests.is_empty()).then_some(()), AMPLE);
    asked.await.expect("a request");
    spawn(&mut calls, 2);
    leader.abort();
    assert!(calls.join_next().await.unwrap().is_err_and(|error| error.is_cancelled()));
    let follower = calls.join_next().await.unwrap().unwrap();
    assert_eq!((follower.report.why, follower.report.coalesced), (None, true));
    assert_eq!(mock.requests().len(), 1);
}

#[tokio::test]
async fn calls_that_waited_in_vain_for_anothers_answer_are_not_held_against_the_backend() {
    let budget = Budget { whole: Duration::from_millis(600), ..Budget::default() };
    // So late that no time is left for requests of their own, when it turns out to be nobody else's.
    let late = Duration::from_millis(510);
    let mock = Mock::start(Script::answering(move |_| {
        Said::ok(json!({"cache": {"by": ["caller"], "ttlSeconds": 0}})).after(late)
    }));
    let mock = mock.await.unwrap();
    let router = Some(Backend { cache_by: Some(SHARED), ..backend(&mock.url()) });
    let lookup = lookup_by(Policy { router, budget, ..policy() });
    let answers = join_all((0..20).map(|caller| resolve(&lookup, caller))).await;
    let in_vain = answers.iter().filter(|answer| answer.report.why == Some(Why::Timeout)).count();
    assert_eq!((in_vain, mock.requests().len()), (19, 1));
    assert_eq!(resolve(&lookup, 99).await.report.source, ConfigSource::Backend, "the breaker is closed");
}

#[tokio::test]
async fn a_tenants_changed_backend_is_another_one() {
    let mock = Mock::start(echo(json!(null))).await.unwrap();
    let lookup = lookup(None, AMPLE);
    let old = backend(&mock.url());
    let secret = |text| vec![sign::Secret::parse(text).unwrap()];
    for (what, backend, requests) in [
        ("as it was", old.clone(), 1),
        ("again", old.clone(), 1),
        ("with a secret", Backend { secrets: secret("one"), ..old.clone() }, 2),
        ("with another secret", Backend { secrets: secret("two"), ..old.clone() }, 3),
        ("with a token", Backend { bearer: Some("token".into()), ..old.clone() }, 4),
        ("with another cache_by", Backend { cache_by: Some(SHARED), ..old.clone() }, 5),
        ("as it was before", old, 5),
    ] {
        lookup.resolve(&call(), Some(&routed(Some(backend))), now()).await;
        assert_eq!(mock.requests().len(), requests, "{what}");
    }
}

#[tokio::test]
async fn a_lookup_that_is_closed_leaves_no_request_behind() {
    let server = Server::start(super::Script::SayAndHang(String::new())).await;
    let policy = Policy {
        router: Some(Backend { cache_by: Some(SHARED), ..backend(&server.url()) }),
        budget: Budget { connect: AMPLE, attempt: AMPLE, whole: AMPLE },
        ..policy()
    };
    let lookup = lookup_by(policy);
    let started = Instant::now();
    let (answer, ()) = tokio::join!(resolve(&lookup, 1), async {
        tokio::task::yield_now().await;
        lookup.close().await;
    });
    assert_eq!(answer.report.source, ConfigSource::Default);
    assert!(started.elapsed() < AMPLE / 2, "it waited for a backend that hangs");
}
