//! The way to the answer: facts, configuration, model, greeting, gate. Every step has a deadline, and a call
//! that cannot be served is refused unanswered.

use tokio::time::Instant;

use super::errand::{Errand, Task};
use super::timings::Timings;
use crate::call::{Call, Ending, Fault};
use crate::dialplan::Instead;
use crate::lookup::Decision;
use crate::tenant::CallConfig;

/// Where a call is on its way to the answer.
#[derive(Debug)]
pub struct Setup {
    stage: Stage,
    until: Instant,
    /// The limit of the whole way, from the facts on.
    gate: Option<Instant>,
    /// The call was answered before it came to us.
    answered: bool,
    /// Who still rings is handed on as such.
    redirects: bool,
}

/// In the order of a call: a later stage compares greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Arriving,
    Looking,
    /// Until a model serves; the failover keeps shorter times.
    Connecting,
    /// An unanswered caller is told where else to call.
    Redirecting,
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
    /// No model is there in time.
    ModelDown,
    /// Open the gate for this, without a model.
    Errand(Errand),
    /// Do this without an answer.
    Redirect(Errand),
    /// Nothing was heard of it in time.
    NotRedirected,
    /// Open the gate: publish our track.
    Answer,
    /// The caller hears us.
    Up,
    End(Ending),
}

impl Setup {
    pub fn new(now: Instant, timings: &Timings) -> Self {
        let until = now + timings.arrival;
        Self { stage: Stage::Arriving, until, gate: None, answered: false, redirects: false }
    }

    /// Where the call was answered before it came to us, the way is the same, but there is nothing to be refused.
    pub fn arrived(&mut self, call: &Call, now: Instant, timings: &Timings) {
        self.answered = call.answered;
        self.redirects = call.redirects;
        self.gate = Some(now + timings.gate);
        self.enter(Stage::Looking, now + timings.lookup);
    }

    pub fn looked(&mut self, decision: Decision, now: Instant, timings: &Timings) -> Option<Step> {
        if self.stage != Stage::Looking {
            return None;
        }
        match decision {
            Decision::Instead(Instead::Refuse(refusal)) => Some(Step::End(Ending::Refused(refusal))),
            Decision::Instead(Instead::Play(clip)) => {
                Some(self.set_out(Errand::new([Task::Play(clip)], Ending::Played), now, timings))
            }
            Decision::Instead(Instead::Transfer(to)) => {
                let errand = Errand::new([Task::Transfer(to)], Ending::Failed(Fault::Transfer));
                let redirects = self.redirects;
                Some(if redirects {
                    self.redirect(errand, now, timings)
                } else {
                    self.set_out(errand, now, timings)
                })
            }
            Decision::Answer(config) => {
                self.enter(Stage::Connecting, now + timings.gate);
                Some(Step::OpenModel(config))
            }
        }
    }

    /// A model serves.
    pub fn serve(&mut self, now: Instant, timings: &Timings) -> Option<Step> {
        (self.stage == Stage::Connecting).then(|| self.publish(now, timings))
    }

    /// Opens the gate for this, without a model.
    pub fn set_out(&mut self, errand: Errand, now: Instant, timings: &Timings) -> Step {
        self.publish(now, timings);
        Step::Errand(errand)
    }

    /// Whether who is handed on now is told so before the answer.
    pub fn redirects(&self) -> bool {
        self.redirects && self.stage < Stage::Redirecting
    }

    /// The caller is handed on without an answer.
    pub fn redirect(&mut self, errand: Errand, now: Instant, timings: &Timings) -> Step {
        self.enter(Stage::Redirecting, now + timings.subscribed);
        Step::Redirect(errand)
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

    /// Whether the call waits for its configuration, or for leave.
    pub fn is_looking(&self) -> bool {
        self.stage == Stage::Looking
    }

    /// Whether the carrier has, or is about to have, its 200 OK.
    pub fn is_answered(&self) -> bool {
        self.answered || self.stage >= Stage::Publishing
    }

    /// Our track is published, which it is not at first in a call that another router had answered.
    pub fn is_published(&self) -> bool {
        self.stage >= Stage::Publishing
    }

    /// The bridge has our voice: the INVITE is answered, or as good as.
    pub fn is_being_answered(&self) -> bool {
        self.answered || self.stage >= Stage::Answering
    }

    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    pub fn deadline(&self) -> Option<Instant> {
        let gate = self.gate.filter(|_| self.stage < Stage::Publishing);
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
            Stage::Connecting => Step::ModelDown,
            Stage::Redirecting => Step::NotRedirected,
            Stage::Publishing => Step::End(Ending::Failed(Fault::NotAnswered)),
            // A leg that does not say so in time is taken to be up: the caller may be listening.
            Stage::Answering | Stage::Up => self.go_up(),
        })
    }

    fn publish(&mut self, now: Instant, timings: &Timings) -> Step {
        self.enter(Stage::Publishing, now + timings.subscribed);
        Step::Answer
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
