//! The call record: what became of one call, whoever ended it. One per call.

pub mod replay;
pub mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::call::{Call, CallId, Ending, Fault, Side};
use crate::dialplan::Match;
use crate::fleet::calls::Limit;
use crate::lookup::Report;
use crate::media::audio::Format;
use crate::media::quality::Quality;
use crate::realtime::{Limits, ModelEvent, ResponseOutcome, Usage};
use crate::tenant::{TenantId, ToolName};

/// One call, from the offer to its end.
#[derive(Debug, Clone)]
pub struct CallRecord {
    pub id: CallId,
    /// When the ingress was offered the call.
    pub offered_at: Timestamp,
    /// `None` when the call ended before its facts were known.
    pub call: Option<Box<Call>>,
    pub tenant: Option<TenantId>,
    pub route: Option<RouteTaken>,
    /// Which of its tenant's limits the call met, where it did: its ending is what the tenant wants then.
    pub limit: Option<Limit>,
    /// `None` when the call ended before the lookup did.
    pub config: Option<Report>,
    pub model: Option<ModelUse>,
    pub timing: Timing,
    pub barge_ins: u32,
    /// How many keys the caller pressed; which ones is theirs.
    pub digits: u32,
    /// The model's tool calls in their order, at most [`CallRecord::MAX_TOOL_CALLS`].
    pub tool_calls: Vec<ToolCall>,
    /// Transfers, whoever wanted them, that left the caller with us.
    pub failed_transfers: u32,
    /// `None` when no media flowed, or nobody was left to tell.
    pub media: Option<Quality>,
    /// The backend's own `metadata`, untouched.
    pub metadata: BTreeMap<String, serde_json::Value>,
    pub ending: Ending,
    pub ended_at: Timestamp,
}

/// What is known of a call when it gets its permit: enough for a record if nobody sees its end.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    pub id: CallId,
    pub offered_at: Timestamp,
    pub call: Option<&'a Call>,
    pub tenant: Option<&'a TenantId>,
    pub route: Option<&'a RouteTaken>,
}

impl CallRecord {
    pub const MAX_TOOL_CALLS: usize = 32;

    pub fn ended_by(&self) -> Side {
        self.ending.side(self.call.as_ref().map(|call| &call.origin))
    }

    /// A call that was just offered. Its ending stands until a better one is known.
    pub fn begun(id: CallId, offered_at: Timestamp) -> Self {
        Self {
            id,
            offered_at,
            call: None,
            tenant: None,
            route: None,
            limit: None,
            config: None,
            model: None,
            timing: Timing::default(),
            barge_ins: 0,
            digits: 0,
            tool_calls: Vec::new(),
            failed_transfers: 0,
            media: None,
            metadata: BTreeMap::new(),
            ending: Ending::Failed(Fault::Internal),
            ended_at: offered_at,
        }
    }

    /// The model calls a tool by this name. What comes of a transfer is told later.
    pub fn tool_called(&mut self, name: &str, at: Duration, outcome: Option<ToolOutcome>) {
        if self.tool_calls.len() < Self::MAX_TOOL_CALLS {
            self.tool_calls.push(ToolCall { tool: ToolName::from_name(name), at, outcome });
        }
    }

    /// What came of the last call of a tool.
    pub fn tool_ended(&mut self, outcome: ToolOutcome) {
        if let Some(last) = self.tool_calls.iter_mut().rfind(|call| call.outcome.is_none()) {
            last.outcome = Some(outcome);
        }
    }

    pub fn opening(&self) -> Opening<'_> {
        Opening {
            id: self.id,
            offered_at: self.offered_at,
            call: self.call.as_deref(),
            tenant: self.tenant.as_ref(),
            route: self.route.as_ref(),
        }
    }
}

/// The route that the dialplan chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTaken {
    pub id: Arc<str>,
    pub matched: Match,
}

/// The model sessions of the call, and what they cost together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelUse {
    /// In the order in which they were opened, at most [`ModelUse::MAX_SESSIONS`].
    pub sessions: Vec<ModelSession>,
    /// How many of them were opened because another one failed.
    pub failovers: u32,
    /// False when the configuration names a temperature and the dialect has none.
    pub temperature_applied: Option<bool>,
    pub responses: u32,
    pub usage: Usage,
    /// What was left of the account's rate limits, as the server said it last.
    pub limits: Option<Limits>,
    /// Codes of recoverable errors, at most [`ModelUse::MAX_WARNINGS`].
    pub warnings: Vec<String>,
}

/// One model session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelSession {
    /// The call's own number of it.
    pub number: u32,
    pub provider: Arc<str>,
    pub model: String,
    /// What was asked for; `None` is the server's default.
    pub voice: Option<String>,
    /// What it heard and spoke in, from its configuration on.
    pub audio: Option<Format>,
    /// The server's session id.
    pub id: Option<String>,
    /// It was heard, or listened.
    pub served: bool,
    /// Why it ended: by a name of ours; `None` when it lasted as long as the call.
    pub ended: Option<&'static str>,
    /// Whether its provider is to blame for that.
    pub failed: bool,
    /// The last that went wrong with it: the server's code, or what was wrong with the way to it.
    pub detail: Option<String>,
}

impl ModelUse {
    pub const MAX_WARNINGS: usize = 16;
    pub const MAX_SESSIONS: usize = 32;

    pub fn opened(&mut self, session: ModelSession) {
        if self.sessions.len() < Self::MAX_SESSIONS {
            self.sessions.push(session);
        }
    }

    /// Keeps what the record wants of an event.
    pub fn note(&mut self, number: u32, event: &ModelEvent) {
        match event {
            ModelEvent::Ready { session, .. } => {
                if let Some(of) = self.session(number) {
                    of.id = Some(session.clone());
                }
            }
            ModelEvent::Configured { audio } => {
                if let Some(of) = self.session(number) {
                    of.audio = Some(*audio);
                }
            }
            ModelEvent::AgentDone { usage, outcome, .. } => {
                self.responses += 1;
                self.usage += *usage;
                if let ResponseOutcome::Failed { code } = outcome {
                    self.went_wrong(number, code);
                }
            }
            ModelEvent::Limits(limits) => self.limits = Some(*limits),
            ModelEvent::Warning { code } => self.warn(code),
            ModelEvent::Closed(closed) => {
                if let Some(detail) = closed.detail() {
                    self.went_wrong(number, detail);
                }
            }
            _ => {}
        }
    }

    pub fn served(&mut self, number: u32) {
        if let Some(of) = self.session(number) {
            of.served = true;
        }
    }

    pub fn ended(&mut self, number: u32, why: &'static str, failed: bool) {
        if let Some(of) = self.session(number) {
            (of.ended, of.failed) = (Some(why), failed);
        }
    }

    /// The last that served, or else the last that was tried.
    pub fn last(&self) -> Option<&ModelSession> {
        self.sessions.iter().rev().find(|session| session.served).or(self.sessions.last())
    }

    fn session(&mut self, number: u32) -> Option<&mut ModelSession> {
        self.sessions.iter_mut().rev().find(|session| session.number == number)
    }

    fn went_wrong(&mut self, number: u32, detail: &str) {
        if let Some(of) = self.session(number) {
            of.detail = Some(detail.to_owned());
        }
        self.warn(detail);
    }

    fn warn(&mut self, code: &str) {
        if self.warnings.len() < Self::MAX_WARNINGS {
            self.warnings.push(code.to_owned());
        }
    }
}

/// One tool call of the model: nothing of what it said with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolCall {
    /// `None` for one that there is not.
    pub tool: Option<ToolName>,
    /// Counted from the offer.
    pub at: Duration,
    /// `None` when the call ended before anybody knew.
    pub outcome: Option<ToolOutcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolOutcome {
    Done,
    /// It was tried, and came to nothing.
    Failed,
    /// The model was told why it was not even tried.
    Rejected,
}

impl ToolOutcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }
}

/// How long each step took, counted from the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// The facts of the call were known.
    pub arrived: Option<Duration>,
    /// The configuration was known.
    pub configured: Option<Duration>,
    /// The model session took our configuration.
    pub model_ready: Option<Duration>,
    /// The answer gate opened.
    pub gate: Option<Duration>,
    /// The caller could hear us.
    pub active: Option<Duration>,
    /// The first frame of speech left.
    pub first_speech: Option<Duration>,
    /// The call was over.
    pub ended: Duration,
}
