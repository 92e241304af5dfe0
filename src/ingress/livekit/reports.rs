//! The way of a job's state from its leg to the worker's socket.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::livekit::wire::worker::{JobId, JobState};

/// Reports that wait for the worker.
const QUEUE: usize = 64;
/// A worker that is offline must not keep a caller or a room waiting.
const WRITTEN_WITHIN: Duration = Duration::from_millis(250);

/// A job's state to be sent. Dropping `written` says that it will not be.
#[derive(Debug)]
pub struct Report {
    pub job: JobId,
    pub state: JobState,
    pub written: oneshot::Sender<()>,
}

#[derive(Debug, Clone)]
pub struct Reports(mpsc::Sender<Report>);

impl Reports {
    pub fn channel() -> (Self, mpsc::Receiver<Report>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Reports, and waits until it is on the wire, or cannot be.
    pub async fn send(&self, job: JobId, state: JobState) {
        let (written, done) = oneshot::channel();
        let sent = async {
            if self.0.send(Report { job, state, written }).await.is_ok() {
                // Dropped: the worker is offline, and LiveKit settles the job by itself.
                let _ = done.await;
            }
        };
        // Late is as good as never: LiveKit marks the job failed, and the call is over anyway.
        let _ = timeout(WRITTEN_WITHIN, sent).await;
    }
}
