//! The compiled table: what resolution looks into.

use std::collections::HashMap;
use std::sync::Arc;

use super::pattern::Pattern;
use super::{Action, Match, Tenant};
use crate::call::{E164, Number};

/// Where the calls of one route go.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) tenant: Arc<Tenant>,
    pub(super) route: Arc<str>,
    pub(super) action: Action,
}

/// Patterns to targets. A resolution costs one probe for the literal, one for the exact number, and one for each
/// length of prefix there is, at most 15.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Table {
    targets: Vec<Target>,
    literal: HashMap<Box<str>, usize>,
    /// By number with its `+`.
    exact: HashMap<Box<str>, usize>,
    /// By the digits before the star.
    prefix: HashMap<Box<str>, usize>,
    /// The lengths of the prefixes, longest first.
    prefix_lengths: Vec<usize>,
}

impl Table {
    /// Adds a route. Its patterns must not be in the table yet.
    pub(super) fn add<'p>(&mut self, target: Target, patterns: impl IntoIterator<Item = &'p Pattern>) {
        let index = self.targets.len();
        self.targets.push(target);
        for pattern in patterns {
            match pattern {
                Pattern::Literal(text) => self.literal.insert(text.reveal().as_str().into(), index),
                Pattern::Exact(number) => self.exact.insert(number.reveal().into(), index),
                Pattern::Prefix(digits) => {
                    let length = digits.reveal().len();
                    if let Err(at) = self.prefix_lengths.binary_search_by(|known| length.cmp(known)) {
                        self.prefix_lengths.insert(at, length);
                    }
                    self.prefix.insert(digits.reveal().as_str().into(), index)
                }
            };
        }
    }

    pub(super) fn find(&self, called: &Number) -> Option<(Match, &Target)> {
        // The raw text first: a short code can be read as some number of the trunk's country.
        let literal = self.literal.get(called.raw.reveal().as_str());
        let exact = || self.exact.get(called.e164.as_ref()?.reveal());
        let (matched, index) = match literal.or_else(exact) {
            Some(index) => (Match::Exact, index),
            None => (Match::Prefix, self.longest_prefix(called.e164.as_ref()?)?),
        };
        self.targets.get(*index).map(|target| (matched, target))
    }

    fn longest_prefix(&self, number: &E164) -> Option<&usize> {
        let digits = number.reveal().strip_prefix('+')?;
        let starts = self.prefix_lengths.iter().filter_map(|length| digits.get(..*length));
        starts.into_iter().find_map(|start| self.prefix.get(start))
    }

    pub(super) fn len(&self) -> usize {
        self.literal.len() + self.exact.len() + self.prefix.len()
    }
}
