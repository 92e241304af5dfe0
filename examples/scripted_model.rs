//! The scripted model as a program of its own, for clients that are not written in Rust.
//!
//! `scripted_model [--record FILE] [--reply-ms N] [--gap-ms N]` prints its base address and serves until it is
//! interrupted (SIGINT). Then it writes every client event it was sent to FILE, a JSON line each, prints what it saw as one
//! JSON line, and fails if it refused anything.

#![expect(clippy::print_stdout, reason = "its address and its report are what it is run for")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::{Behaviour, Script};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut behaviour = Behaviour::default();
    let mut record = None;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--record" => record = Some(value),
            "--reply-ms" => behaviour.reply = Duration::from_millis(value.parse()?),
            "--gap-ms" => behaviour.delta_gap = Duration::from_millis(value.parse()?),
            _ => bail!("unknown flag {flag}"),
        }
    }
    let server = ModelServer::start(Script::always(behaviour)).await?;
    println!("{}", server.url());
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    let sessions = server.sessions();
    if let Some(path) = record {
        let events = sessions.iter().flat_map(|session| &session.events);
        let lines: String = events.map(|event| format!("{}\n", event.value)).collect();
        tokio::fs::write(path, lines).await?;
    }
    println!("{}", sessions.iter().map(report).collect::<Value>());
    let refused = sessions.iter().any(|session| !session.refused.is_empty());
    Ok(if refused || sessions.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(session: &SessionLog) -> Value {
    let refused: Vec<Value> = session.refused.iter().map(|refused| refused.error.clone()).collect();
    let heard = session.utterances.iter();
    let heard: Vec<Value> =
        heard.map(|u| json!({"hz": u.tone_hz, "seconds": u.voiced.as_secs_f64()})).collect();
    let responses =
        session.responses.iter().map(|r| r.done.as_ref().map(|(_, status, reason)| (status, reason)));
    let truncated: Vec<u128> = session.truncations.iter().map(|cut| cut.audio_end.as_millis()).collect();
    json!({
        "id": session.id,
        "events": session.events.len(),
        "refused": refused,
        "heard": heard,
        "responses": responses.collect::<Vec<_>>(),
        "truncated_ms": truncated,
    })
}
