//! How long a call may go on: in time, in turns, and in silence.

use std::time::Duration;

use tokio::time::Instant;

use crate::call::Ending;
use crate::tenant::CallConfig;

#[derive(Debug, Default)]
pub struct Limits {
    max_duration: Option<Duration>,
    until: Option<Instant>,
    max_turns: Option<u32>,
    /// The caller's turns that are over.
    turns: u32,
    silence: Option<Silence>,
}

/// What a limit asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The caller has said nothing for half the time that they may: ask whether they are there.
    Ask,
    End(Ending),
}

/// How long the caller lets us wait, counted while it is their turn and nobody speaks.
#[derive(Debug)]
struct Silence {
    most: Duration,
    before: Duration,
    since: Option<Instant>,
    asked: bool,
}

impl Limits {
    /// The configuration's limits, known before the answer.
    pub fn configure(&mut self, config: &CallConfig) {
        self.max_duration = config.max_duration;
        self.max_turns = config.max_turns;
        let silence = |most| Silence { most, before: Duration::ZERO, since: None, asked: false };
        self.silence = config.max_silence.map(silence);
    }

    /// The call was answered: its time runs.
    pub fn start(&mut self, now: Instant) {
        self.until = self.max_duration.and_then(|limit| now.checked_add(limit));
    }

    /// The caller speaks, presses a key, or was not listened to.
    pub fn caller_is_there(&mut self) {
        if let Some(silence) = &mut self.silence {
            *silence = Silence { most: silence.most, before: Duration::ZERO, since: None, asked: false };
        }
    }

    pub const fn turn_is_over(&mut self) {
        self.turns = self.turns.saturating_add(1);
    }

    /// The last turn is heard once more, and will be over once more.
    pub const fn turn_is_repeated(&mut self) {
        self.turns = self.turns.saturating_sub(1);
    }

    /// `quiet`: nobody speaks, and nobody waits for our speech.
    pub fn on_time(&mut self, quiet: bool, now: Instant) -> Option<Reached> {
        if self.until.is_some_and(|until| now >= until) {
            return Some(Reached::End(Ending::TimeLimit));
        }
        // The last turn is answered, unless the caller takes one more instead of listening.
        if self.max_turns.is_some_and(|most| self.turns > most || (self.turns == most && quiet)) {
            return Some(Reached::End(Ending::TurnLimit));
        }
        self.silence.as_mut()?.on_time(quiet, now)
    }

    pub const fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

impl Silence {
    fn on_time(&mut self, quiet: bool, now: Instant) -> Option<Reached> {
        let since = self.since.map(|since| now.saturating_duration_since(since));
        let so_far = self.before + since.unwrap_or_default();
        if quiet {
            self.since.get_or_insert(now);
        } else {
            (self.before, self.since) = (so_far, None);
        }
        if so_far >= self.most {
            return Some(Reached::End(Ending::SilenceLimit));
        }
        let asks = so_far >= self.most / 2 && !std::mem::replace(&mut self.asked, so_far >= self.most / 2);
        asks.then_some(Reached::Ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Agent;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(change: impl FnOnce(&mut CallConfig)) -> Limits {
        let mut config = CallConfig::of(Agent::default(), [].into());
        change(&mut config);
        let mut limits = Limits::default();
        limits.configure(&config);
        limits
    }

    #[test]
    fn a_silent_caller_is_asked_half_way_and_what_we_say_is_not_their_silence() {
        let mut limits = limits(|config| config.max_silence = Some(SECOND * 10));
        let start = Instant::now();
        let mut reached = Vec::new();
        for second in 0..40 {
            // We speak from 6 to 9 and from 20 to 22, and the caller is there at 23.
            let quiet = !(6..9).contains(&second) && !(20..22).contains(&second);
            if second == 23 {
                limits.caller_is_there();
            }
            if let Some(what) = limits.on_time(quiet, start + SECOND * second) {
                reached.push((second, what));
                if let Reached::End(_) = what {
                    limits.caller_is_there();
                }
            }
        }
        let end = Reached::End(Ending::SilenceLimit);
        let expected = [
            (5, Reached::Ask),
            (13, end),
            (19, Reached::Ask),
            (28, Reached::Ask),
            (33, end),
            (39, Reached::Ask),
        ];
        assert_eq!(reached, expected);
    }

    #[test]
    fn the_last_turn_is_answered_unless_the_caller_takes_one_more() {
        for (turns, repeated, quiet, over) in [
            (1, false, true, false),
            (2, false, false, false),
            (2, true, true, false),
            (2, false, true, true),
            (3, false, false, true),
        ] {
            let mut limits = limits(|config| config.max_turns = Some(2));
            (0..turns).for_each(|_| limits.turn_is_over());
            if repeated {
                limits.turn_is_repeated();
            }
            let reached = limits.on_time(quiet, Instant::now()).is_some();
            assert_eq!(reached, over, "{turns} turns, repeated: {repeated}, quiet: {quiet}");
        }
    }

    #[test]
    fn time_runs_from_the_answer_on() {
        let mut limits = limits(|config| config.max_duration = Some(SECOND));
        let now = Instant::now();
        assert_eq!((limits.on_time(true, now + SECOND), limits.deadline()), (None, None));
        limits.start(now);
        assert_eq!(limits.deadline(), Some(now + SECOND));
        assert_eq!(limits.on_time(true, now), None);
        assert_eq!(limits.on_time(false, now + SECOND), Some(Reached::End(Ending::TimeLimit)));
    }
}
