//! Asks a running call-config backend as the router does, with good signatures and with bad ones.
//!
//! `ask_backend URL SECRET WORDS` fails unless the backend greets the caller +15551230001 of the tenant "Acme Dental" with
//! WORDS whenever one of the signatures is SECRET's and fresh, and otherwise refuses with 401.

#![expect(clippy::print_stdout, reason = "it is run for its report")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use dialplane::app::crypto;
use dialplane::call::{Call, CallId, Caller, Number, Origin};
use dialplane::dialplan::{Action, Backend, Limits, Match, Routed, Tenant};
use dialplane::http::Client;
use dialplane::http::sign::{self, Secret};
use dialplane::lookup::{
    Answer, Budget, CacheBounds, ConfigSource, Decision, Lookup, Policy, Unmatched, Why,
};
use dialplane::telemetry::Metrics;
use dialplane::tenant::{Agent, Greeting, TenantId, Transfers};
use dialplane::tls::Tls;
use jiff::{SignedDuration, Timestamp};
use url::Url;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto::install();
    let mut args = std::env::args().skip(1);
    let mut next = |what| args.next().with_context(|| format!("{what} is missing"));
    let url: Url = next("URL")?.parse()?;
    let (its, words) = (Secret::parse(&next("SECRET")?)?, next("WORDS")?);
    let other = || Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    for (what, secrets, age, taken) in [
        ("signed with its secret", vec![its.clone()], 0, true),
        ("signed with a newer secret and its own", vec![other()?, its.clone()], 0, true),
        ("signed with its own secret and an older one", vec![its.clone(), other()?], 0, true),
        ("signed four minutes ago", vec![its.clone()], 240, true),
        ("signed six minutes ago", vec![its.clone()], 360, false),
        ("signed six minutes ahead", vec![its.clone()], -360, false),
        ("signed with another secret", vec![other()?], 0, false),
        ("not signed", Vec::new(), 0, false),
    ] {
        let answer = ask(&url, secrets, Timestamp::now() - SignedDuration::from_secs(age)).await?;
        let (source, why) = (answer.report.source, answer.report.why);
        if taken {
            ensure!(source == ConfigSource::Backend, "{what}: not taken: {why:?}");
            ensure!(answer.report.warnings.is_empty(), "{what}: {:?}", answer.report.warnings);
            let Decision::Answer(config) = answer.decision else { anyhow::bail!("{what}: rejected") };
            ensure!(config.greeting == Greeting::Say(words.as_str().into()), "{what}: another greeting");
        } else {
            ensure!(why == Some(Why::Status(401)), "{what}: not refused: {why:?}");
        }
        println!("{what}: {}", if taken { "taken" } else { "refused" });
    }
    let status = post_another_body(&url, &its).await?;
    ensure!(status == 401, "a changed body: not refused but answered with {status}");
    println!("a changed body: refused");
    Ok(())
}

/// Nothing is kept between two of these.
async fn ask(url: &Url, secrets: Vec<Secret>, now: Timestamp) -> anyhow::Result<Answer> {
    let backend = Backend { url: url.clone(), secrets, bearer: None, cache_by: None };
    let budget = Budget { attempt: Duration::from_secs(5), ..Budget::default() };
    let client = Client::new(&Tls::trusting([]))?;
    let policy = Policy {
        router: None,
        default: Agent::default(),
        transfers: Transfers::default(),
        unmatched: Unmatched::Ask,
        budget,
        cache: CacheBounds::default(),
    };
    let lookup = Lookup::new(client, policy, Metrics::new());
    let tenant = Tenant {
        id: TenantId::parse("acme-dental").context("a tenant's id")?,
        name: Some("Acme Dental".to_owned()),
        tier: None,
        limits: Limits::default(),
        transfers: Transfers::default(),
        backend: Some(backend),
    };
    let routed = Routed {
        tenant: Arc::new(tenant),
        route: "front-desk".into(),
        matched: Match::Exact,
        action: Action::Answer { agent: None },
    };
    Ok(lookup.resolve(&call(), Some(&routed), now).await)
}

fn call() -> Call {
    let origin = Origin::LiveKit { project: "main".into() };
    Call {
        room: "call-1".into(),
        caller: Caller::Number(Number::read("+15551230001", None)),
        caller_name: Some("Zoë \"O'Neil\" & <friends>".into()),
        ..Call::new(CallId::fresh(), origin, Timestamp::now(), Number::read("+15557770001", None))
    }
}

async fn post_another_body(url: &Url, secret: &Secret) -> anyhow::Result<u16> {
    let (id, now) = ("cfg_1", Timestamp::now().as_second());
    let signature = sign::sign(std::slice::from_ref(secret), id, now, br#"{"callerPhone":"+15551230001"}"#);
    let headers = [
        ("content-type", "application/json".to_owned()),
        (sign::ID, id.to_owned()),
        (sign::TIMESTAMP, now.to_string()),
        (sign::SIGNATURE, signature),
    ];
    let body = br#"{"callerPhone":"+15551230002"}"#.to_vec();
    Ok(Client::new(&Tls::trusting([]))?.post(url, &headers, body).await?.status())
}
