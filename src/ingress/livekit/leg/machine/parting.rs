//! The ways to let a caller go.

use tokio::time::Instant;

use super::{Action, HANG_UP_STEP, Machine, Stage};
use crate::call::Fault;
use crate::ingress::leg::LegEnd;

/// Each is tried when the one before has not worked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    EndCall,
    RemoveParticipant,
    DeleteRoom,
}

/// What follows the hang-up.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// The session is told, and says how to leave.
    Tell(LegEnd),
    /// The session has said so already, or is gone.
    Leave { failed: Option<Fault> },
}

impl Machine {
    pub(super) fn hang_up(&mut self, step: Step, goal: Goal, now: Instant) {
        if matches!(self.stage, Stage::HangingUp { .. } | Stage::Ended { .. } | Stage::Left) {
            return;
        }
        self.take_step(step, goal, now);
    }

    pub(super) fn next_step(&mut self, now: Instant) {
        let Stage::HangingUp { step, goal, .. } = self.stage else { return };
        match step {
            Step::EndCall => self.take_step(Step::RemoveParticipant, goal, now),
            Step::RemoveParticipant => self.take_step(Step::DeleteRoom, goal, now),
            Step::DeleteRoom => self.gone(LegEnd::HungUp, now),
        }
    }

    /// A caller we never saw can only be reached through the room.
    fn take_step(&mut self, step: Step, goal: Goal, now: Instant) {
        let caller = self.caller.as_ref().map(|caller| caller.identity.clone());
        let (step, action) = match (step, caller) {
            (Step::EndCall, Some(caller)) => (step, Action::EndCall { caller }),
            (Step::RemoveParticipant, Some(caller)) => (step, Action::RemoveParticipant { caller }),
            (_, _) => (Step::DeleteRoom, Action::DeleteRoom),
        };
        self.actions.push(action);
        self.stage = Stage::HangingUp { step, until: now + HANG_UP_STEP, goal };
    }
}
