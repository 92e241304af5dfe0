//! What the router's own SIP port holds on this machine: `cargo bench --bench sip [-- [begun] [held] [--pcm] [--most CALLS]]`.
//!
//! The model hears and speaks the phones' G.711, or with `--pcm` what the router makes of it.
//!
//! The router and the scripted model are processes of their own; what is given is the router's alone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(unreachable_pub, reason = "a program exports nothing")]

mod begun;
#[path = "../../tests/shared/heard.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod heard;
mod held;
#[path = "../../tests/it/hostile/messages.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod messages;
#[path = "../shared/model.rs"]
#[allow(dead_code, reason = "shared with the other bench")]
mod model;
#[path = "../../tests/shared/process.rs"]
#[allow(dead_code, unused_imports, clippy::string_slice, reason = "shared with the tests")]
mod process;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use model::Model;
use process::{Process, free_address};
use tokio::time::sleep;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (parts, most) = match args.as_slice() {
        ["model"] => {
            model::serve();
            return ExitCode::SUCCESS;
        }
        [parts @ .., "--most", most] => (parts, most.parse().ok()),
        parts => (parts, Some(usize::MAX)),
    };
    let (parts, g711) = match parts {
        [parts @ .., "--pcm"] => (parts, false),
        parts => (parts, true),
    };
    let (Some(most), true) = (most, parts.iter().all(|part| matches!(*part, "begun" | "held"))) else {
        println!("usage: sip [begun] [held] [--pcm] [--most CALLS]");
        return ExitCode::FAILURE;
    };
    let asked = |part| parts.is_empty() || parts.contains(&part);
    if asked("begun") {
        begun::measure(most, g711);
    }
    if asked("held") {
        held::measure(most, g711);
    }
    ExitCode::SUCCESS
}

/// Steps between the last that went well by doubling and the first that did not.
const HALVINGS: usize = 3;

/// A step that does not go well is tried once more after so long: the machine may have had something else to do, and a
/// router that was late takes calls again.
const REST: Duration = Duration::from_secs(8);

/// Looks for the most with which a step goes well: doubles until one does not, and then halves what lies between. Says
/// whether that end was found, or `most` came first.
async fn most_that_goes(first: usize, most: usize, mut step: impl AsyncFnMut(usize) -> bool) {
    let mut goes = async |number| {
        if step(number).await {
            return true;
        }
        sleep(REST).await;
        let goes = step(number).await;
        if !goes {
            sleep(REST).await;
        }
        goes
    };
    let (mut good, mut bad) = (0, None);
    let mut next = first.min(most);
    while bad.is_none() && next > good {
        if goes(next).await {
            good = next;
        } else {
            bad = Some(next);
        }
        next = (next * 2).min(most);
    }
    let Some(mut bad) = bad else {
        return println!("\n{good} go, and more were not tried.");
    };
    for _ in 0..HALVINGS {
        let middle = usize::midpoint(good, bad);
        if goes(middle).await {
            good = middle;
        } else {
            bad = middle;
        }
    }
    println!("\n{good} go, {bad} don't.");
}

/// The router, with all the slots that it could want, and where it is called.
async fn router(model: &Model, g711: bool) -> (Process, SocketAddr) {
    let dir = std::env::temp_dir().join(format!("dialplane-bench-sip-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let settings = dir.join("dialplane.toml");
    std::fs::write(&settings, format!("[[provider]]\nname = 'scripted'\ng711 = {g711}\n")).unwrap();
    let sip = free_address();
    let variables = [
        ("DIALPLANE_CONFIG", settings.to_str().unwrap().to_owned()),
        ("DIALPLANE_SIP", sip.to_string()),
        ("DIALPLANE_MAX_CALLS", "4000".to_owned()),
        ("OPENAI_API_KEY", "a-key".to_owned()),
        ("OPENAI_BASE_URL", model.url.clone()),
    ];
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    (Process::start(Path::new(env!("CARGO_BIN_EXE_dialplane")), dir, &variables).await, sip)
}
