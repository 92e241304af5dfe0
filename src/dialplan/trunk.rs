//! The carrier's trunks as the settings name them: how their numbers are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::call::{Bare, Country, NumberingPlan, TrunkRules, Withheld};
use crate::document::{Keys, Table, Value, shown};

/// The keys of `[[trunk]]`.
pub const TRUNK_KEYS: Keys = Keys::only(&[
    "name",
    "ids",
    "country",
    "area_code",
    "international_prefix",
    "bare_numbers",
    "trusted",
    "withheld",
]);

/// One trunk. LiveKit's trunk ids change when a trunk is made anew, its name here stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkPlan {
    pub name: Arc<str>,
    /// LiveKit's ids, `ST_...`.
    pub ids: Vec<String>,
    /// How what arrives on it is read.
    pub rules: TrunkRules,
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
    let rules = read_rules(table);
    Some(TrunkPlan { name: name?.into(), ids, rules })
}

fn read_rules(table: &Table<'_>) -> TrunkRules {
    const COUNTRY: &str = "an ISO 3166 code of two letters, such as US";
    const DIGITS: &str = "text of 1 to 6 digits";
    const BARE: &str = "national or international";
    const TRUSTED: &str = "true or false";
    const WITHHELD: &str = "hide or show";
    let digits = |key| table.get(key).and_then(|value| value.parsed(DIGITS, few_digits));
    let country = table.get("country").and_then(|value| value.parsed(COUNTRY, Country::parse));
    let area_code = digits("area_code").filter(|_| {
        if country.is_none()
            && let Some(value) = table.get("area_code")
        {
            value.report_found("no country beside it", "an area code of the trunk's country");
        }
        country.is_some()
    });
    let bare = table.get("bare_numbers").and_then(|value| {
        value.parsed(BARE, |text| match text {
            "national" => Some(Bare::National),
            "international" => Some(Bare::International),
            _ => None,
        })
    });
    let withheld = table.get("withheld").and_then(|value| {
        value.parsed(WITHHELD, |text| match text {
            "hide" => Some(Withheld::Hide),
            "show" => Some(Withheld::Show),
            _ => None,
        })
    });
    TrunkRules {
        numbers: NumberingPlan {
            country,
            area_code,
            international_prefix: digits("international_prefix"),
            bare: bare.unwrap_or_default(),
        },
        trusted: table.get("trusted").and_then(|value| value.boolean(TRUSTED)).unwrap_or(false),
        withheld: withheld.unwrap_or_default(),
    }
}

fn few_digits(text: &str) -> Option<Arc<str>> {
    let fits = (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.into())
}

fn filled<'d>(value: &Value<'d>, accepted: &str) -> Option<&'d str> {
    let text = value.text(accepted)?;
    if text.trim().is_empty() {
        value.report_found("empty text", accepted);
        return None;
    }
    Some(text)
}
