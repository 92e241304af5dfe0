//! Telephone numbers as carriers write them, and as E.164.

mod country;
mod plan;
mod spelling;

use std::fmt;
use std::sync::Arc;

pub use country::Country;
pub use plan::{Bare, NumberingPlan};
pub(super) use spelling::unescape;

use crate::pii::Redacted;

/// An ITU-T E.164 number: `+`, then 3 to 15 digits, the first not 0.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct E164 {
    text: Arc<str>,
    value: u64,
}

impl E164 {
    pub const FEWEST_DIGITS: usize = 3;

    /// `text` already in international form, `+15557770001`; no other spelling is taken.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        if !(Self::FEWEST_DIGITS..=15).contains(&digits.len()) || digits.starts_with('0') {
            return None;
        }
        let append = |value: u64, b: u8| b.is_ascii_digit().then(|| value * 10 + u64::from(b - b'0'));
        let value = digits.bytes().try_fold(0, append)?;
        Some(Self { text: text.into(), value })
    }

    /// With the leading `+`. For matching and for the wire, never for a log.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The digits as one decimal number: the first is not 0, so no two numbers have the same. As little for a log
    /// as [`E164::reveal`].
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// What is wrong with its length, as far as numbering plans are known; `None` when nothing is.
    pub fn wrong_length(&self) -> Option<WrongLength> {
        let digits = self.text.strip_prefix('+').unwrap_or(&self.text);
        let Some((code, national)) = country::split(digits) else { return Some(WrongLength::NoSuchCode) };
        let possible = country::possible_lengths(code);
        let digits = national.len();
        (!possible.contains(&digits)).then_some(WrongLength::Digits { code, digits, possible })
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why no number of that length exists. Reads as what was found: "8 digits after +1, not 10".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrongLength {
    /// It begins with no country's calling code.
    NoSuchCode,
    /// `digits` follow the calling code, and that country has no numbers but of these lengths.
    Digits { code: u16, digits: usize, possible: Vec<usize> },
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCode => f.write_str("a calling code that no country has"),
            Self::Digits { code, digits, possible } => {
                write!(f, "{digits} digits after +{code}, not ")?;
                for (at, (first, last)) in runs(possible).into_iter().enumerate() {
                    let or = if at == 0 { "" } else { " or " };
                    match first == last {
                        true => write!(f, "{or}{first}")?,
                        false => write!(f, "{or}{first} to {last}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// Sorted numbers as stretches without a gap.
fn runs(numbers: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

/// A number as it came, and in E.164 where it can be read so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub raw: Redacted<String>,
    pub e164: Option<E164>,
}

impl Number {
    /// Reads what a carrier or a person wrote, by nothing but a country's plan: [`NumberingPlan::read`].
    pub fn read(raw: &str, country: Option<Country>) -> Self {
        NumberingPlan { country, ..NumberingPlan::default() }.read(raw)
    }

    /// The E.164 form, else the raw text: what the webhook's `calledPhone` and `callerPhone` carry.
    pub fn best(&self) -> &str {
        self.e164.as_ref().map_or(self.raw.reveal().as_str(), E164::reveal)
    }
}

#[cfg(test)]
mod tests;
