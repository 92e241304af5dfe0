//! The pure machine of one call. It routes events between its parts and keeps the record; the decisions are
//! theirs.

mod acting;
mod admitting;
mod interrupting;
mod keying;
mod leaving;
mod listening;
mod model;
mod parting;
mod telling;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::attention::Attention;
use super::ear::Ear;
use super::earshot::Earshot;
use super::errand::Errand;
use super::failover::{Failover, Server};
use super::farewell::Farewell;
use super::floor::Floor;
use super::goodbye::Goodbye;
use super::handover::Handover;
use super::history::History;
use super::keying::Keying;
use super::keypad::Keypad;
use super::limits::Limits;
use super::permit::{Next, Permit};
use super::setup::{Setup, Step};
use super::shelter::Shelter;
use super::sounds::Sounds;
use super::timings::Timings;
use super::{Action, Event};
use crate::call::{Call, CallId, Ending};
use crate::dialplan::{Dialplan, Instead, Routed};
use crate::ingress::leg::{LegCommand, LegEnd, LegEvent};
use crate::lookup::Answer;
use crate::pii::Redacted;
use crate::record::{CallRecord, RouteTaken};
use crate::tenant::CallConfig;
use crate::tools::Tools;

/// What a call needs to know of the router it runs in; all of it immutable while the call lasts.
#[derive(Debug, Clone)]
pub struct Context {
    pub dialplan: Arc<Dialplan>,
    /// The model servers, in order of preference.
    pub servers: Arc<[Server]>,
    pub timings: Timings,
    pub sounds: Sounds,
    /// What the way to the caller holds back of what was sent.
    pub held_back: Duration,
    /// What is done where no model serves, if the tenant does not say.
    pub when_model_down: Option<Instead>,
    /// Where in the 20 ms this call's frames leave, so that calls don't all wake at once.
    pub phase: Duration,
}

#[derive(Debug)]
pub struct Machine {
    context: Context,
    offered: Instant,
    offered_at: Timestamp,
    permit: Permit,
    setup: Setup,
    /// What is done instead of a conversation.
    errand: Option<Errand>,
    failover: Failover,
    floor: Floor,
    history: History,
    ear: Ear,
    earshot: Earshot,
    attention: Attention,
    shelter: Shelter,
    keypad: Keypad,
    limits: Limits,
    tools: Tools,
    keying: Option<Keying>,
    /// What came of a tool while no model served, and after the next one was told of the conversation.
    untold: Option<Redacted<String>>,
    handover: Option<Handover>,
    goodbye: Option<Goodbye>,
    farewell: Farewell,
    leg_is_gone: bool,
    draining: bool,
    /// No session has greeted the caller yet, and they have not spoken.
    greeting_is_owed: bool,
    /// Providers that this tenant's calls had better leave alone.
    shut: Vec<Arc<str>>,
    config: Option<CallConfig>,
    record: CallRecord,
}

impl Machine {
    /// A call was offered at `now`, which the wall calls `offered_at`.
    pub fn new(id: CallId, offered_at: Timestamp, now: Instant, context: Context) -> Self {
        Self {
            permit: Permit::default(),
            setup: Setup::new(now, &context.timings),
            errand: None,
            failover: Failover::default(),
            floor: Floor::new(context.sounds.clone(), context.held_back),
            history: History::default(),
            ear: Ear::default(),
            earshot: Earshot::default(),
            attention: Attention::default(),
            shelter: Shelter::default(),
            keypad: Keypad::default(),
            limits: Limits::default(),
            tools: Tools::default(),
            keying: None,
            untold: None,
            handover: None,
            goodbye: None,
            farewell: Farewell::default(),
            offered: now,
            offered_at,
            leg_is_gone: false,
            draining: false,
            greeting_is_owed: false,
            shut: Vec::new(),
            config: None,
            record: CallRecord::begun(id, offered_at),
            context,
        }
    }

    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        self.record.digits += u32::from(matches!(event, Event::Leg(LegEvent::Digit(_))));
        if self.farewell.has_begun() {
            return self.handle_leaving(&event, now);
        }
        if let Event::Leg(LegEvent::KeysSent | LegEvent::KeysNotSent) = event {
            return self.keyed(matches!(event, Event::Leg(LegEvent::KeysSent)), now);
        }
        if self.goodbye.is_some() {
            return self.handle_goodbye(event, now);
        }
        match event {
            Event::Leg(event) => self.leg(event, now),
            Event::Admitted(admitted) => self.admitted(admitted, now),
            Event::Looked { answer, shut } => self.looked(*answer, shut, now),
            // Nobody but the errand has a say.
            Event::Model { session, event } if self.errand.is_some() => {
                self.note_model(session, &event, now);
                Vec::new()
            }
            Event::Speech { .. } if self.errand.is_some() => Vec::new(),
            Event::Model { session, event } if self.handover.is_some() => {
                self.model_aside(session, &event, now)
            }
            Event::Speech { .. } if self.handover.as_ref().is_some_and(Handover::has_begun) => Vec::new(),
            Event::Model { session, event } => self.model(session, &event, now),
            Event::Speech { session, item, frame } => self.speech(session, item, frame, now),
            Event::Drain => self.drain(now),
            Event::HangUp => self.end(Ending::Drained, now),
        }
    }

    /// Time has come to [`Machine::deadline`]. `keeps_up`: the leg has taken the frames of before.
    pub fn on_time(&mut self, keeps_up: bool, now: Instant) -> Vec<Action> {
        self.floor.leg_keeps_up(keeps_up);
        if self.farewell.has_begun() {
            let late = self.farewell.deadline().is_some_and(|deadline| now >= deadline);
            return if late { self.finish(now) } else { Vec::new() };
        }
        let keyed = self.keying_on_time(now);
        if self.goodbye.is_some() {
            return self.on_time_in_goodbye(now);
        }
        let step = self.setup.on_time(now);
        let mut actions = keyed;
        actions.extend(self.take(step, now));
        if self.farewell.has_begun() {
            return actions;
        }
        actions.extend(self.floor.on_time(now, &self.context.timings));
        if self.handover.is_some() {
            actions.extend(self.on_time_in_handover(now));
            return actions;
        }
        actions.extend(self.limits_on_time(now));
        if self.goodbye.is_some() || self.farewell.has_begun() {
            return actions;
        }
        let next =
            self.errand.as_mut().map(|errand| errand.on_time(&mut self.floor, now, &self.context.timings));
        actions.extend(self.next_of_errand(next, now));
        if self.errand.is_none() && !self.farewell.has_begun() {
            actions.extend(self.model_on_time(now));
            actions.extend(self.shelter_on_time(now));
            actions.extend(self.tell_on_time(now));
        }
        actions
    }

    /// When [`Machine::on_time`] is due next; `None` once the call is over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.farewell.has_begun() {
            return self.farewell.deadline();
        }
        // Only a conversation waits for the model's word, and has an end.
        let rest = self.goodbye.as_ref().and_then(|goodbye| goodbye.deadline(&self.floor));
        let rest = rest.or_else(|| self.handover.as_ref().map(|handover| handover.deadline(&self.floor)));
        if let Some(rest) = rest {
            return self.floor.frame_due().into_iter().chain([rest]).min();
        }
        let timings = &self.context.timings;
        let floor = self.floor.deadline(self.failover.patience(timings));
        let errand = self.errand.as_ref().and_then(|errand| errand.deadline(&self.floor));
        let failover = self.failover.deadline(self.is_quiet());
        let limits = self.limits.deadline().filter(|_| self.errand.is_none());
        [self.setup.deadline(), floor, failover, limits, errand].into_iter().flatten().min()
    }

    /// How late the frame is that is due at `now`. What else the machine waits for may be long past once it is known, and says
    /// nothing of our load.
    pub fn lateness(&self, now: Instant) -> Option<Duration> {
        let due = self.floor.frame_due().filter(|_| !self.farewell.has_begun())?;
        now.checked_duration_since(due)
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
            LegEvent::Audio(audio) => self.audio(audio, now),
            LegEvent::Quality(quality) => {
                self.record.media = Some(quality);
                Vec::new()
            }
            LegEvent::Away => {
                self.floor.away();
                Vec::new()
            }
            LegEvent::Back => {
                self.floor.back(now);
                Vec::new()
            }
            LegEvent::Digit(key) => self.pressed(key, now),
            LegEvent::KeysSent | LegEvent::KeysNotSent => Vec::new(),
            LegEvent::Transferred => self.transferred(true, now),
            LegEvent::NotTransferred => self.transferred(false, now),
            LegEvent::Ended(LegEnd::Yielded) => {
                self.farewell.forget();
                vec![Action::Leg(LegCommand::Leave { failed: None }), Action::Forget]
            }
            LegEvent::Ended(end) => {
                self.leg_is_gone = true;
                self.end(self.ending_of(end), now)
            }
        }
    }

    fn transferred(&mut self, done: bool, now: Instant) -> Vec<Action> {
        if self.handover.is_some() {
            return self.handed_over(done, now);
        }
        let next = self
            .errand
            .as_mut()
            .map(|errand| errand.transferred(done, &mut self.floor, now, &self.context.timings));
        self.next_of_errand(next, now)
    }

    fn arrived(&mut self, call: Box<Call>, now: Instant) -> Vec<Action> {
        if self.record.call.is_some() {
            return Vec::new();
        }
        self.record.timing.arrived = Some(self.since_offer(now));
        self.record.call = Some(call.clone());
        self.setup.arrived(&call, now, &self.context.timings);
        let routed = self.context.dialplan.resolve(&call, call.received_at);
        self.note_route(routed.as_ref());
        let mut actions = vec![Action::Mark(Box::new(self.record.clone()))];
        let next = Next::Lookup { call, routed: routed.clone().map(Box::new) };
        actions.extend(self.admit_route(routed.as_ref(), next, now));
        actions
    }

    fn note_route(&mut self, routed: Option<&Routed>) {
        let Some(routed) = routed else { return };
        self.record.tenant = Some(routed.tenant.id.clone());
        self.record.route = Some(RouteTaken { id: Arc::clone(&routed.route), matched: routed.matched });
    }

    fn looked(&mut self, answer: Answer, shut: Vec<Arc<str>>, now: Instant) -> Vec<Action> {
        self.record.timing.configured = Some(self.since_offer(now));
        self.record.tenant = answer.tenant.clone().or_else(|| self.record.tenant.clone());
        self.record.config = Some(answer.report.clone());
        self.shut = shut;
        self.admit_decided(answer.tenant, answer.decision, now)
    }

    fn take(&mut self, step: Option<Step>, now: Instant) -> Vec<Action> {
        match step {
            None => Vec::new(),
            Some(Step::OpenModel(config)) => self.start_model(*config, now),
            Some(Step::ModelDown) => {
                let moves = self.failover.exhausted();
                self.follow(moves, None, now)
            }
            Some(Step::Errand(errand)) => {
                self.errand = Some(errand);
                self.answer(now)
            }
            Some(Step::Redirect(errand)) => {
                self.errand = Some(errand);
                self.begin_errand(now)
            }
            Some(Step::NotRedirected) => self.transferred(false, now),
            Some(Step::Answer) => self.answer(now),
            Some(Step::Up) => {
                self.record.timing.active = Some(self.since_offer(now));
                self.limits.start(now);
                self.floor.open(self.greeting_is_owed && self.errand.is_none(), now);
                self.begin_errand(now)
            }
            Some(Step::End(ending)) => self.end(ending, now),
        }
    }

    fn answer(&mut self, now: Instant) -> Vec<Action> {
        self.record.timing.gate = Some(self.since_offer(now));
        self.floor.start(now + self.context.phase);
        vec![Action::Leg(LegCommand::Answer)]
    }

    fn since_offer(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.offered)
    }
}

#[cfg(test)]
mod tests;
