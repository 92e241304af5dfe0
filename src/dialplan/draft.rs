//! The routes of some files side by side, by what each claims.

use std::collections::{BTreeMap, HashMap};

use super::condition::{Conditions, Scope};
use super::file::TenantFile;
use super::numbers_file::Entry;
use super::pattern::Pattern;
use super::route::{Called, Route};

/// All that some files claim. Files and routes are meant by their place in the lists.
pub(super) struct Draft<'f> {
    pub(super) files: &'f [&'f TenantFile],
    pub(super) routes: Vec<Member<'f>>,
    pub(super) scopes: BTreeMap<&'f Scope, Claims<'f>>,
}

pub(super) struct Member<'f> {
    pub(super) file: usize,
    pub(super) route: &'f Route,
}

/// What is claimed in one scope, each by one or more routes in the order of files and routes.
#[derive(Default)]
pub(super) struct Claims<'f> {
    pub(super) any: Vec<u32>,
    /// Sorted by number, then by route.
    numbers: Vec<(u64, u32)>,
    patterns: Vec<(&'f Pattern, Vec<u32>)>,
    by_pattern: HashMap<&'f Pattern, usize>,
}

/// Something that can be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Claimed<'f> {
    /// Whatever number is called.
    Any,
    /// An E.164 number's digits.
    Number(u64),
    /// Any pattern but an exact number.
    Pattern(&'f Pattern),
}

impl<'f> Claimed<'f> {
    pub(super) fn of(pattern: &'f Pattern) -> Self {
        match pattern {
            Pattern::Exact(number) => Self::Number(number.value()),
            Pattern::Literal(_) | Pattern::Digits(_) => Self::Pattern(pattern),
        }
    }
}

impl<'f> Draft<'f> {
    pub(super) fn of(files: &'f [&'f TenantFile]) -> Self {
        let mut draft = Self { files, routes: Vec::new(), scopes: BTreeMap::new() };
        for (at, file) in files.iter().enumerate() {
            let first = draft.routes.len();
            draft.routes.extend(file.routes.iter().map(|route| Member { file: at, route }));
            for (route, id) in file.routes.iter().zip(id(first)..) {
                draft.scopes.entry(&route.scope).or_default().add(route, id);
            }
            if let Some(numbers) = &file.numbers {
                // The routes of a numbers file have no scope.
                let claims = draft.scopes.entry(&ANYWHERE).or_default();
                let listed = |entry: &Entry| (entry.number(), id(first + numbers.route(entry)));
                claims.numbers.extend(numbers.entries.iter().map(listed));
            }
        }
        for claims in draft.scopes.values_mut() {
            claims.numbers.sort_unstable();
            claims.numbers.dedup();
        }
        draft
    }

    pub(super) fn member(&self, route: u32) -> &Member<'f> {
        self.routes.get(route as usize).expect("a draft's claims name its own routes")
    }

    /// The conditions of several routes, each with its route and its place there, the narrowest first; of equal ones
    /// in the order of the routes.
    pub(super) fn conditions(&self, routes: &[u32]) -> Vec<(u32, u32, &'f Conditions)> {
        let mut all: Vec<(u32, u32, &'f Conditions)> = Vec::new();
        for route in routes {
            let of_route: &'f Route = self.member(*route).route;
            all.extend(of_route.when.iter().zip(0..).map(|(when, nth)| (*route, nth, when)));
        }
        all.sort_by(|(.., one), (.., other)| one.rank().cmp(other.rank()));
        all
    }
}

static ANYWHERE: Scope = Scope { trunk: None, project: None };

impl<'f> Claims<'f> {
    fn add(&mut self, route: &'f Route, id: u32) {
        let patterns = match &route.called {
            Called::Any => return self.any.push(id),
            Called::Listed => return,
            Called::These(patterns) => patterns,
        };
        for (pattern, _) in patterns.iter() {
            if let Claimed::Number(number) = Claimed::of(pattern) {
                self.numbers.push((number, id));
                continue;
            }
            let at = *self.by_pattern.entry(pattern).or_insert_with(|| {
                self.patterns.push((pattern, Vec::new()));
                self.patterns.len() - 1
            });
            if let Some((_, routes)) = self.patterns.get_mut(at) {
                routes.push(id);
            }
        }
    }

    /// Everything claimed, each with its routes.
    pub(super) fn each(&self, mut visit: impl FnMut(Claimed<'f>, &[u32])) {
        if !self.any.is_empty() {
            visit(Claimed::Any, &self.any);
        }
        let mut routes = Vec::new();
        for run in self.numbers.chunk_by(|(one, _), (other, _)| one == other) {
            routes.clear();
            routes.extend(run.iter().map(|(_, route)| *route));
            if let Some((number, _)) = run.first() {
                visit(Claimed::Number(*number), &routes);
            }
        }
        for (pattern, routes) in &self.patterns {
            visit(Claimed::Pattern(pattern), routes);
        }
    }

    pub(super) fn patterns(&self) -> &[(&'f Pattern, Vec<u32>)] {
        &self.patterns
    }

    pub(super) fn len(&self) -> usize {
        let numbers = self.numbers.chunk_by(|(one, _), (other, _)| one == other).count();
        numbers + self.patterns.len() + usize::from(!self.any.is_empty())
    }
}

fn id(at: usize) -> u32 {
    u32::try_from(at).expect("fewer routes than 2^32")
}
