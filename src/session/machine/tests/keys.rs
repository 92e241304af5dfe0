//! The keys that the caller presses, and what the model is told of them.

use super::world::{Happening, World};
use super::*;

#[derive(Debug, Default)]
pub(super) struct Keys {
    all: u32,
    /// While the caller was listened to.
    pressed: String,
    told: String,
    entries: u32,
    last: Option<Instant>,
}

impl Keys {
    pub(super) const fn entries(&self) -> u32 {
        self.entries
    }

    /// When the last one was pressed.
    pub(super) const fn last(&self) -> Option<Instant> {
        self.last
    }

    /// How many keys a model was told of.
    pub(super) const fn told(&self) -> usize {
        self.told.len()
    }
}

impl World {
    /// Fewer than one entry may have.
    pub(super) fn plan_keys(&mut self) {
        let mut at = self.rng.random_range(3_000..18_000);
        for _ in 0..self.rng.random_range(1..30) {
            let key = Digit::from_code(self.rng.random_range(0..16)).expect("one of sixteen");
            self.at(at, Happening::Key(key));
            at += self.rng.random_range(50..1_500);
        }
    }

    /// Only an answered call has keys.
    pub(super) fn press(&mut self, key: Digit) {
        if self.seen.answers == 0 {
            return;
        }
        let machine = &self.machine;
        let distracted = machine.errand.is_some() || machine.handover.is_some() || machine.goodbye.is_some();
        self.keys.all += 1;
        if !distracted && !machine.farewell.has_begun() {
            self.keys.pressed.push(key.reveal());
            self.keys.last = Some(self.now);
        }
        self.feed(Event::Leg(LegEvent::Digit(key)));
    }

    /// The caller waits for what is said to it.
    pub(super) fn told(&mut self, text: &str) {
        let keys = text.strip_prefix("[The caller pressed ").and_then(|rest| rest.split(' ').next());
        self.keys.told.push_str(keys.unwrap_or_default());
        self.keys.entries += u32::from(keys.is_some());
        if !self.seen.caller_speaks {
            self.seen.owed_since.get_or_insert(self.now);
        }
    }

    /// Every key is counted, and told once and in order to whoever can be told.
    pub(super) fn check_keys(&self, record: &CallRecord, context: &str) {
        let Keys { all, pressed, told, last, .. } = &self.keys;
        assert_eq!(record.digits, *all, "{context}");
        assert!(pressed.starts_with(told), "{context}: {told} of {pressed}");
        let waited = last.is_some_and(|last| self.now > last + MS * 2_100);
        let listened = self.wish != Wish::Transfer && self.machine.goodbye.is_none() && self.seen.up;
        if self.trouble == Trouble::None && listened && waited {
            assert_eq!(told, pressed, "{context}");
        }
    }
}
