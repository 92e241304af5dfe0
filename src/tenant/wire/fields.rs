use serde_json::{Map, Value};

use crate::document::nearest;
use crate::tenant::Choice;

#[cfg(test)]
thread_local! {
    /// Every field that was looked for on this thread, whether it was there or not.
    pub(super) static ASKED_FOR: std::cell::RefCell<std::collections::BTreeSet<String>> = const {
        std::cell::RefCell::new(std::collections::BTreeSet::new())
    };
}

/// The fields of one JSON object, read by their camelCase names or the same in snake_case, and the warnings
/// of those that were dropped. `null` is as good as absent.
pub(super) struct Fields {
    values: Map<String, Value>,
    /// What stands before a field's name in a warning: `limits.`.
    path: String,
    /// The names that were looked for.
    known: Vec<String>,
    warnings: Vec<String>,
}

/// Warnings that are kept, and unknown fields that are compared with those that we know.
const MOST: usize = 16;

impl Fields {
    pub(super) fn of(values: Map<String, Value>) -> Self {
        Self { values, path: String::new(), known: Vec::new(), warnings: Vec::new() }
    }

    /// Each names a field; of very many only the first.
    pub(super) fn into_warnings(mut self) -> Vec<String> {
        self.note_misspelt();
        if let Some(more) = self.warnings.len().checked_sub(MOST).filter(|more| *more > 0) {
            self.warnings.truncate(MOST);
            self.warnings.push(format!("{more} more faults are not named"));
        }
        self.warnings
    }

    /// The names of the fields that say anything, as they are written.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.values.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.clone())
    }

    /// The fields of an object in this one; those of an empty one where there is none.
    pub(super) fn object(&mut self, name: &str) -> Self {
        let values = self.take(name, "an object", |value| value.as_object().cloned()).unwrap_or_default();
        Self { values, path: format!("{}{name}.", self.path), known: Vec::new(), warnings: Vec::new() }
    }

    /// Keeps the warnings of an object in this one.
    pub(super) fn absorb(&mut self, mut inner: Self) {
        inner.note_misspelt();
        self.absorb_free(inner);
    }

    /// The same of an object whose fields may be called anything.
    pub(super) fn absorb_free(&mut self, inner: Self) {
        self.warnings.extend(inner.warnings);
    }

    /// A field, unless `read` does not take it: then a warning, which says what is `accepted`.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        accepted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let taken = read(value);
        if taken.is_none() {
            let found = kind(value);
            self.warn(name, &format!("expected {accepted}, found {found}"));
        }
        taken
    }

    /// A field of an agent: `""` is an explicit nothing.
    pub(super) fn choose<T>(
        &mut self,
        name: &str,
        accepted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Choice<T> {
        if self.get(name).and_then(Value::as_str) == Some("") {
            return Choice::Nothing;
        }
        self.take(name, accepted, read).map_or(Choice::Unsaid, Choice::This)
    }

    pub(super) fn text(&mut self, name: &str, longest: usize) -> Choice<String> {
        self.choose(name, &format!("a string of at most {longest} bytes"), |value| {
            value.as_str().filter(|text| text.len() <= longest).map(str::to_owned)
        })
    }

    pub(super) fn warn(&mut self, name: &str, text: &str) {
        self.warnings.push(format!("{}{name}: {text}", self.path));
    }

    /// Other unknown fields may be for another version of us.
    fn note_misspelt(&mut self) {
        let names: Vec<String> =
            self.known.iter().flat_map(|name| [name.clone(), snake_case(name)]).collect();
        let unknown = self.names().filter(|written| !names.contains(written)).take(MOST);
        let guess = |written: &String| nearest(written, names.iter().map(String::as_str));
        let misspelt: Vec<_> =
            unknown.filter_map(|written| Some((guess(&written)?.to_owned(), written))).collect();
        for (meant, written) in misspelt {
            self.warn(&written, &format!("no such field, did you mean {meant}?"));
        }
    }

    fn get(&mut self, name: &str) -> Option<&Value> {
        self.known.push(name.to_owned());
        #[cfg(test)]
        ASKED_FOR.with_borrow_mut(|paths| paths.insert(format!("{}{name}", self.path)));
        let said = |name: &str| self.values.get(name).filter(|value| !value.is_null());
        said(name).or_else(|| said(&snake_case(name)))
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// What a value is, without the value.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "a boolean".into(),
        Value::Number(_) => "a number".into(),
        Value::String(text) => format!("a string of {} bytes", text.len()),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
    }
}
