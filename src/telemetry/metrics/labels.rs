//! The labels of metrics, and the values that they can have.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// What came of reading the dialplans again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reload {
    /// All of them serve as they stand.
    Applied,
    /// Some have errors.
    Problems,
}

/// What the journal was to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JournalWrite {
    OpenMark,
    Record,
}

/// Why an offer was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TurnedAway {
    Full,
    /// The calls that are up hear already that this process has too much to do.
    Late,
    Draining,
    /// At our SIP port, as the rest: nothing fits what is offered.
    Media,
    /// Its trunk has as many calls at once as it may have.
    TrunkCalls,
    /// Its trunk has begun as many calls a second as it may.
    TrunkCallsPerSecond,
}

/// What came of a webhook of LiveKit's, or of whoever posted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Posted {
    Accepted,
    /// No project has signed it.
    Unsigned,
}

/// What a provider limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateOf {
    Requests,
    Tokens,
}

/// What was done about a caller that was found without an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rescued {
    /// We had ourselves dispatched.
    Taken,
    /// A caller who rang for too long was let go.
    Refused,
    /// A caller whose router had died was let go.
    HungUp,
}

/// Why a message at our SIP port got no answer, or a connection was closed before it had any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// Its sender is no trunk of ours.
    Stranger,
    /// More came from there than may: messages, or connections.
    Rate,
    /// It is no message, or none that could be answered.
    Malformed,
}

/// What came of asking who calls our SIP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authenticated {
    Accepted,
    /// There were no credentials yet.
    Challenged,
    /// The nonce was too old, or none of ours.
    Stale,
    /// The nonce had been used as many times before.
    Replayed,
    /// No such user, another password, or another request's answer.
    Wrong,
    /// Too many wrong answers had come from there: no answer.
    Silenced,
}

/// Which way media goes, as we see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Received,
    Sent,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Way {
    pub(super) direction: Direction,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Status {
    pub(super) status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Reason {
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Ended {
    pub(super) ending: &'static str,
    pub(super) detail: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Limit {
    pub(super) limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Config {
    pub(super) source: &'static str,
    pub(super) why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    pub(super) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Write {
    pub(super) what: JournalWrite,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RateLimit {
    pub(super) provider: Arc<str>,
    pub(super) of: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Project {
    pub(super) project: Arc<str>,
}

impl Reload {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Problems => "problems",
        }
    }
}

impl TurnedAway {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Late => "late",
            Self::Draining => "draining",
            Self::Media => "media",
            Self::TrunkCalls => "trunk-calls",
            Self::TrunkCallsPerSecond => "trunk-calls-per-second",
        }
    }
}

impl Posted {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unsigned => "unsigned",
        }
    }
}

impl RateOf {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

impl Dropped {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Rate => "rate",
            Self::Malformed => "malformed",
        }
    }
}

impl Authenticated {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Challenged => "challenged",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::Wrong => "wrong",
            Self::Silenced => "silenced",
        }
    }
}

impl Rescued {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::HungUp => "hung-up",
        }
    }
}

impl Direction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
        }
    }
}

impl EncodeLabelValue for Direction {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl JournalWrite {
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenMark => "open-mark",
            Self::Record => "record",
        }
    }
}

impl EncodeLabelValue for JournalWrite {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}
