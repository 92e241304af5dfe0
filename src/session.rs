//! One call's life, from the offer to its record.
//!
//! ```text
//!   LegEvent ──┐                                     ┌──> LegCommand
//!   Answer  ───┼──> Event ──> Machine::handle(now) ──┼──> ModelCommand, Lookup, OpenModel
//!   ModelEvent ┘              Machine::deadline()    └──> Record (once, last)
//! ```
//!
//! [`machine::Machine`] is pure: it holds no socket, no task and no clock. [`run`] is the shell that feeds it and carries
//! out what it asks. Its parts each own one concern:
//!
//! - on the way to the answer: [`permit`] the tenant's leave, [`setup`] the steps and their deadlines;
//! - the model: [`failover`] which one serves, [`attention`] whether it hears the caller, [`history`] and [`earshot`] what
//!   the next one must know;
//! - the conversation: [`floor`] who speaks and what was heard, [`shelter`] whether the greeting may be interrupted,
//!   [`keypad`] what the caller keys in, [`keying`] what the model does, [`limits`] how long it may go on;
//! - in its place: [`errand`] recordings and transfers without a model, [`handover`] a transfer that the model asks for;
//! - the end: [`goodbye`] the last words, [`farewell`] the one ending.

pub mod attention;
pub mod ear;
pub mod earshot;
pub mod errand;
pub mod failover;
pub mod farewell;
pub mod floor;
pub mod goodbye;
pub mod handover;
pub mod health;
pub mod history;
pub mod keying;
pub mod keypad;
pub mod limits;
pub mod machine;
pub mod models;
pub mod permit;
pub mod phrases;
pub mod run;
pub mod setup;
pub mod shelter;
pub mod sounds;
pub mod studio;
pub mod timings;
mod traces;
pub mod voice;

use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::dialplan::Routed;
use crate::fleet::calls::{Admission, Caps};
use crate::ingress::leg::{Frame, LegCommand, LegEvent};
use crate::lookup::Answer;
use crate::media::clip::Clip;
use crate::media::codec::Codec;
use crate::realtime::{ItemId, ModelCommand, ModelEvent, Opening, Provider};
use crate::record::CallRecord;
use crate::tenant::TenantId;

/// A call's model sessions are numbered from one on, and none is ever taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionNo(u32);

impl SessionNo {
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

/// How a model provider did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Served,
    Failed,
    /// It has no room for this tenant's calls, and says for how long.
    Busy(Option<Duration>),
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Event {
    Leg(LegEvent),
    /// The answer to [`Action::Admit`], at once.
    Admitted(Admission),
    /// The lookup answered. `shut` are the model providers that this tenant's calls had better leave alone.
    Looked {
        answer: Box<Answer>,
        shut: Vec<Arc<str>>,
    },
    /// Anything of a model session but its audio, which arrives as `Speech`.
    Model {
        session: SessionNo,
        event: ModelEvent,
    },
    /// 20 ms of a model's speech, encoded for the leg.
    Speech {
        session: SessionNo,
        item: ItemId,
        frame: Frame,
    },
    /// The router shuts down: let the caller go, with a goodbye.
    Drain,
    /// And now at once.
    HangUp,
}

/// What is to be done about it.
#[derive(Debug)]
pub enum Action {
    /// The call has its facts: note it as open, so that a crash leaves a trace.
    Mark(Box<CallRecord>),
    /// Take a permit of this tenant, then give back the one that is held.
    Admit {
        tenant: TenantId,
        caps: Caps,
    },
    Lookup {
        call: Box<Call>,
        routed: Option<Box<Routed>>,
    },
    /// Its events carry its number.
    OpenModel {
        session: SessionNo,
        provider: Arc<Provider>,
        opening: Box<Opening>,
    },
    Leg(LegCommand),
    /// Encode this for the leg, where that holds up no frame. The floor sees when it is there.
    Prepare {
        clip: Arc<Clip>,
        codec: Codec,
    },
    Model {
        session: SessionNo,
        command: ModelCommand,
    },
    /// A provider served this tenant, or did not.
    Judge {
        tenant: Option<TenantId>,
        provider: Arc<str>,
        judgement: Judgement,
    },
    /// The call was another router's, and nothing of it is to be recorded: the last action.
    Forget,
    /// The last action of a call.
    Record(Box<CallRecord>),
}
