//! Two routes that one call could match with equal rank: nothing would say which of them wins.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Match;
use super::condition::{Conditions, Hours};
use super::draft::{Claimed, Claims, Draft};
use super::pattern::{Pattern, Rank};
use super::shares::shares;

/// How far ahead schedules are compared.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The time in which two schedules must not be open at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Horizon {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Horizon {
    pub(super) fn of(now: Timestamp) -> Self {
        Self { from: now, until: now.checked_add(HORIZON).unwrap_or(Timestamp::MAX) }
    }
}

/// Two routes, by their places in the draft, the one that comes first in it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tie<'f> {
    pub(super) first: (u32, Claimed<'f>),
    pub(super) second: (u32, Claimed<'f>),
    pub(super) why: Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// One call could match both.
    Same,
    /// Their shares are more than the whole.
    Shares(u32),
}

/// Every tie of a draft.
pub(super) fn ties<'f>(draft: &Draft<'f>, horizon: Horizon) -> Vec<Tie<'f>> {
    let search = Search { draft, horizon, routes: RefCell::default(), schedules: RefCell::default() };
    let mut found = Vec::new();
    for claims in draft.scopes.values() {
        claims.each(|claimed, routes| search.within(claimed, routes, &mut found));
        search.across(claims, &mut found);
    }
    found
}

struct Search<'a, 'f> {
    draft: &'a Draft<'f>,
    horizon: Horizon,
    /// Whether two routes tie where they claim the same, and where they claim what merely overlaps.
    routes: RefCell<HashMap<(u32, u32, bool), bool>>,
    /// Whether two schedules are ever open at once, by their addresses.
    schedules: RefCell<HashMap<(usize, usize), bool>>,
}

impl<'f> Search<'_, 'f> {
    fn within(&self, claimed: Claimed<'f>, routes: &[u32], found: &mut Vec<Tie<'f>>) {
        if routes.len() < 2 {
            return;
        }
        for (at, second) in routes.iter().enumerate() {
            let before = routes.iter().take(at);
            let tied = before.filter(|first| self.tie(**first, *second, true));
            let same = |first: &u32| Tie {
                first: (*first, claimed),
                second: (*second, claimed),
                why: Conflict::Same,
            };
            found.extend(tied.map(same));
        }
        let conditions = self.draft.conditions(routes);
        for (first, second, sum) in shares(self.draft, &conditions).excess {
            found.push(Tie {
                first: (first, claimed),
                second: (second, claimed),
                why: Conflict::Shares(sum),
            });
        }
    }

    fn across(&self, claims: &Claims<'f>, found: &mut Vec<Tie<'f>>) {
        for alike in alike(claims) {
            for (at, one) in alike.iter().enumerate() {
                let others = alike.iter().skip(at + 1).filter(|other| one.0.overlaps(other.0));
                others.for_each(|other| self.cross(one, other, found));
            }
        }
    }

    fn cross(&self, one: Claim<'_, 'f>, other: Claim<'_, 'f>, found: &mut Vec<Tie<'f>>) {
        for (a, b) in one.1.iter().flat_map(|a| other.1.iter().map(move |b| (*a, *b))) {
            let (a, b) = ((a, Claimed::Pattern(one.0)), (b, Claimed::Pattern(other.0)));
            let (first, second) = if a.0 <= b.0 { (a, b) } else { (b, a) };
            if first.0 != second.0 && self.tie(first.0, second.0, false) {
                found.push(Tie { first, second, why: Conflict::Same });
            }
        }
    }

    fn tie(&self, first: u32, second: u32, same_claim: bool) -> bool {
        if let Some(known) = self.routes.borrow().get(&(first, second, same_claim)) {
            return *known;
        }
        let (one, other) = (self.draft.member(first), self.draft.member(second));
        let same_key = |a: &Conditions, b: &Conditions| {
            same_claim && one.file == other.file && a.share.is_some() && a.same_key(b)
        };
        let pairs = one.route.when.iter().flat_map(|a| other.route.when.iter().map(move |b| (a, b)));
        let tie = pairs
            .filter(|(a, b)| a.rank() == b.rank() && a.may_meet(b) && !same_key(a, b))
            .any(|(a, b)| self.open_together(a.hours.as_ref(), b.hours.as_ref()));
        self.routes.borrow_mut().insert((first, second, same_claim), tie);
        tie
    }

    fn open_together(&self, one: Option<&Hours>, other: Option<&Hours>) -> bool {
        let (Some(one), Some(other)) = (one, other) else { return true };
        let key = (Arc::as_ptr(&one.schedule).addr(), Arc::as_ptr(&other.schedule).addr());
        let overlap =
            || one.schedule.first_overlap(&other.schedule, self.horizon.from, self.horizon.until).is_some();
        *self.schedules.borrow_mut().entry(key).or_insert_with(overlap)
    }
}

type Claim<'c, 'f> = &'c (&'f Pattern, Vec<u32>);

/// Patterns of equal rank behind the same leading digits, where there are several: only these can share a number with
/// another of their rank. Of exact numbers and prefixes the digits are all there is.
fn alike<'c, 'f>(claims: &'c Claims<'f>) -> impl Iterator<Item = Vec<Claim<'c, 'f>>> {
    let mut alike: BTreeMap<(Rank, u64), Vec<Claim<'c, 'f>>> = BTreeMap::new();
    for claim in claims.patterns() {
        if let (Pattern::Digits(digits), Match::Pattern) = (claim.0, claim.0.kind()) {
            alike.entry((claim.0.rank(), digits.head().1)).or_default().push(claim);
        }
    }
    alike.into_values().filter(|alike| alike.len() > 1)
}

/// The patterns that may share numbers with others of equal rank, each with the number of its family.
pub(super) fn families<'f>(claims: &Claims<'f>) -> HashMap<&'f Pattern, u32> {
    alike(claims)
        .zip(0..)
        .flat_map(|(alike, family)| alike.into_iter().map(move |(pattern, _)| (*pattern, family)))
        .collect()
}
