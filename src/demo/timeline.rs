use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::stories::{Expected, Played, Story, text};
use super::{DemoError, speech};

/// A call and what is told of it.
pub(super) struct Told<'t> {
    pub(super) number: usize,
    pub(super) story: &'t Story,
    pub(super) played: &'t Played,
    pub(super) record: Option<&'t Value>,
    /// What the agent said is known then.
    pub(super) is_recorded: bool,
    /// What was said.
    pub(super) wav: Option<PathBuf>,
}

impl Told<'_> {
    /// Writes what was said, if anything.
    pub(super) fn save(&self, output: &Path) -> Result<Option<PathBuf>, DemoError> {
        if self.played.heard.samples.is_empty() {
            return Ok(None);
        }
        let path = output.join(format!("{}-{}.wav", self.number, self.story.file));
        let written = self.played.conversation().write_wav(&path);
        written.map_err(|source| DemoError::File { path: path.clone(), source })?;
        Ok(Some(path))
    }

    pub(super) fn write(&self, faults: &[String], out: &mut impl Write) -> io::Result<()> {
        let Self { number, story, played, record, is_recorded, wav } = self;
        let text = |pointer: &str| record.map_or("none", |record| text(record, pointer));
        let decided_by =
            format!("tenant {}, route {} ({})", text("/tenant"), text("/route/id"), text("/route/match"));
        let because = match text("/config/why") {
            "none" => String::new(),
            why => format!(" (backend: {why})"),
        };
        let decided = format!("{decided_by}, configuration from {}{because}", text("/config_source"));
        let title = format!("{number}. {}: {}", story.title, story.called);
        writeln!(out, "{title}")?;
        let mut line = |at: Option<Duration>, what: &str| match at {
            Some(at) => writeln!(out, "   {:5.2} s  {what}", at.as_secs_f64()),
            None => Ok(()),
        };
        line(Some(Duration::ZERO), "INVITE")?;
        if let Some(status) = played.refused {
            let why = match text("/limit") {
                "none" => text("/ending/detail").to_owned(),
                limit => format!("{}: {decided_by}, limit {limit}", text("/ending/detail")),
            };
            line(Some(played.over), &format!("refused with {status}, {why}"))?;
        }
        line(played.answered, &format!("answered: {decided}"))?;
        let agent = |what: &str, recording: &str| {
            if *is_recorded {
                format!("the agent {what}: {}", speech::words(recording))
            } else {
                format!("the agent {what}")
            }
        };
        if let Expected::Answered { greeting, .. } = story.expected {
            line(played.greeted, &agent("greets", greeting))?;
        }
        if let Some([asked, reply]) = story.exchange {
            line(played.said, &format!("the caller says: {}", speech::words(asked)))?;
            line(played.replied, &agent("answers", reply))?;
        }
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
