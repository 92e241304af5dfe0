use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::Action;
use super::floor::{Floor, TAIL};
use super::timings::Timings;
use crate::call::{Destination, Ending};
use crate::ingress::leg::LegCommand;
use crate::media::clip::Clip;

/// One thing that is done with a call instead of a conversation.
#[derive(Debug, Clone)]
pub enum Task {
    Play(Arc<Clip>),
    /// If it succeeds, what was to follow does not.
    Transfer(Destination),
}

/// What is done with a call instead of a conversation, one task after the other.
#[derive(Debug)]
pub struct Errand {
    tasks: VecDeque<Task>,
    doing: Doing,
    /// When all is done.
    ending: Ending,
    failed_transfers: u32,
}

/// How far it is done.
#[derive(Debug)]
enum Doing {
    /// Until the caller hears us.
    Waiting,
    Playing,
    Transferring {
        until: Instant,
    },
}

/// What follows.
#[derive(Debug)]
pub enum Next {
    Do(Vec<Action>),
    End(Ending),
}

impl Errand {
    pub fn new(tasks: impl IntoIterator<Item = Task>, ending: Ending) -> Self {
        Self { tasks: tasks.into_iter().collect(), doing: Doing::Waiting, ending, failed_transfers: 0 }
    }

    /// The caller hears us, or the last task is done. Who waits to be transferred hears the comfort sound.
    pub fn go_on(&mut self, floor: &mut Floor, now: Instant, timings: &Timings) -> Next {
        match self.tasks.pop_front() {
            Some(Task::Play(clip)) => {
                floor.play(&clip);
                self.doing = Doing::Playing;
                Next::Do(Vec::new())
            }
            Some(Task::Transfer(to)) => {
                floor.hold(now);
                self.doing = Doing::Transferring { until: now + timings.transfer };
                Next::Do(vec![Action::Leg(LegCommand::Transfer(to))])
            }
            None => Next::End(self.ending),
        }
    }

    /// The leg says what became of the transfer.
    pub fn transferred(&mut self, done: bool, floor: &mut Floor, now: Instant, timings: &Timings) -> Next {
        match self.doing {
            Doing::Transferring { .. } if done => Next::End(Ending::Transferred),
            Doing::Transferring { .. } => self.not_transferred(floor, now, timings),
            Doing::Waiting | Doing::Playing => Next::Do(Vec::new()),
        }
    }

    pub fn on_time(&mut self, floor: &mut Floor, now: Instant, timings: &Timings) -> Next {
        let late = self.deadline(floor).is_some_and(|deadline| now >= deadline);
        match self.doing {
            Doing::Playing if late => self.go_on(floor, now, timings),
            Doing::Transferring { .. } if late => self.not_transferred(floor, now, timings),
            Doing::Waiting | Doing::Playing | Doing::Transferring { .. } => Next::Do(Vec::new()),
        }
    }

    pub fn deadline(&self, floor: &Floor) -> Option<Instant> {
        match self.doing {
            Doing::Playing => floor.quiet_since().map(|since| since + TAIL),
            Doing::Transferring { until } => Some(until),
            Doing::Waiting => None,
        }
    }

    pub const fn failed_transfers(&self) -> u32 {
        self.failed_transfers
    }

    fn not_transferred(&mut self, floor: &mut Floor, now: Instant, timings: &Timings) -> Next {
        self.failed_transfers += 1;
        floor.take();
        self.go_on(floor, now, timings)
    }
}
