//! What the caller does beside speaking, told to the model as if they had said it.
//!
//! A call that is up has a frame to send every 20 ms, and what is waited for here is looked at then.

use tokio::time::Instant;

use super::Machine;
use crate::call::Digit;
use crate::realtime::ModelCommand;
use crate::session::Action;
use crate::session::limits::Reached;

const SILENT: &str = "[The caller has said nothing for a while. Ask whether they are still there.]";

impl Machine {
    /// The first key of an entry silences us, as the caller's voice does. Who is being handed on, or hears a recording,
    /// is not listened to.
    pub(super) fn pressed(&mut self, key: Digit, now: Instant) -> Vec<Action> {
        if self.errand.is_some() || self.handover.is_some() {
            return Vec::new();
        }
        self.limits.caller_is_there();
        let begins = !self.keypad.is_in_use();
        self.keypad.press(key, now);
        if begins && self.setup.is_up() { self.fall_silent() } else { Vec::new() }
    }

    /// The model is told of what was keyed in once it is whole. It may have to wait for a model that serves.
    pub(super) fn tell_on_time(&mut self, now: Instant) -> Vec<Action> {
        if !self.setup.is_up() || !self.failover.is_serving() {
            return Vec::new();
        }
        let Some(keys) = self.keypad.take(now) else { return Vec::new() };
        self.limits.turn_is_over();
        self.tell(format!("[The caller pressed {} on the telephone keypad.]", keys.reveal()), now)
    }

    /// Half of the caller's silence is a reason to ask, all of it to part, as is the end of their time or turns.
    pub(super) fn limits_on_time(&mut self, now: Instant) -> Vec<Action> {
        if self.errand.is_some() {
            return Vec::new();
        }
        match self.limits.on_time(self.is_quiet(), now) {
            Some(Reached::Ask) if self.failover.is_serving() => self.tell(SILENT.to_owned(), now),
            Some(Reached::Ask) | None => Vec::new(),
            Some(Reached::End(ending)) => self.part(ending, now),
        }
    }

    /// Whoever serves now or later is to know this, and to say something to it.
    fn tell(&mut self, text: String, now: Instant) -> Vec<Action> {
        let moves = self.failover.stirred(now);
        let mut actions = self.follow(moves, None, now);
        self.greeting_is_owed &= self.shelter.holds();
        self.history.caller_did(text.clone().into());
        self.floor.owe_answer(now);
        let commands = [ModelCommand::Tell(text.into()), ModelCommand::Respond];
        let serving = self.failover.heard();
        let tell = |session| commands.map(|command| Action::Model { session, command });
        actions.extend(serving.map(tell).into_iter().flatten());
        actions
    }
}
