//! The numbers of a dialplan, compiled: which patterns a called number matches, the narrowest first.
//!
//! Immutable, and built in one go. A number is looked up as an integer, the decimal value of its digits:
//!
//! - **Exact numbers** stand five to a cache line in one hash table, so that a hit costs one memory access.
//! - **Heads** stand in a second one: the leading single digits of every prefix and pattern. The first five digits of
//!   the number say which lengths of head there are to try. The longer head is always the narrower: at the first
//!   place after the shorter one it has one digit where the other has a larger set, or its tail.
//! - Under its head a pattern is a run of digit sets, compared place by place.

mod buckets;
mod candidates;
mod heads;
mod literals;
#[cfg(test)]
mod tests;

pub use candidates::Candidates;

use std::fmt;

use super::pattern::Pattern;
use crate::call::Number;
use buckets::Buckets;
use heads::Heads;
use literals::Literals;

/// Patterns to values.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Index {
    literals: Literals,
    numbers: Buckets,
    heads: Heads,
}

impl Index {
    /// Values must be below this.
    pub const VALUES: u32 = heads::GROUP;

    /// `numbers` are exact ones by [`E164::value`](crate::call::E164::value), for those who have them by the million;
    /// `patterns` may be exact numbers as well. Each number and each pattern must be there once; their order is of no
    /// account.
    pub fn build<'p>(
        mut numbers: Vec<(u64, u32)>,
        patterns: impl IntoIterator<Item = (&'p Pattern, u32)>,
    ) -> Self {
        let mut literals = Literals::default();
        let mut digits = Vec::new();
        for (pattern, value) in patterns {
            match pattern {
                Pattern::Literal(text) => literals.insert(text.reveal(), value),
                Pattern::Exact(number) => numbers.push((number.value(), value)),
                Pattern::Digits(of_digits) => digits.push((of_digits, value)),
            }
        }
        Self { literals, numbers: Buckets::build(&numbers), heads: Heads::build(digits) }
    }

    /// The patterns that `called` matches, the narrowest first; of equally narrow ones in an order that is the same
    /// at every loading. Each is looked for when it is asked for.
    pub fn candidates<'i>(&'i self, called: &'i Number) -> Candidates<'i> {
        Candidates::of(self, called)
    }

    /// How many numbers and patterns there are.
    pub fn len(&self) -> usize {
        self.literals.len() + self.numbers.len() + self.heads.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory it holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.literals.bytes() + self.numbers.bytes() + self.heads.bytes()
    }
}

/// The positions of every number that stands in `numbers` more than once: of its first occurrence and of a later one,
/// in the order of the later ones.
pub fn repeats(numbers: impl ExactSizeIterator<Item = u64> + Clone) -> Vec<(usize, usize)> {
    buckets::repeats(numbers)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.len()).finish_non_exhaustive()
    }
}
