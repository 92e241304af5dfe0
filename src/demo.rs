//! Six calls that show what the router does, with nothing installed and nothing configured: a backend, a model whose
//! speech is recorded, and a phone, all on loopback.

mod speech;
mod stories;
mod timeline;
mod world;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::StartError;
use crate::pii::Redacted;
use stories::{Story, text};
use timeline::Told;
use world::World;

/// Until every record of a call that is over is written.
const RECORDED: Duration = Duration::from_secs(5);

/// What lies in the folder of output.
const DIALPLANS: &str = "dialplans";
const RECORDS: &str = "records.jsonl";

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where recordings, records and dialplans go. It is created.
    pub output: PathBuf,
    /// The real model that answers in place of the recorded one.
    pub real: Option<RealModel>,
}

/// A model that has to be paid for.
#[derive(Debug, Clone)]
pub struct RealModel {
    pub api_key: Redacted<String>,
    /// Where it is, if not at OpenAI.
    pub url: Option<String>,
}

/// Why there was no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("a loopback port: {0}")]
    Port(io::Error),
    #[error("the demo's own settings: {0}")]
    Settings(String),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("written to nobody: {0}")]
    Out(io::Error),
}

/// A demo that was given, and whose router is still up.
pub struct Demo {
    world: World,
    /// Whether all went as it should.
    pub is_right: bool,
}

impl Demo {
    /// Places the calls and tells how each went.
    pub async fn give(options: &Options, out: &mut impl Write) -> Result<Self, DemoError> {
        let world = World::start(options).await?;
        greet(options, world.sip(), out).map_err(DemoError::Out)?;
        let stories = stories::all();
        let played = stories::play(&stories, world.sip(), options.real.is_none()).await;
        let records = world.records(stories.len(), RECORDED).await;
        let mut wrong = 0;
        for (number, (story, played)) in (1..).zip(stories.iter().zip(played)) {
            let record = records.iter().find(|record| text(record, "/call/called/number") == story.called);
            let is_recorded = options.real.is_none();
            let mut told = Told { number, story, played: &played, record, is_recorded, wav: None };
            told.wav = told.save(&options.output)?;
            let faults = story.faults(&played, record, is_recorded);
            told.write(&faults, out).map_err(DemoError::Out)?;
            wrong += usize::from(!faults.is_empty());
        }
        part(options, wrong, out).map_err(DemoError::Out)?;
        Ok(Self { world, is_right: wrong == 0 })
    }

    /// How to call the router with a phone of one's own.
    pub fn invitation(&self) -> String {
        format!(
            "The router stays up. Have a softphone on this machine call (UDP, no account, no registration)\n\n    \
             sip:{}@{}\n\nCtrl-C ends it.",
            Story::FIRST,
            self.world.sip()
        )
    }

    /// Ends the router and all that it needs.
    pub async fn end(self) {
        self.world.end().await;
    }
}

fn greet(options: &Options, sip: SocketAddr, out: &mut impl Write) -> io::Result<()> {
    if let Some(real) = &options.real {
        let place = real.url.as_deref().unwrap_or("OpenAI");
        writeln!(
            out,
            "OPENAI_API_KEY is set, so a real model answers (at {place}). THESE CALLS COST MONEY.\n\
             Without the variable a recorded one does, for nothing.\n"
        )?;
    }
    writeln!(out, "A router listens on sip:{sip}. Six calls come in, and are told when all are over.\n")
}

fn part(options: &Options, wrong: usize, out: &mut impl Write) -> io::Result<()> {
    match wrong {
        0 => writeln!(out, "All six calls went as they should.")?,
        _ => writeln!(out, "{wrong} of the six calls did not go as they should: see WRONG above.")?,
    }
    let output = options.output.display();
    writeln!(
        out,
        "In {output}/: what was said in each call (*.wav), {RECORDS} and the {DIALPLANS}/ behind it."
    )
}

fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), DemoError> {
    std::fs::write(path, text).map_err(|source| DemoError::File { path: path.to_owned(), source })
}
