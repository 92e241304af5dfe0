//! What goes into a leg's machine and what comes out.

use crate::call::{Destination, Fault};
use crate::ingress::leg::{LegCommand, LegEvent};
use crate::ingress::livekit::rpc::Told;
use crate::livekit::wire::signal::{Departure, Participant};
use crate::pii::Redacted;

/// What happens to a leg.
#[derive(Debug)]
pub enum Input {
    /// We joined, again perhaps, and these are there.
    Joined(Vec<Participant>),
    Changed(Vec<Participant>),
    /// What the bridge tells of the SIP headers; nothing, when it can't.
    Headers(Told),
    Subscribed,
    Left(Departure),
    /// The room cannot be joined.
    NotJoined,
    /// The room is lost, or the job was taken from us.
    Lost,
    Command(LegCommand),
    /// The session is gone without a word.
    SessionGone,
    /// The step of hanging up that is under way cannot succeed.
    StepFailed,
    /// The step has removed the caller.
    StepDone,
    /// LiveKit has transferred the caller, or could not.
    Transferred(bool),
    /// [`Machine::deadline`](super::Machine::deadline) has passed.
    Timeout,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    Emit(LegEvent),
    Publish,
    /// Ask the bridge for the caller's SIP headers, as soon as it can be asked; [`Input::Headers`] follows.
    AskHeaders {
        caller: Redacted<String>,
    },
    /// Hear these tracks and no others.
    HearOnly(Vec<String>),
    EndCall {
        caller: Redacted<String>,
    },
    /// Hand the caller on; [`Input::Transferred`] follows.
    Transfer {
        caller: Redacted<String>,
        to: Destination,
    },
    RemoveParticipant {
        caller: Redacted<String>,
    },
    DeleteRoom,
    /// Report the job, leave, free everything: the last action.
    Leave {
        failed: Option<Fault>,
    },
}
