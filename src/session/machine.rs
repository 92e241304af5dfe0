//! The pure machine of one call. It routes events between its parts and keeps the record; the decisions are
//! theirs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::errand::Errand;
use super::farewell::Farewell;
use super::floor::Floor;
use super::limits::Limits;
use super::setup::{Setup, Step};
use super::sounds::Sounds;
use super::timings::Timings;
use super::{Action, Event};
use crate::call::{Call, CallId, Ending, Fault, Refusal};
use crate::dialplan::{Dialplan, Routed};
use crate::ingress::leg::{LegCommand, LegEnd, LegEvent};
use crate::lookup::Answer;
use crate::media::Pcm;
use crate::realtime::{Capabilities, ModelCommand, ModelEvent, Opening, Provider};
use crate::record::{CallRecord, ModelUse, RouteTaken, Timing};
use crate::tenant::{CallConfig, Greeting};

/// What a call needs to know of the router it runs in; all of it immutable while the call lasts.
#[derive(Debug, Clone)]
pub struct Context {
    pub dialplan: Arc<Dialplan>,
    pub provider: Arc<Provider>,
    pub capabilities: Capabilities,
    pub timings: Timings,
    pub sounds: Sounds,
    /// Where in the 20 ms this call's frames leave, so that calls don't all wake at once.
    pub phase: Duration,
}

#[derive(Debug)]
pub struct Machine {
    context: Context,
    offered: Instant,
    offered_at: Timestamp,
    setup: Setup,
    errand: Errand,
    floor: Floor,
    limits: Limits,
    farewell: Farewell,
    leg_is_gone: bool,
    model_is_open: bool,
    greeting: bool,
    record: CallRecord,
}

impl Machine {
    /// A call was offered at `now`, which the wall calls `offered_at`.
    pub fn new(id: CallId, offered_at: Timestamp, now: Instant, context: Context) -> Self {
        Self {
            setup: Setup::new(now, &context.timings),
            errand: Errand::default(),
            floor: Floor::new(context.sounds.clone()),
            limits: Limits::default(),
            farewell: Farewell::default(),
            offered: now,
            offered_at,
            leg_is_gone: false,
            model_is_open: false,
            greeting: false,
            record: CallRecord::begun(id, offered_at),
            context,
        }
    }

    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        if self.farewell.has_begun() {
            return self.handle_leaving(&event, now);
        }
        match event {
            Event::Leg(event) => self.leg(event, now),
            Event::Looked(answer) => self.looked(*answer, now),
            // Nobody but the errand has a say.
            Event::Model(_) | Event::Speech { .. } if self.errand.is_there() => Vec::new(),
            Event::Model(event) => self.model(event, now),
            Event::Speech { item, frame } => {
                let mut actions = self.floor.speech(item, frame, now);
                let step = self.setup.speech(now, &self.context.timings);
                actions.extend(self.take(step, now));
                actions
            }
            Event::Drain => self.end(Ending::Drained, now),
        }
    }

    /// Time has come to [`Machine::deadline`].
    pub fn on_time(&mut self, now: Instant) -> Vec<Action> {
        if self.farewell.has_begun() {
            let late = self.farewell.deadline().is_some_and(|deadline| now >= deadline);
            return if late { self.finish(now) } else { Vec::new() };
        }
        let step = self.setup.on_time(now);
        let mut actions = self.take(step, now);
        if self.farewell.has_begun() {
            return actions;
        }
        actions.extend(self.floor.on_time(now, &self.context.timings));
        if self.limits.is_over(now) {
            actions.extend(self.end(Ending::TimeLimit, now));
        } else if self.floor.is_abandoned(now, &self.context.timings) {
            actions.extend(self.end(Ending::Failed(Fault::ModelLost), now));
        } else if let Some(ending) = self.errand.on_time(&self.floor, now) {
            actions.extend(self.end(ending, now));
        }
        actions
    }

    /// When [`Machine::on_time`] is due next; `None` once the call is over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.farewell.has_begun() {
            return self.farewell.deadline();
        }
        let floor = self.floor.deadline(&self.context.timings);
        let errand = self.errand.deadline(&self.floor);
        [self.setup.deadline(), floor, self.limits.deadline(), errand].into_iter().flatten().min()
    }

    /// The record is out; nothing more will be asked.
    pub fn is_over(&self) -> bool {
        self.farewell.is_over()
    }

    fn leg(&mut self, event: LegEvent, now: Instant) -> Vec<Action> {
        match event {
            LegEvent::Arrived(call) => self.arrived(call, now),
            LegEvent::Subscribed => {
                self.setup.subscribed(now, &self.context.timings);
                Vec::new()
            }
            LegEvent::Active => {
                let step = self.setup.active();
                self.take(step, now)
            }
            LegEvent::Audio(pcm) => self.audio(pcm),
            LegEvent::Quality(quality) => {
                self.record.media = Some(quality);
                Vec::new()
            }
            LegEvent::Digit(_) | LegEvent::Away | LegEvent::Back => Vec::new(),
            LegEvent::Transferred => self.transferred(true, now),
            LegEvent::NotTransferred => self.transferred(false, now),
            LegEvent::Ended(end) => {
                self.leg_is_gone = true;
                self.end(self.ending_of(end), now)
            }
        }
    }

    fn transferred(&mut self, done: bool, now: Instant) -> Vec<Action> {
        self.errand.transferred(done).map_or(Vec::new(), |ending| self.end(ending, now))
    }

    fn arrived(&mut self, call: Box<Call>, now: Instant) -> Vec<Action> {
        if self.record.call.is_some() {
            return Vec::new();
        }
        self.record.timing.arrived = Some(self.since_offer(now));
        self.record.call = Some(call.clone());
        self.setup.arrived(now, &self.context.timings);
        let routed = self.context.dialplan.resolve(&call, call.received_at);
        self.note_route(routed.as_ref());
        let routed = routed.map(Box::new);
        vec![Action::Mark(Box::new(self.record.clone())), Action::Lookup { call, routed }]
    }

    fn note_route(&mut self, routed: Option<&Routed>) {
        let Some(routed) = routed else { return };
        self.record.tenant = Some(routed.tenant.id.clone());
        self.record.route =
            Some(RouteTaken { id: Arc::clone(&routed.route), matched: routed.matched.name() });
    }

    fn looked(&mut self, answer: Answer, now: Instant) -> Vec<Action> {
        self.record.timing.configured = Some(self.since_offer(now));
        self.record.tenant = answer.tenant.clone().or_else(|| self.record.tenant.clone());
        self.record.config = Some(answer.report.clone());
        let paced = self.context.capabilities.paced_output;
        let step = self.setup.looked(answer, paced, now, &self.context.timings);
        self.take(step, now)
    }

    fn model(&mut self, event: ModelEvent, now: Instant) -> Vec<Action> {
        self.note_model(&event, now);
        let step = self.setup.model(&event, now, &self.context.timings);
        let mut actions = self.take(step, now);
        match event {
            ModelEvent::CallerStarted => actions.extend(self.barge_in()),
            ModelEvent::CallerStopped => self.floor.caller_stopped(now),
            ModelEvent::AgentStarted { response } => self.floor.agent_started(response, now),
            ModelEvent::AgentAudioDone { item } => self.floor.speech_done(item),
            ModelEvent::AgentDone { response, outcome, .. } => self.floor.agent_done(&response, &outcome),
            ModelEvent::Closed(_) => actions.extend(self.end(Ending::Failed(Fault::ModelLost), now)),
            // Audio arrives as `Event::Speech`; the rest is only noted.
            ModelEvent::AgentAudio { .. }
            | ModelEvent::Saying { .. }
            | ModelEvent::Limits(_)
            | ModelEvent::CallerText { .. }
            | ModelEvent::AgentText { .. }
            | ModelEvent::ToolCalled { .. }
            | ModelEvent::Ready { .. }
            | ModelEvent::Configured
            | ModelEvent::Warning { .. } => {}
        }
        actions
    }

    fn note_model(&mut self, event: &ModelEvent, now: Instant) {
        let ready = self.since_offer(now);
        match event {
            ModelEvent::Configured => self.record.timing.model_ready = Some(ready),
            ModelEvent::Closed(_) => self.model_is_open = false,
            _ => {}
        }
        if let Some(model) = &mut self.record.model {
            model.note(event);
        }
    }

    fn barge_in(&mut self) -> Vec<Action> {
        let told = self.floor.caller_started();
        if self.context.capabilities.truncate { told } else { Vec::new() }
    }

    /// The caller's voice reaches the model once the caller hears ours: what a carrier sends before the answer, noise
    /// or ringback, would only talk the greeting down.
    fn audio(&self, pcm: Pcm) -> Vec<Action> {
        let heard = self.setup.is_up() && self.model_is_open;
        heard.then_some(Action::Model(ModelCommand::Audio(pcm))).into_iter().collect()
    }

    fn take(&mut self, step: Option<Step>, now: Instant) -> Vec<Action> {
        match step {
            None => Vec::new(),
            Some(Step::OpenModel(config)) => self.open_model(*config),
            Some(Step::Errand(task)) => {
                self.errand = Errand::Waiting(task);
                self.answer(now)
            }
            Some(Step::Answer) => self.answer(now),
            Some(Step::Up) => {
                self.record.timing.active = Some(self.since_offer(now));
                self.limits.start(now);
                self.floor.open(self.greeting, now);
                self.errand.start(&mut self.floor, now, &self.context.timings)
            }
            Some(Step::End(ending)) => self.end(ending, now),
        }
    }

    fn answer(&mut self, now: Instant) -> Vec<Action> {
        self.record.timing.gate = Some(self.since_offer(now));
        self.floor.start(now + self.context.phase);
        vec![Action::Leg(LegCommand::Answer)]
    }

    fn open_model(&mut self, config: CallConfig) -> Vec<Action> {
        let provider = &self.context.provider;
        let model = config.model.unwrap_or_else(|| provider.model.clone());
        self.record.model = Some(ModelUse {
            provider: Arc::clone(&provider.name),
            model: model.clone(),
            voice: config.voice.clone(),
            temperature_applied: config.temperature.map(|_| self.context.capabilities.temperature),
            ..ModelUse::default()
        });
        self.record.metadata = config.metadata;
        self.limits.configure(config.max_duration);
        self.greeting = config.greeting != Greeting::None;
        self.model_is_open = true;
        vec![Action::OpenModel(Opening {
            model,
            voice: config.voice,
            instructions: config.prompt,
            temperature: config.temperature,
            greeting: config.greeting,
            language: config.language,
            max_output_tokens: Opening::MAX_OUTPUT_TOKENS,
            turn_detection: config.turn_detection,
            interruptible: true,
            tools: Vec::new(),
            history: Vec::new(),
        })]
    }

    fn ending_of(&self, end: LegEnd) -> Ending {
        match end {
            LegEnd::Caller if self.setup.is_being_answered() => Ending::CallerHungUp,
            LegEnd::Caller => Ending::CallerCancelled,
            LegEnd::Failed(fault) => Ending::Failed(fault),
            // We had not asked: somebody else ended the leg with our means, and that is the room's doing.
            LegEnd::HungUp => Ending::Failed(Fault::Room),
        }
    }

    fn end(&mut self, ending: Ending, now: Instant) -> Vec<Action> {
        if !self.farewell.decide(ending, now, &self.context.timings) {
            return Vec::new();
        }
        let mut actions = Vec::new();
        if std::mem::take(&mut self.model_is_open) {
            actions.push(Action::Model(ModelCommand::Close));
        }
        if self.leg_is_gone {
            actions.extend(self.finish(now));
        } else if ending != Ending::Transferred {
            // Who was transferred leaves, or is made to when the leg is left.
            actions.push(Action::Leg(LegCommand::HangUp(self.refusal_for(ending))));
        }
        actions
    }

    /// What an unanswered carrier is told.
    fn refusal_for(&self, ending: Ending) -> Option<Refusal> {
        match ending {
            _ if self.setup.is_answered() => None,
            Ending::Refused(refusal) => Some(refusal),
            _ => Some(Refusal::Unavailable),
        }
    }

    fn handle_leaving(&mut self, event: &Event, now: Instant) -> Vec<Action> {
        match event {
            // Responses already on their way still count into the usage.
            Event::Model(event) => {
                self.note_model(event, now);
                Vec::new()
            }
            Event::Leg(LegEvent::Ended(_)) => self.finish(now),
            Event::Leg(LegEvent::Quality(quality)) => {
                self.record.media = Some(*quality);
                Vec::new()
            }
            Event::Leg(_) | Event::Looked(_) | Event::Speech { .. } | Event::Drain => Vec::new(),
        }
    }

    fn finish(&mut self, now: Instant) -> Vec<Action> {
        let Some(ending) = self.farewell.finish() else { return Vec::new() };
        let ended = self.since_offer(now);
        let mut record = self.record.clone();
        record.ending = ending;
        record.barge_ins = self.floor.barge_ins();
        record.timing = Timing {
            first_speech: self.floor.first_speech().map(|at| self.since_offer(at)),
            ended,
            ..record.timing
        };
        record.ended_at = self.offered_at.saturating_add(jiff_duration(ended)).unwrap_or(self.offered_at);
        let failed = match ending {
            Ending::Failed(fault) => Some(fault),
            _ => None,
        };
        vec![Action::Leg(LegCommand::Leave { failed }), Action::Record(Box::new(record))]
    }

    fn since_offer(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.offered)
    }
}

fn jiff_duration(elapsed: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(elapsed).unwrap_or(jiff::SignedDuration::ZERO)
}

#[cfg(test)]
mod tests;
