//! How a call is to be answered: the backend's `POST /call-config`, and what serves when it can't.

use std::time::Duration;

use crate::call::Refusal;
use crate::tenant::{CallConfig, TenantId};

/// The rung of the answer ladder that served: `config_source` in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigSource {
    Backend,
    /// The tenant's own agent in the dialplan.
    Dialplan,
    /// The router's default prompt.
    Default,
}

impl ConfigSource {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Dialplan => "dialplan",
            Self::Default => "default",
        }
    }
}

/// Why the backend did not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// No backend is configured for this call.
    NoBackend,
    /// No connection: refused, DNS, TLS.
    Connect,
    /// No whole answer inside the budget.
    Timeout,
    /// 204 or 404: the backend does not know this call.
    Unknown,
    /// `"action": "default"`: the backend leaves it to the next rung.
    Declined,
    /// Any other status.
    Status(u16),
    /// Larger than the bound.
    TooLarge,
    /// Not `application/json`.
    ContentType,
    /// Not a JSON object.
    Malformed,
    /// The connection broke in the middle of the answer.
    Broken,
}

/// What the lookup did, for the record and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub source: ConfigSource,
    /// Why it is not the backend; `None` when it is.
    pub why: Option<Why>,
    pub took: Duration,
    pub attempts: u8,
    /// The answer's fields that were dropped, each with what was found and what is accepted. Never a value that
    /// could hold a number or a prompt.
    pub warnings: Vec<String>,
}

/// What to do with the call.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Answer(CallConfig),
    Refuse(Refusal),
}

/// The outcome of one lookup. There always is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The tenant that the route, or the router's own backend, names.
    pub tenant: Option<TenantId>,
    pub decision: Decision,
    pub report: Report,
}
