use std::time::Duration;

use tokio::time::Instant;

use super::{Action, Machine};
use crate::call::Destination;
use crate::ingress::leg::{LegEnd, LegEvent};
use crate::ingress::sip::message::Reply;

/// From the REFER to its outcome. The session waits a little longer.
const TRANSFER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Transfer {
    until: Instant,
    /// A number that was named by its `tel:` address, and may be named by another.
    number: Option<Destination>,
}

impl Transfer {
    pub(super) fn begun(to: &Destination, now: Instant) -> Self {
        Self { until: now + TRANSFER, number: Some(to.clone()).filter(Destination::is_number) }
    }

    /// When it is given up.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }
}

impl Machine {
    pub(super) fn notified(&mut self, status: Option<u16>) -> Vec<Action> {
        if self.transfer.is_none() {
            return vec![Action::Reply(Reply::status(481))];
        }
        let outcome = match status {
            Some(..200) => Vec::new(),
            Some(200..300) => self.transferred(true),
            Some(300..) | None => self.transferred(false),
        };
        [Action::Reply(Reply::status(200))].into_iter().chain(outcome).collect()
    }

    /// Not every switch takes a `tel:` address: Asterisk answers it with 400.
    pub(super) fn not_referred(&mut self, status: u16) -> Vec<Action> {
        let number = self.transfer.as_mut().and_then(|transfer| transfer.number.take());
        match number.filter(|_| matches!(status, 400 | 416)) {
            Some(number) => vec![Action::ReferBySwitch(number)],
            None => self.transferred(false),
        }
    }

    pub(super) fn transferred(&mut self, done: bool) -> Vec<Action> {
        match (self.transfer.take(), done) {
            (None, _) => Vec::new(),
            (Some(_), false) => vec![Action::Emit(LegEvent::NotTransferred)],
            // To end the call that was handed on is up to who did so (RFC 5589, section 6.1).
            (Some(_), true) => {
                [Action::Emit(LegEvent::Transferred)].into_iter().chain(self.bye(LegEnd::HungUp)).collect()
            }
        }
    }
}
