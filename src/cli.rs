//! The commands. They print what the library decides.

mod check;
mod diff;
mod explain;
mod folder;
mod wire;

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, Reload, Stop};
use crate::config::{self, Settings};
use crate::demo::{Demo, Options, RealModel};
use crate::document::{Process, Surroundings as _};
use crate::telemetry::logs;

/// Routes telephone calls to AI voice agents.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take calls until SIGTERM or Ctrl-C. SIGHUP has the dialplans and the SIP port's certificate read again.
    Run {
        /// The settings file; DIALPLANE_CONFIG names it too. Without one, environment variables are enough.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show six calls, with nothing installed, configured or paid for: what was said, and why. Their recordings
    /// and records go to ./demo-output. With OPENAI_API_KEY set, the real model answers, which costs money.
    Demo {
        /// Keep the router up afterwards, for a softphone to call.
        #[arg(long)]
        stay: bool,
    },
    Check(check::Check),
    Explain(explain::Explain),
    Diff(diff::Diff),
}

/// Wrong settings: EX_CONFIG of sysexits(3).
const EX_CONFIG: u8 = 78;

pub fn main() -> ExitCode {
    obey(Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn obey(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { config } => run(config.as_deref()),
        Command::Demo { stay } => demo(stay),
        Command::Check(args) => Ok(print(|now, out| check::check(&args, now, out))),
        Command::Explain(args) => Ok(print(|now, out| explain::explain(&args, now, out))),
        Command::Diff(args) => Ok(print(|now, out| diff::diff(&args, now, out))),
    }
}

/// What a command that only prints says when it cannot.
fn trouble() -> ExitCode {
    ExitCode::from(2)
}

fn print(
    command: impl FnOnce(Timestamp, &mut BufWriter<StdoutLock<'_>>) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = command(Timestamp::now(), &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    printed.unwrap_or_else(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        // Who reads only the first lines has what they wanted.
        if kind != Some(io::ErrorKind::BrokenPipe) {
            eprintln!("error: {error:#}");
        }
        trouble()
    })
}

fn run(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = match Settings::load(config, &Process, cores) {
        Ok(settings) => settings,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Ok(ExitCode::from(EX_CONFIG));
        }
    };
    let by_output = if std::io::stderr().is_terminal() { logs::Format::Human } else { logs::Format::Json };
    logs::init(settings.log.unwrap_or(by_output), tracing::Level::INFO).context("logs")?;
    logs::panics();
    for (variable, meant) in config::misspelt(std::env::vars_os()) {
        tracing::warn!(variable, did_you_mean = meant, "unknown variable, which changes nothing");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
    runtime.block_on(serve(settings))?;
    Ok(ExitCode::SUCCESS)
}

/// Nothing is logged: what happens is told.
fn demo(stay: bool) -> anyhow::Result<ExitCode> {
    let variable = |name| Process.variable(name).filter(|value| !value.is_empty());
    let real = variable("OPENAI_API_KEY")
        .map(|key| RealModel { api_key: key.into(), url: variable("OPENAI_BASE_URL") });
    let options = Options { output: PathBuf::from("demo-output"), real };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
    runtime.block_on(async {
        let mut out = io::stdout();
        let demo = Demo::give(&options, &mut out).await?;
        let is_right = demo.is_right;
        if stay {
            writeln!(out, "{}", demo.invitation())?;
            tokio::signal::ctrl_c().await?;
        }
        demo.end().await;
        Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let app = App::start(settings).await?;
    tracing::info!(http = %app.http()?, sip = app.sip().map(tracing::field::display), "started");
    let (stop, reload) = (Stop::default(), app.reload());
    tokio::select! {
        () = app.run(stop.clone()) => {}
        never = on_hangup(hangup, reload) => match never {},
        never = on_signals(term, int, stop) => match never {},
    }
    Ok(())
}

/// The first signal drains, the second hangs up.
async fn on_signals(mut term: Signal, mut int: Signal, stop: Stop) -> std::convert::Infallible {
    for token in [stop.drain, stop.hang_up] {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        token.cancel();
    }
    std::future::pending().await
}

async fn on_hangup(mut hangup: Signal, reload: Reload) -> std::convert::Infallible {
    while hangup.recv().await.is_some() {
        reload.fire();
    }
    std::future::pending().await
}
