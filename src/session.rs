//! One call's life, from the offer to its record.
//!
//! ```text
//!   LegEvent ──┐                                     ┌──> LegCommand
//!   Answer  ───┼──> Event ──> Machine::handle(now) ──┼──> ModelCommand, Lookup, OpenModel
//!   ModelEvent ┘              Machine::deadline()    └──> Record (once, last)
//! ```
//!
//! [`machine::Machine`] is pure: it holds no socket, no task and no clock. Its parts each own one concern:
//! [`setup`] the way to the answer, [`errand`] what is done instead of a conversation, [`floor`] who speaks and what was heard, [`limits`] how long a call may
//! last, [`farewell`] the one ending. [`run`] is the shell that feeds it and carries out what it asks.

pub mod errand;
pub mod farewell;
pub mod floor;
pub mod limits;
pub mod machine;
pub mod phrases;
pub mod run;
pub mod setup;
pub mod sounds;
pub mod timings;
pub mod voice;

use crate::call::Call;
use crate::dialplan::Routed;
use crate::ingress::leg::{Frame, LegCommand, LegEvent};
use crate::lookup::Answer;
use crate::realtime::{ItemId, ModelCommand, ModelEvent, Opening};
use crate::record::CallRecord;

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Event {
    Leg(LegEvent),
    /// The lookup answered.
    Looked(Box<Answer>),
    /// Anything of the model but its audio, which arrives as `Speech`.
    Model(ModelEvent),
    /// 20 ms of the model's speech, encoded for the leg.
    Speech {
        item: ItemId,
        frame: Frame,
    },
    /// The router shuts down: let the caller go.
    Drain,
}

/// What is to be done about it.
#[derive(Debug)]
pub enum Action {
    /// The call has its facts: note it as open, so that a crash leaves a trace.
    Mark(Box<CallRecord>),
    Lookup {
        call: Box<Call>,
        routed: Option<Box<Routed>>,
    },
    OpenModel(Opening),
    Leg(LegCommand),
    Model(ModelCommand),
    /// The last action of a call.
    Record(Box<CallRecord>),
}
