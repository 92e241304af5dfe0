//! Who hears the caller: their voice on its way to the model, and a model that does not listen or lets them wait.

use tokio::time::Instant;

use super::Machine;
use crate::media::audio::Audio;
use crate::realtime::ModelCommand;
use crate::session::Action;
use crate::session::attention::Doubt;

impl Machine {
    /// The caller's voice reaches a model once the caller hears ours: what a carrier sends before the answer, noise
    /// or ringback, would only talk the greeting down.
    pub(super) fn audio(&mut self, audio: Audio, now: Instant) -> Vec<Action> {
        if !self.setup.is_up() || self.errand.is_some() {
            return Vec::new();
        }
        // Who is being handed on is not listened to; silence ends a turn that they had begun.
        let audio = if self.handover.is_some() { audio.silenced() } else { audio };
        let heard_by = self.failover.serves();
        let mut moves = Vec::new();
        if self.ear.hear(&audio.samples()) {
            self.floor.caller_voiced(heard_by.is_some() && !self.attention.is_doubted(), now);
            let unnoticed = heard_by.is_some() && !self.floor.caller_speaks();
            if unnoticed && self.attention.voiced(now) {
                self.earshot.deaf();
                // A successor would hear the rest of it only.
                moves = self.failover.stirred(now);
            }
        }
        self.earshot.push(audio.clone());
        let tell = |session| Action::Model { session, command: ModelCommand::Audio(audio) };
        let mut actions: Vec<Action> = heard_by.map(tell).into_iter().collect();
        actions.extend(self.follow(moves, None, now));
        actions
    }

    /// The session that is heard shows a sign of life.
    pub(super) fn attend(&mut self) {
        if self.attention.sign() {
            self.earshot.listened();
            self.floor.trusted();
        }
    }

    /// The failover's deadlines, and a model that lets the caller wait.
    pub(super) fn model_on_time(&mut self, now: Instant) -> Vec<Action> {
        let timings = &self.context.timings;
        let patience = self.failover.patience(timings);
        let abandons = patience.is_some_and(|patience| self.floor.is_abandoned(now, patience));
        let doubt = self.attention.on_time(now);
        let moves = if abandons || doubt == Some(Doubt::GiveUp) {
            self.failover.silent(now, timings)
        } else {
            self.failover.on_time(self.is_quiet(), now, timings)
        };
        let mut actions = self.follow(moves, None, now);
        if doubt == Some(Doubt::Ask)
            && let Some(session) = self.failover.heard()
        {
            self.floor.doubted();
            actions.push(Action::Model { session, command: ModelCommand::Probe });
        }
        actions
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.setup.is_up() && self.floor.is_quiet() && !self.keypad.is_in_use()
    }
}
