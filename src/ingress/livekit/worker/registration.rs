//! A worker's side of the agent protocol, without I/O: what to answer, when to ping, what to say of our load.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::legs::Over;
use crate::admission::{NoSlot, Slot, Slots};
use crate::call::Fault;
use crate::ingress::livekit::reports::Report;
use crate::ingress::livekit::signal::{Check, Keepalive};
use crate::livekit::wire::worker::{Assignment, FromServer, JobId, JobState, Status, ToServer};

/// livekit-server gives no job to a worker that reports 0.70 or more, so a worker with room stays below.
const LOAD_WITH_ROOM: f32 = 0.69;
const REGISTERED_WITHIN: Duration = Duration::from_secs(10);
/// The server's own pings are no proof that our words arrive, so we ask for answers.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const SILENT_PEER: Duration = Duration::from_secs(25);
const STATUS_INTERVAL: Duration = Duration::from_millis(2500);
/// A full worker looks often whether it has room again: slots come back, and it is in time again, without a message.
const FULL_RECHECK: Duration = Duration::from_millis(100);
/// An accepted job comes at once or never.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(8);

/// One connection's worth of registration; offers do not outlive it.
pub struct Registration {
    agent_name: Arc<str>,
    slots: Slots,
    registered: bool,
    register_by: Instant,
    keepalive: Keepalive,
    said: Option<Status>,
    next_status: Instant,
    offers: HashMap<JobId, Offer>,
    jobs: u32,
}

/// An offer we accepted, and the slot kept for it.
struct Offer {
    slot: Slot,
    at: Instant,
}

#[derive(Debug)]
pub enum Action {
    Send(ToServer),
    /// Say no to a call that has no slot.
    TurnAway {
        answer: ToServer,
        why: NoSlot,
    },
    /// Send a leg's report, and tell it so.
    Report(Report),
    /// Jobs may come now.
    Registered,
    /// The job is ours, since the moment it was offered.
    Start {
        assignment: Assignment,
        slot: Slot,
        offered: Instant,
    },
    Stop(JobId),
    /// The connection is of no more use.
    GiveUp(&'static str),
}

impl Registration {
    /// A fresh connection; `jobs` of an earlier one still run.
    pub fn new(agent_name: Arc<str>, slots: Slots, jobs: u32, now: Instant) -> Self {
        Self {
            agent_name,
            slots,
            registered: false,
            register_by: now + REGISTERED_WITHIN,
            keepalive: Keepalive::every(PING_INTERVAL, SILENT_PEER, now),
            said: None,
            next_status: now,
            offers: HashMap::new(),
            jobs,
        }
    }

    /// The first message.
    pub fn open(&self) -> ToServer {
        ToServer::Register { agent_name: Arc::clone(&self.agent_name) }
    }

    /// Something came from the server, be it only a heartbeat.
    pub fn heard(&mut self, now: Instant) {
        self.keepalive.heard(now);
    }

    pub fn handle(&mut self, message: FromServer, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match message {
            FromServer::Registered => {
                self.registered = true;
                actions.push(Action::Registered);
            }
            FromServer::Offered(job) => actions.push(self.offered(job, now)),
            FromServer::Assigned(assignment) => actions.push(self.assigned(assignment, now)),
            FromServer::Terminated(job) => actions.push(Action::Stop(job)),
            FromServer::Other => {}
        }
        actions.extend(self.status(now));
        actions
    }

    /// A leg is over; one that a bug ended has not reported its job.
    pub fn job_ended(&mut self, over: Over, now: Instant) -> Vec<Action> {
        self.jobs = self.jobs.saturating_sub(1);
        let panicked = over.job.filter(|_| over.panicked);
        let failed = |job| Action::Send(ToServer::Job(job, JobState::Failed(Fault::Internal.name())));
        panicked.map(failed).into_iter().chain(self.status(now)).collect()
    }

    /// Does what is due: pings, the status, offers that came to nothing.
    pub fn tick(&mut self, now: Instant) -> Vec<Action> {
        self.offers.retain(|_, offer| now < offer.at + ASSIGNED_WITHIN);
        if !self.registered {
            let late = now >= self.register_by;
            return late.then_some(Action::GiveUp("not registered in time")).into_iter().collect();
        }
        let mut actions = Vec::new();
        match self.keepalive.check(now) {
            Check::Well => {}
            Check::Ping { millis } => actions.push(Action::Send(ToServer::Ping { millis })),
            Check::Dead => return vec![Action::GiveUp("silent for too long")],
        }
        actions.extend(self.status(now));
        actions
    }

    /// Whether no accepted offer is still to become a job.
    pub fn is_idle(&self) -> bool {
        self.offers.is_empty()
    }

    /// When to call [`Registration::tick`].
    pub fn deadline(&self, now: Instant) -> Instant {
        let offers = self.offers.values().map(|offer| offer.at + ASSIGNED_WITHIN);
        if !self.registered {
            return offers.fold(self.register_by, Instant::min);
        }
        let full = self.said.is_some_and(|status| !status.available && !status.draining);
        let recheck = if full { now + FULL_RECHECK } else { self.next_status };
        offers.fold(self.keepalive.deadline().min(self.next_status).min(recheck), Instant::min)
    }

    /// The answer to an offer, at once and with a slot reserved: two offers must not count on the same one.
    fn offered(&mut self, job: JobId, now: Instant) -> Action {
        if self.offers.contains_key(&job) {
            return Action::Send(ToServer::Accept(job));
        }
        match self.slots.reserve(now) {
            Ok(slot) => {
                self.offers.insert(job.clone(), Offer { slot, at: now });
                Action::Send(ToServer::Accept(job))
            }
            Err(why) => Action::TurnAway { answer: ToServer::Refuse(job), why },
        }
    }

    /// An assignment that comes after its slot was given back takes another, if there is one.
    fn assigned(&mut self, assignment: Assignment, now: Instant) -> Action {
        let offer = self.offers.remove(&assignment.job);
        match offer.map_or_else(|| self.slots.reserve(now).map(|slot| Offer { slot, at: now }), Ok) {
            Ok(Offer { slot, at }) => {
                self.jobs += 1;
                Action::Start { assignment, slot, offered: at }
            }
            Err(why) => {
                let answer = ToServer::Job(assignment.job, JobState::Failed(why.turned_away().name()));
                Action::TurnAway { answer, why }
            }
        }
    }

    /// The status, when it is due or differs from what was said.
    fn status(&mut self, now: Instant) -> Option<Action> {
        if !self.registered {
            return None;
        }
        let available = self.slots.has_room(now);
        let status = Status {
            available,
            load: load(self.slots.taken(), self.slots.limit(), available),
            jobs: self.jobs + u32::try_from(self.offers.len()).unwrap_or(u32::MAX),
            draining: self.slots.is_draining(),
        };
        if self.said == Some(status) && now < self.next_status {
            return None;
        }
        self.said = Some(status);
        self.next_status = now + STATUS_INTERVAL;
        Some(Action::Send(ToServer::Status(status)))
    }
}

/// The share of slots taken, scaled to stay below livekit-server's limit while there is room.
#[expect(clippy::cast_precision_loss, reason = "slots are far fewer than 2^24")]
fn load(taken: usize, limit: usize, available: bool) -> f32 {
    if available { LOAD_WITH_ROOM * taken as f32 / limit as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests;
