//! The caller breaks in on what is being said, or may not yet.

use tokio::time::Instant;

use super::Machine;
use crate::realtime::ModelCommand;
use crate::session::floor::Interrupted;
use crate::session::{Action, SessionNo};

impl Machine {
    /// The caller begins to speak. Over a greeting that they may not interrupt they are heard all the same.
    pub(super) fn barge_in(&mut self, session: SessionNo, now: Instant) -> Vec<Action> {
        if self.shelter.holds() {
            self.floor.talked_over(now);
            return Vec::new();
        }
        let interrupted = self.floor.caller_started(now);
        self.heard_only(session, interrupted)
    }

    /// Silences us for a caller who does not speak: the model's server knows nothing of it.
    pub(super) fn fall_silent(&mut self) -> Vec<Action> {
        if self.shelter.holds() || !self.floor.is_speaking() {
            return Vec::new();
        }
        let interrupted = self.floor.break_in();
        self.stop_speaking(interrupted)
    }

    /// Once the greeting was heard, or enough of it, whoever still speaks over it interrupts it.
    pub(super) fn shelter_on_time(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.shelter.ends(&self.floor) && self.floor.caller_speaks() {
            let was_speaking = self.floor.is_speaking();
            let interrupted = self.floor.caller_started(now);
            if was_speaking {
                actions.extend(self.stop_speaking(interrupted));
            }
        }
        let serving = self.failover.serves();
        let session = serving.filter(|serving| self.shelter.lets_interrupt(*serving));
        let command = ModelCommand::LetInterrupt;
        actions.extend(session.map(|session| Action::Model { session, command }));
        actions
    }

    fn stop_speaking(&mut self, interrupted: Vec<Interrupted>) -> Vec<Action> {
        let Some(session) = self.failover.heard() else { return Vec::new() };
        let stop = Action::Model { session, command: ModelCommand::StopSpeaking };
        [stop].into_iter().chain(self.heard_only(session, interrupted)).collect()
    }
}
