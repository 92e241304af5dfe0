//! Since when the caller waits for speech, and what is done about it.
//!
//! That their turn is over the model says, some time after they fell silent: since when they wait, our own ear says.

use std::time::Duration;

use tokio::time::Instant;

use super::{AsksAgain, Floor, Queued};
use crate::session::timings::Timings;

/// A model that hears late what was said before says within this time that somebody spoke.
const NOTICED_WITHIN: Duration = Duration::from_millis(2_500);

/// A turn is over when the caller falls silent, or this long before the model says so: one that finds the end of turns
/// more slowly is meant to.
const TOLD_WITHIN: Duration = Duration::from_millis(700);

#[derive(Debug, Default)]
pub(super) struct Voice {
    /// When the caller was last heard to speak, by our own ear.
    pub(super) last: Option<Instant>,
    /// When the model noticed that they speak, which may be before our ear does.
    pub(super) began: Option<Instant>,
    /// When they were last heard, while no model listened.
    unheard: Option<Instant>,
    /// Since when the speaker hears what the caller said before that.
    late: Option<Instant>,
    /// How long after the caller's last sound the speaker tells that a turn is over, at the latest.
    told_within: Duration,
}

impl Voice {
    /// A model that hears late what was said before notices it as late.
    fn last_sign(&self) -> Option<Instant> {
        if self.late.is_some() { self.last.or(self.began) } else { self.last.max(self.began) }
    }

    /// What the speaker notices now was said before it listened.
    pub(super) fn is_late_notice(&self) -> bool {
        self.late.is_some_and(|since| self.last.is_none_or(|last| last <= since))
    }

    /// When they were last heard, of what no model has noticed; one that had its time for it took it for noise.
    fn unnoticed(&self, now: Instant) -> Option<Instant> {
        self.unheard.filter(|_| self.late.is_none_or(|since| now < since + NOTICED_WITHIN))
    }
}

impl Floor {
    /// The model says that a turn is over within this time of the caller's last sound.
    pub const fn turns_end_within(&mut self, time: Duration) {
        self.voice.told_within = time;
    }

    /// Our own ear hears the caller speak. `by_model`: a model hears them too.
    pub const fn caller_voiced(&mut self, by_model: bool, now: Instant) {
        self.voice.last = Some(now);
        if !by_model {
            self.voice.unheard = Some(now);
        }
    }

    /// The model may not have heard what the caller said last.
    pub const fn doubted(&mut self) {
        (self.voice.unheard, self.voice.late) = (self.voice.last, None);
    }

    /// It shows that it listens.
    pub const fn trusted(&mut self) {
        self.voice.unheard = None;
    }

    /// No model listens any more. What the caller has just said the last one may have heard, and said nothing of it.
    pub(super) fn unlistened(&mut self, now: Instant) {
        let recent = |last: &Instant| now.saturating_duration_since(*last) < TOLD_WITHIN;
        self.voice.unheard = self.voice.unheard.or(self.voice.last.filter(recent));
        self.voice.late = None;
    }

    /// A model listens from now on; `late`: first to what was said before.
    pub fn listened(&mut self, late: bool, now: Instant) {
        self.voice.late = late.then_some(now);
        self.voice.unheard = self.voice.unheard.filter(|_| late);
    }

    /// The caller has finished a turn: the model owes an answer, from their last word on.
    pub fn caller_stopped(&mut self, now: Instant) {
        self.caller_speaks = false;
        let last = self.voice.last_sign().unwrap_or(now);
        let is_late = self.voice.late.take().is_some();
        let earliest = now.checked_sub(TOLD_WITHIN).filter(|_| !is_late);
        let since = earliest.map_or(last, |earliest| last.max(earliest));
        self.owe_answer_since(since, now);
    }

    /// The caller waits for an answer, beside what is being said.
    pub fn owe_answer(&mut self, now: Instant) {
        self.owe_answer_since(now, now);
    }

    /// The model has what it asked its tool for: it owes the caller speech, since then or since what it has not
    /// answered yet.
    pub fn owe_after_tool(&mut self, now: Instant) {
        let answers = self.payer.as_ref().is_some_and(|payer| payer.spoke);
        self.owe_answer_since(self.owed.filter(|_| !answers).unwrap_or(now), now);
    }

    fn owe_answer_since(&mut self, since: Instant, now: Instant) {
        self.asks_again = AsksAgain::MayBe;
        if !self.caller_speaks {
            self.owed_next = self.payer.is_some().then_some(since);
        }
        self.owe_since(since, now);
    }

    /// The caller waits for something that no model says, with the comfort sound and without an end.
    pub fn hold(&mut self, now: Instant) {
        self.owed.get_or_insert(now);
        // No model's silence is judged meanwhile.
        (self.payer, self.heard_of_model, self.last_speech) = (None, None, None);
    }

    /// The wait was for nothing: the model owes the caller a word about it.
    pub fn release(&mut self, now: Instant) {
        self.caller_speaks = false;
        self.owe(now);
    }

    /// The model owes the caller speech and has shown no sign of life for too long.
    pub fn is_abandoned(&self, now: Instant, patience: Duration) -> bool {
        self.patience_ends(patience).is_some_and(|end| now >= end)
    }

    /// The model is to say something, once the caller does not speak.
    pub fn owe(&mut self, now: Instant) {
        self.owe_since(now, now);
    }

    pub(super) fn owe_since(&mut self, since: Instant, now: Instant) {
        if !self.caller_speaks {
            self.owed = Some(self.owed.map_or(since, |owed| owed.min(since)));
        }
        self.heard_of_model = Some(now);
    }

    pub(super) fn patience_ends(&self, patience: Duration) -> Option<Instant> {
        if !self.is_open() || self.pressing || self.has_speech() {
            return None;
        }
        // Comfort is no sign of the model, so it doesn't count here.
        let sign = self.heard_of_model.max(self.last_speech);
        match self.owed {
            Some(_) => sign.map(|sign| sign + patience),
            None => self.overdue().map(|overdue| sign.map_or(overdue, |sign| overdue.max(sign)) + patience),
        }
    }

    pub(super) fn comfort_if_owed(&mut self, now: Instant, timings: &Timings) {
        if !self.is_open() || self.pressing || !self.queue.is_empty() {
            return;
        }
        let last = self.voice.last_sign();
        let overdue = self.overdue().filter(|overdue| now >= *overdue).and(last);
        // A debt that came after words that nobody has noticed does not make them wait anew.
        let Some(waits) = self.voice.unnoticed(now).or(self.owed).or(overdue) else { return };
        let waits = last.filter(|_| self.caller_speaks).map_or(waits, |last| last.max(waits));
        let quiet_since = self.sounded.map_or(waits, |sounded| sounded.max(waits));
        if now >= quiet_since + timings.comfort {
            self.queue.extend(self.sounds.comfort.iter().cloned().map(Queued::Comfort));
        }
    }

    /// When a model that told of the beginning of a turn should have told of its end.
    fn overdue(&self) -> Option<Instant> {
        let last = self.voice.last_sign().filter(|_| self.caller_speaks);
        last.map(|last| last + self.voice.told_within)
    }
}
