//! What `/readyz` says: set by those who know, read by the admin server.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The state of the router. Clones share it.
#[derive(Debug, Clone)]
pub struct Readiness(watch::Sender<Ready>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ready {
    /// Each LiveKit project, and whether we are registered with it now.
    pub projects: BTreeMap<Arc<str>, bool>,
    /// Whether the router listens for SIP itself.
    pub sip: bool,
    /// Errors in dialplan files. Those that were good before still serve.
    pub dialplan_problems: usize,
    /// No more calls are taken.
    pub draining: bool,
}

impl Ready {
    /// Whether calls are taken: one lost project is no reason to take the others' calls away.
    pub fn is_ready(&self) -> bool {
        !self.draining && (self.sip || self.projects.values().any(|registered| *registered))
    }
}

impl Readiness {
    /// Of a router that is yet to register with these projects.
    pub fn new(projects: impl IntoIterator<Item = Arc<str>>) -> Self {
        let projects = projects.into_iter().map(|project| (project, false)).collect();
        Self(watch::Sender::new(Ready { projects, ..Ready::default() }))
    }

    /// Calls come to our own SIP port from now on.
    pub fn listening(&self) {
        self.0.send_modify(|ready| ready.sip = true);
    }

    pub fn registered(&self, project: &Arc<str>, registered: bool) {
        self.0.send_modify(|ready| _ = ready.projects.insert(Arc::clone(project), registered));
    }

    pub fn dialplan_problems(&self, problems: usize) {
        self.0.send_modify(|ready| ready.dialplan_problems = problems);
    }

    pub fn draining(&self) {
        self.0.send_modify(|ready| ready.draining = true);
    }

    /// The state as it is and will be.
    pub fn watch(&self) -> watch::Receiver<Ready> {
        self.0.subscribe()
    }

    pub fn now(&self) -> Ready {
        self.0.borrow().clone()
    }
}
