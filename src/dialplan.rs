//! Where a number goes: dialplan files, compiled into an immutable table, and the pure function over it.

mod agent;
mod backend;
mod file;
mod pattern;
pub mod reload;
mod route;
pub mod schedule;
mod set;
mod table;
#[cfg(test)]
mod tests;
pub mod trunk;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use agent::{AGENT_KEYS, read_agent};
pub use set::{Loaded, Source};

use crate::call::{Number, Refusal};
use crate::document::{Diagnostic, Placeholders, Surroundings};
use crate::http::sign::Secret;
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
    pub secrets: Vec<Secret>,
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

/// Every route of every tenant, immutable.
#[derive(Clone, PartialEq, Default)]
pub struct Dialplan {
    table: table::Table,
    tenants: usize,
}

impl Dialplan {
    /// Reads every `*.toml` of the folder, in the order of their names. Never fails: a file with an error costs
    /// its tenant its routes and no one else's, and the diagnostics say why.
    pub fn load(folder: &Path, surroundings: &dyn Surroundings) -> Loaded {
        let (sources, unreadable) = set::gather(folder);
        let mut loaded = Self::compile(&sources, surroundings);
        loaded.files += unreadable.len();
        loaded.diagnostics.extend(unreadable);
        loaded.diagnostics.sort_by(|a, b| a.place.path().cmp(&b.place.path()));
        loaded
    }

    /// As [`Dialplan::load`], of files that have been read already.
    pub fn compile(sources: &[Source], surroundings: &dyn Surroundings) -> Loaded {
        set::compile(sources, surroundings)
    }

    /// The route of a called number. The literal text as it came beats the exact number, which beats the longest
    /// prefix.
    pub fn resolve(&self, called: &Number) -> Option<Routed> {
        let (matched, target) = self.table.find(called)?;
        Some(Routed {
            tenant: Arc::clone(&target.tenant),
            route: Arc::clone(&target.route),
            matched,
            action: target.action.clone(),
        })
    }

    /// How many tenants have routes here.
    pub fn tenants(&self) -> usize {
        self.tenants
    }

    /// How many numbers, prefixes and literal names lead somewhere.
    pub fn patterns(&self) -> usize {
        self.table.len()
    }
}

impl fmt::Debug for Dialplan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialplan")
            .field("tenants", &self.tenants)
            .field("patterns", &self.patterns())
            .finish()
    }
}

/// All that is wrong with a folder of dialplans. Secrets' references are read but not followed, so that a check
/// needs no keys.
pub fn check(folder: &Path) -> Vec<Diagnostic> {
    Dialplan::load(folder, &Placeholders).diagnostics
}
