//! What livekit-sip says of a call, read from its participant's attributes.
//!
//! Attributes come late or never, and a carrier writes what it likes: whatever is missing or odd is left out, and
//! the call goes on.

use std::sync::Arc;

use jiff::Timestamp;

use crate::call::{Call, CallId, Caller, Country, Headers, Number, Origin, Trunk};
use crate::livekit::wire::signal::Participant;
use crate::pii::Redacted;

const HEADER_PREFIX: &str = "sip.h.";
const HEADERS_MAX: usize = 64;
const HEADER_NAME_MAX: usize = 64;
const HEADER_VALUE_MAX: usize = 1024;

/// What carriers write for a caller who withholds the number.
const ANONYMOUS: [&str; 7] =
    ["anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "hidden"];

/// What the router knows of a call besides its participant.
#[derive(Debug, Clone)]
pub struct Context {
    pub id: CallId,
    pub project: Arc<str>,
    pub room: Redacted<String>,
    pub received_at: Timestamp,
}

/// What the settings say of a trunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub name: Option<Arc<str>>,
    /// How national numbers on this trunk are read.
    pub country: Option<Country>,
}

/// `sip.callStatus` of an inbound call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallStatus {
    Ringing,
    Active,
    HungUp,
}

/// Where the call stands, as far as livekit-sip has said so.
pub fn status(participant: &Participant) -> Option<CallStatus> {
    match attribute(participant, "sip.callStatus")? {
        "ringing" => Some(CallStatus::Ringing),
        "active" => Some(CallStatus::Active),
        "hangup" => Some(CallStatus::HungUp),
        _ => None,
    }
}

/// Whether the attributes that decide a call's way are here. The called number comes with the token; a status
/// without it means that livekit-sip hides numbers and nothing more will come.
pub fn is_complete(participant: &Participant) -> bool {
    let has = |key| attribute(participant, key).is_some();
    has("sip.trunkPhoneNumber") || has("sip.callStatus")
}

/// The call that `participant` is. `plan` knows the trunks by their LiveKit id.
pub fn read(participant: &Participant, context: Context, plan: impl Fn(&str) -> Plan) -> Call {
    let owned = |key| attribute(participant, key).map(str::to_owned);
    let headers = headers(participant);
    let header = |name: &str| headers.get(name).map(|value| value.reveal().as_str());

    let trunk_id = owned("sip.trunkID");
    let Plan { name, country } = trunk_id.as_deref().map(plan).unwrap_or_default();
    let called = attribute(participant, "sip.trunkPhoneNumber")
        .map(str::to_owned)
        .or_else(|| header("to").and_then(user_part))
        .unwrap_or_default();
    let caller = match attribute(participant, "sip.phoneNumber") {
        Some(raw) if !is_anonymous(raw) => Caller::Number(Number::read(raw, country)),
        Some(_) | None => Caller::Anonymous,
    };
    let caller_name = match caller {
        Caller::Number(_) => header("from").and_then(display_name).map(Redacted::from),
        Caller::Anonymous => None,
    };
    Call {
        id: context.id,
        origin: Origin::LiveKit { project: context.project },
        received_at: context.received_at,
        room: context.room,
        called: Number::read(&called, country),
        diverted_from: header("diversion").and_then(user_part).map(|raw| Number::read(&raw, country)),
        caller,
        caller_name,
        trunk: trunk_id.map(|id| Trunk { id, name }),
        rule_id: owned("sip.ruleID"),
        sip_call_id: owned("sip.callID"),
        sip_call_id_full: owned("sip.callIDFull"),
        headers,
    }
}

/// An attribute that says something.
fn attribute<'a>(participant: &'a Participant, key: &str) -> Option<&'a str> {
    participant.attributes.get(key).map(|value| value.reveal().trim()).filter(|value| !value.is_empty())
}

/// The SIP headers among the attributes, at most so many and so long; what exceeds is left out whole.
fn headers(participant: &Participant) -> Headers {
    participant
        .attributes
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(HEADER_PREFIX)?, value)))
        .filter(|(name, value)| {
            (1..=HEADER_NAME_MAX).contains(&name.len()) && value.reveal().len() <= HEADER_VALUE_MAX
        })
        .take(HEADERS_MAX)
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

/// `raw` may be a number, a SIP user, or a whole `user@host` (RFC 3323: `anonymous@anonymous.invalid`).
fn is_anonymous(raw: &str) -> bool {
    let address = raw.strip_prefix("sip:").unwrap_or(raw);
    let user = address.split('@').next().unwrap_or_default().trim_matches('"');
    user.is_empty() || ANONYMOUS.iter().any(|word| user.eq_ignore_ascii_case(word))
}

/// The user of the first address in a header: the most recent diverting party in `Diversion` (RFC 5806, 4).
fn user_part(header: &str) -> Option<String> {
    let lower = header.to_ascii_lowercase();
    let at =
        ["sip:", "sips:", "tel:"].iter().filter_map(|scheme| lower.find(scheme).map(|at| at + scheme.len()));
    let uri = header.get(at.min()?..)?;
    let user = uri.split(['@', ';', '>', ',', '?']).next()?.trim();
    // A plus sign may be escaped in a SIP URI.
    let user = user
        .strip_prefix("%2B")
        .or_else(|| user.strip_prefix("%2b"))
        .map(|rest| format!("+{rest}"))
        .unwrap_or_else(|| user.to_owned());
    (!user.is_empty()).then_some(user)
}

/// The display name before `<` (RFC 3261, 20.10), without its quotes.
fn display_name(header: &str) -> Option<&str> {
    let name = header.split_once('<')?.0.trim().trim_matches('"').trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
