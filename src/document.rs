//! Settings and dialplans: TOML read by hand, with places.
//!
//! A reader asks a [`Table`] for its keys and a [`Value`] for its type; whatever is wrong is noted with its
//! place and reading goes on, so that one pass finds every error of a file. Errors of the syntax itself don't
//! stop it either. [`read`] gives all of them in the order of the file.

mod address;
mod diagnostic;
mod duration;
mod secret;
mod spelling;
mod surroundings;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use syntax::Legible;
use toml::de::DeTable;

pub use address::{parse_address, shown_address};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use duration::parse_duration;
pub use secret::{SecretError, SecretRef};
pub use spelling::nearest;
pub use surroundings::{Given, Placeholders, Process, Surroundings};
pub use table::{Keys, Table};
pub use value::{Value, shown};

/// One file, parsed, and what has been found wrong in it so far.
pub struct Document<'t> {
    path: Arc<Path>,
    text: &'t str,
    /// Byte offsets at which lines begin.
    line_starts: Vec<usize>,
    root: DeTable<'t>,
    /// Lines whose syntax is broken. What they seem to say is not judged any further.
    broken_lines: BTreeSet<usize>,
    found: RefCell<Vec<Diagnostic>>,
    attachments: RefCell<BTreeSet<PathBuf>>,
}

/// Parses `text`, which stands in the file `path` (a name for messages; nothing is opened), and lets `reader` make
/// of it what it can. With it come all diagnostics, in the order of the file.
pub fn read<T>(
    path: &Arc<Path>,
    text: &str,
    reader: impl FnOnce(&Document<'_>) -> T,
) -> (T, Vec<Diagnostic>) {
    let legible = Legible::of(text);
    let (root, errors) = legible.parse();
    let newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
    let mut document = Document {
        path: Arc::clone(path),
        text,
        line_starts: std::iter::once(0).chain(newlines).collect(),
        root,
        broken_lines: BTreeSet::new(),
        found: RefCell::default(),
        attachments: RefCell::default(),
    };
    for error in errors {
        let (line, column) = document.position(error.offset);
        // The first error of a line is the one to mend; the others mostly follow from it.
        if document.broken_lines.insert(line) {
            let place = Place::At { file: Arc::clone(path), line, column };
            document.found.get_mut().push(Diagnostic::error(place, error.message));
        }
    }
    let outcome = reader(&document);
    let mut found = document.found.into_inner();
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found.dedup();
    (outcome, found)
}

impl Document<'_> {
    /// The whole file as a table. Keys beyond `keys` are noted as errors.
    pub fn root(&self, keys: Keys) -> Table<'_> {
        Table::open(self, &self.root, 0..0, String::new(), keys)
    }

    /// The files beside it that it has been asked to read so far, whatever came of it.
    pub fn attachments(&self) -> Vec<PathBuf> {
        self.attachments.borrow().iter().cloned().collect()
    }

    /// The folder in which relative `file:` references are looked up.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = self.position(span.start);
        Place::At { file: Arc::clone(&self.path), line, column }
    }

    fn note(&self, severity: Severity, span: &Range<usize>, message: String) {
        let place = self.place(span);
        if !matches!(&place, Place::At { line, .. } if self.broken_lines.contains(line)) {
            self.found.borrow_mut().push(Diagnostic { place, severity, message });
        }
    }

    /// A key that should be there and is not. In a file whose syntax is broken it may well stand on the broken
    /// line, so then nothing is said.
    fn note_missing(&self, span: &Range<usize>, message: String) {
        if self.broken_lines.is_empty() {
            self.note(Severity::Error, span, message);
        }
    }

    /// Line and column of a byte offset, from 1; columns count characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).map_or(0, |text| text.chars().count());
        (line, before + 1)
    }
}
