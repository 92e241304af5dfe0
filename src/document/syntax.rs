//! The syntax alone: as much of a table as any text yields, and every syntax error.

use std::borrow::Cow;

use toml::de::DeTable;

/// `text`, or a copy of it without the lines that would make the parser drop what follows them. Bytes keep their
/// places.
pub(super) struct Legible<'t> {
    text: Cow<'t, str>,
    /// What is wrong with the lines that are left out.
    errors: Vec<SyntaxError>,
}

#[derive(Clone)]
pub(super) struct SyntaxError {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// Errors after which the parser drops the rest of the file, or takes the next lines for something else.
const STOPPERS: [&str; 3] = ["key with no value", "unclosed table", "unclosed array table"];

/// A round finds all stoppers that the ones before did not hide.
const ROUNDS: usize = 8;

impl<'t> Legible<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut legible = Self { text: Cow::Borrowed(text), errors: Vec::new() };
        for _ in 0..ROUNDS {
            let (_, found) = DeTable::parse_recoverable(&legible.text);
            let stops = |error: &&toml::de::Error| STOPPERS.iter().any(|s| error.message().starts_with(s));
            let stoppers: Vec<SyntaxError> = found.iter().filter(stops).map(SyntaxError::of).collect();
            if stoppers.is_empty() {
                break;
            }
            legible.text = Cow::Owned(without_lines(&legible.text, &stoppers));
            legible.errors.extend(stoppers);
        }
        legible
    }

    /// The table and all errors, in the order of the text.
    pub(super) fn parse(&self) -> (DeTable<'_>, Vec<SyntaxError>) {
        let (root, found) = DeTable::parse_recoverable(&self.text);
        let mut errors: Vec<SyntaxError> = found.iter().map(SyntaxError::of).collect();
        errors.extend(self.errors.iter().cloned());
        errors.sort_by_key(|error| error.offset);
        (root.into_inner(), errors)
    }
}

impl SyntaxError {
    fn of(error: &toml::de::Error) -> Self {
        let message = match error.message() {
            "duplicate key" => "this key or table is already there; accepted: each one once".to_owned(),
            "string values must be quoted, expected literal string" => {
                "found no value or text without quotes; accepted: text in quotes, a number, true or false, \
                 [...] or {...}"
                    .to_owned()
            }
            other => format!("not TOML: {}", other.replacen(", expected ", "; accepted: ", 1)),
        };
        Self { offset: error.span().map_or(0, |span| span.start), message }
    }
}

/// `text` with the line of every error turned to spaces.
fn without_lines(text: &str, errors: &[SyntaxError]) -> String {
    let mut blanked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let start = blanked.len();
        let content = line.trim_end_matches(['\r', '\n']);
        let broken = |error: &SyntaxError| (start..=start + content.len()).contains(&error.offset);
        if errors.iter().any(broken) {
            blanked.extend(std::iter::repeat_n(' ', content.len()));
            blanked.extend(line.chars().skip(content.chars().count()));
        } else {
            blanked.push_str(line);
        }
    }
    blanked
}
