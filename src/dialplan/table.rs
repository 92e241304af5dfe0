//! The compiled table: what resolution looks into. Immutable; two of the same files are equal.

mod build;

use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;

use super::condition::{Conditions, Scope, Unmet};
use super::draft::{Claimed, Draft};
use super::index::Index;
use super::pattern::Pattern;
use super::shares::Slice;
use super::{Action, Match, Tenant};
use crate::call::{Call, E164, Number, Trunk};
use crate::document::Place;
use build::Builder;

/// Where the calls of one route go.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub(super) tenant: Arc<Tenant>,
    pub(super) route: Arc<str>,
    pub(super) action: Action,
    /// Where the route stands, and the numbers that it names, for those who ask why.
    pub(super) place: Place,
    pub(super) called: Arc<[(Pattern, Place)]>,
}

/// Numbers lead to groups of candidates, those to conditions, and those to targets.
#[derive(PartialEq, Default)]
pub(super) struct Table {
    targets: Vec<Target>,
    /// Each with its target.
    conditions: Vec<(u32, Conditions)>,
    groups: Vec<Group>,
    anywhere: Places,
    /// By trunk and project, in the order of their names.
    elsewhere: Vec<(Scope, Places)>,
    claims: usize,
}

/// What one claim leads to, in the order in which it is tried.
#[derive(Debug, PartialEq)]
struct Group {
    candidates: Box<[Candidate]>,
    /// Of a pattern that shares numbers with another of equal rank, which both go by their conditions: the number of
    /// that family.
    family: Option<u32>,
}

/// Conditions, with the part of the callers that is theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    condition: u32,
    slice: Option<Slice>,
}

/// What leads to a group in one scope.
#[derive(PartialEq, Default)]
struct Places {
    index: Index,
    /// What is in the index beside exact numbers, the narrowest first.
    patterns: Vec<(Pattern, u32)>,
    any: Option<u32>,
}

/// A route that could have a call, and the reason why it does not.
pub(super) struct Considered<'t> {
    pub(super) target: &'t Target,
    pub(super) matched: Match,
    pub(super) scope: Option<&'t Scope>,
    pub(super) conditions: &'t Conditions,
    pub(super) passed: Option<Passed>,
}

/// Why a route whose called number matches does not get a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Passed {
    Elsewhere,
    Unmet(Unmet),
    /// The caller belongs to another share.
    Share,
}

/// A route that gets calls to a claim, on these conditions.
pub(super) struct Link<'t> {
    pub(super) target: &'t Target,
    pub(super) scope: Option<&'t Scope>,
    pub(super) conditions: &'t Conditions,
}

impl Table {
    /// Of files that name their tenants.
    pub(super) fn of(draft: &Draft<'_>) -> Self {
        Builder::new(draft).build()
    }

    pub(super) fn find(&self, call: &Call, now: Timestamp) -> Option<(Match, &Target)> {
        let takes = |matched, candidate| {
            let (target, conditions) = self.condition(candidate);
            match passed(candidate, conditions, call, now) {
                None => ControlFlow::Break((matched, target)),
                Some(_) => ControlFlow::Continue(()),
            }
        };
        if !self.elsewhere.is_empty() {
            let held = self.scopes_of(call).into_iter().flatten();
            for places in held {
                if let Some(found) = self.visit(places.groups(&call.called), takes) {
                    return Some(found);
                }
            }
        }
        self.visit(self.anywhere.groups(&call.called), takes)
    }

    /// Every route whose called number matches, in the order in which they are tried, wherever the call came in, up to
    /// the one that gets it.
    pub(super) fn consider(&self, call: &Call, now: Timestamp) -> Vec<Considered<'_>> {
        let held = Scope::of(call);
        let mut considered = Vec::new();
        for (scope, places) in self.scopes() {
            let holds = scope.is_none_or(|scope| held.contains(scope));
            let wins = self.visit(places.groups(&call.called), |matched, candidate| {
                let (target, conditions) = self.condition(candidate);
                let passed =
                    if holds { passed(candidate, conditions, call, now) } else { Some(Passed::Elsewhere) };
                let wins = passed.is_none();
                considered.push(Considered { target, matched, scope, conditions, passed });
                if wins { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if wins.is_some() {
                break;
            }
        }
        considered
    }

    /// Every route that takes all the numbers of a claim, in the order in which they are tried, down to the one that
    /// leaves nothing.
    pub(super) fn links(&self, claimed: Claimed<'_>) -> Vec<Link<'_>> {
        let number = match claimed {
            Claimed::Number(number) => {
                let raw = format!("+{number}");
                Some(Number { e164: E164::parse(&raw), raw: raw.into() })
            }
            Claimed::Pattern(_) | Claimed::Any => None,
        };
        let mut links = Vec::new();
        for (scope, places) in self.scopes() {
            let groups: Vec<_> = match (&number, claimed) {
                (Some(number), _) => places.groups(number).collect(),
                (None, Claimed::Pattern(pattern)) => {
                    let wider = places.patterns.iter().filter(|(wide, _)| wide.covers(pattern));
                    wider.map(|(wide, group)| (wide.kind(), *group)).chain(places.any()).collect()
                }
                (None, _) => places.any().collect(),
            };
            let rest = self.visit(groups.into_iter(), |_, candidate| {
                let (target, conditions) = self.condition(candidate);
                links.push(Link { target, scope, conditions });
                let takes_all = scope.is_none() && conditions.are_none() && conditions.share.is_none();
                if takes_all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if rest.is_some() {
                break;
            }
        }
        links
    }

    /// How many numbers and patterns lead somewhere.
    pub(super) const fn len(&self) -> usize {
        self.claims
    }

    /// Goes through the candidates in the order in which they are tried. Only where patterns of equal rank share a
    /// number do their conditions have to be put in order first.
    fn visit<T>(
        &self,
        groups: impl Iterator<Item = (Match, u32)>,
        mut visit: impl FnMut(Match, Candidate) -> ControlFlow<T>,
    ) -> Option<T> {
        let mut groups = groups.map(|(matched, group)| (matched, self.group(group)));
        let mut held = None;
        while let Some((matched, group)) = held.take().or_else(|| groups.next()) {
            let Some(family) = group.family else {
                for candidate in &group.candidates {
                    if let ControlFlow::Break(found) = visit(matched, *candidate) {
                        return Some(found);
                    }
                }
                continue;
            };
            let mut of_family: Vec<_> = group.candidates.to_vec();
            for (next_matched, next) in groups.by_ref() {
                if next.family != Some(family) {
                    held = Some((next_matched, next));
                    break;
                }
                of_family.extend(&next.candidates);
            }
            of_family.sort_by(|a, b| {
                let key = |candidate: &Candidate| (self.condition(*candidate).1.rank(), candidate.condition);
                key(a).cmp(&key(b))
            });
            for candidate in of_family {
                if let ControlFlow::Break(found) = visit(matched, candidate) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Every scope, the narrowest first; `None` is that of calls from anywhere.
    fn scopes(&self) -> impl Iterator<Item = (Option<&Scope>, &Places)> {
        let mut scopes: Vec<_> = self.elsewhere.iter().map(|(scope, places)| (Some(scope), places)).collect();
        scopes.sort_by_key(|(scope, _)| scope.map_or(u8::MAX, Scope::width));
        scopes.into_iter().chain([(None, &self.anywhere)])
    }

    /// The named scopes that hold a call, the narrowest first.
    fn scopes_of(&self, call: &Call) -> [Option<&Places>; 3] {
        let trunk = call.trunk.as_ref().map(Trunk::called);
        let project = call.origin.project();
        let find = |trunk: Option<&str>, project: Option<&str>| {
            let key =
                |scope: &Scope| (scope.trunk.as_deref(), scope.project.as_deref()).cmp(&(trunk, project));
            let at = self.elsewhere.binary_search_by(|(scope, _)| key(scope)).ok()?;
            self.elsewhere.get(at).map(|(_, places)| places)
        };
        [
            trunk.and(project).and_then(|_| find(trunk, project)),
            trunk.and_then(|_| find(trunk, None)),
            project.and_then(|_| find(None, project)),
        ]
    }

    fn group(&self, group: u32) -> &Group {
        self.groups.get(group as usize).expect("an index leads to groups of its own table")
    }

    fn condition(&self, candidate: Candidate) -> (&Target, &Conditions) {
        let condition = self.conditions.get(candidate.condition as usize);
        let (target, conditions) = condition.expect("a group names conditions of its own table");
        let target = self.targets.get(*target as usize).expect("conditions name a target of their own table");
        (target, conditions)
    }
}

impl Places {
    /// The groups of a called number, the narrowest claim first.
    fn groups<'t>(&'t self, called: &'t Number) -> impl Iterator<Item = (Match, u32)> + 't {
        self.index.candidates(called).chain(self.any())
    }

    fn any(&self) -> impl Iterator<Item = (Match, u32)> + use<> {
        self.any.map(|group| (Match::Any, group)).into_iter()
    }
}

fn passed(candidate: Candidate, conditions: &Conditions, call: &Call, now: Timestamp) -> Option<Passed> {
    if let Some(unmet) = conditions.unmet(call, now) {
        return Some(Passed::Unmet(unmet));
    }
    candidate.slice.is_some_and(|slice| !slice.takes(call)).then_some(Passed::Share)
}
