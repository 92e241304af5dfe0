use std::fmt;

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
        let keys = "0123456789*#ABCD";
        keys.chars().nth(usize::try_from(code).ok()?).map(Self)
    }

    /// For the model, never for a log.
    pub const fn reveal(self) -> char {
        self.0
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
    }
}
