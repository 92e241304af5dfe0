use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeValue};
use url::Url;

use super::{
    Document, Keys, Place, SecretRef, Severity, Surroundings, Table, nearest, parse_address, parse_duration,
    shown_address,
};
use crate::pii::Redacted;

/// A value of a [`Document`]. Every reading method notes what is wrong and then gives `None`.
#[derive(Clone)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    toml: &'d DeValue<'d>,
    span: Range<usize>,
    /// As messages name it: its key.
    name: String,
}

impl<'d> Value<'d> {
    pub(super) fn new(document: &'d Document<'d>, value: &'d Spanned<DeValue<'d>>, name: String) -> Self {
        Self { document, toml: value.get_ref(), span: value.span(), name }
    }

    pub(super) fn renamed(self, name: String) -> Self {
        Self { name, ..self }
    }

    pub(super) fn toml(&self) -> &'d DeValue<'d> {
        self.toml
    }

    /// Text, as it stands.
    pub fn text(&self, accepted: &str) -> Option<&'d str> {
        let DeValue::String(text) = self.toml else {
            self.report_wrong_type(accepted);
            return None;
        };
        Some(text.as_ref())
    }

    /// Text that `parse` takes. The message shows the text that it does not, so it must be nobody's number, prompt
    /// or key.
    pub fn parsed<T>(&self, accepted: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.parsed_or_shown(accepted, parse, shown)
    }

    /// As [`parse_address`]. What it holds beside host and path is not shown.
    pub fn address(&self, accepted: &str, schemes: &[&str]) -> Option<Url> {
        self.parsed_or_shown(accepted, |text| parse_address(text, schemes), shown_address)
    }

    /// As [`Self::parsed`], of text or of a TOML date, which stands without quotes.
    pub fn parsed_date<T>(&self, accepted: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let DeValue::Datetime(written) = self.toml else { return self.parsed(accepted, parse) };
        let written = written.to_string();
        let parsed = parse(&written);
        if parsed.is_none() {
            self.report_found(&written, accepted);
        }
        parsed
    }

    fn parsed_or_shown<T>(
        &self,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        shown: fn(&str) -> String,
    ) -> Option<T> {
        let text = self.text(accepted)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.report_found(&shown(text), accepted);
        }
        parsed
    }

    /// One of `names`; a near miss is told which.
    pub fn choice<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        let names: Vec<&str> = names.into_iter().collect();
        let accepted = names.join(", ");
        let written = self.text(&accepted)?;
        let chosen = names.iter().find(|name| **name == written).copied();
        if chosen.is_none() {
            let guess = nearest(written, names).map(|name| format!(", did you mean {name}?"));
            self.report_found(&format!("{}{}", shown(written), guess.unwrap_or_default()), &accepted);
        }
        chosen
    }

    /// The secret that an `env:NAME` or `file:PATH` leads to.
    pub fn secret(&self, surroundings: &dyn Surroundings) -> Option<Redacted<String>> {
        let reference = self.text(SecretRef::ACCEPTED)?;
        let Some(reference) = SecretRef::parse(reference) else {
            self.report_found("a value that is no reference (not shown)", SecretRef::ACCEPTED);
            return None;
        };
        match reference.resolve(self.document.folder(), surroundings) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.report(format!("{}: {error}; accepted: a reference that leads to a secret", self.name));
                None
            }
        }
    }

    /// The bytes of the file that this path, which starts in the document's folder, leads to; and the path.
    pub fn attachment(
        &self,
        accepted: &str,
        surroundings: &dyn Surroundings,
        largest: u64,
    ) -> Option<(PathBuf, Vec<u8>)> {
        let path = self
            .parsed(accepted, |text| (!text.trim().is_empty()).then(|| self.document.folder().join(text)))?;
        self.document.attachments.borrow_mut().insert(path.clone());
        match surroundings.attachment(&path, largest) {
            Ok(bytes) => Some((path, bytes)),
            Err(error) => {
                let found = format!("a file that cannot be read ({})", error.kind());
                self.report_found(&found, &format!("{accepted}, of at most {largest} bytes"));
                None
            }
        }
    }

    /// A length of time within `range`.
    pub fn duration(&self, accepted: &str, range: &RangeInclusive<Duration>) -> Option<Duration> {
        self.parsed(accepted, |text| parse_duration(text).filter(|duration| range.contains(duration)))
    }

    /// A whole or decimal number within `range`.
    pub fn number(&self, accepted: &str, range: &RangeInclusive<f64>) -> Option<f64> {
        let written = match self.toml {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                self.report_wrong_type(accepted);
                return None;
            }
        };
        let number = written.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.report_found(&shown(written), accepted);
        }
        number
    }

    pub fn is_text(&self) -> bool {
        matches!(self.toml, DeValue::String(_))
    }

    pub fn is_boolean(&self) -> bool {
        matches!(self.toml, DeValue::Boolean(_))
    }

    /// `true` or `false`.
    pub fn boolean(&self, accepted: &str) -> Option<bool> {
        let DeValue::Boolean(truth) = self.toml else {
            self.report_wrong_type(accepted);
            return None;
        };
        Some(*truth)
    }

    /// The items of an array.
    pub fn items(&self, accepted: &str) -> Option<Vec<Self>> {
        let DeValue::Array(items) = self.toml else {
            self.report_wrong_type(accepted);
            return None;
        };
        Some(items.iter().map(|item| Self::new(self.document, item, self.name.clone())).collect())
    }

    /// The items of an array, or the value itself where there is no array.
    pub fn one_or_more(&self) -> Vec<Self> {
        match self.toml {
            DeValue::Array(items) => {
                items.iter().map(|item| Self::new(self.document, item, self.name.clone())).collect()
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => vec![self.clone()],
        }
    }

    /// The entries of a table whose keys are the writer's own.
    pub fn entries(&self, accepted: &str) -> Vec<(&'d str, Self)> {
        let DeValue::Table(entries) = self.toml else {
            self.report_wrong_type(accepted);
            return Vec::new();
        };
        let entry = |(name, value): (&'d Spanned<DeString<'d>>, _)| {
            let name = name.get_ref().as_ref();
            (name, Self::new(self.document, value, format!("{}.{name}", self.name)))
        };
        entries.iter().map(entry).collect()
    }

    /// A table, its keys checked.
    pub fn table(&self, keys: Keys) -> Option<Table<'d>> {
        let DeValue::Table(entries) = self.toml else {
            self.report_wrong_type(&format!("a table with {}", keys.accepted.join(", ")));
            return None;
        };
        let name = if self.name.starts_with('[') { self.name.clone() } else { format!("[{}]", self.name) };
        Some(Table::open(self.document, entries, self.span.clone(), name, keys))
    }

    /// Notes an error here.
    pub fn report(&self, message: impl Into<String>) {
        self.document.note(Severity::Error, &self.span, message.into());
    }

    /// Notes here something that nothing is refused for.
    pub fn warn(&self, message: impl Into<String>) {
        self.document.note(Severity::Warning, &self.span, message.into());
    }

    /// Notes that this value is not what is accepted here.
    pub fn report_found(&self, found: &str, accepted: &str) {
        self.report(format!("{}: found {found}; accepted: {accepted}", self.name));
    }

    pub(super) fn report_wrong_type(&self, accepted: &str) {
        let found = match self.toml {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.report_found(found, accepted);
    }

    /// As messages name it: its key.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn place(&self) -> Place {
        self.document.place(&self.span)
    }
}

/// Text as messages show it: quoted, escaped, not too long.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let short: String = text.chars().take(LONGEST).collect();
    if short.len() == text.len() { format!("{text:?}") } else { format!("{short:?}...") }
}
