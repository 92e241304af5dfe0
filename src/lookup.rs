//! How a call is to be answered: the backend's `POST /call-config`, and what serves when it can't.

mod ladder;
mod webhook;
pub mod wire;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::call::{Call, Refusal};
use crate::dialplan::{Backend, Routed};
use crate::http::Client;
use crate::tenant::{Agent, CallConfig, TenantId};

/// What becomes of a call to a number that no route knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmatched {
    /// Ask the router's own backend; without one, the default prompt.
    #[default]
    Ask,
    /// Refuse it: not found.
    Reject,
    /// The default prompt, without asking.
    Default,
}

/// How long a lookup may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// One request and its whole answer.
    pub attempt: Duration,
    /// All of it.
    pub whole: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { attempt: Duration::from_millis(1500), whole: Duration::from_secs(2) }
    }
}

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
    /// The route or the settings decide, no backend is asked.
    NotAsked,
    /// No connection: refused, DNS, TLS.
    Connect,
    /// The tenant's own URL leads to an address that the settings do not allow. Nothing was sent.
    Address,
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

impl Why {
    /// Each once, of [`Why::Status`] any.
    pub const ALL: [Self; 12] = [
        Self::NoBackend,
        Self::NotAsked,
        Self::Connect,
        Self::Address,
        Self::Timeout,
        Self::Unknown,
        Self::Declined,
        Self::Status(500),
        Self::TooLarge,
        Self::ContentType,
        Self::Malformed,
        Self::Broken,
    ];

    /// Whether something is wrong; a backend that does not know a call, or leaves it to the next rung, does its job.
    pub const fn is_fault(self) -> bool {
        match self {
            Self::NoBackend | Self::NotAsked | Self::Unknown | Self::Declined => false,
            Self::Connect
            | Self::Address
            | Self::Timeout
            | Self::Status(_)
            | Self::TooLarge
            | Self::ContentType
            | Self::Malformed
            | Self::Broken => true,
        }
    }

    /// The name in records and metrics; of [`Why::Status`] without its number.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoBackend => "no-backend",
            Self::NotAsked => "not-asked",
            Self::Connect => "connect",
            Self::Address => "address",
            Self::Timeout => "timeout",
            Self::Unknown => "unknown",
            Self::Declined => "declined",
            Self::Status(_) => "status",
            Self::TooLarge => "too-large",
            Self::ContentType => "content-type",
            Self::Malformed => "malformed",
            Self::Broken => "broken",
        }
    }

    /// The HTTP status, where that is why.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            Self::NoBackend
            | Self::NotAsked
            | Self::Connect
            | Self::Address
            | Self::Timeout
            | Self::Unknown
            | Self::Declined
            | Self::TooLarge
            | Self::ContentType
            | Self::Malformed
            | Self::Broken => None,
        }
    }
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

/// Finds out how calls are to be answered. One per router.
#[derive(Debug)]
pub struct Lookup {
    client: Client,
    /// For the tenants' own backends.
    tenants: Client,
    router: Option<Backend>,
    default: Agent,
    unmatched: Unmatched,
    budget: Budget,
}

impl Lookup {
    /// `router` is the router's own backend, which serves tenants without one and may name the tenant;
    /// `default` is the last layer of every answer.
    pub fn new(
        client: Client,
        router: Option<Backend>,
        default: Agent,
        unmatched: Unmatched,
        budget: Budget,
    ) -> Self {
        Self { tenants: client.clone(), client, router, default, unmatched, budget }
    }

    /// With a client of its own for the backends that tenants name, which may be kept to public addresses.
    #[must_use]
    pub fn asking_tenants_by(self, tenants: Client) -> Self {
        Self { tenants, ..self }
    }

    /// Asks the call's backend, if it has one, and lays the layers over each other. Takes no longer than the
    /// budget and never fails. `now` dates the request's signature.
    pub async fn resolve(&self, call: &Call, routed: Option<&Routed>, now: Timestamp) -> Answer {
        let started = Instant::now();
        let step = ladder::first(routed, self.router.as_ref(), self.unmatched);
        let mut answer = match step {
            ladder::Step::Refuse(refusal) => ladder::refused(routed, refusal),
            ladder::Step::Below(why) => ladder::below(routed, &self.default, why),
            ladder::Step::Ask(backend, owner) => {
                let limit = self.budget.attempt.min(self.budget.whole);
                let client = match owner {
                    ladder::Owner::Router => &self.client,
                    ladder::Owner::Tenant => &self.tenants,
                };
                let outcome = webhook::ask(client, backend, call, routed, now, limit).await;
                ladder::merge(outcome, owner, routed, &self.default)
            }
        };
        answer = ladder::fill(answer, call, routed);
        answer.report.took = started.elapsed();
        answer.report.attempts = u8::from(matches!(step, ladder::Step::Ask(..)));
        if let Some(why) = answer.report.why.filter(|why| why.is_fault()) {
            let seconds = answer.report.took.as_secs_f64();
            tracing::warn!(call = %call.id, why = why.name(), status = why.status(), seconds, "the backend did not serve");
        }
        for warning in &answer.report.warnings {
            tracing::warn!(call = %call.id, warning, "the backend's answer has a fault");
        }
        answer
    }
}
