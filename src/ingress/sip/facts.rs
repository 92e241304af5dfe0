//! What an INVITE says of a call.

use std::sync::Arc;

use jiff::Timestamp;
use rsipstack::sip::{HeadersExt, Request};

use super::message::{call_id, values};
use crate::call::headers::{self, Repeated};
use crate::call::identity;
use crate::call::{Call, CallId, Headers, Origin, Trunk, TrunkRules};
use crate::dialplan::trunk::{CalledFrom, TrunkPlan, UnansweredTransfer};

/// The call that `invite` asks for, on `trunk` if it is one of the settings'.
pub fn read(invite: &Request, id: CallId, received_at: Timestamp, trunk: Option<&Arc<TrunkPlan>>) -> Call {
    let called_from = trunk.map(|trunk| trunk.called_from).unwrap_or_default();
    let default = TrunkRules::default();
    let rules = trunk.map_or(&default, |trunk| &trunk.rules);
    let called = called(invite, called_from);
    let parties = identity::identify(called.as_deref(), None, headers(invite), rules);
    Call {
        trunk: trunk.map(|trunk| Trunk { id: trunk.name.to_string(), name: Some(Arc::clone(&trunk.name)) }),
        sip_call_id_full: call_id(invite).map(str::to_owned),
        redirects: trunk.map(|trunk| trunk.unanswered_transfer).unwrap_or_default()
            == UnansweredTransfer::Redirect,
        ..Call::between(parties, id, Origin::Sip, received_at)
    }
}

/// The called number where the trunk's settings say; a header that is not there leaves it to the Request-URI.
fn called(invite: &Request, from: CalledFrom) -> Option<String> {
    let written = match from {
        CalledFrom::RequestUri => None,
        CalledFrom::To => invite.to_header().ok().and_then(|to| identity::user(&to.0)),
        CalledFrom::PCalledPartyId => values(invite, "p-called-party-id").next().and_then(identity::user),
    };
    written.or_else(|| identity::user(&format!("<{}>", invite.uri())))
}

fn headers(invite: &Request) -> Headers {
    headers::admitted(
        invite.headers.iter().map(|header| (header.name(), header.value().trim())),
        Repeated::Join,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Bare, Country, NumberingPlan};
    use crate::fleet::calls::Caps;
    use crate::media::codec::Codecs;

    fn invite(uri: &str, more: &str) -> Request {
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n\
             From: \"Ada\" <sip:5551230001@carrier.example>;tag=abc\r\nTo: <sip:5557770002@203.0.113.5>\r\n\
             Call-ID: call-1\r\nCSeq: 7 INVITE\r\nX-Campaign: spring\r\n{more}\r\n"
        );
        Request::try_from(text).unwrap()
    }

    fn trunk(called_from: CalledFrom) -> Arc<TrunkPlan> {
        let numbers =
            NumberingPlan { country: Country::parse("US"), bare: Bare::National, ..NumberingPlan::default() };
        let rules = TrunkRules { numbers, ..TrunkRules::default() };
        Arc::new(TrunkPlan {
            codecs: Codecs::default(),
            name: "acme".into(),
            ids: Vec::new(),
            addresses: Vec::new(),
            credentials: None,
            called_from,
            caps: Caps::default(),
            unanswered_transfer: UnansweredTransfer::Refer,
            rules,
        })
    }

    fn read_of(invite: &Request, trunk: Option<&Arc<TrunkPlan>>) -> Call {
        read(invite, CallId::from_u128(1), Timestamp::UNIX_EPOCH, trunk)
    }

    #[test]
    fn the_called_number_is_where_the_trunk_says() {
        let uri = "sip:+15557770001@203.0.113.5";
        let party = "P-Called-Party-ID: <sip:+15557770003@ims.example>\r\n";
        for (uri, more, from, expected) in [
            (uri, "", CalledFrom::RequestUri, "+15557770001"),
            ("sip:5557770001;npdi@203.0.113.5;user=phone", "", CalledFrom::RequestUri, "+15557770001"),
            ("tel:+15557770001", "", CalledFrom::RequestUri, "+15557770001"),
            (uri, "", CalledFrom::To, "+15557770002"),
            (uri, party, CalledFrom::PCalledPartyId, "+15557770003"),
            (uri, "", CalledFrom::PCalledPartyId, "+15557770001"),
        ] {
            let call = read_of(&invite(uri, more), Some(&trunk(from)));
            assert_eq!(call.called.best(), expected, "{uri} {more} {from:?}");
        }
    }

    #[test]
    fn the_facts_are_those_that_livekit_would_give() {
        let more = "Diversion: <sip:+15556001234@x>;reason=unconditional\r\nX-Campaign: summer\r\n";
        let call =
            read_of(&invite("sip:+15557770001@203.0.113.5", more), Some(&trunk(CalledFrom::RequestUri)));
        assert_eq!((&call.origin, call.redirects), (&Origin::Sip, false));
        assert_eq!(call.caller.number().map(crate::call::Number::best), Some("+15551230001"));
        assert_eq!(call.caller_name, Some("Ada".into()));
        assert_eq!(call.told_diverted_from().map(crate::call::Number::best), Some("+15556001234"));
        assert_eq!(call.sip_call_id_full.as_deref(), Some("call-1"));
        assert_eq!(call.trunk.as_ref().map(Trunk::called), Some("acme"));
        assert_eq!(call.headers.get("x-campaign"), Some(&"spring, summer".into()));
        assert!(!call.headers.contains_key("via") && !call.headers.contains_key("call-id"));
    }

    #[test]
    fn a_caller_who_withholds_the_number_is_nobody_and_no_trunk_is_none() {
        let call = read_of(&invite("sip:+15557770001@203.0.113.5", "Privacy: id\r\n"), None);
        assert_eq!((call.caller, call.trunk, call.redirects), (crate::call::Caller::Anonymous, None, true));
        assert!(!call.headers.iter().any(|(_, value)| value.reveal().contains("5551230001")));
    }
}
