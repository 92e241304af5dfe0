//! The `[[route]]` tables of one file.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Action;
use super::file::Agents;
use super::pattern::Pattern;
use crate::call::{Country, Refusal};
use crate::document::{Keys, Place, Table, Value};
use crate::tenant::TenantId;

const ROUTE_KEYS: Keys = Keys {
    accepted: &["id", "called", "agent", "reject"],
    not_yet: &["trunk", "project", "diverted", "caller", "header", "hours", "share", "transfer", "play"],
};

pub(super) struct Route {
    pub(super) id: Arc<str>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) action: Action,
}

/// The routes of a file that can be read, and every pattern with its place.
pub(super) struct Routes {
    pub(super) routes: Vec<Route>,
    pub(super) claims: HashMap<Pattern, Place>,
}

impl Routes {
    pub(super) fn read<'d>(root: &Table<'d>, country: Option<Country>, agents: &mut Agents<'d>) -> Self {
        let mut reader = Reader { country, agents, ids: BTreeSet::new(), claims: HashMap::new() };
        let tables = root.tables("route", ROUTE_KEYS);
        if tables.is_empty() {
            root.warn("found no [[route]], so no number leads to this tenant");
        }
        let routes = tables.iter().filter_map(|table| reader.read(table)).collect();
        Self { routes, claims: reader.claims }
    }
}

struct Reader<'d, 'a> {
    country: Option<Country>,
    agents: &'a mut Agents<'d>,
    ids: BTreeSet<&'d str>,
    claims: HashMap<Pattern, Place>,
}

impl<'d> Reader<'d, '_> {
    fn read(&mut self, table: &Table<'d>) -> Option<Route> {
        let id = self.read_id(table);
        let patterns = self.read_patterns(table);
        let action = self.read_action(table);
        Some(Route { id: id?.into(), patterns: patterns?, action: action? })
    }

    fn read_id(&mut self, table: &Table<'d>) -> Option<&'d str> {
        let value = table.require("id", TenantId::ACCEPTED)?;
        value.parsed(TenantId::ACCEPTED, TenantId::parse)?;
        let id = value.text(TenantId::ACCEPTED)?;
        if !self.ids.insert(id) {
            value.report_found("the id of another route", "an id of its own for each route of the file");
        }
        Some(id)
    }

    fn read_patterns(&mut self, table: &Table<'d>) -> Option<Vec<Pattern>> {
        let value = table.require("called", Pattern::ACCEPTED)?;
        let items = value.one_or_more();
        if items.is_empty() {
            value.report_found("no number", Pattern::ACCEPTED);
        }
        let mut patterns = Vec::new();
        for item in items {
            let Some(text) = item.text(Pattern::ACCEPTED) else { continue };
            match Pattern::parse(text, self.country) {
                Ok(pattern) if patterns.contains(&pattern) => {
                    item.warn("called: this route has this number already")
                }
                Ok(pattern) => {
                    self.claim(&pattern, &item);
                    patterns.push(pattern);
                }
                Err(error) => item.report(format!("called: {error}; accepted: {}", Pattern::ACCEPTED)),
            }
        }
        Some(patterns)
    }

    fn claim(&mut self, pattern: &Pattern, item: &Value<'d>) {
        match self.claims.entry(pattern.clone()) {
            Entry::Vacant(free) => {
                free.insert(item.place());
            }
            Entry::Occupied(taken) => {
                let found = format!("a number that another route has, at {}", taken.get());
                item.report_found(&found, "each number in one route");
            }
        }
    }

    fn read_action(&mut self, table: &Table<'d>) -> Option<Action> {
        match (table.get("agent"), table.get("reject")) {
            (Some(_), Some(reject)) => {
                reject.report("found both agent and reject; accepted: one of them");
                None
            }
            (Some(agent), None) => Some(Action::Answer { agent: Some(self.agents.of(&agent)?) }),
            (None, Some(reject)) => {
                let name = reject.choice(Refusal::ALL.map(Refusal::name))?;
                Refusal::from_name(name).map(Action::Refuse)
            }
            (None, None) => Some(Action::Answer { agent: self.agents.unnamed.clone() }),
        }
    }
}
