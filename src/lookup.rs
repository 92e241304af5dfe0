//! How a call is to be answered: the backend's `POST /call-config`, and what serves when it can't.

mod asker;
mod breaker;
mod freshness;
mod key;
mod ladder;
mod memory;
mod retry;
mod search;
mod webhook;
pub mod wire;

use std::time::Duration;

use crate::call::E164;
use crate::dialplan::{Backend, Instead};
use crate::http::Client;
use crate::tenant::{Agent, CallConfig, TenantId, Transfers};
pub use search::Lookup;

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
    /// Finding the host, TCP and TLS of one request together.
    pub connect: Duration,
    /// One request and its whole answer.
    pub attempt: Duration,
    /// All of it.
    pub whole: Duration,
}

impl Budget {
    /// The longest `whole`: no caller rings for longer than that for a configuration.
    pub const LONGEST: Duration = Duration::from_secs(7);
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            connect: crate::http::CONNECT,
            attempt: Duration::from_millis(1500),
            whole: Duration::from_secs(2),
        }
    }
}

/// How much is kept of what backends answered. The least used goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    pub entries: u64,
    /// Of the answers and their keys in memory, about.
    pub bytes: u64,
}

impl Default for CacheBounds {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 64 << 20 }
    }
}

/// What backends are asked by.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For the router's own.
    pub router: Client,
    /// For those that tenants name, which may be kept to public addresses.
    pub tenants: Client,
}

impl From<Client> for Clients {
    /// The same for all.
    fn from(client: Client) -> Self {
        Self { router: client.clone(), tenants: client }
    }
}

/// What the operator decides of lookups.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The router's own backend, which serves tenants without one and may name the tenant.
    pub router: Option<Backend>,
    /// The last layer of every answer.
    pub default: Agent,
    /// What calls without a tenant are granted.
    pub transfers: Transfers,
    pub unmatched: Unmatched,
    pub budget: Budget,
    pub cache: CacheBounds,
}

/// What is to be forgotten of what backends answered. A request that is on its way is not kept either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    All,
    /// What was asked for a route of this tenant, or names it.
    Tenant(TenantId),
    /// What was asked for this called number, and what would serve it.
    Number(E164),
}

/// The rung of the answer ladder that served: `config_source` in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigSource {
    /// What the backend answered earlier.
    Cache,
    Backend,
    /// What the backend answered earlier; it should have been asked again, and that failed.
    Stale,
    /// The tenant's own agent in the dialplan.
    Dialplan,
    /// The router's default prompt.
    Default,
}

impl ConfigSource {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Backend => "backend",
            Self::Stale => "stale",
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
    /// The backend has failed too often, and is left alone for a while.
    BreakerOpen,
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
    pub const ALL: [Self; 13] = [
        Self::NoBackend,
        Self::NotAsked,
        Self::BreakerOpen,
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
            Self::BreakerOpen
            | Self::Connect
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
            Self::BreakerOpen => "breaker-open",
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
            | Self::BreakerOpen
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
    /// Why it is not the backend; `None` when it is, or its earlier answer serves as well.
    pub why: Option<Why>,
    pub took: Duration,
    /// Requests that were made for this call.
    pub attempts: u8,
    /// Another call's request served this one too.
    pub coalesced: bool,
    /// Of what the backend said earlier, where that serves.
    pub age: Option<Duration>,
    /// The answer's fields that were dropped, each with what was found and what is accepted. Never a value that
    /// could hold a number or a prompt.
    pub warnings: Vec<String>,
}

/// What to do with the call.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Answer(Box<CallConfig>),
    Instead(Instead),
}

/// The outcome of one lookup. There always is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The tenant that the route, or the router's own backend, names.
    pub tenant: Option<TenantId>,
    pub decision: Decision,
    pub report: Report,
}
