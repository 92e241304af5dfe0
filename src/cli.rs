//! The commands. They print what the library decides.

#![allow(clippy::print_stdout, reason = "printing is what a command is for")]

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, Stop};
use crate::config::Settings;
use crate::dialplan::Set;
use crate::dialplan::reload::Trigger;
use crate::document::{Diagnostic, Placeholders, Process};
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
    /// Take calls until SIGTERM or Ctrl-C. SIGHUP has the dialplans read again.
    Run {
        /// The settings file; DIALPLANE_CONFIG names it too. Without one, environment variables are enough.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print every error of a folder of dialplans; needs no keys and no network. Exits 1 if there is one.
    Check {
        /// The folder.
        #[arg(env = "DIALPLANE_DIALPLANS", default_value = "dialplans")]
        dir: PathBuf,
    },
}

/// Wrong settings: EX_CONFIG of sysexits(3).
const EX_CONFIG: u8 = 78;

pub fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run { config } => run(config.as_deref()),
        Command::Check { dir } => Ok(check(&dir)),
    }
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
    runtime.block_on(serve(settings))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let app = App::start(settings).await?;
    tracing::info!(http = %app.http()?, "started");
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

async fn on_hangup(mut hangup: Signal, reload: Trigger) -> std::convert::Infallible {
    while hangup.recv().await.is_some() {
        reload.fire();
    }
    std::future::pending().await
}

fn check(dir: &Path) -> ExitCode {
    let found = Set::default().reload(dir, &Placeholders, Timestamp::now()).diagnostics;
    found.iter().for_each(|problem| println!("{problem}"));
    if found.is_empty() {
        println!("{}: no problems", dir.display());
    }
    if found.iter().any(Diagnostic::is_error) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
