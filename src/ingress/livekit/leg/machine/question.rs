//! The question that the bridge is asked: for the caller's headers, and whether it hears us.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Machine, Stage};
use crate::ingress::leg::LegEvent;
use crate::ingress::livekit::facts;
use crate::ingress::livekit::rpc::Told;
use crate::livekit::wire::signal::Participant;

/// For the SIP headers that the caller's participant does not bring along, once they are asked for.
pub const HEADERS: Duration = Duration::from_millis(300);
/// For the bridge to answer our question. One that does not has no connection yet on which it would hear us: one
/// whose DTLS handshake lost a packet has it a second later, while LiveKit takes it to be there and says so.
pub(super) const BRIDGE_ANSWERS: Duration = Duration::from_millis(1200);

impl Machine {
    /// The headers say who diverted the call and whether the caller's number may be told, so the facts wait for them.
    /// A bridge whose caller has brought them along is asked all the same: its answer shows that it hears us.
    pub(super) fn ask(&mut self, caller: &Participant, now: Instant) {
        self.push_ask();
        if facts::has_headers(caller) {
            self.arrived(caller, &Told::new());
        } else {
            self.stage = Stage::Asking { until: now + HEADERS };
        }
    }

    pub(super) fn push_ask(&mut self) {
        let caller = self.caller.as_ref().map(|caller| caller.identity.clone());
        self.actions.extend(caller.map(|caller| Action::AskHeaders { caller }));
    }

    /// The question is on its way.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
        if let Stage::Asking { until } = &mut self.stage {
            *until = now + HEADERS;
        }
    }

    pub(super) fn told(&mut self, told: &Told, now: Instant) {
        self.bridge_hears = true;
        match self.stage {
            Stage::Asking { .. } => self.arrived_with(told),
            Stage::Ringing { answer: Some(_) } => self.publish(now),
            _ => {}
        }
    }

    pub(super) fn arrived_with(&mut self, told: &Told) {
        if let Some(caller) = self.caller.take() {
            self.arrived(&caller, told);
            self.caller = Some(caller);
        }
    }

    pub(super) fn arrived(&mut self, caller: &Participant, told: &Told) {
        let call = facts::read(caller, told, self.context.clone(), &self.plan);
        self.stage = Stage::Ringing { answer: None };
        self.actions.push(Action::Sign { caller: caller.identity.clone() });
        self.emit(LegEvent::Arrived(Box::new(call)));
    }

    /// Once our track is published the bridge answers the INVITE, whether or not it hears us yet. Until it does, the
    /// caller had better hear it ring than miss the greeting.
    pub(super) fn answer(&mut self, now: Instant) {
        let until = self.asked.unwrap_or(now) + BRIDGE_ANSWERS;
        match self.stage {
            Stage::Ringing { .. } if !self.bridge_hears && now < until => {
                self.stage = Stage::Ringing { answer: Some(until) };
            }
            Stage::Arriving { .. } | Stage::Asking { .. } | Stage::Ringing { .. } => self.publish(now),
            _ => {}
        }
    }

    pub(super) fn publish(&mut self, now: Instant) {
        self.stage = Stage::Published { since: now, again: false };
        self.actions.push(Action::Publish);
    }
}
