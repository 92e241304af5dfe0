//! The request itself: breaker, attempts, and where its outcome is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::breaker::{Admission, Breakers, Outcome};
use super::ladder::Owner;
use super::memory::{Memory, Said, Ticket};
use super::retry::{Failure, LEAST};
use super::{Budget, Clients, Why, webhook};
use crate::call::Call;
use crate::dialplan::{Backend, Routed};
use crate::fleet::breaker::Turn;
use crate::http::Client;
use crate::telemetry::Metrics;
use crate::tenant::TenantId;

/// What every request of a router shares.
#[derive(Debug)]
pub(super) struct Asker {
    clients: Clients,
    budget: Budget,
    memory: Arc<Memory>,
    breakers: Mutex<Breakers>,
    metrics: Metrics,
}

/// What is asked, of whom, and until when.
#[derive(Debug, Clone)]
pub(super) struct Question<'q> {
    pub(super) backend: &'q Backend,
    pub(super) owner: Owner,
    /// The backend's print; see `Facts`.
    pub(super) print: u64,
    pub(super) call: &'q Call,
    pub(super) routed: Option<&'q Routed>,
    pub(super) deadline: Instant,
    /// The time of day at `at`, for signatures.
    pub(super) now: Timestamp,
    pub(super) at: Instant,
}

/// A [`Question`] that outlives its call.
#[derive(Debug)]
pub(super) struct OwnedQuestion {
    backend: Backend,
    owner: Owner,
    print: u64,
    call: Call,
    routed: Option<Routed>,
    deadline: Instant,
    now: Timestamp,
    at: Instant,
}

impl Question<'_> {
    /// Whether a request made now would fail for want of time, and not for the backend's fault.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.deadline.saturating_duration_since(now) < LEAST
    }

    pub(super) fn to_owned(&self) -> OwnedQuestion {
        OwnedQuestion {
            backend: self.backend.clone(),
            owner: self.owner,
            print: self.print,
            call: self.call.clone(),
            routed: self.routed.cloned(),
            deadline: self.deadline,
            now: self.now,
            at: self.at,
        }
    }
}

impl OwnedQuestion {
    pub(super) const fn borrowed(&self) -> Question<'_> {
        Question {
            backend: &self.backend,
            owner: self.owner,
            print: self.print,
            call: &self.call,
            routed: self.routed.as_ref(),
            deadline: self.deadline,
            now: self.now,
            at: self.at,
        }
    }
}

impl Asker {
    pub(super) fn new(clients: Clients, budget: Budget, memory: Arc<Memory>, metrics: Metrics) -> Self {
        Self { clients, budget, memory, breakers: Mutex::default(), metrics }
    }

    /// Asks, by the question's deadline, and lands the ticket.
    pub(super) async fn fly(&self, question: Question<'_>, ticket: Ticket) {
        let (outcome, attempts) = self.ask(&question).await;
        ticket.land(outcome, attempts, Instant::now());
        let (entries, bytes) = self.memory.size();
        self.metrics.config_cache(entries, bytes);
    }

    async fn ask(&self, question: &Question<'_>) -> (Result<(Said, u32), Failure>, u8) {
        let tenant = question.routed.map(|routed| &routed.tenant.id);
        let admission = self.breakers().admit(question.print, tenant, Instant::now());
        if admission == Admission::Open {
            return (Err(Failure { why: Why::BreakerOpen, retry_after: None }), 0);
        }
        let (outcome, attempts) = self.try_twice(question, admission == Admission::Trial).await;
        let came_to = match &outcome {
            Ok(_) => Outcome::Answered,
            Err(Failure { why: Why::Connect, .. }) => Outcome::NoConnection,
            // It says nothing of the backend.
            Err(Failure { why: Why::Address, .. }) => return (outcome, attempts),
            Err(_) => Outcome::Failed,
        };
        let (turns, open) = {
            let mut breakers = self.breakers();
            (breakers.note(question.print, tenant, came_to, Instant::now()), breakers.open())
        };
        self.metrics.config_breakers(open);
        let tenant = tenant.map(TenantId::as_str);
        for (turn, every_tenant) in turns.into_iter().zip([false, true]) {
            match turn {
                Some(Turn::Opened) => tracing::warn!(tenant, every_tenant, "backend left alone for a while"),
                Some(Turn::Closed) => tracing::info!(tenant, every_tenant, "backend answers again"),
                None => {}
            }
        }
        (outcome, attempts)
    }

    /// Nothing panics under the lock, so a poisoned one is as good as another.
    fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The second request keeps the first one's id; a trial of a breaker is one request.
    async fn try_twice(&self, question: &Question<'_>, trial: bool) -> (Result<(Said, u32), Failure>, u8) {
        let client = match question.owner {
            Owner::Router => &self.clients.router,
            Owner::Tenant => &self.clients.tenants,
        };
        let first = self.attempt(client, question, 1).await;
        let Err(failure) = first else { return (first, 1) };
        let remaining = question.deadline.saturating_duration_since(Instant::now());
        let Some(wait) = failure.retry_in(remaining).filter(|_| !trial) else { return (first, 1) };
        sleep(wait).await;
        self.metrics.config_retried();
        (self.attempt(&client.fresh(), question, 2).await, 2)
    }

    async fn attempt(
        &self,
        client: &Client,
        question: &Question<'_>,
        number: u8,
    ) -> Result<(Said, u32), Failure> {
        let started = Instant::now();
        let limit = self.budget.attempt.min(question.deadline.saturating_duration_since(started));
        let elapsed = started.saturating_duration_since(question.at);
        let now = question.now.saturating_add(elapsed).unwrap_or(question.now);
        let whom = (question.backend, question.call, question.routed);
        let outcome = webhook::ask(client, whom, number, now, limit).await;
        self.metrics.config_requested(match &outcome {
            Ok((Said::Answer(_), _)) => "answered",
            Ok((Said::Unknown, _)) => Why::Unknown.name(),
            Err(failure) => failure.why.name(),
        });
        outcome
    }
}
