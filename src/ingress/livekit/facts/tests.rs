use proptest::prelude::*;

use super::*;
use crate::call::{Caller, Country, E164, Number, NumberingPlan};
use crate::livekit::wire::signal::Presence;

fn participant(attributes: &[(&str, &str)]) -> Participant {
    Participant {
        identity: "sip_+15551230001".into(),
        name: "Phone +15551230001".into(),
        is_sip: true,
        is_agent: false,
        presence: Presence::Here,
        joined_at: Timestamp::UNIX_EPOCH,
        attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect(),
        tracks: Vec::new(),
    }
}

fn context() -> Context {
    Context {
        id: CallId::from_u128(1),
        project: "main".into(),
        room: "call-_+15551230001_x".into(),
        received_at: Timestamp::UNIX_EPOCH,
    }
}

fn us_trunk(id: &str) -> Plan {
    match id {
        "ST_us" => Plan {
            name: Some("acme-sip".into()),
            rules: TrunkRules {
                numbers: NumberingPlan { country: Country::parse("US"), ..NumberingPlan::default() },
                ..TrunkRules::default()
            },
        },
        _ => Plan::default(),
    }
}

fn call(attributes: &[(&str, &str)]) -> Call {
    read(&participant(attributes), &[], context(), us_trunk)
}

#[test]
fn every_attribute_finds_its_place() {
    let call = call(&[
        ("sip.phoneNumber", "+15551230001"),
        ("sip.trunkPhoneNumber", "5557770001"),
        ("sip.trunkID", "ST_us"),
        ("sip.ruleID", "SDR_1"),
        ("sip.callID", "SCL_1"),
        ("sip.callIDFull", "1-2@carrier"),
        ("sip.callStatus", "ringing"),
        ("sip.h.from", "\"Ada L.\" <sip:+15551230001@carrier>;tag=1"),
        ("sip.h.x-campaign", "spring"),
        ("sip.h.Via", "SIP/2.0/UDP 198.51.100.7, of no use to anybody"),
        ("custom", "kept out of the headers"),
    ]);
    assert_eq!(call.caller.number().and_then(|n| n.e164.as_ref()).map(E164::reveal), Some("+15551230001"));
    assert_eq!(call.called.best(), "+15557770001");
    assert_eq!(call.called.raw.reveal(), "5557770001");
    assert_eq!(call.trunk, Some(Trunk { id: "ST_us".to_owned(), name: Some("acme-sip".into()) }));
    assert_eq!(call.rule_id.as_deref(), Some("SDR_1"));
    assert_eq!(call.sip_call_id.as_deref(), Some("SCL_1"));
    assert_eq!(call.sip_call_id_full.as_deref(), Some("1-2@carrier"));
    assert_eq!(call.caller_name.as_ref().map(|name| name.reveal().as_str()), Some("Ada L."));
    assert_eq!(call.headers.keys().collect::<Vec<_>>(), ["from", "x-campaign"]);
    assert_eq!(call.origin.project(), Some("main"));
}

#[test]
fn nothing_at_all_is_still_a_call() {
    let call = call(&[]);
    assert_eq!(call.caller, Caller::Anonymous);
    assert_eq!(call.called.best(), "");
    assert_eq!((call.trunk, call.diverter), (None, None));
}

#[test]
fn a_withheld_number_is_an_anonymous_caller() {
    for (raw, anonymous) in [
        ("anonymous", true),
        ("Anonymous@anonymous.invalid", true),
        ("sip:anonymous@anonymous.invalid", true),
        ("RESTRICTED", true),
        ("unavailable", true),
        ("unknown", true),
        ("Private", true),
        ("withheld", true),
        ("", true),
        ("  ", true),
        ("+15551230001", false),
        ("reception", false),
        ("anonymous-hotline", false),
    ] {
        let caller = call(&[("sip.phoneNumber", raw)]).caller;
        assert_eq!(caller == Caller::Anonymous, anonymous, "{raw:?}");
    }
}

#[test]
fn an_anonymous_caller_has_no_name() {
    let call = call(&[("sip.phoneNumber", "anonymous"), ("sip.h.from", "\"Ada\" <sip:anonymous@x>")]);
    assert!(call.caller_name.is_none());
}

#[test]
fn a_national_number_needs_the_trunks_country() {
    for (trunk, expected) in [("ST_us", "+15557770001"), ("ST_other", "5557770001")] {
        let call = call(&[("sip.trunkPhoneNumber", "5557770001"), ("sip.trunkID", trunk)]);
        assert_eq!(call.called.best(), expected, "{trunk}");
    }
}

#[test]
fn a_hidden_called_number_is_read_from_the_to_header() {
    let call = call(&[("sip.h.to", "<sip:+15557770001@carrier>")]);
    assert_eq!(call.called.best(), "+15557770001");
}

#[test]
fn the_most_recent_diversion_counts() {
    for (header, expected) in [
        ("<sip:+15556001234@carrier>;reason=no-answer, <sip:+15550000000@carrier>", Some("+15556001234")),
        ("\"Front\" <tel:+15556001234>;counter=1", Some("+15556001234")),
        ("<sips:%2B15556001234;npdi=yes@carrier:5061>", Some("+15556001234")),
        ("SIP:5556001234@carrier", Some("5556001234")),
        ("<sip:@carrier>", None),
        ("unreadable", None),
        ("", None),
    ] {
        let call = call(&[("sip.h.diversion", header)]);
        assert_eq!(call.told_diverted_from().map(Number::best), expected, "{header}");
    }
}

#[test]
fn the_call_status_is_read_and_unknown_ones_say_nothing() {
    for (value, expected) in [
        ("ringing", Some(CallStatus::Ringing)),
        ("active", Some(CallStatus::Active)),
        ("hangup", Some(CallStatus::HungUp)),
        ("dialing", None),
        ("", None),
    ] {
        assert_eq!(status(&participant(&[("sip.callStatus", value)])), expected, "{value}");
    }
}

#[test]
fn facts_are_complete_with_a_called_number_or_a_status() {
    for (attributes, expected) in [
        (&[("sip.callID", "SCL_1")][..], false),
        (&[("sip.trunkPhoneNumber", "")][..], false),
        (&[("sip.trunkPhoneNumber", "+15557770001")][..], true),
        (&[("sip.callStatus", "ringing")][..], true),
    ] {
        assert_eq!(is_complete(&participant(attributes)), expected, "{attributes:?}");
    }
}

proptest! {
    #[test]
    fn no_header_value_is_ever_a_problem(from in ".*", to in ".*", diversion in ".*", number in ".*") {
        call(&[
            ("sip.h.from", &from),
            ("sip.h.to", &to),
            ("sip.h.diversion", &diversion),
            ("sip.phoneNumber", &number),
            ("sip.trunkPhoneNumber", &number),
            ("sip.trunkID", "ST_us"),
        ]);
    }
}
