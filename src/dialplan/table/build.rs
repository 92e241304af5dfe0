//! Compiling a [`Draft`] into a [`Table`].

use std::collections::HashMap;
use std::sync::Arc;

use super::{Candidate, Group, Places, Table, Target};
use crate::dialplan::condition::Scope;
use crate::dialplan::draft::{Claimed, Claims, Draft};
use crate::dialplan::index::Index;
use crate::dialplan::pattern::Pattern;
use crate::dialplan::route::Called;
use crate::dialplan::shares::shares;
use crate::dialplan::ties::families;

pub(super) struct Builder<'a, 'f> {
    draft: &'a Draft<'f>,
    table: Table,
    /// The group of each route that is alone, as most are.
    alone: Vec<Option<u32>>,
    /// The groups of others by their routes and family.
    together: HashMap<(Vec<u32>, Option<u32>), u32>,
    /// The first condition of each route.
    first: Vec<u32>,
    families: u32,
}

impl<'a, 'f> Builder<'a, 'f> {
    pub(super) fn new(draft: &'a Draft<'f>) -> Self {
        let alone = vec![None; draft.routes.len()];
        let table = Table::default();
        Self { draft, table, alone, together: HashMap::new(), first: Vec::new(), families: 0 }
    }

    pub(super) fn build(mut self) -> Table {
        self.add_routes();
        for (scope, claims) in &self.draft.scopes {
            let places = self.places(claims);
            self.table.claims += claims.len();
            if **scope == Scope::default() {
                self.table.anywhere = places;
            } else {
                self.table.elsewhere.push(((*scope).clone(), places));
            }
        }
        self.table
    }

    fn add_routes(&mut self) {
        for (member, id) in self.draft.routes.iter().zip(0_u32..) {
            let tenant = self.draft.files.get(member.file).and_then(|file| file.tenant.as_ref());
            let tenant = Arc::clone(tenant.expect("only files that name their tenant are compiled"));
            let route = member.route;
            let called = match &route.called {
                Called::These(patterns) => Arc::clone(patterns),
                Called::Any | Called::Listed => [].into(),
            };
            let (name, action, place) = (Arc::clone(&route.id), route.action.clone(), route.place.clone());
            self.table.targets.push(Target { tenant, route: name, action, place, called });
            self.first.push(place_in(&self.table.conditions));
            self.table.conditions.extend(route.when.iter().map(|when| (id, when.clone())));
        }
    }

    fn places(&mut self, claims: &Claims<'f>) -> Places {
        let related = families(claims);
        let families = self.families;
        let family = |pattern: &Pattern| related.get(pattern).map(|family| families + family);
        let (mut any, mut numbers, mut patterns) = (None, Vec::with_capacity(claims.len()), Vec::new());
        claims.each(|claimed, routes| match claimed {
            Claimed::Any => any = Some(self.group(routes, None)),
            Claimed::Number(number) => numbers.push((number, self.group(routes, None))),
            Claimed::Pattern(pattern) => patterns.push((pattern, self.group(routes, family(pattern)))),
        });
        self.families += related.values().max().map_or(0, |last| last + 1);
        patterns.sort_by_cached_key(|(pattern, _)| (pattern.rank(), pattern.reveal()));
        Places {
            index: Index::build(numbers, patterns.iter().copied()),
            patterns: patterns.into_iter().map(|(pattern, group)| (pattern.clone(), group)).collect(),
            any,
        }
    }

    fn group(&mut self, routes: &[u32], family: Option<u32>) -> u32 {
        let alone = match routes {
            [route] if family.is_none() => usize::try_from(*route).ok(),
            _ => None,
        };
        let known = match alone {
            Some(route) => self.alone.get(route).copied().flatten(),
            None => self.together.get(&(routes.to_vec(), family)).copied(),
        };
        if let Some(known) = known {
            return known;
        }
        let candidates = self.candidates(routes);
        let group = place_in(&self.table.groups);
        self.table.groups.push(Group { candidates, family });
        match alone.and_then(|route| self.alone.get_mut(route)) {
            Some(alone) => *alone = Some(group),
            None => drop(self.together.insert((routes.to_vec(), family), group)),
        }
        group
    }

    fn candidates(&self, routes: &[u32]) -> Box<[Candidate]> {
        let ordered = self.draft.conditions(routes);
        let slices = shares(self.draft, &ordered).slices;
        let candidates = ordered.iter().zip(slices).map(|((route, nth, _), slice)| {
            let first = self.first.get(*route as usize).expect("every route was added");
            Candidate { condition: first + nth, slice }
        });
        candidates.collect()
    }
}

fn place_in<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).expect("fewer entries than 2^32")
}
