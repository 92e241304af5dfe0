use crate::pii::Redacted;

/// Of digest authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: Redacted<String>,
    pub password: Redacted<String>,
    pub algorithms: Algorithms,
}

/// What a password may be proved by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    Md5,
}

/// Those that are offered, at least one, the preferred first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithms(Vec<Algorithm>);

impl Algorithm {
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    /// As headers and settings name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// As a header may name it, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self(Algorithm::ALL.to_vec())
    }
}

impl Algorithms {
    /// `None` of none.
    pub fn new(algorithms: Vec<Algorithm>) -> Option<Self> {
        (!algorithms.is_empty()).then_some(Self(algorithms))
    }

    pub fn iter(&self) -> impl Iterator<Item = Algorithm> {
        self.0.iter().copied()
    }

    pub fn contains(&self, algorithm: Algorithm) -> bool {
        self.0.contains(&algorithm)
    }

    /// In order, for whoever has to write the same.
    pub fn names(&self) -> String {
        self.iter().map(Algorithm::name).collect::<Vec<_>>().join(", ")
    }
}
