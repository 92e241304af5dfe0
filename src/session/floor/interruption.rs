//! What stops us in the middle of a word, what was heard of it, and how far the greeting is.

use std::time::Duration;

use tokio::time::Instant;

use super::queued::{Playing, Queued};
use super::{Floor, Interrupted};
use crate::media::FRAME;

impl Floor {
    /// What is to be heard now ends the greeting.
    pub fn greeting_done(&mut self) {
        self.queue.push_back(Queued::Greeted);
    }

    pub const fn has_greeted(&self) -> bool {
        self.greeted
    }

    /// How much speech was heard.
    pub fn heard(&self) -> Duration {
        (FRAME * self.sent).saturating_sub(self.held_back)
    }

    /// The caller speaks, so we don't. What was heard of what we were saying, item by item.
    pub fn caller_started(&mut self, now: Instant) -> Vec<Interrupted> {
        self.caller_speaks = true;
        self.voice.began = Some(now);
        if !self.voice.is_late_notice() {
            (self.owed, self.owed_next) = (None, None);
        }
        self.trusted();
        self.break_in()
    }

    /// The caller speaks, and we go on.
    pub fn talked_over(&mut self, now: Instant) {
        self.caller_speaks = true;
        self.voice.began = Some(now);
    }

    /// The caller wants to be listened to. What was heard of what we were saying, item by item.
    pub fn break_in(&mut self) -> Vec<Interrupted> {
        let left = self.queue.iter().any(|queued| matches!(queued, Queued::Left(_) | Queued::Broken(_)));
        let interrupted = self.fall_silent();
        self.barge_ins += u32::from(left || !interrupted.is_empty());
        interrupted
    }

    /// Whatever we were saying stops now. What was heard of it, item by item.
    pub fn fall_silent(&mut self) -> Vec<Interrupted> {
        let playing = self.playing.take();
        let mut interrupted: Vec<Interrupted> = Vec::new();
        if let Some(Playing { item, sent }) = playing {
            let heard = (FRAME * sent).saturating_sub(self.held_back);
            interrupted.push(Interrupted { item, heard, whole: FRAME * sent });
        }
        for queued in self.queue.drain(..) {
            let Queued::Speech(item, _) = queued else { continue };
            match interrupted.iter_mut().find(|known| known.item == item) {
                Some(known) => known.whole += FRAME,
                None => interrupted.push(Interrupted { item, heard: Duration::ZERO, whole: FRAME }),
            }
        }
        for Interrupted { item, .. } in &interrupted {
            self.cut(item.clone());
        }
        interrupted
    }
}
