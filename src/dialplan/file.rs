//! One tenant's file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::action::{Actions, Clips};
use super::condition::Scope;
use super::draft::Claimed;
use super::limits::{LIMITS_KEYS, read_limits};
use super::named::Named;
use super::numbers_file::{self, Entry};
use super::route::{Called, Names, Route, read_routes};
use super::trunk::Trunks;
use super::{AGENT_KEYS, Action, Backend, Tenant, read_agent, read_transfers};
use crate::call::Country;
use crate::document::{Diagnostic, Document, Keys, Place, Surroundings, Table};
use crate::media::clip::Clip;
use crate::tenant::{Agent, TenantId};

const FILE_KEYS: Keys = Keys::only(&[
    "tenant",
    "name",
    "tier",
    "numbers",
    "route",
    "schedule",
    "numbers_file",
    "backend",
    "agent",
    "limits",
    "transfers",
]);
const NUMBERS_KEYS: Keys = Keys::only(&["country"]);
const NUMBERS_FILE_KEYS: Keys = Keys::only(&["path"]);
const BACKEND_KEYS: Keys = Keys::only(&["url", "secret", "token", "cache_by"]);

const AGENT: &str = "the NAME of an [agent.NAME] of this file";

/// The id of the routes that a numbers file makes.
const NUMBERS_FILE: &str = "numbers_file";

/// What a file says, as far as it can be read.
#[derive(Debug)]
pub(super) struct TenantFile {
    pub(super) tenant: Option<Arc<Tenant>>,
    /// Where the file names its tenant, or should.
    pub(super) place: Place,
    /// Those of the numbers file last.
    pub(super) routes: Vec<Route>,
    pub(super) numbers: Option<Numbers>,
    /// The recordings that it names.
    pub(super) recordings: Vec<Arc<Clip>>,
    /// The files beside it that it names, whether they can be read or not.
    pub(super) attachments: Vec<PathBuf>,
}

impl TenantFile {
    /// Whether one of its routes claims this in a scope.
    pub(super) fn claims(&self, scope: &Scope, claimed: Claimed<'_>) -> bool {
        let mut routes = self.routes.iter().filter(|route| route.scope == *scope);
        routes.any(|route| match &route.called {
            Called::Any => claimed == Claimed::Any,
            Called::These(patterns) => patterns.iter().any(|(pattern, _)| Claimed::of(pattern) == claimed),
            Called::Listed => {
                let mut listed = self.numbers.iter().flat_map(|numbers| &numbers.entries);
                listed.any(|entry| claimed == Claimed::Number(entry.number()))
            }
        })
    }
}

/// The numbers of a numbers file, each with the route that has it.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) path: Arc<Path>,
    pub(super) entries: Vec<Entry>,
    /// The place among the file's routes of the one for numbers without an agent. Those of the agents follow, in the
    /// order of their names.
    first: usize,
}

impl Numbers {
    /// The place of an entry's route among those of the file.
    pub(super) fn route(&self, entry: &Entry) -> usize {
        self.first + entry.agent.map_or(0, |agent| usize::from(agent) + 1)
    }
}

/// Reads one file. What is wrong is noted in the document; what is wrong in its numbers file comes beside it.
pub(super) fn read(
    document: &Document<'_>,
    surroundings: &dyn Surroundings,
    trunks: &Trunks,
    clips: &mut Clips,
) -> (TenantFile, Vec<Diagnostic>) {
    let root = document.root(FILE_KEYS);
    let id_value = root.require("tenant", TenantId::ACCEPTED);
    let id = id_value.as_ref().and_then(|value| value.parsed(TenantId::ACCEPTED, TenantId::parse));
    let text = |key: &str| root.get(key).and_then(|value| value.text("text")).map(str::to_owned);
    let (name, tier) = (text("name"), text("tier"));
    let backend =
        root.table("backend", BACKEND_KEYS).and_then(|table| Backend::read(&table, None, surroundings));
    let mut actions = Actions::new(surroundings, clips);
    let limits = root.table("limits", LIMITS_KEYS);
    let limits = limits.map(|table| read_limits(&table, &mut actions)).unwrap_or_default();
    let transfers = root.get("transfers").map(|value| read_transfers(&value)).unwrap_or_default();
    let country = read_country(&root);
    let mut agents = Named::read(&root, "agent", AGENT_KEYS, AGENT, |_, table| Arc::new(read_agent(table)));
    let mut routes =
        read_routes(&root, Names { country, agents: &mut agents, trunks, actions: &mut actions });
    let numbers = read_numbers_file(&root, country, &mut agents, &mut routes, surroundings);
    let (numbers, found) = numbers.map_or((None, Vec::new()), |(numbers, found)| (Some(numbers), found));
    if root.get("route").is_none() && numbers.is_none() {
        root.warn("found no [[route]], so no number leads to this tenant");
    }
    agents.warn_of_unused();
    let file = TenantFile {
        place: id_value.map_or_else(|| root.place(), |value| value.place()),
        tenant: id.map(|id| Arc::new(Tenant { id, name, tier, backend, limits, transfers })),
        routes,
        numbers,
        recordings: actions.recordings,
        attachments: document.attachments(),
    };
    (file, found)
}

fn read_country(root: &Table<'_>) -> Option<Country> {
    const ACCEPTED: &str = "an ISO 3166 code of two letters, such as US";
    let numbers = root.table("numbers", NUMBERS_KEYS)?;
    numbers.require("country", ACCEPTED)?.parsed(ACCEPTED, Country::parse)
}

/// Reads the file of `[numbers_file]`, and adds a route for each agent that it can name, and one for none.
fn read_numbers_file(
    root: &Table<'_>,
    country: Option<Country>,
    agents: &mut Named<'_, Arc<Agent>>,
    routes: &mut Vec<Route>,
    surroundings: &dyn Surroundings,
) -> Option<(Numbers, Vec<Diagnostic>)> {
    const ACCEPTED: &str = "the path of a file, from the folder of this one";
    let table = root.table("numbers_file", NUMBERS_FILE_KEYS)?;
    let path = table.require("path", ACCEPTED)?;
    let (file, bytes) = path.attachment(ACCEPTED, surroundings, numbers_file::LARGEST)?;
    let Ok(text) = String::from_utf8(bytes) else {
        path.report_found("a file that is not UTF-8", "a file of numbers, one a line, in UTF-8");
        return None;
    };
    let file: Arc<Path> = file.into();
    let names: Vec<&str> = agents.all().map(|(name, _)| name).collect();
    let (entries, found) = numbers_file::read(&text, &file, country, &names);
    for agent in entries.iter().filter_map(|entry| names.get(usize::from(entry.agent?))) {
        agents.mark_used(agent);
    }
    let all = std::iter::once(None).chain(agents.all().map(|(_, agent)| Some(Arc::clone(agent))));
    let first = routes.len();
    routes.extend(all.map(|agent| Route::listed(NUMBERS_FILE, table.place(), Action::Answer { agent })));
    Some((Numbers { path: file, entries, first }, found))
}
