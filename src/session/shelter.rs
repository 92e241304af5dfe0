use std::time::Duration;

use super::SessionNo;
use super::floor::Floor;
use crate::tenant::{CallConfig, Greeting, Interruptible};

/// A greeting that the caller's voice does not stop before so much of it was heard.
#[derive(Debug, Default)]
pub struct Shelter {
    /// `None`: whatever is said may be interrupted.
    until: Option<Until>,
    /// The session whose server does not let the caller interrupt it.
    closed: Option<SessionNo>,
}

#[derive(Debug, Clone, Copy)]
enum Until {
    /// The greeting was heard to its end.
    Greeted,
    Heard(Duration),
}

impl Shelter {
    pub fn of(config: &CallConfig) -> Self {
        let until = match config.greeting_interruptible {
            _ if config.greeting == Greeting::None => None,
            Interruptible::Always => None,
            Interruptible::After(after) if after.is_zero() => None,
            Interruptible::After(after) => Some(Until::Heard(after)),
            Interruptible::Never => Some(Until::Greeted),
        };
        Self { until, closed: None }
    }

    pub const fn holds(&self) -> bool {
        self.until.is_some()
    }

    /// A session is opened. Whether the caller's voice may stop it.
    pub fn opens(&mut self, session: SessionNo) -> bool {
        if self.holds() {
            self.closed = Some(session);
        }
        !self.holds()
    }

    /// True when it holds no longer: once.
    pub fn ends(&mut self, floor: &Floor) -> bool {
        let over = |until: &mut Until| match until {
            Until::Greeted => floor.has_greeted(),
            Until::Heard(after) => floor.has_greeted() || floor.heard() >= *after,
        };
        self.until.take_if(over).is_some()
    }

    /// Whether this session, which serves, is to let the caller interrupt it from now on: once.
    pub fn lets_interrupt(&mut self, serving: SessionNo) -> bool {
        !self.holds() && self.closed.take_if(|closed| *closed == serving).is_some()
    }
}
