//! The floor between one speaker and the next, and while nobody can be heard.

use tokio::time::Instant;

use super::{AsksAgain, Floor, Queued};
use crate::session::SessionNo;

impl Floor {
    /// The way to the caller is lost. What they have not heard waits for them.
    pub fn away(&mut self) {
        self.away = true;
    }

    /// Whether the leg takes frames. While it does not they are not made, so none is lost.
    pub const fn leg_keeps_up(&mut self, keeps_up: bool) {
        self.stalled = !keeps_up;
    }

    /// Keys are pressed from now on, or all are. Neither side's silence counts meanwhile.
    pub fn presses(&mut self, on: bool, now: Instant) {
        self.pressing = on;
        self.heard_of_model = self.heard_of_model.map(|_| now);
    }

    /// The caller hears us again, and has waited for nothing meanwhile.
    pub fn back(&mut self, now: Instant) {
        self.away = false;
        self.sounded = self.sounded.map(|_| now);
        self.heard_of_model = self.heard_of_model.map(|_| now);
    }

    /// Another model session speaks from now on.
    pub fn hand_over(&mut self, to: SessionNo, again: bool, now: Instant) {
        self.lose_speaker(again, now);
        self.speaker = to;
    }

    /// The model session that spoke is gone. What it has said whole is heard, and what it was saying until the next one
    /// begins; nothing of it is told any more. What was not heard at all, and is said `again`, is forgotten.
    pub fn lose_speaker(&mut self, again: bool, now: Instant) {
        self.spoken = false;
        self.playing = None;
        (self.payer, self.owed_next) = (None, None);
        self.asks_again = AsksAgain::MayBe;
        self.cut.clear();
        self.unlistened(now);
        if std::mem::take(&mut self.caller_speaks) {
            self.unfinished = true;
            self.owe_since(self.voice.last.unwrap_or(now), now);
        }
        let whole = self.queue.iter().rposition(|queued| matches!(queued, Queued::Whole)).unwrap_or(0);
        let left = |(at, queued)| match queued {
            Queued::Speech(_, frame) if at < whole => Some(Queued::Left(frame)),
            Queued::Speech(_, frame) => Some(Queued::Broken(frame)),
            Queued::Whole | Queued::End(_) => None,
            queued => Some(queued),
        };
        self.queue = std::mem::take(&mut self.queue).into_iter().enumerate().filter_map(left).collect();
        if again && self.first_speech.is_none() {
            self.queue.clear();
            self.begun = false;
        }
    }

    /// The new speaker hears the end of a turn that the caller finished earlier, or all that there is of one. True if it
    /// was over already.
    pub fn tell_again(&mut self, now: Instant) -> bool {
        self.owe(now);
        !std::mem::take(&mut self.unfinished)
    }

    /// The model speaks no more, and owes nothing: what follows is ours. What a caller who has heard it has not heard yet of
    /// its words comes first.
    pub fn take(&mut self) {
        let begun = self.first_speech.is_some();
        let is_word =
            |queued: &Queued| matches!(queued, Queued::Speech(..) | Queued::Left(_) | Queued::Broken(_));
        self.queue.retain(|queued| begun && is_word(queued));
        self.playing = None;
        self.payer = None;
        (self.owed, self.owed_next) = (None, None);
        self.heard_of_model = None;
        self.last_speech = None;
        self.trusted();
    }

    /// The speaker has been asked for what is owed.
    pub fn expect(&mut self, now: Instant) {
        self.heard_of_model = Some(now);
    }
}
