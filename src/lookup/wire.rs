//! The call-config request. The contract is `docs/call-config-request.schema.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::call::{Call, E164, Number};
use crate::dialplan::Routed;

/// The request of one attempt. `callerPhone`, `calledPhone`, `trunkId` and `sipCallId` are those of the
/// original system: always strings, empty where the call has none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    version: &'static str,
    id: &'a str,
    attempt: u8,
    deadline_ms: u64,
    caller_phone: &'a str,
    called_phone: &'a str,
    trunk_id: &'a str,
    sip_call_id: &'a str,
    caller: Caller<'a>,
    called: Called<'a>,
    route: Option<Route<'a>>,
    call: CallFacts<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Caller<'a> {
    number: Option<&'a str>,
    raw: Option<&'a str>,
    name: Option<&'a str>,
    anonymous: bool,
    /// Whether the network vouches for the number; `null` where it does not say.
    verified: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Called<'a> {
    number: Option<&'a str>,
    raw: &'a str,
    diverted_from: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Route<'a> {
    tenant_id: &'a str,
    id: &'a str,
    r#match: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CallFacts<'a> {
    id: String,
    sip_call_id_full: Option<&'a str>,
    ingress: &'static str,
    project: Option<&'a str>,
    room: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    received_at: String,
}

impl<'a> Request<'a> {
    /// `id` stays the same over the attempts of one lookup; `deadline` is how long this one may take.
    pub fn new(
        call: &'a Call,
        routed: Option<&'a Routed>,
        id: &'a str,
        attempt: u8,
        deadline: Duration,
    ) -> Self {
        let caller = call.caller.number();
        Self {
            version: "1",
            id,
            attempt,
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
            caller_phone: caller.map_or("", Number::best),
            called_phone: call.called.best(),
            trunk_id: call.trunk.as_ref().map_or("", |trunk| &trunk.id),
            sip_call_id: call.sip_call_id.as_deref().unwrap_or(""),
            caller: Caller {
                number: caller.and_then(|n| n.e164.as_ref()).map(E164::reveal),
                raw: caller.map(|n| n.raw.reveal().as_str()),
                name: call.caller_name.as_ref().map(|name| name.reveal().as_str()),
                anonymous: caller.is_none(),
                verified: call.verified,
            },
            called: Called {
                number: call.called.e164.as_ref().map(E164::reveal),
                raw: call.called.raw.reveal(),
                diverted_from: call.told_diverted_from().map(Number::best),
            },
            route: routed.map(|routed| Route {
                tenant_id: routed.tenant.id.as_str(),
                id: &routed.route,
                r#match: routed.matched.name(),
            }),
            call: CallFacts {
                id: call.id.to_string(),
                sip_call_id_full: call.sip_call_id_full.as_deref(),
                ingress: call.origin.ingress(),
                project: call.origin.project(),
                room: call.room.reveal(),
                headers: call.headers.iter().map(|(k, v)| (k.as_str(), v.reveal().as_str())).collect(),
                received_at: format!("{:.3}", call.received_at),
            },
        }
    }
}
