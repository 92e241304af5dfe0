//! Whether a caller is alone, and what is to be done about it.

use std::time::Duration;

use jiff::Timestamp;

use crate::ingress::livekit::facts::{self, CallStatus};
use crate::livekit::api::Dispatch;
use crate::livekit::wire::signal::{Participant, Presence};
use crate::livekit::{Orphans, Project};
use crate::pii::Redacted;

/// The agent that LiveKit chose is in the room long before, if it comes. A caller who returns to a server that
/// started again waits for an agent that does so too.
pub const MISSED: Duration = Duration::from_secs(4);
/// LiveKit asks for an answer for 3 s, and the agent has to join.
pub const DISPATCHED: Duration = Duration::from_secs(7);
/// No caller waits longer, ringing or in silence.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// No agent that lives is in the room so long before its caller, unless livekit-sip has joined anew: an agent waits less for
/// a caller to come. A server that crashed leaves its participants in the list, and only those who come back to the next
/// one are brought up to date there. A caller among them is listed as one who rings, answered or not.
const BEFORE: Duration = Duration::from_secs(4);
/// A room has its first dispatches when it is made, which is when the caller comes; those of routers that look are later.
const AFTER: Duration = Duration::from_secs(1);
/// So long we have watched a caller ourselves before we send them away: clocks may differ.
const WATCHED: Duration = Duration::from_secs(2);

/// A caller with no agent of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lone {
    pub identity: Redacted<String>,
    /// LiveKit's id of the SIP call, `SCL_...`. Safe to log.
    pub sip_call: Option<String>,
    pub answered: bool,
    /// When they joined the room.
    pub since: Timestamp,
    /// How long ago that is.
    pub waited: Duration,
    /// An agent is listed that may be no more. Whoever joins the room will see.
    pub doubted: bool,
}

/// What we know besides the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Whether this router could take a call now.
    pub has_room: bool,
    /// How long this router has seen the caller alone.
    pub watched: Duration,
    pub orphans: Orphans,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The call is none of ours.
    Leave,
    /// Look again soon.
    Wait,
    /// Take the call ourselves.
    Take,
    /// Let a caller who rings go.
    Refuse,
    /// Let a caller go whose call is answered.
    HangUp,
}

/// The caller of a room, when there is one who should have an agent and has none, or perhaps none. `overdue` is how long an
/// agent that lives may take from its arrival to the answer: a later one is dead, though LiveKit still lists it.
pub fn lone_caller(
    participants: &[Participant],
    project: &Project,
    overdue: Duration,
    now: Timestamp,
) -> Option<Lone> {
    let callers = participants
        .iter()
        .filter(|participant| participant.is_sip && participant.presence == Presence::Here);
    let caller = callers.min_by_key(|caller| caller.joined_at)?;
    let answered = match facts::status(caller)? {
        CallStatus::Ringing => false,
        CallStatus::Active => true,
        CallStatus::HungUp => return None,
    };
    let attends = |agent: &Participant| {
        let dead = !answered && agent.tracks.is_empty() && since(agent.joined_at, now) >= overdue;
        facts::agent_name(agent).is_some_and(|name| project.is_ours(name))
            && agent.presence == Presence::Here
            && !dead
    };
    let is_doubtful = |agent: &Participant| since(agent.joined_at, caller.joined_at) > BEFORE;
    let (doubtful, certain): (Vec<_>, Vec<_>) =
        participants.iter().filter(|other| attends(other)).partition(|agent| is_doubtful(agent));
    certain.is_empty().then(|| Lone {
        identity: caller.identity.clone(),
        sip_call: facts::sip_call(caller).map(str::to_owned),
        answered,
        since: caller.joined_at,
        waited: since(caller.joined_at, now),
        doubted: !doubtful.is_empty(),
    })
}

/// Whether that is a caller whose call is not answered.
pub fn rings(participant: &Participant) -> bool {
    participant.is_sip && facts::status(participant) == Some(CallStatus::Ringing)
}

/// Whether the caller has waited long enough for somebody to be missed.
pub fn is_missed(lone: &Lone) -> bool {
    lone.waited >= MISSED
}

/// What to do about the caller; `dispatches` are those of the room.
pub fn decide(
    lone: &Lone,
    dispatches: &[Dispatch],
    project: &Project,
    means: Means,
    now: Timestamp,
) -> Decision {
    // Routers of others in the project have agents like ours, to take calls that are theirs.
    if !dispatches.iter().any(|dispatch| project.answers_to(&dispatch.agent_name)) {
        return Decision::Leave;
    }
    let ours = dispatches.iter().filter(|dispatch| project.is_ours(&dispatch.agent_name));
    let Some(latest) = ours.map(|dispatch| dispatch.created_at).max() else { return Decision::Leave };
    if !is_missed(lone) {
        return Decision::Wait;
    }
    if lone.doubted {
        // Somebody has been there since, and found the agent.
        if since(lone.since, latest) >= AFTER {
            return Decision::Leave;
        }
        let can_look = means.has_room && since(latest, now) >= DISPATCHED;
        return if can_look { Decision::Take } else { Decision::Wait };
    }
    let impatient = means.watched >= PATIENCE || lone.waited >= PATIENCE && means.watched >= WATCHED;
    match (lone.answered, means.orphans) {
        (false, _) if impatient => Decision::Refuse,
        (true, Orphans::HangUp) => Decision::HangUp,
        // How long they have been in the room says nothing about how long they have been alone.
        (true, Orphans::Resume) if means.watched >= PATIENCE => Decision::HangUp,
        _ if since(latest, now) < DISPATCHED || !means.has_room => Decision::Wait,
        _ => Decision::Take,
    }
}

/// None when `then` is still to come: clocks may differ.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
