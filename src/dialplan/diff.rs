//! Which numbers change hands between two versions of the dialplans.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::Dialplan;
use super::draft::{Claimed, Draft};
use super::explain::{action, in_words};
use super::set::Set;
use super::table::Link;

/// A number or pattern that other routes get, or the same in another order or on other conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As dialplans write it.
    pub claimed: String,
    pub old: Destinations,
    pub new: Destinations,
}

/// The routes that calls to a number go to, in the order in which they are tried, down to the one that takes the rest.
/// None at all: nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destinations(Vec<String>);

/// Everything that either of them names and that goes elsewhere in the other; numbers in order, then patterns.
pub fn diff(old: (&Set, &Dialplan), new: (&Set, &Dialplan)) -> Vec<Change> {
    let (mut numbers, mut patterns, mut any) = (BTreeSet::new(), BTreeMap::new(), false);
    for set in [old.0, new.0] {
        let files: Vec<_> = set.files().collect();
        for claims in Draft::of(&files).scopes.values() {
            claims.each(|claimed, _| match claimed {
                Claimed::Number(number) => {
                    numbers.insert(number);
                }
                Claimed::Pattern(pattern) => {
                    patterns.insert((pattern.rank(), pattern.reveal()), pattern.clone());
                }
                Claimed::Any => any = true,
            });
        }
    }
    let (mut old, mut new) = (Known::of(old.1), Known::of(new.1));
    let mut change = |text: &dyn Fn() -> String, claimed: Claimed<'_>| {
        let (old, new) = (old.destinations(claimed), new.destinations(claimed));
        let differ = old != new;
        differ.then(|| Change { claimed: text(), old: (*old).clone(), new: (*new).clone() })
    };
    let mut changes = Vec::new();
    for number in numbers {
        changes.extend(change(&|| format!("+{number}"), Claimed::Number(number)));
    }
    for ((_, text), pattern) in &patterns {
        changes.extend(change(&|| text.clone(), Claimed::Pattern(pattern)));
    }
    if any {
        changes.extend(change(&|| "any number".to_owned(), Claimed::Any));
    }
    changes
}

/// The destinations of a plan. Numbers by the million have few different ones.
struct Known<'p> {
    plan: &'p Dialplan,
    /// By the addresses of the conditions that lead there, each of which belongs to one route.
    destinations: HashMap<Vec<usize>, Arc<Destinations>>,
}

impl<'p> Known<'p> {
    fn of(plan: &'p Dialplan) -> Self {
        Self { plan, destinations: HashMap::new() }
    }

    fn destinations(&mut self, claimed: Claimed<'_>) -> Arc<Destinations> {
        let links = self.plan.table.links(claimed);
        let key = links.iter().map(|link| std::ptr::from_ref(link.conditions).addr()).collect();
        let destinations = || Arc::new(Destinations(links.iter().map(in_short).collect()));
        Arc::clone(self.destinations.entry(key).or_insert_with(destinations))
    }
}

fn in_short(link: &Link<'_>) -> String {
    let Link { target, scope, conditions } = link;
    let mut text = format!("{}/{}", target.tenant.id, target.route);
    let conditions = in_words(*scope, conditions);
    if !conditions.is_empty() {
        text += &format!(" [{}]", conditions.join(", "));
    }
    match action(&target.action) {
        "answer" => text,
        other => format!("{text} ({other})"),
    }
}

impl Destinations {
    /// Each as `tenant/route`, with its conditions, and what it refuses calls for.
    pub fn routes(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("nobody") } else { f.write_str(&self.0.join(", else ")) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.claimed, self.old, self.new)
    }
}
