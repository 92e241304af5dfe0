use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::value::Value;
use super::{Document, Place, Severity, nearest};

/// The keys that a table may have.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    pub accepted: &'static [&'static str],
    /// Keys that the format names and this version refuses.
    pub not_yet: &'static [&'static str],
}

impl Keys {
    pub const fn only(accepted: &'static [&'static str]) -> Self {
        Self { accepted, not_yet: &[] }
    }
}

/// A table of a [`Document`], its keys checked.
#[derive(Clone)]
pub struct Table<'d> {
    document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    span: Range<usize>,
    /// As messages name it: `[backend]`; empty for the whole file.
    name: String,
}

impl<'d> Table<'d> {
    /// Notes every key beyond `keys`.
    pub(super) fn open(
        document: &'d Document<'d>,
        entries: &'d DeTable<'d>,
        span: Range<usize>,
        name: String,
        keys: Keys,
    ) -> Self {
        for (key, _) in entries {
            let written = key.get_ref().as_ref();
            if keys.not_yet.contains(&written) {
                document.note(Severity::Error, &key.span(), format!("{written} is not yet supported"));
            } else if !keys.accepted.contains(&written) {
                let known = keys.accepted.iter().chain(keys.not_yet).copied();
                let guess = nearest(written, known).map(|word| format!(", did you mean {word}?"));
                let message = format!(
                    "found the unknown key {}{}; accepted: {}",
                    super::shown(written),
                    guess.unwrap_or_default(),
                    keys.accepted.join(", ")
                );
                document.note(Severity::Error, &key.span(), message);
            }
        }
        Self { document, entries, span, name }
    }

    /// What stands under `key`, if anything does.
    pub fn get(&self, key: &str) -> Option<Value<'d>> {
        self.entries.get(key).map(|value| Value::new(self.document, value, key.to_owned()))
    }

    /// What stands under `key`; notes it if nothing does.
    pub fn require(&self, key: &str, accepted: &str) -> Option<Value<'d>> {
        let value = self.get(key);
        if value.is_none() {
            let message = if self.name.is_empty() {
                format!("found no {key}; accepted: {accepted}")
            } else {
                format!("found no {key} in {}; accepted: {accepted}", self.name)
            };
            self.document.note_missing(&self.span, message);
        }
        value
    }

    /// The table under `key`, its keys checked.
    pub fn table(&self, key: &str, keys: Keys) -> Option<Self> {
        self.get(key)?.table(keys)
    }

    /// The `[[key]]` tables, each one's keys checked. A single `[key]` is an error that says so.
    pub fn tables(&self, key: &str, keys: Keys) -> Vec<Self> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let items = value.items(&format!("tables, each headed [[{key}]]")).unwrap_or_default();
        items.into_iter().filter_map(|item| item.renamed(format!("[[{key}]]")).table(keys)).collect()
    }

    /// The tables under names of the writer's own choice: `[key.NAME]`, in the order of their names.
    pub fn named_tables(&self, key: &str, keys: Keys) -> Vec<(&'d str, Self)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Table(entries) = value.toml() else {
            value.report_wrong_type(&format!("a table [{key}.NAME]"));
            return Vec::new();
        };
        let tables = entries.iter().filter_map(|(name, value)| {
            let name = name.get_ref().as_ref();
            let table = Value::new(self.document, value, format!("[{key}.{name}]")).table(keys)?;
            Some((name, table))
        });
        tables.collect()
    }

    /// Where its heading is.
    pub fn place(&self) -> Place {
        self.document.place(&self.span)
    }

    /// Notes at its heading why the whole table is refused.
    pub fn refuse(&self, message: impl Into<String>) {
        self.document.note(Severity::Error, &self.span, message.into());
    }

    /// Notes at its heading something that nothing is refused for.
    pub fn warn(&self, message: impl Into<String>) {
        self.document.note(Severity::Warning, &self.span, message.into());
    }
}
