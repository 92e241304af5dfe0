use std::time::Duration;

use tokio::time::Instant;

/// How old a session may become whose server does not say: OpenAI's limit.
const AGE: Duration = Duration::from_secs(60 * 60);
/// From its end back to when a pause is good for a successor.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// From its end back to when there must be one, pause or not.
const LATEST: Duration = Duration::from_secs(30);
/// A session that is to end sooner than that is left to it.
const SHORTEST: Duration = Duration::from_secs(60);
/// After a successor that came to nothing.
const AGAIN: Duration = Duration::from_secs(10);

/// When a session is to have a successor, so that it never expires in the middle of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewal {
    due: Instant,
    latest: Instant,
}

impl Renewal {
    pub(super) fn new(now: Instant, expires: Option<Instant>) -> Self {
        let age = expires.map_or(AGE, |expires| expires.saturating_duration_since(now));
        let age = if age < SHORTEST { AGE } else { age };
        // A short life has its pause looked for from its half on.
        Self { due: now + age.saturating_sub(EARLY).max(age / 2), latest: now + (age - LATEST) }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    pub(super) fn is_last_moment(&self, now: Instant) -> bool {
        now >= self.latest
    }

    pub(super) fn put_off(&mut self, now: Instant) {
        self.due = now + AGAIN;
    }

    /// When there is something to do; while somebody speaks, only the last moment is waited for.
    pub(super) fn deadline(&self, quiet: bool) -> Instant {
        if quiet { self.due.min(self.latest) } else { self.latest }
    }
}
