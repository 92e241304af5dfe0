use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::DemoError;
use super::stories::{Played, Story, text};

/// A call and what is told of it.
pub(super) struct Told<'t> {
    pub(super) number: usize,
    pub(super) story: &'t Story,
    pub(super) played: &'t Played,
    pub(super) record: Option<&'t Value>,
    /// What the caller heard.
    pub(super) wav: Option<PathBuf>,
}

impl Told<'_> {
    /// Writes what the caller heard, if anything.
    pub(super) fn save(&self, output: &Path) -> Result<Option<PathBuf>, DemoError> {
        if self.played.heard.samples.is_empty() {
            return Ok(None);
        }
        let path = output.join(format!("{}-{}.wav", self.number, self.story.file));
        let written = self.played.heard.write_wav(&path);
        written.map_err(|source| DemoError::File { path: path.clone(), source })?;
        Ok(Some(path))
    }

    pub(super) fn write(&self, faults: &[String], out: &mut impl Write) -> io::Result<()> {
        let Self { number, story, played, record, wav } = self;
        let text = |pointer: &str| record.map_or("none", |record| text(record, pointer));
        let decided = format!(
            "tenant {}, route {} ({}), configuration from {}",
            text("/tenant"),
            text("/route/id"),
            text("/route/match"),
            text("/config_source")
        );
        let title = format!("{number}. {}: {}", story.title, story.called);
        writeln!(out, "{title}")?;
        let mut line = |at: Option<Duration>, what: &str| match at {
            Some(at) => writeln!(out, "   {:5.2} s  {what}", at.as_secs_f64()),
            None => Ok(()),
        };
        line(Some(Duration::ZERO), "INVITE")?;
        if let Some(status) = played.refused {
            line(Some(played.over), &format!("refused with {status}"))?;
        }
        line(played.answered, &format!("answered: {decided}"))?;
        line(played.greeted, "the agent greets")?;
        line(played.said, &format!("the caller says: {}", story.says.unwrap_or_default()))?;
        line(played.replied, "the agent answers")?;
        if played.answered.is_some() {
            line(Some(played.over), &format!("over: {}", text("/ending/how")))?;
        }
        if let Some(wav) = wav {
            writeln!(out, "            {} ({:.1} s)", wav.display(), played.heard.length().as_secs_f64())?;
        }
        for fault in faults {
            writeln!(out, "   WRONG: {fault}")?;
        }
        writeln!(out)
    }
}
