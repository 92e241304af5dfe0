//! How well this machine keeps time for a task that does nothing but sleep. What keeps that waiting keeps every other task
//! of the runtime waiting, router and phone among them.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const TURN: Duration = Duration::from_millis(20);

/// The task.
pub struct BareTask {
    over: oneshot::Sender<()>,
    task: JoinSet<Late>,
}

/// How late its turns were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Late {
    pub longest: Duration,
    pub in_all: Duration,
}

impl BareTask {
    pub fn start() -> Self {
        let (over, ended) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(keep_time(ended));
        Self { over, task }
    }

    pub async fn late(mut self) -> Late {
        drop(self.over);
        self.task.join_next().await.unwrap().unwrap()
    }
}

async fn keep_time(mut ended: oneshot::Receiver<()>) -> Late {
    let (mut late, mut due) = (Late::default(), Instant::now() + TURN);
    loop {
        tokio::select! {
            _ = &mut ended => return late,
            () = sleep_until(due) => {
                let behind = due.elapsed();
                late.longest = late.longest.max(behind);
                late.in_all += behind;
                due = Instant::now() + TURN;
            }
        }
    }
}
