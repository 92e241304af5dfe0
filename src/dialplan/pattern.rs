use thiserror::Error;

use crate::call::{Country, E164, Number};
use crate::pii::Redacted;

/// Which called numbers a route takes. Two equal patterns take the same calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    /// `'reception'`: the called name or number as it came, letter by letter.
    Literal(Redacted<String>),
    /// `+1 555 777 0001`
    Exact(E164),
    /// `+1555777*`: the digits before the star, without the `+`.
    Prefix(Redacted<String>),
}

/// Why a text is no pattern. Shows nothing of it.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum NotAPattern {
    #[error("found a pattern with X, Z, N or [..], which is not yet supported")]
    NotYet,
    #[error("found a national number, but the file names no country to read it by")]
    NoCountry,
    #[error("found digits that are no telephone number")]
    NotANumber,
    #[error("found a prefix that is not in international form")]
    NationalPrefix,
    #[error("found something that is no number")]
    NotDigits,
}

impl Pattern {
    /// What [`Pattern::parse`] accepts, for error texts.
    pub(super) const ACCEPTED: &str = "a number (+1 555 777 0001, or national with [numbers] country), a prefix \
                                       (+1555777*), or a name or short code in single quotes inside the text \
                                       (\"'reception'\")";

    /// `country` reads numbers that are not in international form.
    pub(super) fn parse(text: &str, country: Option<Country>) -> Result<Self, NotAPattern> {
        let text = text.trim();
        if let Some(literal) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return if literal.is_empty() {
                Err(NotAPattern::NotDigits)
            } else {
                Ok(Self::Literal(literal.into()))
            };
        }
        if let Some(start) = text.strip_suffix('*')
            && is_dialled(start)
        {
            return prefix(start);
        }
        if is_dialled(text) {
            return exact(text, country);
        }
        let of_pattern = |c: char| is_dialled_char(c) || matches!(c, '*' | 'X' | 'Z' | 'N' | '[' | ']');
        let rest = text.strip_prefix('+').unwrap_or(text);
        let looks_like_one = rest.contains(|c: char| c.is_ascii_digit()) && rest.chars().all(of_pattern);
        Err(if looks_like_one && !text.contains("**") { NotAPattern::NotYet } else { NotAPattern::NotDigits })
    }
}

/// Digits and the marks that people put between them, after a `+` or not.
fn is_dialled(text: &str) -> bool {
    let rest = text.strip_prefix('+').unwrap_or(text);
    rest.contains(|c: char| c.is_ascii_digit()) && rest.chars().all(is_dialled_char)
}

const fn is_dialled_char(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '/' | '(' | ')')
}

fn exact(text: &str, country: Option<Country>) -> Result<Pattern, NotAPattern> {
    let international = text.starts_with('+');
    if !international && country.is_none() {
        return Err(NotAPattern::NoCountry);
    }
    let read = Number::read(text, country).e164;
    // A number whose country code is not assigned has no plan to read it by, but may be written with spaces too.
    let spaced = || international.then(|| E164::parse(&format!("+{}", digits(text)))).flatten();
    read.or_else(spaced).map(Pattern::Exact).ok_or(NotAPattern::NotANumber)
}

fn prefix(start: &str) -> Result<Pattern, NotAPattern> {
    let digits = digits(start);
    // The national zero of "+44 (0)20" is no part of the number.
    if !start.starts_with('+') || start.contains("(0)") {
        return Err(NotAPattern::NationalPrefix);
    }
    if digits.len() > 15 || digits.starts_with('0') {
        return Err(NotAPattern::NotANumber);
    }
    Ok(Pattern::Prefix(digits.into()))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_prefixes_and_literals_are_told_apart() {
        let exact = |number: &str| Ok(Pattern::Exact(E164::parse(number).expect("a number")));
        let prefix = |digits: &str| Ok(Pattern::Prefix(digits.into()));
        let literal = |text: &str| Ok(Pattern::Literal(text.into()));
        for (text, country, expected) in [
            ("+1 555 777 0001", None, exact("+15557770001")),
            ("+15557770001", None, exact("+15557770001")),
            (" +1 (555) 777-0001 ", None, exact("+15557770001")),
            ("(555) 777-0001", Some("US"), exact("+15557770001")),
            ("020 7946 0123", Some("GB"), exact("+442079460123")),
            ("+44 (0)20 7946 0123", None, exact("+442079460123")),
            ("+999 555 1234", None, exact("+9995551234")),
            ("+1555777*", None, prefix("1555777")),
            ("+1 555 777 *", None, prefix("1555777")),
            ("+4*", None, prefix("4")),
            ("'reception'", None, literal("reception")),
            ("'2255'", Some("US"), literal("2255")),
            ("'it''s'", None, literal("it''s")),
            ("''", None, Err(NotAPattern::NotDigits)),
            ("'", None, Err(NotAPattern::NotDigits)),
            ("555 777 0001", None, Err(NotAPattern::NoCountry)),
            ("1", Some("US"), Err(NotAPattern::NotANumber)),
            ("+0555", None, Err(NotAPattern::NotANumber)),
            ("+1234567890123456*", None, Err(NotAPattern::NotANumber)),
            ("555777*", Some("US"), Err(NotAPattern::NationalPrefix)),
            ("+44 (0)20*", Some("GB"), Err(NotAPattern::NationalPrefix)),
            ("+1555888[0-4]XX", None, Err(NotAPattern::NotYet)),
            ("+1555NXX*", None, Err(NotAPattern::NotYet)),
            ("+1*555", None, Err(NotAPattern::NotYet)),
            ("*", None, Err(NotAPattern::NotDigits)),
            ("+*", None, Err(NotAPattern::NotDigits)),
            ("+1555**", None, Err(NotAPattern::NotDigits)),
            ("ZEN-DESK", Some("US"), Err(NotAPattern::NotDigits)),
            ("1-800-FLOWERS", Some("US"), Err(NotAPattern::NotDigits)),
            ("++1555", None, Err(NotAPattern::NotDigits)),
            ("١٢٣٤٥٦٧", Some("EG"), Err(NotAPattern::NotDigits)),
            ("", None, Err(NotAPattern::NotDigits)),
        ] {
            let country = country.map(|code| Country::parse(code).expect("a country"));
            assert_eq!(Pattern::parse(text, country), expected, "{text:?} in {country:?}");
        }
    }

    #[test]
    fn a_pattern_never_shows_its_number() {
        for text in ["+15557770001", "+1555777*", "'15557770001'"] {
            let shown = format!("{:?}", Pattern::parse(text, None));
            assert!(!shown.contains("555"), "{shown}");
        }
    }
}
