//! What is known of a call before anything is decided: who is called, who calls, where it came in.

mod destination;
mod digit;
mod ending;
pub mod headers;
pub mod identity;
mod number;
mod refusal;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

pub use destination::Destination;
pub use digit::{Digit, Digits};
pub use ending::{Ending, Fault, Side};
pub use headers::Headers;
use identity::Parties;
pub use identity::{TrunkRules, Withheld};
pub use number::{Bare, Country, E164, Number, NumberingPlan, WrongLength};
pub use refusal::Refusal;

use crate::pii::Redacted;

/// Our own id of a call: a UUID v7, so ids sort by time. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(Uuid);

impl CallId {
    /// A fresh id. Reads the clock, as UUID v7 must, so only an ingress calls it.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    pub fn parse(text: &str) -> Option<Self> {
        Uuid::parse_str(text).ok().map(Self)
    }

    pub const fn from_u128(value: u128) -> Self {
        Self(Uuid::from_u128(value))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which ingress took the call, and for LiveKit in which project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    LiveKit {
        project: Arc<str>,
    },
    /// The router's own SIP port.
    Sip,
}

impl Origin {
    /// The name that the call-config request and the record use.
    pub const fn ingress(&self) -> &'static str {
        match self {
            Self::LiveKit { .. } => "livekit",
            Self::Sip => "sip",
        }
    }

    pub fn project(&self) -> Option<&str> {
        match self {
            Self::LiveKit { project } => Some(project),
            Self::Sip => None,
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Caller {
    Number(Number),
    /// Withheld, restricted or unavailable: the network gave no number on purpose.
    #[default]
    Anonymous,
}

impl Caller {
    pub const fn number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Anonymous => None,
        }
    }
}

/// The facts of one call. Fields that the carrier or livekit-sip may leave out are options.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: CallId,
    pub origin: Origin,
    pub received_at: Timestamp,
    /// The LiveKit room, empty where there is none. Its name holds the caller's number, so it is redacted.
    pub room: Redacted<String>,
    pub called: Number,
    pub diverter: Option<Diverter>,
    pub caller: Caller,
    /// The caller's display name.
    pub caller_name: Option<Redacted<String>>,
    /// Whether the network vouches that the caller may use the number (STIR/SHAKEN). `None`: it does not say.
    pub verified: Option<bool>,
    pub trunk: Option<Trunk>,
    /// LiveKit's dispatch rule, `SDR_...`.
    pub rule_id: Option<String>,
    /// LiveKit's id of the SIP call, `SCL_...`.
    pub sip_call_id: Option<String>,
    /// The SIP Call-ID header.
    pub sip_call_id_full: Option<String>,
    pub headers: Headers,
    /// The caller's call was answered before it came to us, and is no longer to be refused.
    pub answered: bool,
    /// Handed on before it is answered, it is told where to and need not be answered for that (302).
    pub redirects: bool,
    /// The call of the router that had this caller before, and died.
    pub resumed_from: Option<CallId>,
}

impl Call {
    /// A call of which nothing but this is known.
    pub fn new(id: CallId, origin: Origin, received_at: Timestamp, called: Number) -> Self {
        Self {
            id,
            origin,
            received_at,
            room: Redacted::default(),
            called,
            diverter: None,
            caller: Caller::Anonymous,
            caller_name: None,
            verified: None,
            trunk: None,
            rule_id: None,
            sip_call_id: None,
            sip_call_id_full: None,
            headers: Headers::new(),
            answered: false,
            redirects: false,
            resumed_from: None,
        }
    }

    /// A call between these parties, of which nothing else is known.
    pub fn between(parties: Parties, id: CallId, origin: Origin, received_at: Timestamp) -> Self {
        let Parties { called, diverter, caller, caller_name, verified, headers } = parties;
        let call = Self::new(id, origin, received_at, called);
        Self { diverter, caller, caller_name, verified, headers, ..call }
    }

    /// The diverting party's number, unless it is withheld.
    pub fn told_diverted_from(&self) -> Option<&Number> {
        self.diverter.as_ref().and_then(Diverter::told)
    }

    #[cfg(test)]
    pub fn example() -> Self {
        let origin = Origin::LiveKit { project: "main".into() };
        let called = Number::read("+15557770001", None);
        Self { room: "room".into(), ..Self::new(CallId::from_u128(1), origin, Timestamp::UNIX_EPOCH, called) }
    }
}

/// Who sent the call on to the called number, the last of several (Diversion, RFC 5806; History-Info, RFC 7044).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diverter {
    pub number: Number,
    /// It asked not to be named: its number is for routes only.
    pub withheld: bool,
}

impl Diverter {
    /// One who may be named.
    pub const fn open(number: Number) -> Self {
        Self { number, withheld: false }
    }

    /// The number as model, backend and record may know it.
    pub fn told(&self) -> Option<&Number> {
        (!self.withheld).then_some(&self.number)
    }
}

/// The trunk a call came in on: its wire id, and the name the settings give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    pub id: String,
    pub name: Option<Arc<str>>,
}

impl Trunk {
    /// As dialplans call it: by its name; one that the settings don't name by its id.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}
