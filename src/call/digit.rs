use std::fmt;
use std::sync::Arc;

/// In the order of their event codes.
const KEYS: &str = "0123456789*#ABCD";

/// A key of a telephone: `0` to `9`, `*`, `#`, `A` to `D` (ITU-T Q.23). What callers press is theirs, so it is redacted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(char);

impl Digit {
    pub fn parse(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Self(key))
    }

    /// By its event code, 0 to 15 (RFC 4733, section 3.2).
    pub fn from_code(code: u32) -> Option<Self> {
        KEYS.chars().nth(usize::try_from(code).ok()?).map(Self)
    }

    pub fn code(self) -> u8 {
        let code = KEYS.find(self.0).and_then(|code| u8::try_from(code).ok());
        code.expect("every key has a code")
    }

    /// For the model, never for a log.
    pub const fn reveal(self) -> char {
        self.0
    }
}

/// Keys that we press, one after the other: 1 to 32 of them. What they stand for may be anybody's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits(Arc<[Digit]>);

impl Digits {
    pub const MOST: usize = 32;
    /// What [`Digits::parse`] accepts, for error texts.
    pub const ACCEPTED: &str = "1 to 32 of 0 to 9, *, #, A to D";

    /// Spaces between them mean nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let keys = text.chars().filter(|c| !c.is_whitespace()).take(Self::MOST + 1);
        let digits: Option<Arc<[Digit]>> = keys.map(Digit::parse).collect();
        digits.filter(|digits| (1..=Self::MOST).contains(&digits.len())).map(Self)
    }

    pub fn iter(&self) -> impl Iterator<Item = Digit> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_keys_have_a_code_each() {
        let keys: String = (0..20).filter_map(Digit::from_code).map(Digit::reveal).collect();
        assert_eq!(keys, "0123456789*#ABCD");
        assert_eq!(Digit::parse('d').map(Digit::reveal), Some('D'));
        assert_eq!(Digit::parse('E'), None);
        for (code, key) in KEYS.chars().enumerate() {
            assert_eq!(Digit::parse(key).map(|digit| usize::from(digit.code())), Some(code));
        }
    }

    #[test]
    fn keys_to_press_are_few_and_nothing_but_keys() {
        let parsed = |text: &str| {
            Digits::parse(text).map(|digits| digits.iter().map(Digit::reveal).collect::<String>())
        };
        let most = "5".repeat(32);
        for (text, expected) in [
            ("1", Some("1")),
            ("12 34#*a ", Some("1234#*A")),
            (&most, Some(most.as_str())),
            (&format!("{most}5"), None),
            (&"5".repeat(5_000), None),
            ("", None),
            (" ", None),
            ("1,2", None),
            ("+1", None),
        ] {
            assert_eq!(parsed(text).as_deref(), expected, "{text:.40}");
        }
    }
}
