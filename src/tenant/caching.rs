//! How long a backend's answer may serve, and whom: its `cache` object.

use std::time::Duration;

/// One fact of a call that an answer may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    Caller,
    Called,
    /// The number that forwarded the call.
    Diverted,
    Trunk,
    Route,
}

impl Facet {
    pub const ALL: [Self; 5] = [Self::Caller, Self::Called, Self::Diverted, Self::Trunk, Self::Route];

    /// The name in `by` and `cache_by`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Called => "called",
            Self::Diverted => "diverted",
            Self::Trunk => "trunk",
            Self::Route => "route",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|facet| facet.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What an answer depends on: calls that agree in these facts may share it. Project, backend and tenant always have to
/// agree, so they are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct By(u8);

impl By {
    /// What [`By::parse`] accepts, for error texts.
    pub const ACCEPTED: &str = "caller, called, diverted, trunk or route";

    /// Everything, the caller included: a personal answer reaches nobody else.
    pub const EVERYTHING: Self = Self::of(&Facet::ALL);

    pub const fn of(facets: &[Facet]) -> Self {
        let mut bits = 0;
        let mut rest = facets;
        while let [facet, after @ ..] = rest {
            bits |= facet.bit();
            rest = after;
        }
        Self(bits)
    }

    /// Names as in `by`; `None` when one of them is unknown.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let facets: Option<Vec<Facet>> = names.into_iter().map(Facet::from_name).collect();
        facets.map(|facets| Self::of(&facets))
    }

    pub const fn has(self, facet: Facet) -> bool {
        self.0 & facet.bit() != 0
    }

    /// One byte that tells it from every other.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// How long an answer serves. The three follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// It serves.
    pub ttl: Duration,
    /// It serves, and is asked for again behind the call.
    pub revalidate: Duration,
    /// It serves only where the backend fails.
    pub stale: Duration,
}

impl Windows {
    /// The longest `ttl` and `revalidate`.
    pub const LONGEST: Duration = Duration::from_secs(86_400);
    pub const LONGEST_STALE: Duration = Duration::from_secs(7 * 86_400);

    /// As an answer's `cache` says. An answer that is asked for again at every call is not served behind one either:
    /// without a word about it, `revalidate` is no longer than `ttl`.
    pub fn given(ttl: Option<Duration>, revalidate: Option<Duration>, stale: Option<Duration>) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(86_400);
        let ttl = ttl.unwrap_or(MINUTE);
        Self { ttl, revalidate: revalidate.unwrap_or(MINUTE.min(ttl)), stale: stale.unwrap_or(DAY) }
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::given(None, None, None)
    }
}

/// What an answer says of its own keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caching {
    pub windows: Windows,
    /// `None`: the backend's `cache_by`, or else everything.
    pub by: Option<By>,
}
