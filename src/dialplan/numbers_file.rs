//! A `[numbers_file]`: many numbers of one tenant, one a line, or as CSV with the agent who answers.
//!
//! ```text
//! number,agent
//! +15557770001,reception
//! +15557770002
//! # a comment
//! ```

mod line;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::index;
use crate::call::{Country, E164};
use crate::document::{Diagnostic, Place, Severity};
use line::{Fault, Line};

/// A larger file is not read, in bytes.
pub const LARGEST: u64 = 64 * 1024 * 1024;
/// More of what is wrong with one file is only counted.
const MOST_DIAGNOSTICS: usize = 1000;

/// One number of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    number: u64,
    /// From 1.
    pub line: u32,
    /// Among the tenant's agents as [`read`] was given them.
    pub agent: Option<u16>,
}

impl Entry {
    /// As [`E164::value`].
    pub const fn number(&self) -> u64 {
        self.number
    }

    pub fn e164(&self) -> E164 {
        E164::parse(&format!("+{}", self.number)).expect("it was read as one")
    }
}

/// Reads the text of the file `path` (a name for messages; nothing is opened). `country` reads national numbers;
/// `agents` are those of the tenant, at most 65,535. The entries are in the order of the file, each number once, and so
/// are the diagnostics.
pub fn read(
    text: &str,
    path: &Arc<Path>,
    country: Option<Country>,
    agents: &[&str],
) -> (Vec<Entry>, Vec<Diagnostic>) {
    let mut noted = Noted { path, found: Vec::new(), unsaid: None, unsaid_lines: 0 };
    if text.len() as u64 > LARGEST {
        let message = format!("found more than {LARGEST} bytes; accepted: at most that many");
        return (Vec::new(), vec![Diagnostic::error(Place::Whole(Arc::clone(path)), message)]);
    }
    let mut reader = Reader::new(country, agents, text);
    let mut entries = Vec::with_capacity(text.len() / Reader::TYPICAL_LINE);
    for (line, at) in reader.text.split('\n').zip(1..) {
        match reader.read(line) {
            Ok(Some((number, agent))) => entries.push(Entry { number, line: at, agent }),
            Ok(None) => {}
            Err(fault) => noted.note(Severity::Error, at, fault.column, fault.message),
        }
    }
    drop_repeated(&mut entries, &mut noted);
    (entries, noted.into_diagnostics())
}

/// Of equal numbers the first stays.
fn drop_repeated(entries: &mut Vec<Entry>, noted: &mut Noted<'_>) {
    let repeats = index::repeats(entries.iter().map(Entry::number));
    if repeats.is_empty() {
        return;
    }
    for (first, later) in &repeats {
        let (Some(first), Some(later)) = (entries.get(*first), entries.get(*later)) else { continue };
        let line = first.line;
        if first.agent == later.agent {
            let message = format!("found a number that line {line} has already");
            noted.note(Severity::Warning, later.line, 1, message);
        } else {
            let message = format!(
                "found a number that line {line} has with another agent; accepted: each number with one agent"
            );
            noted.note(Severity::Error, later.line, 1, message);
        }
    }
    let mut later = repeats.iter().map(|(_, later)| *later).peekable();
    let mut at = 0..;
    entries.retain(|_| at.next() != later.peek().copied() || later.next().is_none());
}

struct Reader<'t> {
    text: &'t str,
    country: Option<Country>,
    agents: HashMap<&'t str, u16>,
    names: &'t [&'t str],
    /// The agent of the line before, which is mostly that of the next.
    last_agent: Option<(&'t str, u16)>,
    /// Whether a line with something in it has been read: only the first may be the header.
    begun: bool,
}

impl<'t> Reader<'t> {
    /// `+15557770001` and its end, in bytes.
    const TYPICAL_LINE: usize = 13;

    fn new(country: Option<Country>, names: &'t [&'t str], text: &'t str) -> Self {
        // Spreadsheets put a mark before UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let agents = names.iter().copied().zip(0..u16::MAX).collect();
        Self { text, country, agents, names, last_agent: None, begun: false }
    }

    /// The number and the agent of a line, if it has any.
    fn read(&mut self, line: &'t str) -> Result<Option<(u64, Option<u16>)>, Fault> {
        if let Some((number, rest)) = line::plain(line) {
            let rest = rest.strip_suffix('\r').unwrap_or(rest);
            let agent = rest.strip_prefix(',').and_then(|name| self.agent(name));
            if rest.is_empty() || agent.is_some() {
                self.begun = true;
                return Ok(Some((number, agent)));
            }
        }
        let Some(cells) = Line::of(line)? else { return Ok(None) };
        let begun = std::mem::replace(&mut self.begun, true);
        if !begun && cells.is_header() {
            return Ok(None);
        }
        let number = cells.number(self.country)?;
        let agent = match &cells.agent {
            Some(cell) => Some(self.agent(cell.text).ok_or_else(|| cell.unknown_agent(self.names))?),
            None => None,
        };
        Ok(Some((number.value(), agent)))
    }

    fn agent(&mut self, name: &'t str) -> Option<u16> {
        match self.last_agent {
            Some((last, agent)) if last == name => Some(agent),
            _ => {
                let agent = *self.agents.get(name)?;
                self.last_agent = Some((name, agent));
                Some(agent)
            }
        }
    }
}

/// What is wrong with the file.
struct Noted<'p> {
    path: &'p Arc<Path>,
    found: Vec<Diagnostic>,
    /// The first that is but counted; an error if any of those is.
    unsaid: Option<Diagnostic>,
    unsaid_lines: usize,
}

impl Noted<'_> {
    fn note(&mut self, severity: Severity, line: u32, column: usize, message: String) {
        let place = Place::At { file: Arc::clone(self.path), line: line as usize, column };
        let diagnostic = Diagnostic { place, severity, message };
        if self.found.len() < MOST_DIAGNOSTICS {
            self.found.push(diagnostic);
            return;
        }
        self.unsaid_lines += 1;
        match &mut self.unsaid {
            Some(first) if severity == Severity::Error => first.severity = severity,
            Some(_) => {}
            None => self.unsaid = Some(diagnostic),
        }
    }

    fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| a.place.cmp(&b.place));
        if let Some(first) = self.unsaid {
            let lines = self.unsaid_lines;
            let message = format!(
                "found {lines} more lines with something wrong, from here on; mend those above first"
            );
            self.found.push(Diagnostic { message, ..first });
        }
        self.found
    }
}
