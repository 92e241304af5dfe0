//! What goes into a leg's machine and what comes out.

use std::time::Duration;

use jiff::Timestamp;

use crate::call::{Destination, Digit, Digits, Fault};
use crate::ingress::leg::{LegCommand, LegEvent};
use crate::ingress::livekit::rpc::Told;
use crate::livekit::wire::signal::{Departure, Participant};
use crate::pii::Redacted;

/// What happens to a leg.
#[derive(Debug)]
pub enum Input {
    /// The leg begins.
    Start,
    /// We joined, again perhaps, and these are there.
    Joined {
        participants: Vec<Participant>,
        /// The server's process.
        node: String,
        /// By the server's clock.
        at: Timestamp,
    },
    /// Media flows.
    Connected,
    Changed(Vec<Participant>),
    /// The question for the headers has left.
    Asked,
    /// What the bridge tells of the SIP headers; nothing, when it can't.
    Headers(Told),
    /// Someone in the room pressed a key.
    Digit {
        sender: Redacted<String>,
        digit: Digit,
    },
    Subscribed,
    /// The room could not be joined, or is lost.
    CutOff,
    Left(Departure),
    /// LiveKit has ended the job.
    Terminated,
    Command(LegCommand),
    /// The session is gone without a word.
    SessionGone,
    /// The step of hanging up that is under way cannot succeed. One that has only not been taken yet has its time.
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
    /// Join the room after about so long, in place of the connection there was.
    Join {
        pause: Duration,
    },
    /// The connection there was, or was to be, is of no more use.
    Disconnect,
    Publish,
    /// Leave the call's id with the caller: it outlives this router.
    Sign {
        caller: Redacted<String>,
    },
    /// Ask the bridge for the caller's SIP headers, as soon as it can be asked and until it answers;
    /// [`Input::Headers`] follows.
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
    /// Press keys for the caller, and tell what became of it.
    Press {
        caller: Redacted<String>,
        digits: Digits,
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
