//! Circuit breakers: what keeps failing is left alone for a while, so that nobody waits for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open a breaker.
const FAILURES: u32 = 5;
/// From there to the first trial.
const FIRST_TRIAL: Duration = Duration::from_secs(10);
/// From one trial to the next.
const NEXT_TRIAL: Duration = Duration::from_secs(30);
/// Breakers that are kept at once. Only what fails has one.
const MOST: usize = 4096;
/// A breaker without a failure for so long is forgotten when room is needed.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// A breaker for each `K` that fails.
#[derive(Debug)]
pub struct Breakers<K>(HashMap<K, Breaker>);

#[derive(Debug, Clone, Copy)]
struct Breaker {
    failures: u32,
    last: Instant,
    /// Open: when the next trial may be made.
    trial: Option<Instant>,
}

/// Whether something may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    /// Open, but one trial may find out whether it is well again.
    TrialDue,
    Open,
}

/// What an outcome changed: from now on it is left alone, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Opened,
    Closed,
}

impl<K> Default for Breakers<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Breakers<K> {
    pub fn state(&self, key: &K, now: Instant) -> State {
        match self.0.get(key).and_then(|breaker| breaker.trial) {
            None => State::Closed,
            Some(trial) if now < trial => State::Open,
            Some(_) => State::TrialDue,
        }
    }

    /// The trial is made: the next one has to wait.
    pub fn try_now(&mut self, key: &K, now: Instant) {
        if let Some(trial) = self.0.get_mut(key).and_then(|breaker| breaker.trial.as_mut()) {
            *trial = now + NEXT_TRIAL;
        }
    }

    pub fn succeeded(&mut self, key: &K) -> Option<Turn> {
        self.0.remove(key)?.trial.map(|_| Turn::Closed)
    }

    pub fn failed(&mut self, key: K, now: Instant) -> Option<Turn> {
        let breaker = self.breaker(key, now)?;
        breaker.failures = breaker.failures.saturating_add(1);
        breaker.last = now;
        if breaker.failures < FAILURES || breaker.trial.is_some() {
            return None;
        }
        breaker.trial = Some(now + FIRST_TRIAL);
        Some(Turn::Opened)
    }

    /// It asks to be left alone for so long.
    pub fn cool(&mut self, key: K, rest: Duration, now: Instant) -> Option<Turn> {
        let breaker = self.breaker(key, now)?;
        breaker.last = now;
        let was_closed = breaker.trial.is_none();
        breaker.trial = breaker.trial.max(Some(now + rest));
        was_closed.then_some(Turn::Opened)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.values().filter(|breaker| breaker.trial.is_some()).count()
    }

    /// `None`: there are too many.
    fn breaker(&mut self, key: K, now: Instant) -> Option<&mut Breaker> {
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, breaker| now.saturating_duration_since(breaker.last) < FORGOTTEN);
            if self.0.len() >= MOST {
                return None;
            }
        }
        Some(self.0.entry(key).or_insert(Breaker { failures: 0, last: now, trial: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn one_that_asks_to_be_left_alone_is_until_then_and_no_failure_shortens_it() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        assert_eq!(breakers.cool("busy", 20 * SECOND, start), Some(Turn::Opened));
        assert_eq!(breakers.cool("busy", 10 * SECOND, start), None);
        (0..10).for_each(|_| assert_eq!(breakers.failed("busy", start), None));
        assert_eq!(breakers.state(&"busy", start + 19 * SECOND), State::Open);
        assert_eq!(breakers.state(&"other", start), State::Closed);
        assert_eq!(breakers.state(&"busy", start + 20 * SECOND), State::TrialDue);
        breakers.try_now(&"busy", start + 20 * SECOND);
        assert_eq!(breakers.state(&"busy", start + 21 * SECOND), State::Open);
        assert_eq!(breakers.succeeded(&"busy"), Some(Turn::Closed));
        assert_eq!(breakers.succeeded(&"busy"), None);
        assert_eq!(breakers.state(&"busy", start + 21 * SECOND), State::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn their_number_is_bounded() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        (0..10_000).for_each(|key| assert_eq!(breakers.failed(key, start), None));
        assert_eq!(breakers.0.len(), MOST);
        breakers.failed(20_000, start + FORGOTTEN);
        assert_eq!(breakers.0.len(), 1, "the old ones made room");
    }
}
