//! How many calls a machine holds with Dialplane, with livekit-agents and with openrtc: `benches/peers/run`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(unreachable_pub, reason = "a program exports nothing")]
#![allow(clippy::disallowed_methods, reason = "phones keep real time, on threads of their own")]

#[path = "../../tests/live/ear.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the live tests")]
mod ear;
#[path = "../../tests/live/g711.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the live tests")]
mod g711;
mod measure;
mod phones;
mod processes;
#[path = "../../tests/live/rtp.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the live tests")]
mod rtp;
mod table;
#[path = "../../tests/live/phone/trace.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the live tests")]
mod trace;

use std::process::ExitCode;
use std::time::Duration;

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::{Behaviour, Script};

/// Longer than any call is up.
const SPEECH: Duration = Duration::from_secs(100);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["model"] => model(),
        ["measure", system, file, most, command @ ..] if !command.is_empty() => {
            measure::run(system, file, most.parse().unwrap(), command);
        }
        ["profile", calls, command @ ..] if !command.is_empty() => {
            measure::profile(calls.parse().unwrap(), command);
        }
        ["table", file] => table::print(file),
        _ => {
            println!(
                "usage: peers model | measure SYSTEM FILE MOST COMMAND... | profile CALLS COMMAND... | table FILE"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Serves until its input ends: a model that speaks at once and then goes on not much faster than real time.
#[tokio::main]
async fn model() {
    let (delta, delta_gap) = (Duration::from_millis(200), Duration::from_millis(150));
    let behaviour = Behaviour { greeting: SPEECH, delta, delta_gap, ..Behaviour::default() };
    let server = ModelServer::start(Script::always(behaviour)).await.unwrap();
    println!("{}", server.url());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    ended.await.unwrap().unwrap();
}
