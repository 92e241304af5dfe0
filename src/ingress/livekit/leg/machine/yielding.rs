//! Leaving a caller to another agent of ours.

use jiff::Timestamp;
use tokio::time::Instant;

use super::{GOODBYE, Machine, Stage};
use crate::call::Fault;
use crate::ingress::leg::{LegEnd, LegEvent};
use crate::ingress::livekit::facts::{self, CallStatus};
use crate::livekit::wire::signal::Participant;

impl Machine {
    /// We joined, at that time by the server's clock. True when we are to leave again, without touching the caller.
    pub(super) fn yields_at_join(
        &mut self,
        joined_at: Timestamp,
        participants: &[Participant],
        now: Instant,
    ) -> bool {
        self.arbiter.joined_at = joined_at;
        let rings = self.caller_among(participants).and_then(facts::status) != Some(CallStatus::Active);
        self.yields(participants, rings, now)
    }

    /// Whether the call is still to be answered, by us or by whoever has it.
    pub(super) fn rings(&self) -> bool {
        let unpublished =
            matches!(self.stage, Stage::Arriving { .. } | Stage::Asking { .. } | Stage::Ringing { .. });
        unpublished && self.caller.as_ref().and_then(facts::status) != Some(CallStatus::Active)
    }

    pub(super) fn yields(&mut self, participants: &[Participant], rings: bool, now: Instant) -> bool {
        let over = matches!(self.stage, Stage::HangingUp { .. } | Stage::Ended { .. } | Stage::Left);
        if over || !self.arbiter.yields(participants, rings) {
            return false;
        }
        // Of a call whose facts are known there is a record already.
        let end = match self.stage {
            Stage::Arriving { .. } | Stage::Asking { .. } => LegEnd::Yielded,
            _ => LegEnd::Failed(Fault::Room),
        };
        self.link.rest();
        self.stage = Stage::Ended { end, until: now + GOODBYE };
        self.emit(LegEvent::Ended(end));
        true
    }
}
