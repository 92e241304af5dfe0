//! The router's settings: one optional file, environment variables over it.
//!
//! The variables alone are enough to run. A variable beats what the file says, except where the file refers to a
//! secret: that reference already names its own variable or file.
//! All errors come at once, each naming the key or the variable, what was found and what is accepted.

mod builtin;
mod call_config;
mod layers;
mod sections;
mod sip;
#[cfg(test)]
mod tests;
pub mod timeouts;
mod variables;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use timeouts::Timeouts;
use variables::Variables;
pub use variables::misspelt;

use crate::dialplan::trunk::{TRUNK_KEYS, Trunks};
use crate::dialplan::{Backend, Instead, read_transfers, read_when_model_down};
use crate::document::{self, Diagnostic, Document, Keys, Place, Surroundings};
use crate::http::address::Reach;
use crate::ingress::sip::settings::SipSettings;
use crate::livekit::Project;
use crate::lookup::{Budget, CacheBounds, Unmatched};
use crate::realtime::Provider;
use crate::telemetry::logs::Format;
use crate::tenant::{Agent, Transfers};

/// Everything the operator decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// At least one, unless calls come in by `sip` alone.
    pub projects: Vec<Project>,
    /// The router's own SIP port; off where there is none.
    pub sip: Option<SipSettings>,
    pub trunks: Trunks,
    /// In order of preference, at least one.
    pub providers: Vec<Provider>,
    /// The router's own backend, for tenants without one and for numbers that no route names.
    pub backend: Option<Backend>,
    /// Where the backends that tenants name may be.
    pub tenants_reach: Reach,
    /// Of one lookup.
    pub budget: Budget,
    pub timeouts: Timeouts,
    /// How much is kept of what backends answer.
    pub cache: CacheBounds,
    /// The lowest rung of the answer ladder: `[default_agent]` over the built-in prompt and greeting.
    pub default_agent: Agent,
    /// Where the callers of no tenant may be handed on to.
    pub transfers: Transfers,
    /// What becomes of a call that no model serves, where its tenant does not say.
    pub when_model_down: Option<Instead>,
    /// `[unmatched] action`; see [`Settings::unmatched`].
    pub unmatched_action: Option<Unmatched>,
    pub dialplans: Option<PathBuf>,
    pub records: Option<PathBuf>,
    /// This router's slots.
    pub max_calls: usize,
    /// Where health and metrics are served.
    pub http: SocketAddr,
    /// `None`: for people on a terminal, JSON elsewhere.
    pub log: Option<Format>,
    /// How long calls may go on after SIGTERM.
    pub drain: Duration,
}

const FILE_KEYS: Keys = Keys::only(&[
    "livekit",
    "sip",
    "trunk",
    "provider",
    "call_config",
    "default_agent",
    "transfers",
    "unmatched",
    "when_model_down",
    "addresses",
    "timeouts",
]);

/// The `[[trunk]]` tables alone of the file at `path`, or else at `DIALPLANE_CONFIG`, or none: who only asks where
/// calls go needs no keys, and gives other `secrets` than the file's `surroundings` have. With them comes what is wrong with
/// them, and with `when_model_down`.
pub fn read_trunks(
    path: Option<&Path>,
    surroundings: &dyn Surroundings,
    secrets: &dyn Surroundings,
) -> (Trunks, Vec<Diagnostic>) {
    let Some(path) = file_path(path, surroundings) else { return Default::default() };
    match surroundings.read(&path) {
        Ok(text) => document::read(&path.into(), &text, |document| {
            let root = document.root(FILE_KEYS);
            let _checked = read_when_model_down(&root, surroundings);
            Trunks::read(&root.tables("trunk", TRUNK_KEYS), secrets)
        }),
        Err(error) => (Trunks::default(), vec![unreadable(&path, &error)]),
    }
}

fn file_path(path: Option<&Path>, surroundings: &dyn Surroundings) -> Option<PathBuf> {
    let named = || surroundings.variable("DIALPLANE_CONFIG").map(PathBuf::from);
    path.map(Path::to_owned).or_else(named)
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let message = format!("cannot be read: {}; accepted: a TOML file in UTF-8", error.kind());
    Diagnostic::error(Place::Whole(path.into()), message)
}

impl Settings {
    /// The file at `path`, or else at `DIALPLANE_CONFIG`, or none; and the environment over it. `cores` sets how many
    /// calls are taken if nothing else does.
    pub fn load(
        path: Option<&Path>,
        surroundings: &dyn Surroundings,
        cores: usize,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Some(path) = file_path(path, surroundings) else {
            return Self::read(None, surroundings, cores);
        };
        match surroundings.read(&path) {
            Ok(text) => Self::read(Some((&path, &text)), surroundings, cores),
            Err(error) => {
                let unreadable = unreadable(&path, &error);
                let others = Self::read(None, surroundings, cores).err().unwrap_or_default();
                // What the variables lack may stand in the file; what they have may still be wrong.
                let wrong = others.into_iter().filter(|other| !variables::is_missing(other));
                Err(std::iter::once(unreadable).chain(wrong).collect())
            }
        }
    }

    /// As [`Settings::load`], of a file that has been read already.
    pub fn read(
        file: Option<(&Path, &str)>,
        surroundings: &dyn Surroundings,
        cores: usize,
    ) -> Result<Self, Vec<Diagnostic>> {
        let variables = Variables::new(surroundings);
        let (path, text) = file.unwrap_or((Path::new(""), ""));
        let (settings, mut diagnostics) = document::read(&path.into(), text, |document| {
            Self::of(document, &variables, surroundings, cores)
        });
        diagnostics.extend(variables.into_diagnostics());
        match settings {
            Some(settings) if !diagnostics.iter().any(Diagnostic::is_error) => Ok(settings),
            Some(_) | None => Err(diagnostics),
        }
    }

    /// What becomes of calls that no route names. `dialplans_exist` is whether there is any dialplan file, good or bad.
    pub fn unmatched(&self, dialplans_exist: bool) -> Unmatched {
        self.unmatched_action.unwrap_or(match (&self.backend, dialplans_exist) {
            (Some(_), _) => Unmatched::Ask,
            (None, true) => Unmatched::Reject,
            (None, false) => Unmatched::Default,
        })
    }

    /// `None` only when an error is noted. Every part is read before the first `?`, so that all errors are found.
    fn of(
        document: &Document<'_>,
        variables: &Variables<'_>,
        surroundings: &dyn Surroundings,
        cores: usize,
    ) -> Option<Self> {
        const CALLS_PER_CORE: usize = 100;
        let root = document.root(FILE_KEYS);
        let sip = sip::read(&root, variables, surroundings);
        let projects = sections::read_projects(&root, variables, surroundings, sip.is_on);
        let trunks = Trunks::read(&root.tables("trunk", TRUNK_KEYS), surroundings);
        let providers = sections::read_providers(&root, variables, surroundings);
        let call_config = call_config::read(&root, variables, surroundings);
        let tenants_reach = call_config::read_addresses(&root);
        let timeouts = timeouts::read(&root);
        let default_agent = sections::read_default_agent(&root);
        let transfers = root.get("transfers").map(|value| read_transfers(&value)).unwrap_or_default();
        let when_model_down = read_when_model_down(&root, surroundings);
        let unmatched_action = sections::read_unmatched(&root, call_config.names_backend);
        let http = variables
            .parsed("DIALPLANE_HTTP", "an address and port such as 127.0.0.1:8080", |text| text.parse().ok());
        let max_calls = variables.whole("DIALPLANE_MAX_CALLS", 1..=100_000);
        let drain = variables.whole("DIALPLANE_DRAIN_SECONDS", 0..=86_400);
        let log = variables.parsed("DIALPLANE_LOG", "human or json", Format::parse);
        variables.refuse_what_is_not_yet();
        Some(Self {
            projects: projects?,
            sip: sip.settings?,
            trunks,
            providers: providers?,
            backend: call_config.backend,
            tenants_reach: tenants_reach?,
            budget: call_config.budget,
            timeouts,
            cache: call_config.cache,
            default_agent,
            transfers,
            when_model_down,
            unmatched_action,
            dialplans: variables.get("DIALPLANE_DIALPLANS").map(PathBuf::from),
            records: variables.get("DIALPLANE_RECORDS").map(PathBuf::from),
            max_calls: max_calls.unwrap_or(CALLS_PER_CORE * cores.max(1)),
            http: http.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            log,
            drain: Duration::from_secs(drain.unwrap_or(20) as u64),
        })
    }
}
