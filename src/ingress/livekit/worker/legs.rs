//! The legs of one worker: every task has an owner, and what ended is known by its job.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::admission::Slot;
use crate::call::CallId;
use crate::ingress::leg::{Incoming, Leg};
use crate::ingress::livekit::Site;
use crate::ingress::livekit::facts::Context;
use crate::ingress::livekit::leg::machine::LeftBehind;
use crate::ingress::livekit::leg::{self, Task};
use crate::ingress::livekit::reports::Reports;
use crate::ingress::livekit::rescue::served::Serving;
use crate::livekit::api::ApiError;
use crate::livekit::wire::worker::{Assignment, JobId, JobState};
use crate::media::codec::Codec;
use crate::pii::Redacted;

/// What the bridge holds of the frames we sent: its mixer and the carrier's jitter buffer.
const HELD_BACK: Duration = Duration::from_millis(100);

/// The pauses before each attempt to delete the room of a leg that panicked. An attempt takes a second at most.
const RESCUES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(250), Duration::from_millis(500)];

/// The pause before each attempt to let a caller go who was left behind, and how many there are. LiveKit is back within such a
/// time if it only starts anew, and livekit-sip a few seconds later.
const INSISTS: Duration = Duration::from_secs(1);
const INSISTENCE: u32 = 20;

pub struct Legs {
    site: Arc<Site>,
    reports: Reports,
    tasks: JoinSet<Outcome>,
    jobs: HashMap<Id, JobId>,
    running: HashMap<JobId, CancellationToken>,
}

/// How a leg's task ended.
enum Outcome {
    Done,
    Panicked,
}

/// A leg's task is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Over {
    pub job: Option<JobId>,
    /// A bug ended it; nobody has reported the job.
    pub panicked: bool,
}

impl Legs {
    pub fn new(site: Arc<Site>, reports: Reports) -> Self {
        Self { site, reports, tasks: JoinSet::new(), jobs: HashMap::new(), running: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts the leg of a job and announces the call. There is a place for it (see [`Site::calls`]) unless the router
    /// has ended; then the leg finds its session gone, and lets the caller go.
    pub fn start(&mut self, assignment: Assignment, slot: Slot, offered: Instant) {
        let Some(serving) = self.site.served.enter(assignment.room.clone()) else {
            return self.decline(assignment.job);
        };
        let (leg, commands, events) = Leg::open();
        let id = CallId::fresh();
        let waited = SignedDuration::try_from(offered.elapsed()).unwrap_or(SignedDuration::ZERO);
        let offered_at = Timestamp::now().checked_sub(waited).unwrap_or(Timestamp::UNIX_EPOCH);
        tracing::info!(call = %id, job = %assignment.job, "call taken");

        let job = assignment.job.clone();
        let terminated = CancellationToken::new();
        let task = Task {
            site: Arc::clone(&self.site),
            context: Context {
                id,
                project: Arc::clone(&self.site.project.name),
                room: assignment.room.clone(),
                received_at: offered_at,
            },
            assignment,
            reports: self.reports.clone(),
            terminated: terminated.clone(),
            commands,
            events,
        };
        let handle = self.tasks.spawn(run(task, serving));
        self.jobs.insert(handle.id(), job.clone());
        self.running.insert(job, terminated);

        if self
            .site
            .calls
            .try_send(Incoming {
                id,
                offered,
                offered_at,
                codec: Codec::Opus,
                held_back: HELD_BACK,
                leg,
                slot,
                trunk_permit: None,
            })
            .is_err()
        {
            tracing::error!(call = %id, "call taken by a router that has ended");
        }
    }

    /// A livekit-server that started anew sends an agent to every room that it gets back, by whichever name. Ours is in that
    /// room, or on its way back, and has the call.
    fn decline(&mut self, job: JobId) {
        tracing::info!(%job, "job declined: its room has a call of ours");
        let (reports, declined) = (self.reports.clone(), job.clone());
        let handle = self.tasks.spawn(async move {
            reports.send(declined, JobState::Succeeded).await;
            Outcome::Done
        });
        self.jobs.insert(handle.id(), job);
    }

    /// LiveKit took the job back.
    pub fn stop(&self, job: &JobId) {
        if let Some(running) = self.running.get(job) {
            running.cancel();
        }
    }

    /// Waits for the next leg to end; for ever when there is none. Cancel safe.
    pub async fn ended(&mut self) -> Over {
        let (id, panicked) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, outcome))) => (id, matches!(outcome, Outcome::Panicked)),
            Some(Err(error)) => (error.id(), error.is_panic()),
            None => std::future::pending().await,
        };
        let job = self.jobs.remove(&id);
        if let Some(job) = &job {
            self.running.remove(job);
        }
        Over { job, panicked }
    }
}

/// Runs the leg, and lets the caller go when it could not or a bug ends it: in an answered call they would go on hearing
/// silence. This is the leg's own task, so the worker waits for it, with a socket or without.
async fn run(task: Task, _serving: Serving) -> Outcome {
    let (site, room, id) = (Arc::clone(&task.site), task.assignment.room.clone(), task.context.id);
    let Ok(left_behind) = AssertUnwindSafe(leg::run(task)).catch_unwind().await else {
        delete(&site, &room, id).await;
        return Outcome::Panicked;
    };
    if let Some(left_behind) = left_behind {
        insist(&site, &room, id, left_behind).await;
    }
    Outcome::Done
}

/// Lets a caller go once LiveKit's API can be reached. One who is not there may be on the way back to a server that started
/// anew.
async fn insist(site: &Site, room: &Redacted<String>, id: CallId, left_behind: LeftBehind) {
    tracing::warn!(call = %id, "caller not let go: LiveKit's API could not be reached, and is asked again");
    for _ in 0..INSISTENCE {
        sleep(INSISTS).await;
        let asked = match &left_behind.caller {
            Some(caller) => site.api.remove_participant(room.reveal(), caller.reveal()).await,
            None => site.api.delete_room(room.reveal()).await,
        };
        match asked {
            Ok(()) => {
                tracing::info!(call = %id, "caller let go after all");
                return;
            }
            Err(ApiError::Gone | ApiError::Unreachable) => {}
            Err(ApiError::Refused) => break,
        }
    }
    tracing::warn!(call = %id, "caller not found again, or not let go");
}

async fn delete(site: &Site, room: &Redacted<String>, id: CallId) {
    tracing::error!(call = %id, "leg panicked: deleting its room");
    for pause in RESCUES {
        sleep(pause).await;
        match site.api.delete_room(room.reveal()).await {
            Ok(()) | Err(ApiError::Gone) => return,
            Err(error) => tracing::warn!(call = %id, %error, "room not deleted"),
        }
    }
}
