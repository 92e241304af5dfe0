//! Values that identify a person or open a door never reach a log line by accident.
//!
//! [`Redacted`] hides its content in `Debug` and `Display`; only [`Redacted::reveal`], called where the value
//! leaves for the wire, shows it. Every live test fails on a leak in its router's log or metrics; `tests/it/pii.rs`
//! tests what finds them.

use std::fmt;

/// A number, prompt, transcript or key: shows as `[redacted]` wherever it is formatted.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the wire and for comparison. Never for a log or an error text.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Redacted<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Redacted<String> {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_never_shows_the_value() {
        let number: Redacted<String> = "+15551230001".into();
        assert_eq!(format!("{number} {number:?}"), "[redacted] [redacted]");
        assert_eq!(number.reveal(), "+15551230001");
    }
}
