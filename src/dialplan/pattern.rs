//! Which numbers a route takes: called, diverted and caller patterns are written and compared alike.
//!
//! A pattern is read left to right, as people write numbers. At each place stands a set of digits, most often of one;
//! a tail `*` takes any digits after it, or none.

mod digits;
mod parse;
#[cfg(test)]
mod tests;

pub use digits::{DigitSet, Digits};
pub use parse::NotAPattern;
pub(super) use parse::number;

use super::Match;
use crate::call::{Country, E164, Number};
use crate::pii::Redacted;

/// The most digits of an E.164 number.
pub const MOST_DIGITS: usize = 15;

/// Two equal patterns take the same numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `'reception'`: the name or number as it came, letter by letter.
    Literal(Redacted<String>),
    /// `+1 555 777 0001`
    Exact(E164),
    /// `+1555777*`, `+1555888[0-4]XX`
    Digits(Digits),
}

impl Pattern {
    /// What [`Pattern::parse`] accepts, for error texts.
    pub const ACCEPTED: &str = "a number (+1 555 777 0001, or national with [numbers] country), a prefix \
                                (+1555777*), a pattern (+1555888[0-4]XX; X is 0-9, Z 1-9, N 2-9), or a name or \
                                short code in single quotes inside the text (\"'reception'\")";

    /// `country` reads whole numbers that are not in international form.
    pub fn parse(text: &str, country: Option<Country>) -> Result<Self, NotAPattern> {
        parse::pattern(text, country)
    }

    /// How a number that it takes has matched.
    pub const fn kind(&self) -> Match {
        match self {
            Self::Literal(_) | Self::Exact(_) => Match::Exact,
            Self::Digits(digits) => digits.kind(),
        }
    }

    pub fn matches(&self, number: &Number) -> bool {
        match self {
            Self::Literal(text) => number.raw == *text,
            Self::Exact(exact) => number.e164.as_ref() == Some(exact),
            Self::Digits(digits) => number.e164.as_ref().is_some_and(|e164| digits.matches(e164)),
        }
    }

    /// How narrow it is. The raw text as it came is narrower than any number that it can be read as.
    pub fn rank(&self) -> Rank {
        match self {
            Self::Literal(_) => Rank(0),
            Self::Exact(number) => Digits::of(number).rank(),
            Self::Digits(digits) => digits.rank(),
        }
    }

    /// Whether some number matches both. Of literals only those count as numbers that are in international form:
    /// what the others mean is for the trunk to say that they come in on.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (digits, Self::Literal(text)) | (Self::Literal(text), digits) => {
                digits.takes_literal(text.reveal())
            }
            (one, Self::Exact(number)) | (Self::Exact(number), one) => one.takes(number),
            (Self::Digits(one), Self::Digits(other)) => one.overlaps(other),
        }
    }

    /// Whether every number that matches `other` matches this one.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (digits, Self::Literal(text)) => digits.takes_literal(text.reveal()),
            // The same number may come in another spelling.
            (Self::Literal(_), _) => false,
            (one, Self::Exact(number)) => one.takes(number),
            (Self::Exact(number), Self::Digits(digits)) => Digits::of(number).covers(digits),
            (Self::Digits(one), Self::Digits(other)) => one.covers(other),
        }
    }

    /// As [`Pattern::parse`] reads it, in the one spelling that equal patterns share. For messages to the operator who
    /// asks where numbers go; never for a log.
    pub fn reveal(&self) -> String {
        match self {
            Self::Literal(text) => format!("'{}'", text.reveal()),
            Self::Exact(number) => number.reveal().to_owned(),
            Self::Digits(digits) => digits.reveal(),
        }
    }

    fn takes(&self, number: &E164) -> bool {
        match self {
            Self::Literal(text) => text.reveal() == number.reveal(),
            Self::Exact(exact) => exact == number,
            Self::Digits(digits) => digits.matches(number),
        }
    }

    fn takes_literal(&self, text: &str) -> bool {
        E164::parse(text).is_some_and(|number| self.takes(&number))
    }
}

/// How narrow a pattern is, the narrowest first. Patterns are compared place by place: where the sizes of their sets
/// first differ the smaller wins. The end of the number is narrower than any set, and the tail wider.
///
/// One hexadecimal digit a place, the first in the highest: 1 to 10 for a set, 11 for the tail, 0 for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u64);

impl Rank {
    const TAIL: u64 = 11;

    fn of(sets: &[DigitSet], open: bool) -> Self {
        let sizes = sets.iter().map(|set| u64::from(set.size()));
        let places = sizes.chain(open.then_some(Self::TAIL)).zip((0..=MOST_DIGITS).rev());
        Self(places.fold(0, |rank, (size, place)| rank | size << (4 * place)))
    }
}
