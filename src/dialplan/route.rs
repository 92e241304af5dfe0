//! The `[[route]]` tables of one file.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use super::Action;
use super::action::Actions;
use super::condition::{CallerIs, Conditions, HeaderValues, Hours, Scope};
use super::named::Named;
use super::pattern::Pattern;
use super::schedule::{SCHEDULE_KEYS, Schedule};
use super::trunk::Trunks;
use crate::call::Country;
use crate::document::{Keys, Place, Table, Value, shown};
use crate::tenant::{Agent, TenantId};

const ROUTE_KEYS: Keys = Keys {
    accepted: &[
        "id", "called", "trunk", "project", "diverted", "caller", "header", "hours", "share", "agent",
        "reject", "transfer", "play",
    ],
    not_yet: &[],
};

const SCHEDULE: &str = "the NAME of a [schedule.NAME] of this file";

/// Diverted numbers times callers of one route.
const MOST_COMBINATIONS: usize = 10_000;

/// A route as its file says it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) id: Arc<str>,
    pub(super) place: Place,
    pub(super) scope: Scope,
    pub(super) called: Called,
    /// Every combination of its conditions; at least one.
    pub(super) when: Vec<Conditions>,
    pub(super) action: Action,
}

impl Route {
    /// One for numbers of a numbers file.
    pub(super) fn listed(id: &str, place: Place, action: Action) -> Self {
        let when = vec![Conditions::new(None, None, [].into(), None, None)];
        Self { id: id.into(), place, scope: Scope::default(), called: Called::Listed, when, action }
    }
}

/// Which called numbers a route takes.
#[derive(Debug)]
pub(super) enum Called {
    /// Whatever number is called.
    Any,
    These(Arc<[(Pattern, Place)]>),
    /// Those of the numbers file that name this route.
    Listed,
}

/// What routes of a file may refer to.
pub(super) struct Names<'d, 'a, 's> {
    pub(super) country: Option<Country>,
    pub(super) agents: &'a mut Named<'d, Arc<Agent>>,
    pub(super) trunks: &'a Trunks,
    pub(super) actions: &'a mut Actions<'s>,
}

pub(super) fn read_routes<'d>(root: &Table<'d>, names: Names<'d, '_, '_>) -> Vec<Route> {
    let hours = |name: &str, table: &Table<'d>| {
        let schedule = Schedule::read(table)?;
        Some(Hours { name: name.into(), schedule: Arc::new(schedule) })
    };
    let schedules = Named::read(root, "schedule", SCHEDULE_KEYS, SCHEDULE, hours);
    let mut reader = Reader { names, schedules, ids: BTreeSet::new() };
    let routes = root.tables("route", ROUTE_KEYS).iter().filter_map(|table| reader.read(table)).collect();
    reader.schedules.warn_of_unused();
    routes
}

struct Reader<'d, 'a, 's> {
    names: Names<'d, 'a, 's>,
    /// `None`: one that is there and cannot be read.
    schedules: Named<'d, Option<Hours>>,
    ids: BTreeSet<&'d str>,
}

impl<'d> Reader<'d, '_, '_> {
    /// Everything is read before the first `?`, so that all errors are found. A route that lacks but its name or what
    /// it does still claims its numbers; its file, which has an error, serves nobody.
    fn read(&mut self, table: &Table<'d>) -> Option<Route> {
        let id = self.read_id(table);
        let scope = self.read_scope(table);
        let diverted = table.get("diverted").map_or(Some(Vec::new()), |value| self.read_numbers(&value));
        let caller = table.get("caller").map_or(Some(Vec::new()), |value| self.read_callers(&value));
        let headers = read_headers(table);
        let hours =
            table.get("hours").map_or(Some(None), |value| self.schedules.of(&value).flatten().map(Some));
        let share = table.get("share").map_or(Some(None), |value| read_share(&value).map(Some));
        let called = self.read_called(table);
        let action = self.read_action(table);
        let (diverted, caller, headers, hours, share) = (diverted?, caller?, headers?, hours?, share?);
        if diverted.len().max(1) * caller.len().max(1) > MOST_COMBINATIONS {
            let found = format!("found {} diverted numbers with {} callers", diverted.len(), caller.len());
            table.refuse(format!("{found}; accepted: at most {MOST_COMBINATIONS} combinations in one route"));
            return None;
        }
        let callers: Vec<_> = optional(caller);
        let combine = |diverted: Option<Pattern>| {
            let (headers, hours) = (&headers, &hours);
            callers.iter().map(move |caller| {
                let headers = Arc::clone(headers);
                Conditions::new(diverted.clone(), caller.clone(), headers, hours.clone(), share)
            })
        };
        let when = optional(diverted.into_iter().map(|(pattern, _)| pattern).collect());
        Some(Route {
            id: id.unwrap_or("unnamed").into(),
            place: table.place(),
            scope: scope?,
            called: called?,
            when: when.into_iter().flat_map(combine).collect(),
            action: action.unwrap_or(Action::Answer { agent: None }),
        })
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

    fn read_scope(&self, table: &Table<'d>) -> Option<Scope> {
        const TRUNK: &str = "the name or the id of a trunk";
        const PROJECT: &str = "the name of a [[livekit]] project";
        let named = |key: &str, accepted: &str| match table.get(key) {
            Some(value) => value.parsed(accepted, filled).map(|name| Some((name, value))),
            None => Some(None),
        };
        let (trunk, project) = (named("trunk", TRUNK), named("project", PROJECT));
        let trunk = trunk?.map(|(name, value)| {
            self.names.trunks.canonical(&name).unwrap_or_else(|| {
                if !self.names.trunks.is_empty() {
                    value.warn(format!(
                        "the settings have no [[trunk]] with the name or the id {}",
                        shown(&name)
                    ));
                }
                name.as_str().into()
            })
        });
        Some(Scope { trunk, project: project?.map(|(name, _)| name.into()) })
    }

    fn read_called(&self, table: &Table<'d>) -> Option<Called> {
        let elsewhere = ["trunk", "project", "diverted"].iter().any(|key| table.get(key).is_some());
        match table.get("called") {
            None if elsewhere => Some(Called::Any),
            None => {
                table.require("called", Pattern::ACCEPTED);
                None
            }
            Some(value) => {
                let called = self.read_numbers(&value)?;
                Some(Called::These(called.into()))
            }
        }
    }

    fn read_numbers(&self, value: &Value<'d>) -> Option<Vec<(Pattern, Place)>> {
        let read = |item: &Value<'d>, text: &str| match Pattern::parse(text, self.names.country) {
            Ok(pattern) => {
                if let Pattern::Exact(number) = &pattern
                    && let Some(wrong) = number.wrong_length()
                {
                    item.warn(format!("{}: found a number with {wrong}", item.name()));
                }
                Some((pattern, item.place()))
            }
            Err(error) => {
                item.report(format!("{}: {error}; accepted: {}", item.name(), Pattern::ACCEPTED));
                None
            }
        };
        read_distinct(value, Pattern::ACCEPTED, read, |(pattern, _)| pattern.clone())
    }

    fn read_callers(&self, value: &Value<'d>) -> Option<Vec<CallerIs>> {
        let accepted = format!("\"anonymous\", or {}", Pattern::ACCEPTED);
        let read = |item: &Value<'d>, text: &str| match text.trim() {
            "anonymous" => Some(CallerIs::Anonymous),
            text => match Pattern::parse(text, self.names.country) {
                Ok(pattern) => Some(CallerIs::Number(pattern)),
                Err(error) => {
                    item.report(format!("{}: {error}; accepted: {accepted}", item.name()));
                    None
                }
            },
        };
        read_distinct(value, &accepted, read, Clone::clone)
    }

    fn read_action(&mut self, table: &Table<'d>) -> Option<Action> {
        let said: Vec<_> = ["agent", "reject", "transfer", "play"]
            .map(|key| (key, table.get(key)))
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        match said.as_slice() {
            [] => Some(Action::Answer { agent: None }),
            [("agent", name)] => Some(Action::Answer { agent: Some(self.names.agents.of(name)?) }),
            [(key, value)] => self.names.actions.read(key, value).map(Action::Instead),
            [(first, _), (second, value), ..] => {
                value.report(format!("found both {first} and {second}; accepted: one of them"));
                None
            }
        }
    }
}

/// Reads one or more texts; one that is there already is worth a warning.
fn read_distinct<'d, T, K: Hash + Eq>(
    value: &Value<'d>,
    accepted: &str,
    read: impl Fn(&Value<'d>, &str) -> Option<T>,
    key: impl Fn(&T) -> K,
) -> Option<Vec<T>> {
    let items = value.one_or_more();
    if items.is_empty() {
        value.report_found("no number", accepted);
    }
    let (mut all, mut known) = (Vec::new(), HashSet::new());
    for item in &items {
        let Some(one) = item.text(accepted).and_then(|text| read(item, text)) else { continue };
        if known.insert(key(&one)) {
            all.push(one);
        } else {
            item.warn(format!("{}: this route has this number already", item.name()));
        }
    }
    // What could not be read has been noted, and the rest still claims its numbers.
    (!all.is_empty()).then_some(all)
}

fn optional<T>(all: Vec<T>) -> Vec<Option<T>> {
    if all.is_empty() { vec![None] } else { all.into_iter().map(Some).collect() }
}

fn read_headers(table: &Table<'_>) -> Option<HeaderValues> {
    const NAME: &str = "the name of a SIP header, such as x-campaign";
    const VALUE: &str = "the header's whole value";
    let mut headers = BTreeMap::new();
    let mut good = true;
    for (name, value) in
        table.get("header").map_or(Vec::new(), |value| value.entries("a table of SIP headers"))
    {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        if !is_name {
            value.report_found(&format!("the header {}", shown(name)), NAME);
        }
        let text = value.parsed(VALUE, |text| filled(text.trim()));
        let (true, Some(text)) = (is_name, text) else {
            good = false;
            continue;
        };
        if headers.insert(name.to_ascii_lowercase().into_boxed_str(), text.into_boxed_str()).is_some() {
            value.report_found("a header again, in other letters", "each header once");
        }
    }
    good.then(|| headers.into_iter().collect())
}

fn read_share(value: &Value<'_>) -> Option<u8> {
    const ACCEPTED: &str = "percent of the callers, a whole number from 1 to 100";
    let percent = value.number(ACCEPTED, &(1.0..=100.0))?;
    if percent.fract() != 0.0 {
        value.report_found(&shown(&percent.to_string()), ACCEPTED);
        return None;
    }
    Some(percent as u8)
}

fn filled(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}
