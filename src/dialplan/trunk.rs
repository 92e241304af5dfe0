//! The carrier's trunks as the settings name them: how their numbers are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::call::Country;
use crate::document::{Keys, Table, Value, shown};

/// The keys of `[[trunk]]`.
pub const TRUNK_KEYS: Keys = Keys::only(&["name", "ids", "country"]);

/// One trunk. LiveKit's trunk ids change when a trunk is made anew, its name here stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkPlan {
    pub name: Arc<str>,
    /// LiveKit's ids, `ST_...`.
    pub ids: Vec<String>,
    /// Whose numbering plan reads the national numbers that arrive on it.
    pub country: Option<Country>,
}

/// Every trunk, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trunks(HashMap<String, Arc<TrunkPlan>>);

impl Trunks {
    /// The trunk with this id; `None` for one that the settings don't name.
    pub fn of(&self, id: &str) -> Option<&TrunkPlan> {
        self.0.get(id).map(AsRef::as_ref)
    }

    /// The name of the trunk that has this name or id.
    pub fn canonical(&self, name_or_id: &str) -> Option<Arc<str>> {
        let named = || self.0.values().find(|trunk| *trunk.name == *name_or_id).map(AsRef::as_ref);
        self.of(name_or_id).or_else(named).map(|trunk| Arc::clone(&trunk.name))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `[[trunk]]` tables opened with [`TRUNK_KEYS`]. A trunk with an error is noted and left out.
    pub fn read(tables: &[Table<'_>]) -> Self {
        let mut taken = Taken::default();
        let trunks: Vec<_> =
            tables.iter().filter_map(|table| read_trunk(table, &mut taken)).map(Arc::new).collect();
        let by_id =
            trunks.iter().flat_map(|trunk| trunk.ids.iter().map(|id| (id.clone(), Arc::clone(trunk))));
        Self(by_id.collect())
    }
}

/// The names and ids that trunks have so far.
#[derive(Default)]
struct Taken<'d> {
    names: HashSet<&'d str>,
    ids: HashSet<&'d str>,
}

fn read_trunk<'d>(table: &Table<'d>, taken: &mut Taken<'d>) -> Option<TrunkPlan> {
    const NAME: &str = "a name";
    const IDS: &str = "an array of trunk ids such as ST_abc";
    const COUNTRY: &str = "an ISO 3166 code of two letters, such as US";
    let name = table.require("name", NAME).and_then(|value| {
        let name = filled(&value, NAME)?;
        if !taken.names.insert(name) {
            value.report_found("the name of another trunk", "a name of its own for each");
        }
        Some(name)
    });
    let mut ids = Vec::new();
    for value in table.require("ids", IDS).and_then(|value| value.items(IDS)).unwrap_or_default() {
        let Some(id) = filled(&value, "a trunk id such as ST_abc") else { continue };
        if !taken.ids.insert(id) {
            value.report_found(&format!("{} again", shown(id)), "each id once, in one [[trunk]]");
        }
        ids.push(id.to_owned());
    }
    let country = table.get("country").and_then(|value| value.parsed(COUNTRY, Country::parse));
    Some(TrunkPlan { name: name?.into(), ids, country })
}

fn filled<'d>(value: &Value<'d>, accepted: &str) -> Option<&'d str> {
    let text = value.text(accepted)?;
    if text.trim().is_empty() {
        value.report_found("empty text", accepted);
        return None;
    }
    Some(text)
}
