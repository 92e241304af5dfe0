//! The way to the answer: facts, configuration, model, greeting, gate. Every step has a deadline, and a call
//! that cannot be served is refused unanswered.

use tokio::time::Instant;

use super::errand::Task;
use super::timings::Timings;
use crate::call::{Ending, Fault};
use crate::lookup::{Answer, Decision};
use crate::realtime::ModelEvent;
use crate::tenant::{CallConfig, Greeting};

/// Speech that must be here before the answer, for a model that speaks faster than real time: 200 ms.
const GREETING_FRAMES: u32 = 10;

/// Where a call is on its way to the answer.
#[derive(Debug)]
pub struct Setup {
    stage: Stage,
    until: Instant,
    /// The limit of the whole way, from the facts on.
    gate: Option<Instant>,
    /// Whether the answer waits for the greeting's first audio.
    greeting: bool,
    frames: u32,
}

/// In the order of a call: a later stage compares greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Arriving,
    Looking,
    Opening,
    Configuring,
    Greeting,
    /// Our track is published; the bridge has not subscribed.
    Publishing,
    /// The INVITE is being answered.
    Answering,
    Up,
}

/// What the next step is.
#[derive(Debug)]
pub enum Step {
    OpenModel(Box<CallConfig>),
    /// Open the gate for this, without a model.
    Errand(Task),
    /// Open the gate: publish our track.
    Answer,
    /// The caller hears us.
    Up,
    End(Ending),
}

impl Setup {
    pub fn new(now: Instant, timings: &Timings) -> Self {
        let until = now + timings.arrival;
        Self { stage: Stage::Arriving, until, gate: None, greeting: true, frames: 0 }
    }

    pub fn arrived(&mut self, now: Instant, timings: &Timings) {
        self.gate = Some(now + timings.gate);
        self.enter(Stage::Looking, now + timings.lookup);
    }

    /// `paced`: the model speaks in real time, so waiting for its audio would only be dead air.
    pub fn looked(&mut self, answer: Answer, paced: bool, now: Instant, timings: &Timings) -> Option<Step> {
        if self.stage != Stage::Looking {
            return None;
        }
        match answer.decision {
            Decision::Refuse(refusal) => Some(Step::End(Ending::Refused(refusal))),
            Decision::Play(clip) => Some(self.set_out(Task::Play(clip), now, timings)),
            Decision::Transfer(to) => Some(self.set_out(Task::Transfer(to), now, timings)),
            Decision::Answer(config) => {
                self.greeting = config.greeting != Greeting::None && !paced;
                self.enter(Stage::Opening, now + timings.model_open);
                Some(Step::OpenModel(config))
            }
        }
    }

    pub fn model(&mut self, event: &ModelEvent, now: Instant, timings: &Timings) -> Option<Step> {
        match (self.stage, event) {
            (Stage::Opening, ModelEvent::Ready { .. }) => {
                self.enter(Stage::Configuring, now + timings.model_configured);
                None
            }
            (Stage::Opening | Stage::Configuring, ModelEvent::Configured) => {
                self.enter(Stage::Greeting, now + timings.greeting);
                self.open_gate_if_ready(now, timings)
            }
            // A greeting shorter than the gate's 200 ms is ready when it is whole.
            (Stage::Greeting, ModelEvent::AgentAudioDone { .. }) if self.frames > 0 => {
                Some(self.publish(now, timings))
            }
            // The greeting came to nothing, whatever the model calls it: a caller would hear nothing.
            (Stage::Greeting, ModelEvent::AgentDone { .. }) if self.frames == 0 => Some(MODEL_UNAVAILABLE),
            (stage, ModelEvent::Closed(_)) if stage < Stage::Up => Some(MODEL_UNAVAILABLE),
            _ => None,
        }
    }

    /// One frame of the greeting is ready.
    pub fn speech(&mut self, now: Instant, timings: &Timings) -> Option<Step> {
        self.frames = self.frames.saturating_add(1);
        self.open_gate_if_ready(now, timings)
    }

    pub fn subscribed(&mut self, now: Instant, timings: &Timings) {
        if self.stage == Stage::Publishing {
            self.enter(Stage::Answering, now + timings.active);
        }
    }

    pub fn active(&mut self) -> Option<Step> {
        let answering = matches!(self.stage, Stage::Publishing | Stage::Answering);
        answering.then(|| self.go_up())
    }

    /// Whether the gate is open: the carrier has, or is about to have, its 200 OK.
    pub fn is_answered(&self) -> bool {
        self.stage >= Stage::Publishing
    }

    /// The bridge has our voice: the INVITE is answered, or as good as.
    pub fn is_being_answered(&self) -> bool {
        self.stage >= Stage::Answering
    }

    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    pub fn deadline(&self) -> Option<Instant> {
        let gate = self.gate.filter(|_| !self.is_answered());
        (!self.is_up()).then(|| gate.map_or(self.until, |gate| gate.min(self.until)))
    }

    /// What a missed deadline means.
    pub fn on_time(&mut self, now: Instant) -> Option<Step> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        Some(match self.stage {
            Stage::Arriving => Step::End(Ending::Failed(Fault::Join)),
            // The lookup keeps a shorter budget of its own and always answers.
            Stage::Looking => Step::End(Ending::Failed(Fault::Internal)),
            Stage::Opening | Stage::Configuring | Stage::Greeting => MODEL_UNAVAILABLE,
            Stage::Publishing => Step::End(Ending::Failed(Fault::NotAnswered)),
            // A leg that does not say so in time is taken to be up: the caller may be listening.
            Stage::Answering | Stage::Up => self.go_up(),
        })
    }

    fn open_gate_if_ready(&mut self, now: Instant, timings: &Timings) -> Option<Step> {
        let ready = !self.greeting || self.frames >= GREETING_FRAMES;
        (self.stage == Stage::Greeting && ready).then(|| self.publish(now, timings))
    }

    fn publish(&mut self, now: Instant, timings: &Timings) -> Step {
        self.enter(Stage::Publishing, now + timings.subscribed);
        Step::Answer
    }

    fn set_out(&mut self, task: Task, now: Instant, timings: &Timings) -> Step {
        self.publish(now, timings);
        Step::Errand(task)
    }

    fn go_up(&mut self) -> Step {
        self.stage = Stage::Up;
        Step::Up
    }

    fn enter(&mut self, stage: Stage, until: Instant) {
        self.stage = stage;
        self.until = until;
    }
}

const MODEL_UNAVAILABLE: Step = Step::End(Ending::Failed(Fault::ModelUnavailable));
