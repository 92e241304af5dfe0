use std::time::{Duration, Instant};

/// str0m reports `Disconnected` in passing while no pair is usable yet.
const FIRST: Duration = Duration::from_secs(10);
/// And perhaps while it changes to another pair.
const AGAIN: Duration = Duration::from_secs(2);
/// Both sides check the path (STUN) every few seconds, whatever media there is. A path on which nothing arrives for so
/// long is dead; str0m gives it 15 s at least.
pub(super) const SILENT: Duration = Duration::from_secs(6);

/// Whether the media connection lives.
#[derive(Debug)]
pub(super) struct Liveness {
    connected: bool,
    heard: Instant,
    disconnected: Option<Instant>,
    lost: bool,
}

impl Liveness {
    pub(super) const fn new(now: Instant) -> Self {
        Self { connected: false, heard: now, disconnected: None, lost: false }
    }

    /// Media flows.
    pub(super) const fn connected(&mut self, now: Instant) {
        (self.connected, self.heard) = (true, now);
    }

    /// Something arrived.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// No pair is usable, or one is.
    pub(super) fn usable(&mut self, usable: bool, now: Instant) {
        self.disconnected = if usable { None } else { self.disconnected.or(Some(now)) };
    }

    /// When it is to be taken for dead, which it is once.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = if self.connected { AGAIN } else { FIRST };
        let disconnected = self.disconnected.map(|since| since + patience);
        let silent = self.connected.then(|| self.heard + SILENT);
        [disconnected, silent].into_iter().flatten().min().filter(|_| !self.lost)
    }

    /// True once, when the deadline has passed.
    pub(super) fn is_lost(&mut self, now: Instant) -> bool {
        let lost = self.deadline().is_some_and(|deadline| deadline <= now);
        self.lost |= lost;
        lost
    }
}
