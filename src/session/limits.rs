use std::time::Duration;

use tokio::time::Instant;

/// How long an answered call may last.
#[derive(Debug, Default)]
pub struct Limits {
    max_duration: Option<Duration>,
    until: Option<Instant>,
}

impl Limits {
    /// The configuration's limit, known before the answer.
    pub fn configure(&mut self, max_duration: Option<Duration>) {
        self.max_duration = max_duration;
    }

    /// The call was answered: its time runs.
    pub fn start(&mut self, now: Instant) {
        self.until = self.max_duration.and_then(|limit| now.checked_add(limit));
    }

    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }
}
