//! What a server recorded, and waiting for it to record something.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What was waited for did not happen in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not seen within {0:?}")]
pub struct TimedOut(pub Duration);

/// Entries in the order they began, and a bell that rings at every change.
#[derive(Debug)]
pub(super) struct Journal<T> {
    entries: Mutex<Vec<T>>,
    changes: watch::Sender<u64>,
}

impl<T: Clone> Journal<T> {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()), changes: watch::Sender::new(0) }
    }

    /// Adds an entry and returns its place.
    pub(super) fn add(&self, entry: T) -> usize {
        let place = {
            let mut entries = self.lock();
            entries.push(entry);
            entries.len() - 1
        };
        self.ring();
        place
    }

    pub(super) fn change(&self, place: usize, change: impl FnOnce(&mut T)) {
        if let Some(entry) = self.lock().get_mut(place) {
            change(entry);
        }
        self.ring();
    }

    pub(super) fn snapshot(&self) -> Vec<T> {
        self.lock().clone()
    }

    /// Waits until `found` makes something of the entries. It is called under the lock at every change, so it
    /// should be brief.
    pub(super) async fn wait_for<R>(
        &self,
        mut found: impl FnMut(&[T]) -> Option<R>,
        timeout: Duration,
    ) -> Result<R, TimedOut> {
        let mut changes = self.changes.subscribe();
        let search = async {
            loop {
                changes.mark_unchanged();
                if let Some(result) = found(&self.lock()) {
                    return result;
                }
                if changes.changed().await.is_err() {
                    // Unreachable: `self` holds the sender. Pending leaves the verdict to the timeout.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(timeout, search).await.map_err(|_| TimedOut(timeout))
    }

    fn ring(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A panic in somebody's `found` must not take the server down with it.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
