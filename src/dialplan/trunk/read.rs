mod digest;

use std::collections::HashSet;
use std::sync::Arc;

use self::digest::read_credentials;
use super::super::limits::read_caps;
use super::{Algorithms, CalledFrom, TrunkPlan, Trunks, UnansweredTransfer};
use crate::call::{Bare, Country, NumberingPlan, TrunkRules, Withheld};
use crate::document::{Keys, Surroundings, Table, Value, shown};
use crate::http::address::Network;
use crate::media::codec::Codecs;
use crate::pii::Redacted;

/// The keys of `[[trunk]]`:
///
/// | key | what | default |
/// |---|---|---|
/// | `addresses` | networks and addresses it calls our own SIP port from | none: it only comes by LiveKit |
/// | `digest` | `username` and `password` that it has to know at our own SIP port, and the `algorithms` it is offered | none |
/// | `from` | `anywhere`, where `digest` alone says who it is | none: `addresses` say it |
/// | `called_from` | on our own SIP port, where the called number stands: `request-uri`, `to` or `p-called-party-id` | `request-uri` |
/// | `calls` | on our own SIP port, how many at once | no limit |
/// | `calls_per_second` | on our own SIP port, how many a second | no limit |
/// | `unanswered_transfer` | on our own SIP port, how a caller is handed on who still rings: `302`, or `refer` after an answer | `302` |
/// | `codecs` | on our own SIP port, what its calls may be in, by preference: `pcmu`, `pcma`, `g722`, `opus` | all four |
/// | `country` | reads national numbers | none: only international ones are read |
/// | `area_code` | digits before local numbers | none: they keep their raw text |
/// | `international_prefix` | digits before a calling code | the country's own, and `00` |
/// | `bare_numbers` | `national`, or `international` where the carrier leaves out the `+` | `national` |
/// | `trusted` | P-Asserted-Identity and `verstat` count | `false` |
/// | `withheld` | `hide` or `show` the number of who withholds it | `hide` |
pub const TRUNK_KEYS: Keys = Keys::only(&[
    "name",
    "ids",
    "addresses",
    "digest",
    "from",
    "called_from",
    "calls",
    "calls_per_second",
    "unanswered_transfer",
    "codecs",
    "country",
    "area_code",
    "international_prefix",
    "bare_numbers",
    "trusted",
    "withheld",
]);

impl Trunks {
    /// Reads `[[trunk]]` tables opened with [`TRUNK_KEYS`]; `surroundings` have the passwords. A trunk with an error is noted
    /// and left out.
    pub fn read(tables: &[Table<'_>], surroundings: &dyn Surroundings) -> Self {
        let mut taken = Taken::default();
        let all: Vec<_> = tables
            .iter()
            .filter_map(|table| read_trunk(table, surroundings, &mut taken))
            .map(Arc::new)
            .collect();
        let by_id = all.iter().flat_map(|trunk| trunk.ids.iter().map(|id| (id.clone(), Arc::clone(trunk))));
        Self { by_id: by_id.collect(), all }
    }
}

/// What trunks before this one have taken.
#[derive(Default)]
struct Taken<'d> {
    names: HashSet<&'d str>,
    ids: HashSet<&'d str>,
    networks: Vec<Network>,
    /// Of those that call from anywhere.
    usernames: HashSet<Redacted<String>>,
    /// What the first of those is offered, and so the others.
    asked_of_anyone: Option<Algorithms>,
}

fn read_trunk<'d>(
    table: &Table<'d>,
    surroundings: &dyn Surroundings,
    taken: &mut Taken<'d>,
) -> Option<TrunkPlan> {
    const NAME: &str = "a name";
    const IDS: &str = "an array of trunk ids such as ST_abc, or addresses, or digest";
    let name = table.require("name", NAME).and_then(|value| {
        let name = filled(&value, NAME)?;
        if !taken.names.insert(name) {
            value.report_found("the name of another trunk", "a name of its own for each");
        }
        Some(name)
    });
    let addresses = read_addresses(table, taken);
    let credentials = read_credentials(table, surroundings, taken);
    let mut ids = Vec::new();
    let calls_directly = ["addresses", "digest", "from"].iter().any(|key| table.get(key).is_some());
    let written = if calls_directly { table.get("ids") } else { table.require("ids", IDS) };
    for value in written.and_then(|value| value.items(IDS)).unwrap_or_default() {
        let Some(id) = filled(&value, "a trunk id such as ST_abc") else { continue };
        if !taken.ids.insert(id) {
            value.report_found(&format!("{} again", shown(id)), "each id once, in one [[trunk]]");
        }
        ids.push(id.to_owned());
    }
    let called_from = table.get("called_from").and_then(|value| read_called_from(&value)).unwrap_or_default();
    let unanswered_transfer =
        table.get("unanswered_transfer").and_then(|value| read_transfer(&value)).unwrap_or_default();
    let codecs = table.get("codecs").and_then(|value| read_codecs(&value)).unwrap_or_default();
    let (caps, rules) = (read_caps(table), read_rules(table));
    Some(TrunkPlan {
        name: name?.into(),
        ids,
        addresses,
        credentials: credentials?,
        called_from,
        unanswered_transfer,
        codecs,
        caps,
        rules,
    })
}

fn read_addresses(table: &Table<'_>, taken: &mut Taken<'_>) -> Vec<Network> {
    const ACCEPTED: &str = "an array of networks and addresses such as 203.0.113.0/28";
    const ONE: &str = "a network or an address such as 203.0.113.0/28 or 2001:db8::7";
    let items = table.get("addresses").and_then(|value| value.items(ACCEPTED)).unwrap_or_default();
    let mut addresses = Vec::new();
    for value in items {
        let Some(network) = value.parsed(ONE, Network::parse) else { continue };
        if taken.networks.contains(&network) {
            value.report_found("the same network again", "each network once, in one [[trunk]]");
            continue;
        }
        taken.networks.push(network);
        addresses.push(network);
    }
    addresses
}

fn read_called_from(value: &Value<'_>) -> Option<CalledFrom> {
    Some(match value.choice(["request-uri", "to", "p-called-party-id"])? {
        "request-uri" => CalledFrom::RequestUri,
        "to" => CalledFrom::To,
        _ => CalledFrom::PCalledPartyId,
    })
}

fn read_transfer(value: &Value<'_>) -> Option<UnansweredTransfer> {
    Some(match value.choice(["302", "refer"])? {
        "302" => UnansweredTransfer::Redirect,
        _ => UnansweredTransfer::Refer,
    })
}

fn read_codecs(value: &Value<'_>) -> Option<Codecs> {
    const ACCEPTED: &str = "an array of pcmu, pcma, g722 and opus";
    let items = value.items(ACCEPTED)?;
    if items.is_empty() {
        value.report_found("an empty array", ACCEPTED);
    }
    let codec = |item: &Value<'_>| {
        let name = item.choice(["pcmu", "pcma", "g722", "opus"])?;
        Codecs::ALL.iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    };
    Codecs::new(&items.iter().filter_map(codec).collect::<Vec<_>>())
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
    use crate::document::{self, Given};
    use crate::fleet::calls::Caps;
    use crate::fleet::rate::Rate;
    use crate::media::codec::Codec;

    pub(super) fn read(text: &str) -> (Trunks, Vec<String>) {
        let (trunks, found) = document::read(&Path::new("f.toml").into(), text, |document| {
            let tables = document.root(Keys::only(&["trunk"])).tables("trunk", TRUNK_KEYS);
            Trunks::read(&tables, &Given::variables([("PASSWORD", "secret")]))
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
    fn a_trunk_is_known_by_where_it_calls_from_and_the_narrowest_network_wins() {
        let (trunks, found) = read(
            "[[trunk]]\nname = 'wide'\naddresses = ['203.0.113.0/24', '2001:db8::/32']\n\
             [[trunk]]\nname = 'narrow'\naddresses = ['203.0.113.7']\ncalled_from = 'to'\nunanswered_transfer = 'refer'\ncodecs = ['opus', 'pcma']\n\
             [[trunk]]\nname = 'by-livekit'\nids = ['ST_1']\n",
        );
        assert_eq!(found, Vec::<String>::new());
        assert!(trunks.call_directly() && !trunks.call_from_anywhere());
        for (address, name) in [
            ("203.0.113.7", Some("narrow")),
            ("203.0.113.8", Some("wide")),
            ("2001:db8::1", Some("wide")),
            ("198.51.100.1", None),
        ] {
            let trunk = trunks.at(address.parse().unwrap());
            assert_eq!(trunk.map(|trunk| &*trunk.name), name, "{address}");
        }
        let narrow = trunks.named("narrow").unwrap();
        assert_eq!(
            (narrow.called_from, narrow.unanswered_transfer),
            (CalledFrom::To, UnansweredTransfer::Refer)
        );
        assert_eq!(narrow.codecs.iter().collect::<Vec<_>>(), [Codec::Opus, Codec::Pcma]);
        assert_eq!(trunks.named("wide").unwrap().codecs, Codecs::ALL);
    }

    #[test]
    fn a_trunk_has_the_caps_that_are_set() {
        let (trunks, found) =
            read("[[trunk]]\nname = 'a'\nids = ['1']\ncalls = 30\ncalls_per_second = 2.5\n");
        assert_eq!(found, Vec::<String>::new());
        let caps = Caps { calls: Some(30), per_second: Rate::per_second(2.5) };
        assert_eq!(trunks.of("1").map(|trunk| trunk.caps), Some(caps));
        let (_, found) = read("[[trunk]]\nname = 'a'\nids = ['1']\ncalls = 1.5\ncalls_per_second = 0\n");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_network_belongs_to_one_trunk() {
        let (_, found) = read(
            "[[trunk]]\nname = 'a'\naddresses = ['203.0.113.0/24']\n\
             [[trunk]]\nname = 'b'\naddresses = ['203.0.113.0/24', '203.0.113.9/24']\ncalled_from = 'from'\nunanswered_transfer = '301'\n\
             codecs = ['pcmu', 'g711']\n[[trunk]]\nname = 'c'\ncodecs = []\n",
        );
        for said in
            ["the same network again", "found \"203.0.113.9/24\"", "p-called-party-id", "302", "found no ids"]
        {
            assert!(found.iter().any(|line| line.contains(said)), "{said}: {found:?}");
        }
        let codecs = ["found \"g711\"; accepted: pcmu, pcma, g722, opus", "found an empty array"];
        assert!(codecs.iter().all(|said| found.iter().any(|line| line.contains(said))), "{found:?}");
        assert_eq!(found.len(), 7, "{found:?}");
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
