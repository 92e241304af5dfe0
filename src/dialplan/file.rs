//! One tenant's file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::pattern::Pattern;
use super::route::{Route, Routes};
use super::{AGENT_KEYS, Backend, Tenant, read_agent};
use crate::call::Country;
use crate::document::{Document, Keys, Place, Surroundings, Table, Value, nearest, shown};
use crate::tenant::{Agent, Choice, TenantId};

const FILE_KEYS: Keys = Keys {
    accepted: &["tenant", "name", "tier", "numbers", "route", "backend", "agent", "limits"],
    not_yet: &["schedule", "numbers_file"],
};
const NUMBERS_KEYS: Keys = Keys::only(&["country"]);
const BACKEND_KEYS: Keys = Keys::only(&["url", "secret", "token", "cache_by"]);
const LIMITS_KEYS: Keys =
    Keys { accepted: &["max_duration"], not_yet: &["calls", "calls_per_second", "when_full"] };

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a file says, as far as it can be read.
pub(super) struct TenantFile {
    pub(super) tenant: Option<Arc<Tenant>>,
    pub(super) routes: Vec<Route>,
    /// Where the file names its tenant.
    pub(super) place: Option<Place>,
    /// Every pattern that can be read, in a good route or not.
    pub(super) claims: HashMap<Pattern, Place>,
}

/// Reads one file. What is wrong is noted in the document.
pub(super) fn read(document: &Document<'_>, surroundings: &dyn Surroundings) -> TenantFile {
    let root = document.root(FILE_KEYS);
    let id_value = root.require("tenant", TenantId::ACCEPTED);
    let id = id_value.as_ref().and_then(|value| value.parsed(TenantId::ACCEPTED, TenantId::parse));
    let text = |key: &str| root.get(key).and_then(|value| value.text("text")).map(str::to_owned);
    let (name, tier) = (text("name"), text("tier"));
    let backend =
        root.table("backend", BACKEND_KEYS).and_then(|table| Backend::read(&table, None, surroundings));
    let mut agents = Agents::read(&root);
    let Routes { routes, claims } = Routes::read(&root, read_country(&root), &mut agents);
    agents.warn_of_unused();
    TenantFile {
        place: id_value.map(|value| value.place()),
        tenant: id.map(|id| Arc::new(Tenant { id, name, tier, backend })),
        routes,
        claims,
    }
}

fn read_country(root: &Table<'_>) -> Option<Country> {
    const ACCEPTED: &str = "an ISO 3166 code of two letters, such as US";
    let numbers = root.table("numbers", NUMBERS_KEYS)?;
    numbers.require("country", ACCEPTED)?.parsed(ACCEPTED, Country::parse)
}

/// `[agent.NAME]` by name, each with the file's limits.
pub(super) struct Agents<'d> {
    by_name: BTreeMap<&'d str, (Table<'d>, Arc<Agent>)>,
    /// Who answers for a route that names no agent: nobody, or the file's limits alone.
    pub(super) unnamed: Option<Arc<Agent>>,
    used: BTreeSet<&'d str>,
}

impl<'d> Agents<'d> {
    fn read(root: &Table<'d>) -> Self {
        let limits = Agent { max_duration: read_max_duration(root), ..Agent::default() };
        let with_limits = |(name, table): (_, Table<'d>)| {
            (name, (table.clone(), Arc::new(read_agent(&table).over(limits.clone()))))
        };
        Self {
            by_name: root.named_tables("agent", AGENT_KEYS).into_iter().map(with_limits).collect(),
            unnamed: (limits != Agent::default()).then(|| Arc::new(limits.clone())),
            used: BTreeSet::new(),
        }
    }

    /// The agent that a route names; noted if there is none.
    pub(super) fn of(&mut self, value: &Value<'d>) -> Option<Arc<Agent>> {
        const ACCEPTED: &str = "the NAME of an [agent.NAME] of this file";
        let name = value.text(ACCEPTED)?;
        let Some((_, agent)) = self.by_name.get(name) else {
            let guess =
                nearest(name, self.by_name.keys().copied()).map(|name| format!(", did you mean {name}?"));
            value.report_found(&format!("{}{}", shown(name), guess.unwrap_or_default()), ACCEPTED);
            return None;
        };
        self.used.insert(name);
        Some(Arc::clone(agent))
    }

    fn warn_of_unused(&self) {
        for (name, (table, _)) in &self.by_name {
            if !self.used.contains(name) {
                table.warn(format!("no route names the agent {}", shown(name)));
            }
        }
    }
}

fn read_max_duration(root: &Table<'_>) -> Choice<Duration> {
    let value = root.table("limits", LIMITS_KEYS).and_then(|limits| limits.get("max_duration"));
    let range = Duration::from_secs(1)..=DAY;
    value
        .and_then(|value| value.duration("a time such as 30m or 1h30m, from 1s to 24h", &range))
        .map_or(Choice::Unsaid, Choice::This)
}
