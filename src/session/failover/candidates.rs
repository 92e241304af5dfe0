use std::sync::Arc;

use crate::realtime::{Capabilities, Provider};

/// How often one candidate is tried, unless it has served for a while in between.
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
pub(super) struct Candidates(Vec<(Candidate, u8)>);

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
        let mut candidates: Vec<(Candidate, u8)> = Vec::new();
        for server in first.into_iter().chain(last) {
            let begin = candidates.len();
            let provider = &server.provider;
            let models = own.into_iter().chain([provider.model.as_str()]);
            for model in models.chain(provider.fallback.iter().map(String::as_str)) {
                if !candidates.iter().skip(begin).any(|(known, _)| known.model == model) {
                    candidates.push((Candidate { server: server.clone(), model: model.to_owned() }, 0));
                }
            }
        }
        Self(candidates)
    }

    /// Where to turn after `from`, in order and around; that one itself comes last.
    pub(super) fn next(&self, from: Option<usize>) -> Option<usize> {
        let count = self.0.len();
        let first = from.map_or(0, |from| from + 1);
        (0..count).map(|step| (first + step) % count).find(|at| self.may_try(*at))
    }

    /// Where to turn after a server that did not even open: its other models come after those of other providers.
    pub(super) fn elsewhere(&self, from: usize) -> Option<usize> {
        let name = |at: usize| self.0.get(at).map(|(candidate, _)| &candidate.server.provider.name);
        let count = self.0.len();
        let mut others = (1..count).map(|step| (from + step) % count).filter(|at| name(*at) != name(from));
        others.find(|at| self.may_try(*at)).or_else(|| self.next(Some(from)))
    }

    pub(super) fn may_try(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|(_, tries)| *tries < TRIES)
    }

    pub(super) fn has_other(&self, than: usize) -> bool {
        (0..self.0.len()).any(|at| at != than && self.may_try(at))
    }

    /// Counts a try.
    pub(super) fn take(&mut self, at: usize) -> Option<Candidate> {
        let (candidate, tries) = self.0.get_mut(at)?;
        *tries = tries.saturating_add(1);
        Some(candidate.clone())
    }

    pub(super) fn get(&self, at: usize) -> Option<&Candidate> {
        self.0.get(at).map(|(candidate, _)| candidate)
    }

    /// It served for a while: what went wrong before counts no more.
    pub(super) fn forgive(&mut self, at: usize) {
        if let Some((_, tries)) = self.0.get_mut(at) {
            *tries = 0;
        }
    }

    pub(super) fn rule_out(&mut self, at: usize) {
        if let Some((_, tries)) = self.0.get_mut(at) {
            *tries = TRIES;
        }
    }

    /// No model of this one's provider is tried any more.
    pub(super) fn rule_out_provider(&mut self, at: usize) {
        let Some(name) = self.get(at).map(|candidate| Arc::clone(&candidate.server.provider.name)) else {
            return;
        };
        for (candidate, tries) in &mut self.0 {
            if candidate.server.provider.name == name {
                *tries = TRIES;
            }
        }
    }
}
