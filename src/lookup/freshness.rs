//! What an answer of this age may do.

use std::time::Duration;

use crate::tenant::Windows;

/// In the order of an answer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freshness {
    /// It serves.
    Fresh,
    /// It serves, and is asked for again behind the call.
    Revalidate,
    /// The backend is asked first; it serves if that fails.
    Stale,
    Gone,
}

impl Freshness {
    pub(super) fn of(age: Duration, windows: Windows) -> Self {
        let revalidate = windows.ttl + windows.revalidate;
        if age < windows.ttl {
            Self::Fresh
        } else if age < revalidate {
            Self::Revalidate
        } else if age < revalidate + windows.stale {
            Self::Stale
        } else {
            Self::Gone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_windows_follow_each_other_and_an_edge_belongs_to_the_later_one() {
        let seconds = Duration::from_secs;
        let windows = |ttl, revalidate, stale| Windows {
            ttl: seconds(ttl),
            revalidate: seconds(revalidate),
            stale: seconds(stale),
        };
        let usual = windows(60, 30, 100);
        for (what, windows, age, expected) in [
            ("new", usual, 0, Freshness::Fresh),
            ("just fresh", usual, 59, Freshness::Fresh),
            ("at ttl", usual, 60, Freshness::Revalidate),
            ("at the end of revalidate", usual, 90, Freshness::Stale),
            ("just stale", usual, 189, Freshness::Stale),
            ("at the end of stale", usual, 190, Freshness::Gone),
            ("never fresh", windows(0, 0, 10), 0, Freshness::Stale),
            ("always asked for behind the call", windows(0, 5, 0), 4, Freshness::Revalidate),
            ("never stale", windows(60, 0, 0), 60, Freshness::Gone),
            ("not kept", windows(0, 0, 0), 0, Freshness::Gone),
        ] {
            assert_eq!(Freshness::of(seconds(age), windows), expected, "{what}");
        }
    }
}
