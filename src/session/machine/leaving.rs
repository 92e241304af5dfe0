//! The end of a call: decided once, then the leg goes, and the record is made.

use std::time::Duration;

use tokio::time::Instant;

use super::Machine;
use crate::call::{Ending, Fault, Refusal};
use crate::ingress::leg::{LegCommand, LegEnd, LegEvent};
use crate::record::Timing;
use crate::session::errand::Errand;
use crate::session::{Action, Event};

impl Machine {
    pub(super) fn ending_of(&self, end: LegEnd) -> Ending {
        match end {
            LegEnd::Caller if self.setup.is_being_answered() => Ending::CallerHungUp,
            LegEnd::Caller => Ending::CallerCancelled,
            LegEnd::Failed(fault) => Ending::Failed(fault),
            // We had not asked: somebody else ended the leg with our means, and that is the room's doing.
            LegEnd::HungUp | LegEnd::Yielded => Ending::Failed(Fault::Room),
        }
    }

    pub(super) fn end(&mut self, ending: Ending, now: Instant) -> Vec<Action> {
        if !self.farewell.decide(ending, now, &self.context.timings) {
            return Vec::new();
        }
        let mut actions = self.close_models();
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
            Ending::Failed(Fault::ModelUnavailable) => Some(self.refusal_without_model()),
            _ => Some(Refusal::Unavailable),
        }
    }

    pub(super) fn handle_leaving(&mut self, event: &Event, now: Instant) -> Vec<Action> {
        match event {
            // Responses already on their way still count into the usage.
            Event::Model { session, event } => {
                self.note_model(*session, event, now);
                Vec::new()
            }
            Event::Leg(LegEvent::Ended(_)) => self.finish(now),
            Event::Leg(LegEvent::Quality(quality)) => {
                self.record.media = Some(*quality);
                Vec::new()
            }
            Event::Leg(_)
            | Event::Admitted(_)
            | Event::Looked { .. }
            | Event::Speech { .. }
            | Event::Drain
            | Event::HangUp => Vec::new(),
        }
    }

    pub(super) fn finish(&mut self, now: Instant) -> Vec<Action> {
        let Some(ending) = self.farewell.finish() else { return Vec::new() };
        let ended = self.since_offer(now);
        let mut record = self.record.clone();
        record.ending = ending;
        record.barge_ins = self.floor.barge_ins();
        record.failed_transfers += self.errand.as_ref().map_or(0, Errand::failed_transfers);
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
}

fn jiff_duration(elapsed: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(elapsed).unwrap_or(jiff::SignedDuration::ZERO)
}
