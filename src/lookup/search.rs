//! One lookup, from the question to the layers laid over each other. This is the shell of the parts beside it.

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::asker::{Asker, Question};
use super::key::Facts;
use super::ladder::{self, Step};
use super::memory::{Aged, Flight, Memory, Of, Plan, Said, Ticket};
use super::retry::Failure;
use super::{Answer, Clients, ConfigSource, Policy, Purge, Why};
use crate::call::Call;
use crate::dialplan::Routed;
use crate::telemetry::Metrics;

/// Answers that are asked for again behind calls, at once.
const REFRESHES: usize = 64;
/// How often a call waits for another's request before it makes its own: an answer may turn out to be nobody else's.
const JOINS: usize = 2;

/// Finds out how calls are to be answered. One per router.
#[derive(Debug)]
pub struct Lookup {
    policy: Policy,
    memory: Arc<Memory>,
    asker: Arc<Asker>,
    metrics: Metrics,
    seed: RandomState,
    refreshes: Arc<Semaphore>,
    /// Requests that several calls may wait for, or none.
    flights: TaskTracker,
    stop: CancellationToken,
    /// A lookup that is dropped takes its requests with it.
    _stops: DropGuard,
}

/// What a backend, or what is kept of it, comes to for one call.
struct Found {
    said: Result<Said, Why>,
    source: ConfigSource,
    /// Beside `Ok`: why the backend itself does not serve.
    why: Option<Why>,
    attempts: u8,
    coalesced: bool,
    age: Option<Duration>,
}

impl Lookup {
    pub fn new(clients: impl Into<Clients>, policy: Policy, metrics: Metrics) -> Self {
        let memory = Arc::new(Memory::new(policy.cache));
        let asker = Asker::new(clients.into(), policy.budget, Arc::clone(&memory), metrics.clone());
        let stop = CancellationToken::new();
        Self {
            policy,
            memory,
            asker: Arc::new(asker),
            metrics,
            seed: RandomState::new(),
            refreshes: Arc::new(Semaphore::new(REFRESHES)),
            flights: TaskTracker::new(),
            _stops: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Serves what is kept or asks the call's backend, if it has one, and lays the layers over each other. Takes no
    /// longer than the budget and never fails. `now` dates the request's signature.
    pub async fn resolve(&self, call: &Call, routed: Option<&Routed>, now: Timestamp) -> Answer {
        let started = Instant::now();
        let Policy { router, default, transfers, unmatched, budget, .. } = &self.policy;
        let mut answer = match ladder::first(routed, router.as_ref(), *unmatched) {
            Step::Instead(instead) => ladder::decided(routed, instead.clone()),
            Step::Below(why) => ladder::below(routed, default, transfers, why),
            Step::Ask(backend, owner) => {
                let facts = Facts::of(call, routed, backend, &self.seed);
                let (deadline, print) = (started + budget.whole, facts.print());
                let question = Question { backend, owner, print, call, routed, deadline, now, at: started };
                let found = self.find(&facts, &question).await;
                let outcome = found.said.and_then(|said| match said {
                    Said::Answer(answer) => Ok(answer),
                    Said::Unknown => Err(Why::Unknown),
                });
                let mut answer = ladder::merge(outcome, owner, routed, default, transfers);
                let report = &mut answer.report;
                if report.source == ConfigSource::Backend {
                    (report.source, report.why) = (found.source, found.why);
                }
                (report.attempts, report.coalesced) = (found.attempts, found.coalesced);
                report.age = found.age;
                answer
            }
        };
        answer = ladder::fill(answer, call, routed);
        answer.report.took = started.elapsed();
        log(call, &answer);
        answer
    }

    /// Forgets what backends answered.
    pub fn purge(&self, what: &Purge) {
        self.memory.purge(what);
        let (entries, bytes) = self.memory.size();
        self.metrics.config_cache(entries, bytes);
    }

    /// Ends the requests that no call waits for, and waits until they are gone.
    pub async fn close(&self) {
        self.stop.cancel();
        self.flights.close();
        self.flights.wait().await;
    }

    async fn find(&self, facts: &Facts, question: &Question<'_>) -> Found {
        let of = Of {
            tenant: question.routed.map(|routed| routed.tenant.id.clone()),
            called: question.call.called.e164.clone(),
        };
        for _ in 0..JOINS {
            match self.memory.plan(facts, &of, question.backend.cache_by, Instant::now()) {
                Plan::Serve { kept, refresh } => {
                    if let Some(ticket) = refresh {
                        self.refresh(question, ticket);
                    }
                    return Found::kept(&kept, ConfigSource::Cache, None);
                }
                Plan::Failed { failure, stale } => return Found::failed(failure.why, stale.as_ref(), 0),
                Plan::Ask { stale, .. } if question.is_late(Instant::now()) => {
                    return Found::failed(Why::Timeout, stale.as_ref(), 0);
                }
                Plan::Ask { ticket, stale } => return self.ask(question, ticket, stale.as_ref()).await,
                Plan::Join { flight, stale } => {
                    if let Some(found) = self.join(facts, question, flight, stale.as_ref()).await {
                        return found;
                    }
                }
            }
        }
        if question.is_late(Instant::now()) {
            return Found::failed(Why::Timeout, None, 0);
        }
        let ticket = self.memory.alone(facts, &of, question.backend.cache_by);
        self.ask(question, ticket, None).await
    }

    /// A request that others may wait for goes on when this call's caller hangs up.
    async fn ask(&self, question: &Question<'_>, ticket: Ticket, stale: Option<&Aged>) -> Found {
        let mut flight = ticket.flight();
        if ticket.is_shared() {
            self.launch(question, ticket, ());
        } else {
            self.asker.fly(question.clone(), ticket).await;
        }
        let landed = flight.wait_for(Option::is_some).await.map(|landed| landed.clone());
        let Some(landed) = landed.ok().flatten() else {
            // Given up: it panicked, or the router stops.
            return Found::failed(Why::Broken, stale, 0);
        };
        match &landed.outcome {
            Ok(kept) => Found::said(kept.said.clone(), landed.attempts),
            Err(failure) => Found::failed(failure.why, stale, landed.attempts),
        }
    }

    /// `None`: what the other call was told is not for this one.
    async fn join(
        &self,
        facts: &Facts,
        question: &Question<'_>,
        mut flight: Flight,
        stale: Option<&Aged>,
    ) -> Option<Found> {
        self.metrics.config_coalesced();
        let landed = timeout_at(question.deadline, flight.wait_for(Option::is_some)).await;
        let landed = match landed.map(|landed| landed.ok().and_then(|landed| landed.clone())) {
            Ok(landed) => landed?,
            Err(_) => return Some(Found::failed(Why::Timeout, stale, 0).coalesced()),
        };
        let shared = landed.shared(facts, Instant::now())?;
        let found = match shared {
            Ok(kept) => Found::said(kept.said.clone(), 0),
            Err(Failure { why, .. }) => Found::failed(why, stale, 0),
        };
        Some(found.coalesced())
    }

    fn refresh(&self, question: &Question<'_>, ticket: Ticket) {
        // With no place left, the ticket is given up and the next call may try.
        let Ok(place) = Arc::clone(&self.refreshes).try_acquire_owned() else { return };
        self.metrics.config_refreshed();
        self.launch(question, ticket, place);
    }

    /// `held` is given back when the request has landed.
    fn launch(&self, question: &Question<'_>, ticket: Ticket, held: impl Send + 'static) {
        let (asker, question) = (Arc::clone(&self.asker), question.to_owned());
        let stop = self.stop.clone();
        self.flights.spawn(async move {
            let fly = asker.fly(question.borrowed(), ticket);
            let _ = stop.run_until_cancelled(fly).await;
            drop(held);
        });
    }
}

impl Found {
    const fn said(said: Said, attempts: u8) -> Self {
        let source = ConfigSource::Backend;
        Self { said: Ok(said), source, why: None, attempts, coalesced: false, age: None }
    }

    fn kept(kept: &Aged, source: ConfigSource, why: Option<Why>) -> Self {
        let age = Some(kept.age);
        Self { said: Ok(kept.kept.said.clone()), source, why, attempts: 0, coalesced: false, age }
    }

    fn failed(why: Why, stale: Option<&Aged>, attempts: u8) -> Self {
        match stale {
            Some(stale) => Self { attempts, ..Self::kept(stale, ConfigSource::Stale, Some(why)) },
            None => {
                let source = ConfigSource::Backend;
                Self { said: Err(why), source, why: None, attempts, coalesced: false, age: None }
            }
        }
    }

    fn coalesced(self) -> Self {
        Self { coalesced: true, ..self }
    }
}

/// Once for what was asked, however many calls it serves.
fn log(call: &Call, answer: &Answer) {
    let report = &answer.report;
    if let Some(why) = report.why.filter(|why| why.is_fault()) {
        let seconds = report.took.as_secs_f64();
        tracing::warn!(call = %call.id, why = why.name(), status = why.status(), seconds, "the backend did not serve");
    }
    if report.attempts > 0 {
        for warning in &report.warnings {
            tracing::warn!(call = %call.id, warning, "the backend's answer has a fault");
        }
    }
}
