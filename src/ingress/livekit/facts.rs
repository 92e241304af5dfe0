//! What livekit-sip says of a call, read from its participant's attributes.
//!
//! Attributes come late or never, and a carrier writes what it likes: whatever is missing or odd is left out, and
//! the call goes on.

use std::sync::Arc;

use jiff::Timestamp;

use crate::call::headers::{self, Repeated};
use crate::call::identity::{self, Parties};
use crate::call::{Call, CallId, Headers, Origin, Trunk, TrunkRules};
use crate::livekit::wire::signal::Participant;
use crate::pii::Redacted;

/// The attribute that a router leaves with its caller: the call's id.
pub const SIGNATURE: &str = "dialplane.call";

const HEADER_PREFIX: &str = "sip.h.";

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
    pub rules: TrunkRules,
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

/// LiveKit's id of the SIP call, `SCL_...`.
pub fn sip_call(participant: &Participant) -> Option<&str> {
    attribute(participant, "sip.callID")
}

/// The name that an agent was dispatched by; none of other participants, and empty where the server does not say.
pub fn agent_name(participant: &Participant) -> Option<&str> {
    participant.is_agent.then(|| attribute(participant, "lk.agent_name").unwrap_or_default())
}

/// Whether the attributes that decide a call's way are here. The called number comes with the token; a status
/// without it means that livekit-sip hides numbers and nothing more will come.
pub fn is_complete(participant: &Participant) -> bool {
    let has = |key| attribute(participant, key).is_some();
    has("sip.trunkPhoneNumber") || has("sip.callStatus")
}

/// Whether the participant brings SIP headers along, as the trunk's `include_headers` has it. Without, livekit-sip can
/// be asked for them.
pub fn has_headers(participant: &Participant) -> bool {
    participant.attributes.keys().any(|key| {
        let name = key.strip_prefix(HEADER_PREFIX).map(str::to_ascii_lowercase);
        name.is_some_and(|name| identity::HEADERS.contains(&name.as_str()))
    })
}

/// The call that `participant` is. `plan` knows the trunks by their LiveKit id; `asked` are headers that livekit-sip
/// was asked for, and count where the participant brings none of that name.
pub fn read(
    participant: &Participant,
    asked: &[(String, Redacted<String>)],
    context: Context,
    plan: impl Fn(&str) -> Plan,
) -> Call {
    let owned = |key| attribute(participant, key).map(str::to_owned);
    let trunk_id = owned("sip.trunkID");
    let Plan { name, rules } = trunk_id.as_deref().map(plan).unwrap_or_default();
    let parties = identity::identify(
        attribute(participant, "sip.trunkPhoneNumber"),
        attribute(participant, "sip.phoneNumber"),
        headers(participant, asked),
        &rules,
    );
    let room = room_of(context.room, participant, &parties);
    let origin = Origin::LiveKit { project: context.project };
    Call {
        room,
        trunk: trunk_id.map(|id| Trunk { id, name }),
        rule_id: owned("sip.ruleID"),
        sip_call_id: sip_call(participant).map(str::to_owned),
        sip_call_id_full: owned("sip.callIDFull"),
        answered: status(participant) == Some(CallStatus::Active),
        resumed_from: attribute(participant, SIGNATURE).and_then(CallId::parse),
        ..Call::between(parties, context.id, origin, context.received_at)
    }
}

/// The room, as it may be told: livekit-sip puts the caller's number into its name, also of a caller who withholds it.
fn room_of(room: Redacted<String>, participant: &Participant, parties: &Parties) -> Redacted<String> {
    let number = attribute(participant, "sip.phoneNumber").unwrap_or_default();
    if parties.caller.number().is_some() || !number.bytes().any(|b| b.is_ascii_digit()) {
        return room;
    }
    room.reveal().replace(number, "anonymous").into()
}

/// An attribute that says something.
fn attribute<'a>(participant: &'a Participant, key: &str) -> Option<&'a str> {
    participant.attributes.get(key).map(|value| value.reveal().trim()).filter(|value| !value.is_empty())
}

/// What the participant brings along counts before what was asked for.
fn headers(participant: &Participant, asked: &[(String, Redacted<String>)]) -> Headers {
    let attributes = participant
        .attributes
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(HEADER_PREFIX)?, value)));
    let asked = asked.iter().map(|(name, value)| (name.as_str(), value));
    let told = attributes.chain(asked).map(|(name, value)| (name, value.reveal().as_str()));
    headers::admitted(told, Repeated::First)
}

#[cfg(test)]
mod tests;
