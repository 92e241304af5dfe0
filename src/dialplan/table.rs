//! The compiled table: what resolution looks into.

use std::sync::{Arc, OnceLock};

use super::index::Index;
use super::pattern::Pattern;
use super::{Action, Match, Tenant};
use crate::call::Number;

/// Where the calls of one route go.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) tenant: Arc<Tenant>,
    pub(super) route: Arc<str>,
    pub(super) action: Action,
}

/// Patterns to targets.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Table {
    targets: Vec<Target>,
    patterns: Vec<(Pattern, u32)>,
    /// Of the patterns, once all are there.
    index: OnceLock<Index>,
}

impl Table {
    /// Adds a route. Its patterns must not be in the table yet.
    pub(super) fn add<'p>(&mut self, target: Target, patterns: impl IntoIterator<Item = &'p Pattern>) {
        let at = u32::try_from(self.targets.len()).expect("fewer routes than 2^32");
        self.targets.push(target);
        self.patterns.extend(patterns.into_iter().map(|pattern| (pattern.clone(), at)));
        self.index = OnceLock::new();
    }

    pub(super) fn find(&self, called: &Number) -> Option<(Match, &Target)> {
        let patterns = || self.patterns.iter().map(|(pattern, at)| (pattern, *at));
        let index = self.index.get_or_init(|| Index::build(Vec::new(), patterns()));
        let (matched, at) = index.candidates(called).next()?;
        self.targets.get(at as usize).map(|target| (matched, target))
    }

    pub(super) fn len(&self) -> usize {
        self.patterns.len()
    }
}
