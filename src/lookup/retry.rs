//! Whether a request that failed is worth a second one.

use std::time::Duration;

use super::Why;

/// A request that brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: Why,
    /// `Retry-After` of a 429 or 503.
    pub(super) retry_after: Option<Duration>,
}

/// A request with less time than this would only be a burden to the backend.
pub(super) const LEAST: Duration = Duration::from_millis(100);
/// How long a failure is remembered.
const REMEMBERED: Duration = Duration::from_secs(5);
/// The longest that a backend may have itself left alone.
const LONGEST: Duration = Duration::from_secs(60);

impl Failure {
    /// How long to wait before the second request; `None`: there is none. `remaining` is what is left of the budget.
    pub(super) fn retry_in(self, remaining: Duration) -> Option<Duration> {
        let wait = match self.why {
            Why::Connect | Why::Timeout => Duration::ZERO,
            Why::Status(429 | 503) => self.retry_after.unwrap_or_default(),
            Why::Status(500..=599) => Duration::ZERO,
            Why::Status(_)
            | Why::NoBackend
            | Why::NotAsked
            | Why::BreakerOpen
            | Why::Address
            | Why::Unknown
            | Why::Declined
            | Why::TooLarge
            | Why::ContentType
            | Why::Malformed
            | Why::Broken => return None,
        };
        remaining.checked_sub(wait).filter(|left| *left >= LEAST).map(|_| wait)
    }

    /// How long the backend is not asked again for the same. An open breaker is remembered by itself.
    pub(super) fn remembered(self) -> Duration {
        match self.why {
            Why::BreakerOpen => Duration::ZERO,
            Why::Status(429 | 503) => self.retry_after.unwrap_or(REMEMBERED).clamp(REMEMBERED, LONGEST),
            _ => REMEMBERED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_within_the_budget() {
        let ms = Duration::from_millis;
        for (why, retry_after, remaining, wait) in [
            (Why::Connect, None, 1500, Some(0)),
            (Why::Timeout, None, 500, Some(0)),
            (Why::Timeout, None, 99, None),
            (Why::Timeout, None, 0, None),
            (Why::Status(500), None, 1900, Some(0)),
            (Why::Status(503), None, 1900, Some(0)),
            (Why::Status(429), None, 1900, Some(0)),
            (Why::Status(429), Some(1000), 1900, Some(1000)),
            (Why::Status(503), Some(1000), 1100, Some(1000)),
            (Why::Status(503), Some(1000), 1099, None),
            (Why::Status(429), Some(60_000), 1900, None),
            (Why::Status(502), Some(60_000), 1900, Some(0)),
            (Why::Status(400), None, 1900, None),
            (Why::Status(401), None, 1900, None),
            (Why::Status(307), None, 1900, None),
            (Why::Broken, None, 1900, None),
            (Why::Malformed, None, 1900, None),
            (Why::ContentType, None, 1900, None),
            (Why::TooLarge, None, 1900, None),
            (Why::BreakerOpen, None, 1900, None),
        ] {
            let failure = Failure { why, retry_after: retry_after.map(ms) };
            assert_eq!(failure.retry_in(ms(remaining)), wait.map(ms), "{failure:?}, {remaining} ms left");
        }
    }

    #[test]
    fn a_failure_is_remembered_five_seconds_or_as_long_as_the_backend_asks_up_to_a_minute() {
        for (why, retry_after, seconds) in [
            (Why::Timeout, None, 5),
            (Why::Status(500), Some(30), 5),
            (Why::Status(503), None, 5),
            (Why::Status(503), Some(1), 5),
            (Why::Status(503), Some(30), 30),
            (Why::Status(429), Some(3600), 60),
            (Why::BreakerOpen, None, 0),
        ] {
            let failure = Failure { why, retry_after: retry_after.map(Duration::from_secs) };
            assert_eq!(failure.remembered(), Duration::from_secs(seconds), "{failure:?}");
        }
    }
}
