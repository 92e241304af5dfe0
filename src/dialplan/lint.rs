//! What is allowed and hardly meant: routes that never get a call, and calls that fall between routes.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::Conditions;
use super::draft::{Claimed, Claims, Draft};
use super::pattern::Pattern;
use super::ties::Horizon;
use crate::document::{Diagnostic, Place, Severity, shown};

/// Warnings, each at the route that it is about.
pub(super) fn lint(draft: &Draft<'_>, horizon: Horizon) -> Vec<Diagnostic> {
    let mut search = Search {
        draft,
        horizon,
        gets_calls: BTreeSet::new(),
        in_the_way: BTreeMap::new(),
        leaves_calls: BTreeSet::new(),
    };
    for claims in draft.scopes.values() {
        claims.each(|claimed, routes| search.claim(claims, claimed, routes));
    }
    let mut found = search.never_open();
    found.extend(search.shadowed());
    found.extend(search.left_over());
    found
}

struct Search<'a, 'f> {
    draft: &'a Draft<'f>,
    horizon: Horizon,
    /// Routes that can get a call.
    gets_calls: BTreeSet<u32>,
    /// Routes that do not where another is before them: which.
    in_the_way: BTreeMap<u32, u32>,
    /// Routes that are the last of a number and do not take every call.
    leaves_calls: BTreeSet<u32>,
}

impl<'f> Search<'_, 'f> {
    fn claim(&mut self, claims: &Claims<'f>, claimed: Claimed<'f>, routes: &[u32]) {
        let conditions = self.draft.conditions(routes);
        let narrower = match claimed {
            Claimed::Pattern(pattern) => taken_by_longer(claims, pattern, self.draft),
            Claimed::Number(_) | Claimed::Any => None,
        };
        for (at, (route, _, when)) in conditions.iter().enumerate() {
            let before = conditions.get(..at).unwrap_or_default();
            let shadow = before.iter().find(|(other, _, first)| {
                let shared = |when: &Conditions| when.share.is_some_and(|share| share < 100);
                other != route && !shared(first) && first.cover(when) && self.always(first, when)
            });
            let shared_out = || {
                let mut same =
                    before.iter().filter(|(_, _, first)| first.share.is_some() && first.same_key(when));
                let sum: u32 = same.clone().filter_map(|(_, _, first)| first.share).map(u32::from).sum();
                same.next_back().filter(|_| sum >= 100)
            };
            match shadow.or_else(shared_out).map(|(other, ..)| *other).or(narrower) {
                Some(other) => drop(self.in_the_way.insert(*route, other)),
                None => drop(self.gets_calls.insert(*route)),
            }
        }
        let takes_all = |when: &Conditions| when.are_none() && when.share.is_none();
        if let Some((route, _, _)) =
            conditions.last().filter(|_| !conditions.iter().any(|(.., c)| takes_all(c)))
            && !is_backed_up(self.draft, claimed)
        {
            self.leaves_calls.insert(*route);
        }
    }

    /// Whether `first` is open whenever `when` is.
    fn always(&self, first: &Conditions, when: &Conditions) -> bool {
        let Horizon { from, until } = self.horizon;
        match (&first.hours, &when.hours) {
            (None, _) => true,
            (Some(first), None) => first.schedule.always_open(from, until),
            (Some(first), Some(when)) => first == when || first.schedule.covers(&when.schedule, from, until),
        }
    }

    fn never_open(&self) -> Vec<Diagnostic> {
        let Horizon { from, until } = self.horizon;
        let closed = self.draft.routes.iter().filter_map(|member| {
            let hours = member.route.when.first()?.hours.as_ref()?;
            let open = hours.schedule.ever_open(from, until);
            let message =
                || format!("hours: the schedule {} never opens in the next 400 days", shown(&hours.name));
            (!open).then(|| warning(&member.route.place, message()))
        });
        closed.collect()
    }

    fn shadowed(&self) -> Vec<Diagnostic> {
        let never = self.in_the_way.iter().filter(|(route, _)| !self.gets_calls.contains(route));
        let told = never.map(|(route, other)| {
            let (member, other) = (self.draft.member(*route), self.draft.member(*other));
            let (id, by) = (shown(&member.route.id), shown(&other.route.id));
            let at = &other.route.place;
            warning(
                &member.route.place,
                format!("the route {id} never gets a call: {by} takes them all, at {at}"),
            )
        });
        told.collect()
    }

    fn left_over(&self) -> Vec<Diagnostic> {
        let told = self.leaves_calls.iter().map(|route| {
            let route = self.draft.member(*route).route;
            let id = shown(&route.id);
            let message = format!(
                "after the route {id} nobody takes the calls that its conditions leave: they are [unmatched]"
            );
            warning(&route.place, message)
        });
        told.collect()
    }
}

/// The route of a longer prefix, where all ten of them take every call.
fn taken_by_longer(claims: &Claims<'_>, pattern: &Pattern, draft: &Draft<'_>) -> Option<u32> {
    let Pattern::Digits(digits) = pattern else { return None };
    if !digits.is_open() {
        return None;
    }
    let longer =
        (0..10).map(|digit| Pattern::parse(&pattern.reveal().replace('*', &format!("{digit}*")), None).ok());
    let mut taken = None;
    for longer in longer {
        let longer = longer?;
        let by = claims.patterns().iter().find_map(|(other, routes)| {
            let narrower = other.rank() < pattern.rank() && other.covers(&longer);
            let all = || routes.iter().find(|route| draft.member(**route).route.when.iter().any(takes_all));
            if narrower { all() } else { None }
        });
        taken = Some(*by?);
    }
    // The number that ends where the prefix does is nobody's worry.
    taken
}

fn takes_all(when: &Conditions) -> bool {
    when.are_none() && when.share.is_none()
}

/// Whether calls that the routes of a claim leave go to a wider route that takes all of them.
fn is_backed_up(draft: &Draft<'_>, claimed: Claimed<'_>) -> bool {
    let Some(claims) = draft.scopes.get(&super::condition::Scope::default()) else { return false };
    let covers = |pattern: &Pattern| match claimed {
        Claimed::Any => false,
        Claimed::Number(number) => {
            Pattern::parse(&format!("+{number}"), None).is_ok_and(|number| pattern.covers(&number))
        }
        Claimed::Pattern(narrow) => pattern.covers(narrow),
    };
    let mut all = claims.patterns().iter().filter(|(pattern, _)| covers(pattern)).map(|(_, routes)| routes);
    let takes_rest =
        |routes: &Vec<u32>| routes.iter().any(|route| draft.member(*route).route.when.iter().any(takes_all));
    takes_rest(&claims.any) || all.any(takes_rest)
}

fn warning(place: &Place, message: String) -> Diagnostic {
    Diagnostic { place: place.clone(), severity: Severity::Warning, message }
}
