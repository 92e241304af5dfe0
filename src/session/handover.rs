use tokio::time::Instant;

use super::SessionNo;
use super::floor::{Floor, TAIL};
use super::timings::Timings;
use crate::call::Destination;
use crate::realtime::ToolCallId;

/// The model hands its caller on. The conversation rests meanwhile, and goes on if it fails.
#[derive(Debug)]
pub struct Handover {
    /// Which model asked for it, and what it is to be told about if it fails.
    asked: (SessionNo, ToolCallId),
    stage: Stage,
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    /// What the model said before is heard first.
    Announcing(Destination),
    Transferring,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Next {
    Transfer(Destination),
    /// It failed: the caller is still there.
    Back {
        asked: SessionNo,
        call: ToolCallId,
    },
}

impl Handover {
    pub fn new(
        to: Destination,
        asked: (SessionNo, ToolCallId),
        floor: &Floor,
        now: Instant,
        timings: &Timings,
    ) -> Self {
        let until = now + floor.waiting() + timings.last_words;
        Self { asked, stage: Stage::Announcing(to), until }
    }

    /// Whether the model is still heard.
    pub const fn is_announced(&self) -> bool {
        matches!(self.stage, Stage::Announcing(_))
    }

    /// Whether the leg has been asked for it.
    pub const fn has_begun(&self) -> bool {
        matches!(self.stage, Stage::Transferring)
    }

    pub fn on_time(&mut self, floor: &Floor, now: Instant, timings: &Timings) -> Option<Next> {
        if now < self.deadline(floor) {
            return None;
        }
        match std::mem::replace(&mut self.stage, Stage::Transferring) {
            Stage::Announcing(to) => {
                self.until = now + timings.transfer;
                Some(Next::Transfer(to))
            }
            Stage::Transferring => Some(self.back()),
        }
    }

    /// The leg could not do it.
    pub fn failed(&self) -> Option<Next> {
        self.has_begun().then(|| self.back())
    }

    fn back(&self) -> Next {
        let (asked, call) = self.asked.clone();
        Next::Back { asked, call }
    }

    pub fn deadline(&self, floor: &Floor) -> Instant {
        let heard = floor.quiet_since().filter(|_| self.is_announced() && !floor.is_answering());
        heard.map_or(self.until, |since| (since + TAIL).min(self.until))
    }
}
