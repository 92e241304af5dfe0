//! The journal: a file with one JSON line per ended call, and beside it, in `FILE.open`, a mark for each call
//! that is up. That one goes with the last of them, when the journal is closed.
//!
//! A mark is on the disk before its call is answered, a record before the call's permit is given back. A mark
//! without a record is a call whose router died: the next start writes its record, as `interrupted`. A
//! thread of its own writes, so that a slow disk stalls no call's audio; everything that waits for the disk
//! at one time shares one fsync. A failure is logged and counted, and never ends a call.

mod files;
mod marks;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::call::CallId;
use crate::record::{CallRecord, Opening, wire};
use crate::telemetry::{JournalWrite, Metrics};
use files::{Entry, Files};

pub use files::{Interrupted, OpenError};

/// Writes waiting for the thread; more wait for a place in the queue.
const QUEUE: usize = 1024;
/// Writes that share one fsync.
const BATCH: usize = 256;
/// How long a call waits for its mark: its caller hears ringback meanwhile.
const MARK_WAIT: Duration = Duration::from_secs(1);
/// How long a call that is over waits for its record.
const RECORD_WAIT: Duration = Duration::from_secs(10);

/// A write that did not reach the disk, or not in time. It is logged and counted already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("the disk refused the write")]
    Refused,
    #[error("the disk took too long; the write may still happen")]
    Slow,
    #[error("the journal is closed")]
    Closed,
}

/// The journal of this process. Clones share it; it ends with [`Journal::close`] or with the last of them.
#[derive(Debug, Clone)]
pub struct Journal(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    metrics: Metrics,
}

#[derive(Debug)]
enum Message {
    Write(Entry, oneshot::Sender<Result<(), JournalError>>),
    Close,
}

impl Journal {
    /// Opens `file`, created if absent, and writes the records of the calls that the last router left open.
    /// Blocks, so it is done once at the start. Refuses a file that another process writes.
    pub fn open(file: &Path, metrics: Metrics) -> Result<(Self, Interrupted), OpenError> {
        let (files, interrupted) = Files::open(file, metrics.clone())?;
        if interrupted.torn {
            tracing::warn!("the last line of the journal was cut short; it is closed off and left as it is");
        }
        let (queue, messages) = mpsc::channel(QUEUE);
        let builder = thread::Builder::new().name("journal".to_owned());
        let thread = builder.spawn(move || run(files, messages)).map_err(OpenError::Thread)?;
        let thread = Mutex::new(Some(thread));
        Ok((Self(Some(Arc::new(Shared { queue, thread, metrics }))), interrupted))
    }

    /// A journal that keeps nothing: no file is configured.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Puts a call's mark on the disk.
    pub async fn open_mark(&self, opening: &Opening<'_>) -> Result<(), JournalError> {
        let entry = Entry::Mark { id: opening.id.to_string(), record: wire::interrupted(opening) };
        self.write(opening.id, entry, JournalWrite::OpenMark, MARK_WAIT).await
    }

    /// Puts a call's record on the disk, and closes its mark.
    pub async fn record(&self, record: &CallRecord) -> Result<(), JournalError> {
        let entry = Entry::Record { id: record.id.to_string(), record: wire::line(record) };
        self.write(record.id, entry, JournalWrite::Record, RECORD_WAIT).await
    }

    /// Writes what waits and frees the file. Later writes fail.
    pub async fn close(&self) {
        let Some(shared) = &self.0 else { return };
        // A thread that is gone already needs no message.
        let _ = timeout(RECORD_WAIT, shared.queue.send(Message::Close)).await;
        let thread = shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let joined = tokio::task::spawn_blocking(|| thread.join());
        if !matches!(timeout(RECORD_WAIT, joined).await, Ok(Ok(Ok(())))) {
            tracing::error!("the journal did not close in time or by itself");
        }
    }

    async fn write(
        &self,
        id: CallId,
        entry: Entry,
        what: JournalWrite,
        wait: Duration,
    ) -> Result<(), JournalError> {
        let Some(shared) = &self.0 else { return Ok(()) };
        let written = async {
            let (done, outcome) = oneshot::channel();
            let sent = shared.queue.send(Message::Write(entry, done)).await;
            sent.map_err(|_| JournalError::Closed)?;
            outcome.await.map_err(|_| JournalError::Closed)?
        };
        let outcome = timeout(wait, written).await.unwrap_or(Err(JournalError::Slow));
        if let Err(e) = outcome {
            shared.metrics.journal_failed(what);
            tracing::error!(call = %id, error = %e, what = what.name(), "the journal did not take a write");
        }
        outcome
    }
}

/// The thread: everything that waits is written together.
fn run(mut files: Files, mut messages: mpsc::Receiver<Message>) {
    let mut received = Vec::with_capacity(BATCH);
    while messages.blocking_recv_many(&mut received, BATCH) > 0 {
        let mut entries = Vec::with_capacity(received.len());
        let mut waiting = Vec::with_capacity(received.len());
        for message in received.drain(..) {
            match message {
                Message::Write(entry, done) => {
                    entries.push(entry);
                    waiting.push(done);
                }
                // What is queued is still written; then the queue is empty and the loop ends.
                Message::Close => messages.close(),
            }
        }
        let outcomes = files.commit(&entries);
        for (done, outcome) in waiting.into_iter().zip(outcomes) {
            // Who no longer waits has said so already.
            let _ = done.send(outcome);
        }
    }
    files.close();
}

#[cfg(test)]
mod tests;
