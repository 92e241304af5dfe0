//! The shell of one call: it waits for what happens next, asks the machine, and does as it says.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::machine::{Context, Machine};
use super::sounds::Sounds;
use super::timings::Timings;
use super::voice::Voice;
use super::{Action, Event};
use crate::admission::Slot;
use crate::call::{Call, CallId, Fault};
use crate::dialplan::Dialplan;
use crate::ingress::leg::{Incoming, Leg, LegCommand, LegEnd, LegEvent};
use crate::lookup::{Answer, Lookup};
use crate::realtime::{Closed, Connector, ModelCommand, ModelEvent, ModelSession, Provider};
use crate::record::CallRecord;
use crate::store::Journal;
use crate::telemetry::Metrics;

/// The longest wait for a place in a leg's or a model's command queue, and for a model to close.
const PATIENCE: Duration = Duration::from_secs(1);

/// What every call of this router shares.
#[derive(Debug)]
pub struct Shared {
    pub dialplan: watch::Receiver<Arc<Dialplan>>,
    pub lookup: Lookup,
    pub provider: Arc<Provider>,
    pub connector: Connector,
    pub journal: Journal,
    pub metrics: Arc<Metrics>,
    pub timings: Timings,
    pub sounds: Sounds,
}

/// Runs one call to its end and writes its record, whatever happens. `drain` lets the caller go.
pub async fn run(incoming: Incoming, shared: Arc<Shared>, drain: CancellationToken) {
    let Incoming { id, offered_at, leg, slot } = incoming;
    let facts = OnceLock::new();
    let call = converse(id, offered_at, leg, &shared, &drain, &facts);
    let record = match AssertUnwindSafe(call).catch_unwind().await {
        Ok(record) => record,
        Err(_panic) => panicked(id, offered_at, facts.into_inner()),
    };
    close(&record, &shared, slot).await;
}

async fn close(record: &CallRecord, shared: &Shared, slot: Slot) {
    let ending = record.ending;
    tracing::info!(call = %record.id, ending = ending.name(), detail = ending.detail(), "call ended");
    shared.metrics.call_ended(record);
    if let Err(error) = shared.journal.write(record).await {
        shared.metrics.journal_failed();
        tracing::error!(call = %record.id, %error, "call record not written");
    }
    drop(slot);
}

/// A bug of ours cost this call; what was known of it still makes a record.
fn panicked(id: CallId, offered_at: Timestamp, facts: Option<Box<Call>>) -> CallRecord {
    let ended_at = Timestamp::now();
    let mut record = CallRecord::begun(id, offered_at);
    record.timing.ended = Duration::try_from(ended_at.duration_since(offered_at)).unwrap_or_default();
    CallRecord { call: facts, ended_at, ..record }
}

async fn converse(
    id: CallId,
    offered_at: Timestamp,
    leg: Leg,
    shared: &Arc<Shared>,
    drain: &CancellationToken,
    facts: &OnceLock<Box<Call>>,
) -> CallRecord {
    let context = Context {
        dialplan: Arc::clone(&shared.dialplan.borrow()),
        provider: Arc::clone(&shared.provider),
        capabilities: shared.provider.capabilities(),
        timings: shared.timings,
        sounds: shared.sounds.clone(),
        phase: Duration::from_micros(rand::random_range(0..20_000)),
    };
    let machine = Machine::new(id, offered_at, Instant::now(), context);
    let shell = Shell {
        id,
        shared,
        facts,
        machine,
        leg,
        leg_is_open: true,
        model: None,
        voice: None,
        lookups: JoinSet::new(),
        marks: JoinSet::new(),
        record: None,
    };
    shell.run(drain).await
}

struct Shell<'call> {
    id: CallId,
    shared: &'call Arc<Shared>,
    facts: &'call OnceLock<Box<Call>>,
    machine: Machine,
    leg: Leg,
    leg_is_open: bool,
    model: Option<ModelSession>,
    voice: Option<Voice>,
    lookups: JoinSet<Answer>,
    marks: JoinSet<()>,
    record: Option<Box<CallRecord>>,
}

/// What woke the shell.
enum Wake {
    Time,
    Event(Event),
    Model(ModelEvent),
}

impl Shell<'_> {
    async fn run(mut self, drain: &CancellationToken) -> CallRecord {
        let mut draining = false;
        loop {
            if let Some(record) = self.record.take() {
                self.let_model_close().await;
                return *record;
            }
            let wake = self.next(drain, draining).await;
            draining |= matches!(wake, Wake::Event(Event::Drain));
            let actions = self.feed(wake);
            for action in actions {
                self.perform(action).await;
            }
        }
    }

    async fn next(&mut self, drain: &CancellationToken, draining: bool) -> Wake {
        let deadline = self.machine.deadline();
        tokio::select! {
            biased;
            () = until(deadline) => Wake::Time,
            event = self.leg.events.recv(), if self.leg_is_open => Wake::Event(Event::Leg(self.leg_event(event))),
            event = next_of(&mut self.model) => Wake::Model(event),
            Some(answer) = self.lookups.join_next() => self.looked(answer),
            () = drain.cancelled(), if !draining => Wake::Event(Event::Drain),
        }
    }

    /// A leg that closes its channel without a word has failed.
    fn leg_event(&mut self, event: Option<LegEvent>) -> LegEvent {
        let event = event.unwrap_or(LegEvent::Ended(LegEnd::Failed(Fault::Internal)));
        self.leg_is_open = !matches!(event, LegEvent::Ended(_));
        event
    }

    /// A lookup that panicked is a bug; the machine's own deadline ends the call.
    fn looked(&self, answer: Result<Answer, tokio::task::JoinError>) -> Wake {
        match answer {
            Ok(answer) => Wake::Event(Event::Looked(Box::new(answer))),
            Err(_) => {
                tracing::error!(call = %self.id, "the lookup panicked");
                Wake::Time
            }
        }
    }

    fn feed(&mut self, wake: Wake) -> Vec<Action> {
        let now = Instant::now();
        match wake {
            Wake::Time => self.machine.on_time(now),
            Wake::Event(event) => self.machine.handle(event, now),
            Wake::Model(event) => {
                let mut actions = Vec::new();
                for event in self.voiced(event) {
                    actions.extend(self.machine.handle(event, now));
                }
                actions
            }
        }
    }

    /// Audio becomes encoded frames; everything else passes.
    fn voiced(&mut self, event: ModelEvent) -> Vec<Event> {
        let Some(voice) = &mut self.voice else { return vec![Event::Model(event)] };
        match event {
            ModelEvent::AgentAudio { item, pcm, .. } => {
                let frames = voice.push(&pcm);
                frames.into_iter().map(|frame| Event::Speech { item: item.clone(), frame }).collect()
            }
            ModelEvent::AgentAudioDone { item } => {
                let rest = voice.finish().map(|frame| Event::Speech { item: item.clone(), frame });
                rest.into_iter().chain([Event::Model(ModelEvent::AgentAudioDone { item })]).collect()
            }
            event => vec![Event::Model(event)],
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Mark(call) => self.mark(call),
            Action::Lookup { call, routed } => {
                let shared = Arc::clone(self.shared);
                self.lookups.spawn(async move { shared.lookup.resolve(&call, routed.as_deref(), Timestamp::now()).await });
            }
            Action::OpenModel(opening) => {
                self.voice = Some(Voice::default());
                self.model = Some(self.shared.provider.open(opening, &self.shared.connector));
            }
            // A frame is due now or never.
            Action::Leg(LegCommand::Frame(frame)) => {
                let _ = self.leg.commands.try_send(LegCommand::Frame(frame));
            }
            Action::Leg(command) => {
                let _ = timeout(PATIENCE, self.leg.commands.send(command)).await;
            }
            Action::Model(command) => self.tell_model(command).await,
            Action::Record(record) => self.record = Some(record),
        }
    }

    /// The mark is written beside the lookup, and the journal keeps it before the record.
    fn mark(&mut self, call: Box<Call>) {
        tracing::info!(call = %self.id, "call arrived");
        let (shared, id, offered_at) = (Arc::clone(self.shared), self.id, call.received_at);
        self.marks.spawn(async move {
            if let Err(error) = shared.journal.open_mark(id, offered_at).await {
                shared.metrics.journal_failed();
                tracing::error!(call = %id, %error, "open mark not written");
            }
        });
        let _ = self.facts.set(call);
    }

    async fn tell_model(&mut self, command: ModelCommand) {
        let Some(model) = &self.model else { return };
        match command {
            // Old audio is of no use to a model that does not keep up.
            ModelCommand::Audio(_) => drop(model.commands.try_send(command)),
            command => drop(timeout(PATIENCE, model.commands.send(command)).await),
        }
    }

    /// The session was told to close; its socket gets a moment to do it properly.
    async fn let_model_close(&mut self) {
        let Some(model) = &mut self.model else { return };
        let closed = async { while model.events.recv().await.is_some() {} };
        let _ = timeout(PATIENCE, closed).await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The model's next event. A session that ends without a word was lost.
async fn next_of(model: &mut Option<ModelSession>) -> ModelEvent {
    let Some(session) = model else { return std::future::pending().await };
    match session.events.recv().await {
        Some(event) => event,
        None => {
            *model = None;
            ModelEvent::Closed(Closed::Lost { reason: "the session's task ended" })
        }
    }
}
