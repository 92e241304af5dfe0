use tokio::time::Instant;

use super::timings::Timings;
use crate::call::Ending;

/// The one ending of a call: decided once, then the leg is given time to go.
#[derive(Debug, Default)]
pub struct Farewell {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    /// The ending is decided; the leg is hanging up.
    Leaving { ending: Ending, until: Instant },
    /// The record is out.
    Over,
}

impl Farewell {
    /// Decides the ending, unless one is decided already. True for the first.
    pub fn decide(&mut self, ending: Ending, now: Instant, timings: &Timings) -> bool {
        let first = matches!(self.state, State::None);
        if first {
            self.state = State::Leaving { ending, until: now + timings.hang_up };
        }
        first
    }

    /// The leg is gone, or its time is up: the ending, once.
    pub fn finish(&mut self) -> Option<Ending> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Leaving { ending, .. } => Some(ending),
            State::None | State::Over => None,
        }
    }

    /// The call was none of ours.
    pub fn forget(&mut self) {
        self.state = State::Over;
    }

    pub const fn has_begun(&self) -> bool {
        !matches!(self.state, State::None)
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Leaving { until, .. } => Some(until),
            State::None | State::Over => None,
        }
    }
}
