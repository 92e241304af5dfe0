//! Where a number goes: dialplan files, compiled into an immutable table, and the pure function over it.

use std::sync::Arc;

use crate::call::Refusal;
use crate::pii::Redacted;
use crate::tenant::{Agent, TenantId};

/// A tenant as its dialplan file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: Option<String>,
    pub tier: Option<String>,
    pub backend: Option<Backend>,
}

/// Where a tenant's own webhook is (`[backend]`), or the router's (`[call_config]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    pub url: url::Url,
    /// The webhook secrets, newest first; requests are signed with every one of them. Empty: unsigned.
    pub secrets: Vec<Redacted<String>>,
    pub bearer: Option<Redacted<String>>,
}

/// How the called number matched, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Exact,
    Prefix,
}

impl Match {
    /// The name in the webhook's `route.match` and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
        }
    }
}

/// The route that won.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    pub tenant: Arc<Tenant>,
    pub route: Arc<str>,
    pub matched: Match,
    pub action: Action,
}

/// What a route does with its calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the backend; this agent's fields serve where the backend says nothing.
    Answer {
        agent: Option<Arc<Agent>>,
    },
    Refuse(Refusal),
}
