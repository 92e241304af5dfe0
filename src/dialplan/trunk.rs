//! The carrier's trunks as the settings name them: how their numbers are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::call::{Bare, Country, NumberingPlan, TrunkRules, Withheld};
use crate::document::{Keys, Table, Value, shown};

/// The keys of `[[trunk]]`:
///
/// | key | what | default |
/// |---|---|---|
/// | `country` | reads national numbers | none: only international ones are read |
/// | `area_code` | digits before local numbers | none: they keep their raw text |
/// | `international_prefix` | digits before a calling code | the country's own, and `00` |
/// | `bare_numbers` | `national`, or `international` where the carrier leaves out the `+` | `national` |
/// | `trusted` | P-Asserted-Identity and `verstat` count | `false` |
/// | `withheld` | `hide` or `show` the number of who withholds it | `hide` |
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

    /// The trunk that has this name or id.
    pub fn named(&self, name_or_id: &str) -> Option<&TrunkPlan> {
        let named = || self.0.values().find(|trunk| *trunk.name == *name_or_id).map(AsRef::as_ref);
        self.of(name_or_id).or_else(named)
    }

    /// The name of the trunk that has this name or id.
    pub fn canonical(&self, name_or_id: &str) -> Option<Arc<str>> {
        self.named(name_or_id).map(|trunk| Arc::clone(&trunk.name))
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::document;

    fn read(text: &str) -> (Trunks, Vec<String>) {
        let (trunks, found) = document::read(&Path::new("f.toml").into(), text, |document| {
            Trunks::read(&document.root(Keys::only(&["trunk"])).tables("trunk", TRUNK_KEYS))
        });
        (trunks, found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_trunk_says_how_its_calls_are_read() {
        let (trunks, found) = read(
            "[[trunk]]\nname = \"a\"\nids = [\"ST_1\"]\ncountry = \"DE\"\narea_code = \"30\"\n\
             international_prefix = \"000\"\nbare_numbers = \"international\"\ntrusted = true\nwithheld = \"show\"\n",
        );
        assert_eq!(found, Vec::<String>::new());
        let numbers = NumberingPlan {
            country: Country::parse("DE"),
            area_code: Some("30".into()),
            international_prefix: Some("000".into()),
            bare: Bare::International,
        };
        let rules = TrunkRules { numbers, trusted: true, withheld: Withheld::Show };
        assert_eq!(trunks.of("ST_1").map(|trunk| &trunk.rules), Some(&rules));
    }

    #[test]
    fn every_wrong_rule_is_reported_with_what_is_accepted() {
        let (_, found) = read(
            "[[trunk]]\nname = \"a\"\nids = [\"ST_1\"]\narea_code = \"30\"\ninternational_prefix = \"+\"\n\
             bare_numbers = \"none\"\ntrusted = \"yes\"\nwithheld = \"tell\"\n",
        );
        let accepted =
            ["true or false", "hide or show", "national or international", "1 to 6 digits", "area code of"];
        assert_eq!(found.len(), accepted.len(), "{found:?}");
        for accepted in accepted {
            assert!(found.iter().any(|line| line.contains(accepted)), "{accepted}: {found:?}");
        }
    }
}
