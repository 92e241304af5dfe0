use proptest::prelude::*;

use super::*;
use crate::call::{Country, E164};

fn headers(given: &[(&str, &str)]) -> Headers {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

fn trusted() -> TrunkRules {
    TrunkRules { trusted: true, ..TrunkRules::default() }
}

fn parties(caller: &str, given: &[(&str, &str)], rules: &TrunkRules) -> Parties {
    identify(Some("+15557770001"), Some(caller), headers(given), rules)
}

fn number(caller: &Caller) -> Option<&str> {
    caller.number().map(Number::best)
}

const FROM: (&str, &str) = ("from", "\"Ada\" <sip:+12125550142@carrier>;tag=1");
const ASSERTED: (&str, &str) = ("p-asserted-identity", "\"Ada L.\" <sip:+12125550199@carrier;user=phone>");

#[test]
fn a_trusted_trunk_asserts_the_number_and_the_name() {
    let seen = parties("+12125550142", &[FROM, ASSERTED], &trusted());
    assert_eq!(number(&seen.caller), Some("+12125550199"));
    assert_eq!(seen.caller_name.as_ref().map(|name| name.reveal().as_str()), Some("Ada L."));

    let seen = parties("+12125550142", &[FROM, ASSERTED], &TrunkRules::default());
    assert_eq!(number(&seen.caller), Some("+12125550142"), "anybody can write that header");
    assert_eq!(seen.caller_name.as_ref().map(|name| name.reveal().as_str()), Some("Ada"));
}

#[test]
fn a_withheld_number_is_in_nothing_that_is_told() {
    let telling = [
        FROM,
        ASSERTED,
        ("contact", "<sip:+12125550142@192.0.2.1>"),
        ("x-original-caller", "001 (212) 555-0142"),
        ("x-campaign", "spring"),
        ("user-agent", "Carrier 2.0"),
    ];
    for asked in [
        ("privacy", "id"),
        ("privacy", "user;critical"),
        ("privacy", "header;session;id"),
        ("privacy", "full"),
        ("remote-party-id", "<sip:+12125550142@carrier>;party=calling;privacy=full;screen=yes"),
        ("remote-party-id", "<sip:+12125550142@carrier>;privacy=\"uri-network\""),
    ] {
        for rules in [TrunkRules::default(), trusted()] {
            let mut given = telling.to_vec();
            given.push(asked);
            let seen = parties("+12125550142", &given, &rules);
            assert_eq!(seen.caller, Caller::Anonymous, "{asked:?}");
            assert!(seen.caller_name.is_none() && seen.verified.is_none());
            let left: Vec<_> =
                seen.headers.keys().map(String::as_str).filter(|name| *name != "privacy").collect();
            assert_eq!(left, ["user-agent", "x-campaign"], "{asked:?}");

            let rules = TrunkRules { withheld: Withheld::Show, ..rules };
            let seen = parties("+12125550142", &given, &rules);
            let expected = if rules.trusted { "+12125550199" } else { "+12125550142" };
            assert_eq!(number(&seen.caller), Some(expected), "{asked:?}");
            assert_eq!(seen.headers.len(), given.len());
        }
    }
}

#[test]
fn an_anonymous_from_withholds_what_the_network_asserts() {
    let from = ("from", "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1");
    let seen = parties("anonymous", &[from, ASSERTED], &trusted());
    assert_eq!(seen.caller, Caller::Anonymous);
    assert!(seen.headers.is_empty());

    let seen = parties("anonymous", &[from, ASSERTED, ("privacy", "none")], &trusted());
    assert_eq!(number(&seen.caller), Some("+12125550199"), "the caller lets it be told");
}

#[test]
fn privacy_of_another_kind_or_another_party_withholds_nothing() {
    for other in [
        ("privacy", "none"),
        ("privacy", "session"),
        ("privacy", "history"),
        ("remote-party-id", "<sip:+15557770001@carrier>;party=called;privacy=full"),
        ("remote-party-id", "<sip:+12125550142@carrier>;privacy=off"),
    ] {
        let seen = parties("+12125550142", &[FROM, other], &TrunkRules::default());
        assert_eq!(number(&seen.caller), Some("+12125550142"), "{other:?}");
    }
}

#[test]
fn a_diverting_party_that_is_private_is_for_routes_only() {
    let private = ("diversion", "<sip:+15556001234@carrier>;reason=no-answer;privacy=full");
    let seen = parties("+12125550142", &[private], &TrunkRules::default());
    let diverter = seen.diverter.unwrap();
    assert_eq!((diverter.number.best(), diverter.told()), ("+15556001234", None));
    assert!(seen.headers.is_empty());

    let shows = TrunkRules { withheld: Withheld::Show, ..TrunkRules::default() };
    let seen = parties("+12125550142", &[private], &shows);
    assert_eq!(seen.headers.len(), 1);
    assert_eq!(seen.diverter.unwrap().told().map(Number::best), Some("+15556001234"));

    let open = ("diversion", "<sip:+15556001234@carrier>;reason=no-answer;privacy=off");
    assert!(!parties("+12125550142", &[open], &TrunkRules::default()).diverter.unwrap().withheld);
    let history = "<sip:+15556001234@carrier?Privacy=history>;index=1,<sip:a@b;cause=302>;index=1.1";
    assert!(parties("+1", &[("history-info", history)], &TrunkRules::default()).diverter.unwrap().withheld);
}

proptest! {
    #[test]
    fn no_header_is_ever_a_problem(
        value in "([\"<>@;,:?%=\\\\+. ]|sip:|tel:|index=|cause=|[0-9a-zA-Z]|\\PC){0,60}",
        header in 0..HEADERS.len(),
    ) {
        for country in [None, Country::parse("US"), Country::parse("AR")] {
            let mut rules = trusted();
            rules.numbers.country = country;
            let given = headers(&[(HEADERS[header], &value)]);
            let seen = identify(None, Some(&value), given, &rules);
            if let Some(number) = seen.caller.number().and_then(|number| number.e164.as_ref()) {
                prop_assert!(E164::parse(number.reveal()).is_some());
            }
        }
    }

    #[test]
    fn a_private_caller_is_never_told(number in "\\+1[2-9][0-9]{9}", header in "[a-z-]{1,12}") {
        let value = format!("\"x\" <sip:{number}@carrier>");
        let given = [("from", value.as_str()), (header.as_str(), value.as_str()), ("privacy", "id")];
        let seen = parties(&number, &given, &TrunkRules::default());
        prop_assert_eq!(seen.caller, Caller::Anonymous);
        prop_assert!(seen.headers.values().all(|value| !value.reveal().contains(&number)));
    }
}
