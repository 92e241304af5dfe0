//! Handing an answered caller on, and pressing keys for them.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Machine, Stage};
use crate::call::{Destination, Digits};
use crate::ingress::leg::{LegEnd, LegEvent};

/// A carrier may end the call at once when it has taken the caller over. LiveKit's answer is then still on its way.
const ANSWER_AFTER_BYE: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn transfer(&mut self, to: &Destination) {
        match (&self.caller, self.stage) {
            (Some(caller), Stage::Active | Stage::Subscribed { .. }) => {
                let caller = caller.identity.clone();
                self.actions.push(Action::Transfer { caller, to: to.clone() });
                self.stage = Stage::Transferring { gone: None };
            }
            (_, Stage::Ended { .. } | Stage::Left) => {}
            _ => self.emit(LegEvent::NotTransferred),
        }
    }

    pub(super) fn press(&mut self, digits: &Digits) {
        match (&self.caller, self.stage) {
            (Some(caller), Stage::Active) => {
                let caller = caller.identity.clone();
                self.actions.push(Action::Press { caller, digits: digits.clone() });
            }
            (_, Stage::Ended { .. } | Stage::Left) => {}
            _ => self.emit(LegEvent::KeysNotSent),
        }
    }

    /// LiveKit's answer. A caller who hung up and was not transferred has just hung up.
    pub(super) fn transferred(&mut self, done: bool, now: Instant) {
        let Stage::Transferring { gone } = self.stage else { return };
        self.stage = Stage::Active;
        if done {
            self.emit(LegEvent::Transferred);
        } else if gone.is_none() {
            self.emit(LegEvent::NotTransferred);
        }
        if gone.is_some() {
            self.gone(LegEnd::Caller, now);
        }
    }

    /// Whether the caller's leaving may be the transfer's success, which is then waited for.
    pub(super) fn may_be_transferred(&mut self, end: LegEnd, now: Instant) -> bool {
        let waits = matches!(self.stage, Stage::Transferring { .. }) && end == LegEnd::Caller;
        if waits && matches!(self.stage, Stage::Transferring { gone: None }) {
            self.stage = Stage::Transferring { gone: Some(now + ANSWER_AFTER_BYE) };
        }
        waits
    }
}
