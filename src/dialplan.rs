//! Where a number goes: dialplan files, compiled into an immutable table, and the pure function over it.

mod action;
mod agent;
mod backend;
mod condition;
mod diff;
mod draft;
mod explain;
mod file;
mod folder;
pub mod index;
mod limits;
mod lint;
mod named;
pub mod numbers_file;
pub mod pattern;
pub mod reload;
mod route;
pub mod schedule;
mod set;
mod shares;
mod table;
#[cfg(test)]
mod tests;
mod ties;
pub mod trunk;
mod verdict;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use action::read_transfers;
pub use agent::{AGENT_KEYS, read_agent};
pub use diff::{Change, Destinations, diff};
pub use explain::{Explanation, Step, WhenFull};
pub use folder::Source;
pub use limits::{Limits, read_when_model_down};
pub use set::{Loaded, Set};

use crate::call::{Call, Destination, Refusal};
use crate::http::sign::Secret;
use crate::media::clip::Clip;
use crate::pii::Redacted;
use crate::tenant::{Agent, By, TenantId, Transfers};

/// A tenant as its dialplan file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: Option<String>,
    pub tier: Option<String>,
    pub backend: Option<Backend>,
    pub limits: Limits,
    /// Where its callers may be handed on to while an agent talks with them.
    pub transfers: Transfers,
}

/// Where a tenant's own webhook is (`[backend]`), or the router's (`[call_config]`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Backend {
    pub url: url::Url,
    /// The webhook secrets, newest first; requests are signed with every one of them. Empty: unsigned.
    pub secrets: Vec<Secret>,
    pub bearer: Option<Redacted<String>>,
    /// What its answers depend on where they do not say so themselves; `None`: on everything.
    pub cache_by: Option<By>,
}

/// How the called number matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    Exact,
    Prefix,
    Pattern,
    /// The route takes every number.
    Any,
}

impl Match {
    pub const ALL: [Self; 4] = [Self::Exact, Self::Prefix, Self::Pattern, Self::Any];

    /// The name in the webhook's `route.match` and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Pattern => "pattern",
            Self::Any => "any",
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

/// `tenant/route`, with what it refuses the call for.
impl fmt::Display for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant.id, self.route)?;
        match explain::action(&self.action) {
            "answer" => Ok(()),
            other => write!(f, " ({other})"),
        }
    }
}

/// What a route does with its calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the backend; this agent's fields serve where the backend says nothing.
    Answer {
        agent: Option<Arc<Agent>>,
    },
    Instead(Instead),
}

/// What becomes of a caller whom no agent answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Instead {
    Refuse(Refusal),
    /// Answer, play this to its end and hang up.
    Play(Arc<Clip>),
    /// Answer and hand the caller on.
    Transfer(Destination),
}

/// Every route of every tenant, immutable. A [`Set`] makes them.
#[derive(Clone, Default, PartialEq)]
pub struct Dialplan {
    table: Arc<table::Table>,
    tenants: Arc<HashMap<TenantId, Arc<Tenant>>>,
}

impl Dialplan {
    /// The route of a call at `now`. Of all routes that take it the narrowest wins: trunk and project first, then the
    /// called number, the diverting one, the caller, headers, hours, share.
    pub fn resolve(&self, call: &Call, now: Timestamp) -> Option<Routed> {
        let (matched, target) = self.table.find(call, now)?;
        Some(Routed {
            tenant: Arc::clone(&target.tenant),
            route: Arc::clone(&target.route),
            matched,
            action: target.action.clone(),
        })
    }

    /// A tenant that has a file here, whichever route led to it.
    pub fn tenant(&self, id: &TenantId) -> Option<&Arc<Tenant>> {
        self.tenants.get(id)
    }

    /// How many tenants have routes here.
    pub fn tenants(&self) -> usize {
        self.tenants.len()
    }

    /// How many numbers, prefixes and literal names lead somewhere.
    pub fn patterns(&self) -> usize {
        self.table.len()
    }
}

impl fmt::Debug for Dialplan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialplan")
            .field("tenants", &self.tenants())
            .field("patterns", &self.patterns())
            .finish()
    }
}
