//! The ways to let a caller go.

use tokio::time::Instant;

use super::{Action, GOODBYE, HANG_UP_STEP, Machine, Stage};
use crate::call::Fault;
use crate::ingress::leg::{LegEnd, LegEvent};
use crate::pii::Redacted;

/// Each is tried when the one before has not worked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    EndCall,
    RemoveParticipant,
    DeleteRoom,
}

/// A caller whose call is over, and whom nobody could be asked to let go.
#[derive(Debug, Clone)]
pub struct LeftBehind {
    /// Who that is, if we have seen them.
    pub caller: Option<Redacted<String>>,
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

    /// The time of a step is over and nothing is known of it: LiveKit could not be reached, or has not answered.
    pub(super) fn step_overdue(&mut self, now: Instant) {
        if matches!(self.stage, Stage::HangingUp { step: Step::DeleteRoom, .. }) {
            let caller = self.caller.as_ref().map(|caller| caller.identity.clone());
            self.left_behind = Some(LeftBehind { caller });
        }
        self.next_step(now);
    }

    /// Once it has ended: who is in the room still, for all we know.
    pub fn left_behind(&self) -> Option<LeftBehind> {
        self.left_behind.clone()
    }

    /// A caller we never saw can only be reached through the room.
    fn take_step(&mut self, step: Step, goal: Goal, now: Instant) {
        let caller = self.caller.as_ref().map(|caller| caller.identity.clone());
        let (step, action) = match (step, caller) {
            (Step::EndCall, Some(caller)) => (step, Action::EndCall { caller }),
            (Step::RemoveParticipant, Some(caller)) => (step, Action::RemoveParticipant { caller }),
            (_, _) => (Step::DeleteRoom, Action::DeleteRoom),
        };
        self.link.rest();
        self.actions.push(action);
        self.stage = Stage::HangingUp { step, until: now + HANG_UP_STEP, goal };
    }

    /// The session wants no more of the call; a caller who is still there is let go first.
    pub(super) fn leave(&mut self, failed: Option<Fault>, now: Instant) {
        match self.stage {
            Stage::Ended { .. } => self.left(failed),
            Stage::HangingUp { step, until, .. } => {
                self.stage = Stage::HangingUp { step, until, goal: Goal::Leave { failed } };
            }
            Stage::Left => {}
            _ => self.hang_up(Step::EndCall, Goal::Leave { failed }, now),
        }
    }

    /// Without the room the caller hears nothing; only the server API can still let them go.
    pub(super) fn lost(&mut self, fault: Fault, now: Instant) {
        match self.stage {
            Stage::HangingUp { step: Step::EndCall, .. } => self.next_step(now),
            Stage::HangingUp { .. } => {}
            _ => self.hang_up(Step::RemoveParticipant, Goal::Tell(LegEnd::Failed(fault)), now),
        }
    }

    /// The caller is no longer there. `end` is why, unless we were hanging up already.
    pub(super) fn gone(&mut self, end: LegEnd, now: Instant) {
        if self.may_be_transferred(end, now) {
            return;
        }
        let end = match self.stage {
            Stage::Ended { .. } | Stage::Left => return,
            Stage::HangingUp { goal: Goal::Leave { failed }, .. } => return self.left(failed),
            Stage::HangingUp { goal: Goal::Tell(end), .. } => end,
            _ => end,
        };
        self.link.rest();
        self.stage = Stage::Ended { end, until: now + GOODBYE };
        self.emit(LegEvent::Ended(end));
    }

    pub(super) fn left(&mut self, failed: Option<Fault>) {
        self.link.rest();
        self.stage = Stage::Left;
        self.actions.push(Action::Leave { failed });
    }
}
