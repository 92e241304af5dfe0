//! The spelling of patterns.

use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

use super::{DigitSet, Digits, MOST_DIGITS, Pattern};
use crate::call::{Country, E164, Number};

/// Why a text is no pattern. Shows nothing of it.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum NotAPattern {
    #[error("found a national number, but the file names no country to read it by")]
    NoCountry,
    #[error("found digits that are no telephone number")]
    NotANumber,
    #[error("found a prefix or pattern that is not in international form, with + and a country code")]
    National,
    #[error("found something that is no number")]
    NotDigits,
    #[error("found a * with nothing before it; a route for any number leaves the key out")]
    OnlyStar,
    #[error("found a * that is not at the end")]
    StarNotLast,
    #[error("found a dot at the end; a prefix ends with a *")]
    EndsWithDot,
    #[error("found a small x, z or n; X, Z and N are capitals")]
    SmallLetter,
    #[error("found a [ without its ]")]
    OpenSet,
    #[error("found a ] without its [")]
    NoSetOpen,
    #[error("found [], a set without a digit")]
    EmptySet,
    #[error("found something other than digits and ranges such as 0-4 in [..]")]
    NotASet,
    #[error("found a range in [..] that ends before it begins")]
    ReversedRange,
    #[error("found a first place that may be 0, with which no international number begins")]
    StartsWithZero,
    #[error("found more than 15 digits, more than a number has")]
    TooLong,
    #[error("found fewer than 3 digits and no *")]
    TooShort,
}

pub(super) fn pattern(text: &str, country: Option<Country>) -> Result<Pattern, NotAPattern> {
    let text = text.trim();
    if let Some(literal) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return if literal.is_empty() {
            Err(NotAPattern::NotDigits)
        } else {
            Ok(Pattern::Literal(literal.into()))
        };
    }
    let (plus, rest) = text.strip_prefix('+').map_or(("", text), |rest| ("+", rest));
    let of_pattern = |c: char| is_dialled(c) || "*XZNxzn[]".contains(c);
    let has_place = rest.contains(|c: char| c.is_ascii_digit()) || !plus.is_empty() && !rest.is_empty();
    if rest.trim() == "*" {
        Err(NotAPattern::OnlyStar)
    } else if !has_place || !rest.chars().all(of_pattern) {
        Err(NotAPattern::NotDigits)
    } else if rest.ends_with('.') {
        // In other routers' patterns the dot is the tail: not to be read as an exact number.
        Err(NotAPattern::EndsWithDot)
    } else if rest.chars().all(is_dialled) {
        number(text, country).map(Pattern::Exact)
    } else if plus.is_empty() || rest.contains("(0)") {
        // The national zero of "+44 (0)20" is no part of the number.
        Err(NotAPattern::National)
    } else {
        places(rest)
    }
}

/// A whole number as people write it, after a `+` or as the country's plan has it.
pub(in crate::dialplan) fn number(text: &str, country: Option<Country>) -> Result<E164, NotAPattern> {
    let rest = text.strip_prefix('+').unwrap_or(text);
    if !rest.contains(|c: char| c.is_ascii_digit()) || !rest.chars().all(is_dialled) {
        return Err(NotAPattern::NotDigits);
    }
    let international = text.starts_with('+');
    if !international && country.is_none() {
        return Err(NotAPattern::NoCountry);
    }
    let read = Number::read(text, country).e164;
    // A number whose country code is not assigned has no plan to read it by, but may be written with spaces too.
    let digits = || text.chars().filter(char::is_ascii_digit).collect::<String>();
    let spaced = || international.then(|| E164::parse(&format!("+{}", digits()))).flatten();
    read.or_else(spaced).ok_or(NotAPattern::NotANumber)
}

/// Digits, and the marks that people put between them.
const fn is_dialled(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '/' | '(' | ')')
}

/// What stands after the `+`.
fn places(text: &str) -> Result<Pattern, NotAPattern> {
    let mut sets = Vec::new();
    let mut open = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let set = match c {
            '*' if chars.peek().is_none() => {
                open = true;
                break;
            }
            '*' => return Err(NotAPattern::StarNotLast),
            'X' => DigitSet::ANY,
            'Z' => DigitSet::NOT_ZERO,
            'N' => DigitSet::FROM_TWO,
            'x' | 'z' | 'n' => return Err(NotAPattern::SmallLetter),
            '[' => set(&mut chars)?,
            ']' => return Err(NotAPattern::NoSetOpen),
            c => match digit(c).and_then(|digit| DigitSet::of([digit])) {
                Some(set) => set,
                None => continue,
            },
        };
        sets.push(set);
    }
    let Some(first) = sets.first() else { return Err(NotAPattern::NotDigits) };
    if first.has(0) {
        Err(NotAPattern::StartsWithZero)
    } else if sets.len() > MOST_DIGITS {
        Err(NotAPattern::TooLong)
    } else if !open && sets.len() < E164::FEWEST_DIGITS {
        Err(NotAPattern::TooShort)
    } else {
        Ok(normal(Digits::new(sets, open)))
    }
}

/// The set after its `[`, to its `]`.
fn set(chars: &mut Peekable<Chars<'_>>) -> Result<DigitSet, NotAPattern> {
    let mut digits = Vec::new();
    loop {
        let first = match chars.next().ok_or(NotAPattern::OpenSet)? {
            ']' => return DigitSet::of(digits).ok_or(NotAPattern::EmptySet),
            c => digit(c).ok_or(NotAPattern::NotASet)?,
        };
        let mut last = first;
        if chars.next_if_eq(&'-').is_some() {
            last = digit(chars.next().ok_or(NotAPattern::OpenSet)?).ok_or(NotAPattern::NotASet)?;
        }
        if last < first {
            return Err(NotAPattern::ReversedRange);
        }
        digits.extend(first..=last);
    }
}

/// As an exact number, if it is the pattern of one.
fn normal(digits: Digits) -> Pattern {
    let exact = if digits.is_open() { None } else { E164::parse(&digits.reveal()) };
    exact.map_or(Pattern::Digits(digits), Pattern::Exact)
}

fn digit(c: char) -> Option<u8> {
    u8::try_from(c).ok().filter(u8::is_ascii_digit)
}
