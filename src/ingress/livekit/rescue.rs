//! No call rings for ever, and no answered caller is left alone.
//!
//! LiveKit asks for an agent once. When nobody was there, or whoever was has died, nobody comes any more; so each
//! router looks through its project's rooms, and takes a call that it finds without an agent: it has itself
//! dispatched, by its own agent name ([`Project::is_ours`]). Several routers may do so at once; the room decides who
//! stays ([`arbiter`]).
//!
//! ```text
//! every 2 s: the list of rooms ── rounds ──> a few rooms ── look ──> decide ──> take, refuse, hang up
//! a webhook: a room ─────────────────────────────┘
//! ```
//!
//! [`Project::is_ours`]: crate::livekit::Project::is_ours

pub mod arbiter;
pub mod decide;
pub mod rounds;
pub mod served;

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use rand::seq::SliceRandom as _;
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use self::decide::{DISPATCHED, Decision, Lone, Means, decide, is_missed, lone_caller};
use self::rounds::{Rounds, Sight};
use super::Site;
use crate::livekit::api::{ApiError, Listed};
use crate::livekit::webhook::{Happening, What};
use crate::telemetry::Rescued;

const ROUND: Duration = Duration::from_secs(2);
/// Rooms looked into at once.
const AT_ONCE: usize = 8;
/// Before anything is done it is looked at again, after a pause as random as this: another router may be first.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// From a caller's arrival until the dispatch that came with them is old enough to be answered no more, and a little: the
/// clocks of router and LiveKit may differ. An earlier look could not do anything yet.
const EXPECTED: Duration = DISPATCHED.saturating_add(Duration::from_millis(200));
/// Calls that an agent is expected in. The rounds find those beyond.
const EXPECTED_MAX: usize = 1024;
/// Rooms that wait to be looked into. The rounds find those beyond.
const WAITING_MAX: usize = 256;
/// Requests that fail in a row before it is said. One may concern a room that has just closed.
const FAILURES: u32 = 3;

/// The task that looks through one project's rooms.
pub struct Rescue {
    site: Arc<Site>,
    /// Whether LiveKit sends us what is dispatched to our own agent name.
    reachable: watch::Receiver<bool>,
    happenings: mpsc::Receiver<Happening>,
    /// Rooms to look into at a time: what webhooks told of.
    expected: VecDeque<(Instant, Listed)>,
    rounds: Rounds,
    waiting: VecDeque<Listed>,
    looks: FuturesUnordered<Pin<Box<dyn Future<Output = Looked> + Send>>>,
    /// Rooms that wait or are being looked into.
    under_way: HashSet<Arc<str>>,
    failures: u32,
}

struct Looked {
    room: Arc<str>,
    saw: Result<Sight, ApiError>,
}

impl Rescue {
    pub fn new(
        site: Arc<Site>,
        reachable: watch::Receiver<bool>,
        happenings: mpsc::Receiver<Happening>,
    ) -> Self {
        Self {
            site,
            reachable,
            happenings,
            expected: VecDeque::new(),
            rounds: Rounds::default(),
            waiting: VecDeque::new(),
            looks: FuturesUnordered::new(),
            under_way: HashSet::new(),
            failures: 0,
        }
    }

    /// Looks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut next = Instant::now() + ROUND.mul_f64(rand::random());
        loop {
            self.start_looks();
            let due = self.expected.front().map_or(next, |(at, _)| *at);
            select! {
                () = stop.cancelled() => return,
                () = sleep_until(next) => {
                    next = Instant::now() + ROUND.mul_f64(rand::random_range(0.9..1.1));
                    self.round().await;
                }
                Some(looked) = self.looks.next() => self.looked(looked),
                Some(happening) = self.happenings.recv() => self.happened(happening),
                () = sleep_until(due), if due < next => {
                    let room = self.expected.pop_front();
                    self.wait(room.map(|(_, room)| room));
                }
            }
        }
    }

    async fn round(&mut self) {
        let listed = self.site.api.rooms().await;
        self.note(listed.as_ref().err().copied());
        let Ok(mut listed) = listed else { return };
        // Several routers that look at the same time had better not look into the same rooms.
        listed.shuffle(&mut rand::rng());
        listed.retain(|room| !self.site.served.includes(&room.name));
        let chosen = self.rounds.choose(listed, Timestamp::now());
        self.wait(chosen);
    }

    /// Has these rooms looked into, unless they are about to be, or too many are.
    fn wait(&mut self, rooms: impl IntoIterator<Item = Listed>) {
        for room in rooms {
            if self.waiting.len() < WAITING_MAX && self.under_way.insert(Arc::clone(&room.id)) {
                self.waiting.push_back(room);
            }
        }
    }

    fn happened(&mut self, Happening { room, what }: Happening) {
        if self.site.served.includes(&room.name) {
            return;
        }
        match what {
            What::AgentLeft => self.wait([room]),
            What::CallerCame if self.expected.len() < EXPECTED_MAX => {
                self.expected.push_back((Instant::now() + EXPECTED, room));
            }
            What::CallerCame => {}
        }
    }

    fn start_looks(&mut self) {
        while self.looks.len() < AT_ONCE
            && let Some(room) = self.waiting.pop_front()
        {
            let watched = self.rounds.watched(&room.id, Instant::now());
            let (site, reachable) = (Arc::clone(&self.site), self.reachable.clone());
            self.looks.push(Box::pin(async move {
                let saw = Look { site: &site, reachable: &reachable, room: &room, watched }.run().await;
                Looked { room: room.id, saw }
            }));
        }
    }

    fn looked(&mut self, Looked { room, saw }: Looked) {
        self.under_way.remove(&room);
        self.note(saw.err());
        if let Ok(sight) = saw {
            self.rounds.saw(room, sight, Instant::now());
        }
    }

    /// Says so when requests begin to fail, and when they work again.
    fn note(&mut self, error: Option<ApiError>) {
        let project = &self.site.project.name;
        match error {
            Some(error) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == FAILURES {
                    tracing::warn!(%project, %error, "LiveKit's API fails: calls without an agent are not found");
                }
            }
            None => {
                if std::mem::take(&mut self.failures) >= FAILURES {
                    tracing::info!(%project, "LiveKit's API works again");
                }
            }
        }
    }
}

/// One look into one room.
struct Look<'a> {
    site: &'a Site,
    reachable: &'a watch::Receiver<bool>,
    room: &'a Listed,
    watched: Duration,
}

impl Look<'_> {
    async fn run(self) -> Result<Sight, ApiError> {
        let (sight, found) = self.see().await?;
        if found.is_none() {
            return Ok(sight);
        }
        sleep(SECOND_LOOK.mul_f64(rand::random())).await;
        let (sight, found) = self.see().await?;
        if let Some((lone, decision)) = found {
            self.act(&lone, decision).await?;
        }
        Ok(sight)
    }

    /// What is there to be seen, and to be done.
    async fn see(&self) -> Result<(Sight, Option<(Lone, Decision)>), ApiError> {
        let (site, room) = (self.site, self.room.name.reveal());
        let participants = site.api.participants(room).await?;
        let now = Timestamp::now();
        let Some(lone) = lone_caller(&participants, &site.project, site.overdue, now) else {
            let rings = participants.iter().any(decide::rings);
            return Ok((if rings { Sight::Attended } else { Sight::Settled }, None));
        };
        if !is_missed(&lone) {
            return Ok((Sight::Alone, None));
        }
        let dispatches = site.api.dispatches(room).await?;
        let means = Means {
            has_room: site.slots.has_room(Instant::now()) && *self.reachable.borrow(),
            watched: self.watched,
            orphans: site.project.orphans,
        };
        Ok(match decide(&lone, &dispatches, &site.project, means, now) {
            Decision::Leave => (Sight::Settled, None),
            Decision::Wait => (Sight::Alone, None),
            decision => (Sight::Alone, Some((lone, decision))),
        })
    }

    async fn act(&self, lone: &Lone, decision: Decision) -> Result<(), ApiError> {
        let (site, room) = (self.site, self.room.name.reveal());
        let rescued = match decision {
            Decision::Take => {
                site.api.dispatch(room, &site.rescue_agent).await?;
                Rescued::Taken
            }
            Decision::Refuse | Decision::HangUp => {
                site.api.remove_participant(room, lone.identity.reveal()).await?;
                if decision == Decision::Refuse { Rescued::Refused } else { Rescued::HungUp }
            }
            Decision::Leave | Decision::Wait => return Ok(()),
        };
        site.metrics.rescued(rescued);
        let (sip_call, seconds) = (lone.sip_call.as_deref(), lone.waited.as_secs_f64());
        tracing::info!(room = %self.room.id, sip_call, answered = lone.answered, seconds,
            what = rescued.name(), "caller found without an agent");
        Ok(())
    }
}
