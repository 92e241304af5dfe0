//! Telephone numbers as carriers write them, and as E.164.

use std::fmt;
use std::sync::Arc;

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
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An ISO 3166-1 alpha-2 country, whose numbering plan reads national numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(phonenumber::country::Id);

impl Country {
    pub fn parse(code: &str) -> Option<Self> {
        code.parse().ok().map(Self)
    }
}

/// A number as it came, and in E.164 where it can be read so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    pub raw: Redacted<String>,
    pub e164: Option<E164>,
}

impl Number {
    /// Reads what a carrier or a person wrote. National numbers need `country`. Never fails: what cannot be
    /// read keeps its raw text alone (a short code, letters, a SIP user name).
    pub fn read(raw: &str, country: Option<Country>) -> Self {
        let e164 = E164::parse(raw).or_else(|| normalise(raw, country));
        Self { raw: raw.into(), e164 }
    }

    /// The E.164 form, else the raw text: what the webhook's `calledPhone` and `callerPhone` carry.
    pub fn best(&self) -> &str {
        self.e164.as_ref().map_or(self.raw.reveal().as_str(), E164::reveal)
    }
}

/// Fewer digits than a subscriber number has are a short code, whatever country's plan they come under.
const SUBSCRIBER_DIGITS: usize = 7;

fn normalise(raw: &str, country: Option<Country>) -> Option<E164> {
    let digits = raw.bytes().filter(u8::is_ascii_digit).count();
    if digits < SUBSCRIBER_DIGITS {
        return None;
    }
    let number = phonenumber::parse(country.map(|c| c.0), raw).ok()?;
    E164::parse(&number.format().mode(phonenumber::Mode::E164).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_the_trunks_country() {
        let us = Country::parse("US");
        let de = Country::parse("DE");
        for (raw, country, expected) in [
            ("+15557770001", None, Some("+15557770001")),
            ("+1 (555) 777-0001", None, Some("+15557770001")),
            ("5557770001", us, Some("+15557770001")),
            ("15557770001", us, Some("+15557770001")),
            ("030 1234567", de, Some("+49301234567")),
            ("5557770001", None, None),
            ("reception", us, None),
            ("2255", us, None),
            ("", us, None),
            ("+", None, None),
            ("+0123456", None, None),
        ] {
            let read = Number::read(raw, country);
            assert_eq!(read.e164.as_ref().map(E164::reveal), expected, "{raw} in {country:?}");
            assert_eq!(read.raw.reveal(), raw, "the raw value is kept");
        }
    }

    #[test]
    fn a_number_never_shows() {
        let number = Number::read("+15557770001", None);
        assert!(!format!("{number:?}").contains("555"));
    }
}
