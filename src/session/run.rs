//! The shell of one call: it waits for what happens next, asks the machine, and does as it says.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet, yield_now};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::failover::Server;
use super::health::Health;
use super::machine::{Context, Machine};
use super::models::Models;
use super::sounds::SoundsByCodec;
use super::studio::Studio;
use super::timings::Timings;
use super::traces;
use super::voice::Turns;
use super::{Action, Event};
use crate::admission::{Permit, Permits};
use crate::call::Fault;
use crate::dialplan::{Dialplan, Instead};
use crate::fleet::calls::{Admission, Caps};
use crate::ingress::leg::{Incoming, Leg, LegCommand, LegEnd, LegEvent};
use crate::lookup::{Answer, Lookup};
use crate::media::codec::Codec;
use crate::media::lateness::Lateness;
use crate::realtime::ModelEvent;
use crate::realtime::connect::Dialer;
use crate::record::CallRecord;
use crate::store::journal::Journal;
use crate::telemetry::{Metrics, RateOf, call_span};
use crate::tenant::TenantId;

/// The longest wait for a place in a leg's command queue.
const PATIENCE: Duration = Duration::from_secs(1);
/// What may wait for the leg while frames are made. It is hurried on by as much when the leg has caught up.
const FRAMES_AHEAD: usize = 5;
/// The longest wait for a model to close: its own goodbye, and a little.
const CLOSE: Duration = Duration::from_millis(2500);

/// What every call of this router shares.
pub struct Shared {
    pub dialplan: watch::Receiver<Arc<Dialplan>>,
    pub permits: Permits,
    pub lookup: Lookup,
    /// The model servers, in order of preference.
    pub servers: Arc<[Server]>,
    pub health: Health,
    pub dialer: Dialer,
    pub journal: Journal,
    pub metrics: Metrics,
    /// How late the calls' clocks are, for whoever admits calls.
    pub lateness: Arc<Lateness>,
    pub timings: Timings,
    pub sounds: SoundsByCodec,
    pub turns: Turns,
    pub studio: Studio,
    /// What becomes of a call that no model serves, where its tenant does not say.
    pub when_model_down: Option<Instead>,
}

/// How a router that shuts down lets its callers go.
#[derive(Debug, Clone, Default)]
pub struct LetGo {
    /// With a goodbye.
    pub politely: CancellationToken,
    pub at_once: CancellationToken,
}

/// Runs one call to its end and writes its record, whatever happens.
pub async fn run(incoming: Incoming, shared: Arc<Shared>, let_go: LetGo) {
    let Incoming { id, offered, offered_at, codec, held_back, leg, slot, trunk_permit } = incoming;
    let span = call_span(&id);
    let counted = shared.metrics.call_offered();
    let (known, mut permit) = (OnceLock::new(), None);
    let context = context(&shared, codec, held_back);
    let machine = Machine::new(id, offered_at, offered, context);
    let call =
        Shell::new(&shared, &known, &mut permit, machine, leg, codec).run(let_go).instrument(span.clone());
    let record = match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(_panic) => panicked(known.into_inner().unwrap_or_else(|| CallRecord::begun(id, offered_at))),
    };
    let close = async {
        traces::ended(&record, &shared.metrics);
        // The journal logs and counts its failures itself, and none of them is the caller's.
        let _ = shared.journal.record(&record).await;
    };
    close.instrument(span).await;
    // Only now may another call have the place.
    drop((counted, permit, slot, trunk_permit));
}

/// A bug of ours cost this call; what was known of it still makes a record.
fn panicked(known: CallRecord) -> CallRecord {
    let ended_at = Timestamp::now();
    let mut record = CallRecord { ended_at, ..known };
    record.timing.ended = Duration::try_from(ended_at.duration_since(record.offered_at)).unwrap_or_default();
    record
}

fn context(shared: &Shared, codec: Codec, held_back: Duration) -> Context {
    Context {
        dialplan: Arc::clone(&shared.dialplan.borrow()),
        servers: Arc::clone(&shared.servers),
        timings: shared.timings,
        sounds: shared.sounds.of(codec).clone(),
        held_back,
        when_model_down: shared.when_model_down.clone(),
        phase: Duration::from_micros(rand::random_range(0..20_000)),
    }
}

struct Shell<'call> {
    shared: &'call Arc<Shared>,
    /// What a panic would leave for the record.
    known: &'call OnceLock<CallRecord>,
    /// Outlives the shell: it is given back after the record is written.
    permit: &'call mut Option<Permit>,
    /// What came of asking for it, until the machine knows.
    admitted: Option<Admission>,
    machine: Machine,
    leg: Leg,
    leg_is_open: bool,
    models: Models,
    lookups: JoinSet<Answer>,
    marks: JoinSet<()>,
    /// Recordings that are being encoded.
    recordings: JoinSet<()>,
    record: Option<Box<CallRecord>>,
    forgotten: bool,
}

/// Of letting the caller go, what the machine knows. In the order in which it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Drain,
    HangUp,
}

/// What woke the shell.
enum Wake {
    Time,
    Event(Event),
    Looked(Box<Answer>),
}

impl<'call> Shell<'call> {
    fn new(
        shared: &'call Arc<Shared>,
        known: &'call OnceLock<CallRecord>,
        permit: &'call mut Option<Permit>,
        machine: Machine,
        leg: Leg,
        codec: Codec,
    ) -> Self {
        Self {
            shared,
            known,
            permit,
            admitted: None,
            machine,
            leg,
            leg_is_open: true,
            models: Models::new(codec, shared.turns.clone()),
            lookups: JoinSet::new(),
            marks: JoinSet::new(),
            recordings: JoinSet::new(),
            record: None,
            forgotten: false,
        }
    }

    /// The call's record; none of a call that another router has.
    async fn run(mut self, let_go: LetGo) -> Option<CallRecord> {
        let mut told = Told::Nothing;
        loop {
            if let Some(record) = self.record.take() {
                return Some(self.finish(*record).await);
            }
            if self.forgotten {
                return None;
            }
            let wake = self.next(&let_go, told).await;
            let encoded = matches!(wake, Wake::Event(Event::Speech { .. }));
            match wake {
                Wake::Event(Event::Drain) => told = Told::Drain,
                Wake::Event(Event::HangUp) => told = Told::HangUp,
                _ => {}
            }
            for action in self.feed(wake) {
                self.perform(action).await;
            }
            if encoded {
                // A model sends seconds of speech at once; other calls' frames go first.
                yield_now().await;
            }
        }
    }

    async fn next(&mut self, let_go: &LetGo, told: Told) -> Wake {
        if let Some(admitted) = self.admitted.take() {
            return Wake::Event(Event::Admitted(admitted));
        }
        let deadline = self.machine.deadline();
        tokio::select! {
            biased;
            () = until(deadline) => {
                self.note_lateness();
                Wake::Time
            }
            event = self.leg.events.recv(), if self.leg_is_open => {
                Wake::Event(Event::Leg(self.leg_event(event)))
            }
            event = self.models.next() => Wake::Event(event),
            Some(answer) = self.lookups.join_next() => looked(answer),
            () = let_go.at_once.cancelled(), if told < Told::HangUp => Wake::Event(Event::HangUp),
            () = let_go.politely.cancelled(), if told < Told::Drain => Wake::Event(Event::Drain),
        }
    }

    fn note_lateness(&self) {
        let now = Instant::now();
        if let Some(late) = self.machine.lateness(now) {
            self.shared.lateness.note(late, now);
        }
    }

    /// A leg that closes its channel without a word has failed.
    fn leg_event(&mut self, event: Option<LegEvent>) -> LegEvent {
        let event = event.unwrap_or(LegEvent::Ended(LegEnd::Failed(Fault::Internal)));
        self.leg_is_open = !matches!(event, LegEvent::Ended(_));
        event
    }

    fn feed(&mut self, wake: Wake) -> Vec<Action> {
        let now = Instant::now();
        match wake {
            Wake::Time => {
                let waiting = self.leg.commands.max_capacity() - self.leg.commands.capacity();
                self.machine.on_time(waiting < FRAMES_AHEAD, now)
            }
            Wake::Event(event) => {
                count_closed(&self.shared.metrics, &event);
                self.note_limits(&event);
                self.machine.handle(event, now)
            }
            Wake::Looked(answer) => {
                let shut = self.shared.health.shut(answer.tenant.as_ref(), &self.shared.servers, now);
                self.machine.handle(Event::Looked { answer, shut }, now)
            }
        }
    }

    fn note_limits(&self, event: &Event) {
        let Event::Model { session, event: ModelEvent::Limits(limits) } = event else { return };
        let Some(provider) = self.models.provider(*session) else { return };
        for (of, left) in [(RateOf::Requests, limits.requests), (RateOf::Tokens, limits.tokens)] {
            if let Some(percent) = left {
                self.shared.metrics.model_rate_limit(provider, of, percent);
            }
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Mark(record) => self.mark(*record),
            Action::Admit { tenant, caps } => self.admit(&tenant, caps),
            Action::Lookup { call, routed } => {
                let shared = Arc::clone(self.shared);
                let lookup =
                    async move { shared.lookup.resolve(&call, routed.as_deref(), Timestamp::now()).await };
                self.lookups.spawn(lookup.in_current_span());
            }
            Action::OpenModel { session, provider, opening } => {
                let name = Arc::clone(&provider.name);
                self.models.add(session, name, self.shared.dialer.open(&provider, *opening));
            }
            Action::Leg(frame @ LegCommand::Frame(_)) => {
                // There is room (see `FRAMES_AHEAD`), unless the leg is gone.
                let _ = self.leg.commands.try_send(frame);
            }
            Action::Leg(command) => {
                if command == LegCommand::Answer {
                    self.marked().await;
                }
                let _ = timeout(PATIENCE, self.leg.commands.send(command)).await;
            }
            Action::Prepare { clip, codec } => {
                let studio = self.shared.studio.clone();
                let prepare = async move { studio.prepare(clip, codec).await };
                self.recordings.spawn(prepare.in_current_span());
            }
            Action::Model { session, command } => self.models.tell(session, command),
            Action::Judge { tenant, provider, judgement } => {
                let open = self.shared.health.judge(tenant, provider, judgement, Instant::now());
                self.shared.metrics.model_breakers(open);
            }
            Action::Forget => self.forgotten = true,
            Action::Record(record) => self.record = Some(record),
        }
    }

    /// The new permit is taken before the old one is given back.
    fn admit(&mut self, tenant: &TenantId, caps: Caps) {
        let permit = self.shared.permits.take(tenant, caps, Instant::now());
        self.admitted = Some(permit.admission());
        *self.permit = Some(permit);
    }

    /// The mark is written beside the lookup, and waited for before the call is answered.
    fn mark(&mut self, record: CallRecord) {
        traces::arrived(&record, &self.shared.metrics);
        let (shared, marked) = (Arc::clone(self.shared), record.clone());
        let mark = async move {
            // The journal logs and counts its failures itself; the call goes on without a mark.
            let _ = shared.journal.open_mark(&marked.opening()).await;
        };
        self.marks.spawn(mark.in_current_span());
        let _ = self.known.set(record);
    }

    async fn marked(&mut self) {
        while self.marks.join_next().await.is_some() {}
    }

    /// The mark stands before its record, and model sessions get a moment to close properly: they may still tell
    /// what the last responses cost.
    async fn finish(mut self, mut record: CallRecord) -> CallRecord {
        self.marked().await;
        let Self { shared, mut models, .. } = self;
        let told = async {
            while !models.is_empty() {
                let event = models.next().await;
                count_closed(&shared.metrics, &event);
                if let (Some(model), Event::Model { session, event }) = (&mut record.model, event) {
                    model.note(session.get(), &event);
                }
            }
        };
        let _ = timeout(CLOSE, told).await;
        record
    }
}

fn count_closed(metrics: &Metrics, event: &Event) {
    if let Event::Model { event: ModelEvent::Closed(closed), .. } = event {
        metrics.model_closed(closed.name());
    }
}

/// A lookup that panicked is a bug; the machine's own deadline ends the call.
fn looked(answer: Result<Answer, JoinError>) -> Wake {
    match answer {
        Ok(answer) => Wake::Looked(Box::new(answer)),
        Err(_) => {
            tracing::error!("the lookup panicked");
            Wake::Time
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
