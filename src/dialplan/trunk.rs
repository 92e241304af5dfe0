//! The carrier's trunks as the settings name them: how their numbers are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::call::Country;
use crate::document::{Keys, Table};

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

    /// Reads `[[trunk]]` tables opened with [`TRUNK_KEYS`]. A trunk with an error is noted and left out.
    pub fn read(tables: &[Table<'_>]) -> Self {
        let mut by_id = HashMap::new();
        let mut names = HashSet::new();
        for table in tables {
            let Some(trunk) = read_trunk(table).map(Arc::new) else { continue };
            if !names.insert(Arc::clone(&trunk.name)) {
                table.report("another [[trunk]] has this name; accepted: a name of its own for each");
            }
            for id in &trunk.ids {
                if by_id.insert(id.clone(), Arc::clone(&trunk)).is_some() {
                    table.report(format!(
                        "ids: {id} is listed twice; accepted: each id once, in one [[trunk]]"
                    ));
                }
            }
        }
        Self(by_id)
    }
}

fn read_trunk(table: &Table<'_>) -> Option<TrunkPlan> {
    const COUNTRY: &str = "an ISO 3166 code of two letters, such as US";
    let filled = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
    let name = table.require("name", "text").and_then(|value| value.parsed("text", filled));
    let ids = table.require("ids", "an array of trunk ids such as ST_abc").and_then(|value| {
        let items = value.items("an array of trunk ids such as ST_abc")?;
        items.iter().map(|item| item.parsed("a trunk id such as ST_abc", filled)).collect::<Option<Vec<_>>>()
    });
    let country = match table.get("country") {
        Some(value) => Some(value.parsed(COUNTRY, Country::parse)?),
        None => None,
    };
    Some(TrunkPlan { name: name?.into(), ids: ids?, country })
}
