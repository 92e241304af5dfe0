//! What a lookup costs the router itself: one that is kept, and the parts of one that is not.
//! `cargo bench --bench lookup`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

use std::sync::Arc;
use std::time::Duration;

use dialplane::call::{Call, CallId, Caller, Country, Diverter, Number, Origin, Trunk};
use dialplane::dialplan::{Action, Backend, Limits, Match, Routed, Tenant};
use dialplane::http::Client;
use dialplane::http::sign::{Secret, sign};
use dialplane::kit::backend::Backend as Mock;
use dialplane::kit::backend::script::{Answer, Script};
use dialplane::lookup::wire::Request;
use dialplane::lookup::{Budget, CacheBounds, ConfigSource, Lookup, Policy, Unmatched};
use dialplane::telemetry::Metrics;
use dialplane::tenant::wire::BackendAnswer;
use dialplane::tenant::{Agent, By, Facet, TenantId, Transfers};
use dialplane::tls::Tls;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

fn main() {
    divan::main();
}

const CALLERS: usize = 1000;
const LOOKUPS: usize = 20_000;

fn call(caller: usize) -> Call {
    Call {
        id: CallId::from_u128(0x0195_51f0_0000_7000_8000_0000_0000_0001),
        origin: Origin::LiveKit { project: "main".into() },
        received_at: Timestamp::UNIX_EPOCH,
        room: "call-_+15551230001_x".into(),
        called: Number::read("+15557770001", None),
        diverter: Some(Diverter::open(Number::read("+15556001234", None))),
        caller: Caller::Number(Number::read(&format!("555123{caller:04}"), Country::parse("US"))),
        caller_name: Some("Ada".into()),
        verified: None,
        trunk: Some(Trunk { id: "ST_abcdefghijkl".into(), name: Some("acme-sip".into()) }),
        rule_id: Some("SDR_abcdefghijkl".into()),
        sip_call_id: Some("SCL_abcdefghijkl".into()),
        sip_call_id_full: Some("a84b4c76e66710@pc33.atlanta.example".into()),
        headers: [("x-campaign".to_owned(), "spring".into())].into(),
        answered: false,
        redirects: false,
        resumed_from: None,
    }
}

fn routed(backend: Option<Backend>) -> Routed {
    let id = TenantId::parse("acme-dental").unwrap();
    Routed {
        tenant: Arc::new(Tenant {
            id,
            name: None,
            tier: None,
            backend,
            limits: Limits::default(),
            transfers: Transfers::default(),
        }),
        route: "front-desk".into(),
        matched: Match::Exact,
        action: Action::Answer { agent: Some(Arc::default()) },
    }
}

/// With a prompt of 2 KiB.
fn answer() -> Value {
    json!({
        "systemPrompt": "You answer the phone for Acme Dental. ".repeat(54),
        "model": "gpt-realtime-2.1", "voice": "marin", "startMessage": "Thank you for calling. How can I help?",
        "metadata": {"crm": {"id": "c-1042", "tier": "gold"}}, "limits": {"maxDurationSeconds": 1800},
        "cache": {"ttlSeconds": 86_400},
    })
}

/// A lookup that has the answer to every caller.
async fn filled(cache_by: Option<By>) -> (Lookup, Routed) {
    let mock = Mock::start(Script::always(Answer::ok(answer()))).await.unwrap();
    let url = mock.url().parse().unwrap();
    let routed = routed(Some(Backend { url, secrets: Vec::new(), bearer: None, cache_by }));
    let ample = Duration::from_secs(7);
    let policy = Policy {
        router: None,
        default: Agent::default(),
        transfers: Transfers::default(),
        unmatched: Unmatched::Ask,
        budget: Budget { connect: ample, attempt: ample, whole: ample },
        cache: CacheBounds::default(),
    };
    let lookup = Lookup::new(Client::new(&Tls::trusting([])).unwrap(), policy, Metrics::new());
    for caller in 0..CALLERS {
        lookup.resolve(&call(caller), Some(&routed), Timestamp::now()).await;
    }
    (lookup, routed)
}

/// The time is that of 20,000 lookups of 1,000 callers on so many cores, each with an entry of its own.
#[divan::bench(args = [1, 2])]
fn cached_by_caller(bencher: Bencher<'_, '_>, cores: usize) {
    cached(bencher, cores, None);
}

/// The same where they all share one entry.
#[divan::bench(args = [1, 2])]
fn cached_for_everyone(bencher: Bencher<'_, '_>, cores: usize) {
    cached(bencher, cores, Some(By::of(&[Facet::Called, Facet::Trunk])));
}

fn cached(bencher: Bencher<'_, '_>, cores: usize, cache_by: Option<By>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build().unwrap();
    let shared = Arc::new(runtime.block_on(filled(cache_by)));
    let calls: Arc<Vec<Call>> = Arc::new((0..CALLERS).map(call).collect());
    bencher.counter(ItemsCount::new(LOOKUPS)).bench_local(|| {
        let mut tasks = JoinSet::new();
        for _ in 0..cores {
            let (shared, calls) = (Arc::clone(&shared), Arc::clone(&calls));
            tasks.spawn_on(
                async move {
                    let (lookup, routed) = &*shared;
                    for call in calls.iter().cycle().take(LOOKUPS / cores) {
                        let answer = lookup.resolve(call, Some(routed), Timestamp::UNIX_EPOCH).await;
                        assert_eq!(answer.report.source, ConfigSource::Cache);
                    }
                },
                runtime.handle(),
            );
        }
        join(&runtime, tasks);
    });
}

fn join(runtime: &Runtime, tasks: JoinSet<()>) {
    runtime.block_on(tasks.join_all());
}

fn request() -> Vec<u8> {
    let routed = routed(None);
    let id = "cfg_019551f0-0000-7000-8000-000000000001";
    serde_json::to_vec(&Request::new(&call(1), Some(&routed), id, 1, Duration::from_millis(1500))).unwrap()
}

#[divan::bench]
fn request_json(bencher: Bencher<'_, '_>) {
    let (call, routed) = (call(1), routed(None));
    let id = "cfg_019551f0-0000-7000-8000-000000000001";
    bencher.counter(BytesCount::new(request().len())).bench(|| {
        serde_json::to_vec(&Request::new(&call, Some(&routed), id, 1, Duration::from_millis(1500))).unwrap()
    });
}

#[divan::bench(args = [1, 2])]
fn signature(bencher: Bencher<'_, '_>, secrets: usize) {
    let body = request();
    let secrets = vec![Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(); secrets];
    let id = "cfg_019551f0-0000-7000-8000-000000000001";
    bencher.counter(BytesCount::new(body.len())).bench(|| sign(&secrets, id, 1_772_366_400, &body));
}

#[divan::bench]
fn answer_parsed(bencher: Bencher<'_, '_>) {
    let body = answer().to_string();
    bencher.counter(BytesCount::new(body.len())).bench(|| BackendAnswer::parse(body.as_bytes()).unwrap());
}
