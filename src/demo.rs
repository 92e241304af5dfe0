//! Six calls that show what the router does, with nothing installed and nothing configured: a backend, a model whose
//! speech is recorded, and a phone, all on loopback.

mod speech;
mod stories;
mod timeline;
mod world;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;

use crate::app::StartError;
use stories::{Story, text};
use timeline::Told;
use world::World;

/// Until every record of a call that is over is written.
const RECORDED: Duration = Duration::from_secs(5);

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where recordings, records and dialplans go. It is created.
    pub output: PathBuf,
    /// The key of a real model, which then answers in place of the recorded one.
    pub api_key: Option<String>,
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
        writeln!(out, "A router listens on sip:{}. Six calls come in.\n", world.sip())
            .map_err(DemoError::Out)?;
        let stories = stories::all();
        let calls = stories.iter().map(|story| stories::play(story, world.sip()));
        let played = join_all(calls).await;
        let records = world.records(stories.len(), RECORDED).await;
        let mut is_right = true;
        for (number, (story, played)) in (1..).zip(stories.iter().zip(played)) {
            let record = records.iter().find(|record| text(record, "/call/called/number") == story.called);
            let mut told = Told { number, story, played: &played, record, wav: None };
            told.wav = told.save(&options.output)?;
            let faults = story.faults(&played, record, options.api_key.is_none());
            told.write(&faults, out).map_err(DemoError::Out)?;
            is_right &= faults.is_empty();
        }
        let verdict = if is_right { "All went as it should." } else { "Not all went as it should." };
        let output = options.output.display();
        writeln!(out, "{verdict} What each caller heard, and the call records: {output}/")
            .map_err(DemoError::Out)?;
        Ok(Self { world, is_right })
    }

    /// How to call the router with a phone of one's own.
    pub fn invitation(&self) -> String {
        format!(
            "The router stays up: have a softphone on this machine call sip:{}@{}. Ctrl-C ends it.",
            Story::FIRST,
            self.world.sip()
        )
    }

    /// Ends the router and all that it needs.
    pub async fn end(self) {
        self.world.end().await;
    }
}

fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), DemoError> {
    std::fs::write(path, text).map_err(|source| DemoError::File { path: path.to_owned(), source })
}
