use std::sync::Arc;

use tokio::time::Instant;

use crate::realtime::{Capabilities, Provider};

/// How often one candidate is tried in a row, unless one has served for a while in between.
const TRIES: u8 = 2;

/// A model server, and what its dialect can do.
#[derive(Debug, Clone)]
pub struct Server {
    pub provider: Arc<Provider>,
    pub capabilities: Capabilities,
}

/// A model that may serve the call.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub server: Server,
    pub model: String,
}

/// The candidates of one call, in the order in which they are tried.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<Known>);

/// A candidate, and what this call has seen of it.
#[derive(Debug)]
struct Known {
    candidate: Candidate,
    tries: u8,
    /// It would be refused again.
    ruled_out: bool,
    /// The server wants to be left alone until then.
    cools_until: Option<Instant>,
}

impl From<Provider> for Server {
    fn from(provider: Provider) -> Self {
        Self { capabilities: provider.dialect.capabilities(), provider: Arc::new(provider) }
    }
}

impl Candidates {
    /// Of each server the call's own model, then the server's, then its fallbacks; servers that are `shut` come last.
    pub(super) fn of(servers: &[Server], own: Option<&str>, shut: &[Arc<str>]) -> Self {
        let is_shut = |server: &&Server| shut.contains(&server.provider.name);
        let (last, first): (Vec<_>, Vec<_>) = servers.iter().partition(is_shut);
        let mut candidates: Vec<Known> = Vec::new();
        for server in first.into_iter().chain(last) {
            let begin = candidates.len();
            let provider = &server.provider;
            let models = own.into_iter().chain([provider.model.as_str()]);
            for model in models.chain(provider.fallback.iter().map(String::as_str)) {
                if !candidates.iter().skip(begin).any(|known| known.candidate.model == model) {
                    let candidate = Candidate { server: server.clone(), model: model.to_owned() };
                    candidates.push(Known { candidate, tries: 0, ruled_out: false, cools_until: None });
                }
            }
        }
        Self(candidates)
    }

    /// Where to turn after `from`, in order and around; that one itself comes last.
    pub(super) fn next(&self, from: Option<usize>) -> Option<usize> {
        self.after(from).find(|at| self.may_try(*at))
    }

    /// As above, when each was tried as often as may be: which may be well again first, and when.
    pub(super) fn next_again(&self, from: usize, earliest: Instant) -> Option<(usize, Instant)> {
        let due = |known: &Known| known.cools_until.map_or(earliest, |until| until.max(earliest));
        let known = self.after(Some(from)).filter_map(|at| Some((at, self.0.get(at)?)));
        known
            .filter(|(_, known)| !known.ruled_out)
            .map(|(at, known)| (at, due(known)))
            .min_by_key(|(_, due)| *due)
    }

    fn after(&self, from: Option<usize>) -> impl Iterator<Item = usize> {
        let count = self.0.len();
        let first = from.map_or(0, |from| from + 1);
        (0..count).map(move |step| (first + step) % count)
    }

    /// Where to turn after a server that did not even open: its other models come after those of other providers.
    pub(super) fn elsewhere(&self, from: usize) -> Option<usize> {
        let name = |at: usize| self.get(at).map(|candidate| &candidate.server.provider.name);
        let count = self.0.len();
        let mut others = (1..count).map(|step| (from + step) % count).filter(|at| name(*at) != name(from));
        others.find(|at| self.may_try(*at)).or_else(|| self.next(Some(from)))
    }

    pub(super) fn may_try(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|known| known.tries < TRIES && !known.ruled_out)
    }

    pub(super) fn has_other(&self, than: usize) -> bool {
        (0..self.0.len()).any(|at| at != than && self.may_try(at))
    }

    /// Counts a try.
    pub(super) fn take(&mut self, at: usize) -> Option<Candidate> {
        let known = self.0.get_mut(at)?;
        known.tries = known.tries.saturating_add(1);
        Some(known.candidate.clone())
    }

    pub(super) fn get(&self, at: usize) -> Option<&Candidate> {
        self.0.get(at).map(|known| &known.candidate)
    }

    /// One of them served for a while: what went wrong before counts no more.
    pub(super) fn forgive(&mut self) {
        self.0.iter_mut().for_each(|known| known.tries = 0);
    }

    pub(super) fn cool(&mut self, at: usize, until: Option<Instant>) {
        if let Some(known) = self.0.get_mut(at) {
            known.cools_until = until;
        }
    }

    pub(super) fn rule_out(&mut self, at: usize) {
        if let Some(known) = self.0.get_mut(at) {
            known.ruled_out = true;
        }
    }

    /// No model of this one's provider is tried any more.
    pub(super) fn rule_out_provider(&mut self, at: usize) {
        let Some(name) = self.get(at).map(|candidate| Arc::clone(&candidate.server.provider.name)) else {
            return;
        };
        let its = self.0.iter_mut().filter(|known| known.candidate.server.provider.name == name);
        its.for_each(|known| known.ruled_out = true);
    }
}
