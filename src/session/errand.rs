use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Action;
use super::floor::Floor;
use super::timings::Timings;
use crate::call::{Destination, Ending, Fault};
use crate::ingress::leg::LegCommand;
use crate::media::clip::Clip;

/// After a recording's last frame, until the caller has heard it: the bridge and the carrier hold some of it back.
const TAIL: Duration = Duration::from_millis(300);

/// What is done with an answered call instead of a conversation.
#[derive(Debug, Clone)]
pub enum Task {
    Play(Arc<Clip>),
    Transfer(Destination),
}

/// How far it is done.
#[derive(Debug, Default)]
pub enum Errand {
    /// There is none: the call is a conversation.
    #[default]
    None,
    /// Until the caller hears us.
    Waiting(Task),
    Playing,
    Transferring {
        until: Instant,
    },
}

impl Errand {
    pub const fn is_there(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The caller hears us, so it begins. Who waits to be transferred hears the comfort sound.
    pub fn start(&mut self, floor: &mut Floor, now: Instant, timings: &Timings) -> Vec<Action> {
        match std::mem::take(self) {
            Self::Waiting(Task::Play(clip)) => {
                floor.play(&clip);
                *self = Self::Playing;
                Vec::new()
            }
            Self::Waiting(Task::Transfer(to)) => {
                floor.hold(now);
                *self = Self::Transferring { until: now + timings.transfer };
                vec![Action::Leg(LegCommand::Transfer(to))]
            }
            begun => {
                *self = begun;
                Vec::new()
            }
        }
    }

    /// The leg says what became of the transfer.
    pub fn transferred(&self, done: bool) -> Option<Ending> {
        let ending = if done { Ending::Transferred } else { Ending::Failed(Fault::Transfer) };
        matches!(self, Self::Transferring { .. }).then_some(ending)
    }

    pub fn on_time(&self, floor: &Floor, now: Instant) -> Option<Ending> {
        let ending = match self {
            Self::Playing => Ending::Played,
            Self::Transferring { .. } => Ending::Failed(Fault::Transfer),
            Self::None | Self::Waiting(_) => return None,
        };
        self.deadline(floor).filter(|deadline| now >= *deadline).map(|_| ending)
    }

    pub fn deadline(&self, floor: &Floor) -> Option<Instant> {
        match self {
            Self::Playing => floor.quiet_since().map(|since| since + TAIL),
            Self::Transferring { until } => Some(*until),
            Self::None | Self::Waiting(_) => None,
        }
    }
}
