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
#[path = "../shared/model.rs"]
mod model;
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

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["model"] => model::serve(),
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
