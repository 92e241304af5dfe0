//! Calls that we end: why we may, and the goodbye.

use super::world::World;
use super::*;

/// What this call may, and what was seen of it.
#[derive(Debug, Default)]
pub(super) struct Ends {
    max_silence: Option<Duration>,
    max_turns: Option<u32>,
    turns: u32,
    /// When the caller last did something.
    acted: Option<Instant>,
    /// We let go of the caller at once.
    at_once: bool,
    /// How often the model was given words to say.
    pub(super) words: u32,
}

impl World {
    /// How long a call of this configuration may go on.
    pub(super) fn limit(&mut self, config: &mut CallConfig) {
        if self.trouble == Trouble::Long {
            return;
        }
        config.max_duration = self.rng.random_bool(0.3).then(|| MS * self.rng.random_range(1..15_000));
        config.max_silence = self.rng.random_bool(0.2).then(|| MS * self.rng.random_range(2_000..8_000));
        config.max_turns = self.rng.random_bool(0.2).then(|| self.rng.random_range(1..3));
        (self.ends.max_silence, self.ends.max_turns) = (config.max_silence, config.max_turns);
    }

    /// Told before the machine is.
    pub(super) fn note_end(&mut self, event: &Event) {
        match event {
            Event::Model { event: ModelEvent::CallerStarted, .. } if self.machine.goodbye.is_none() => {
                self.ends.acted = Some(self.now);
            }
            Event::Model { event: ModelEvent::CallerStopped { .. }, .. } => self.ends.turns += 1,
            Event::HangUp => self.ends.at_once |= !self.machine.farewell.has_begun(),
            _ => {}
        }
    }

    /// A call that we end has reason to, and its caller hears a goodbye.
    pub(super) fn check_end(&self, record: &CallRecord, context: &str) {
        let (ends, ending) = (&self.ends, record.ending);
        let entries = self.keys.entries();
        match ending {
            _ if self.trouble == Trouble::Noise => return,
            Ending::SilenceLimit => {
                let since = ends.acted.max(self.keys.last()).unwrap_or(self.start);
                let most = ends.max_silence.expect("it is limited");
                assert!(self.now - since >= most, "{context}: {:?} of {most:?}", self.now - since);
            }
            Ending::TurnLimit => {
                let most = ends.max_turns.expect("they are limited");
                assert!(ends.turns + entries >= most, "{context}: {} of {most}", ends.turns + entries);
            }
            Ending::TimeLimit | Ending::Drained => {}
            _ => return,
        }
        let heard = ends.words > 0 || self.seen.played > 0;
        assert!(
            heard || ends.at_once || !self.machine.setup.is_up(),
            "{context}: {ending:?} without a goodbye"
        );
    }
}
