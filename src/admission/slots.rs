use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::media::lateness::Lateness;
use crate::telemetry::TurnedAway;

/// The router's slots: one per call offered or up. Clones share them.
#[derive(Debug, Clone)]
pub struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    /// A process whose frames leave late has no room, whatever the slots say.
    lateness: Arc<Lateness>,
    usage: watch::Sender<Usage>,
}

/// How the slots are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub taken: usize,
    pub draining: bool,
}

/// One reserved slot, given back when dropped.
#[derive(Debug)]
pub struct Slot(Arc<Shared>);

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSlot {
    Full,
    /// The calls that are up hear already that this process has too much to do.
    Late,
    Draining,
}

impl Slots {
    pub fn new(limit: usize, lateness: Arc<Lateness>) -> Self {
        let usage = watch::Sender::new(Usage { taken: 0, draining: false });
        Self(Arc::new(Shared { limit, lateness, usage }))
    }

    /// A slot, if another call would be taken.
    pub fn reserve(&self, now: Instant) -> Result<Slot, NoSlot> {
        let mut denied = None;
        self.0.usage.send_if_modified(|usage| {
            denied = self.0.denied(*usage, now);
            usage.taken += usize::from(denied.is_none());
            denied.is_none()
        });
        denied.map_or_else(|| Ok(Slot(Arc::clone(&self.0))), Err)
    }

    pub fn taken(&self) -> usize {
        self.0.usage.borrow().taken
    }

    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// From now on no slot is given; those that are out stay until dropped.
    pub fn drain(&self) {
        self.0.usage.send_if_modified(|usage| !std::mem::replace(&mut usage.draining, true));
    }

    pub fn is_draining(&self) -> bool {
        self.0.usage.borrow().draining
    }

    /// Whether another call would be taken.
    pub fn has_room(&self, now: Instant) -> bool {
        let usage = *self.0.usage.borrow();
        self.0.denied(usage, now).is_none()
    }

    /// Tells of every change from now on, whoever makes it.
    pub fn watch(&self) -> watch::Receiver<Usage> {
        self.0.usage.subscribe()
    }
}

impl Shared {
    fn denied(&self, usage: Usage, now: Instant) -> Option<NoSlot> {
        match usage {
            Usage { draining: true, .. } => Some(NoSlot::Draining),
            Usage { taken, .. } if taken >= self.limit => Some(NoSlot::Full),
            Usage { .. } => self.lateness.is_late(now).then_some(NoSlot::Late),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.usage.send_modify(|usage| usage.taken -= 1);
    }
}

impl NoSlot {
    pub const ALL: [Self; 3] = [Self::Full, Self::Late, Self::Draining];

    pub const fn turned_away(self) -> TurnedAway {
        match self {
            Self::Full => TurnedAway::Full,
            Self::Late => TurnedAway::Late,
            Self::Draining => TurnedAway::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Of a process that is in time.
    fn slots(limit: usize) -> (Slots, Instant) {
        let now = Instant::now();
        (Slots::new(limit, Arc::new(Lateness::new(now))), now)
    }

    #[test]
    fn slots_are_bounded_and_come_back() {
        let (slots, now) = slots(2);
        let first = slots.reserve(now).expect("a slot");
        let second = slots.reserve(now).expect("a slot");
        assert_eq!(slots.reserve(now).expect_err("none is left"), NoSlot::Full);
        drop(first);
        assert!(slots.has_room(now));
        let third = slots.reserve(now).expect("a slot came back");
        slots.drain();
        drop(second);
        assert_eq!(slots.reserve(now).expect_err("a draining router takes nothing"), NoSlot::Draining);
        drop(third);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn a_process_that_is_late_has_no_slots_and_a_draining_one_says_that_it_drains() {
        let (slots, now) = slots(2);
        (0..100).for_each(|_| slots.0.lateness.note(Duration::from_millis(15), now));
        assert!(!slots.has_room(now));
        assert_eq!(slots.reserve(now).expect_err("it is late"), NoSlot::Late);
        assert_eq!(slots.taken(), 0);
        let later = now + Duration::from_secs(10);
        assert!(slots.has_room(later) && slots.reserve(later).is_ok(), "nobody hears it any more");
        slots.drain();
        assert_eq!(slots.reserve(now).expect_err("it drains"), NoSlot::Draining);
    }

    #[test]
    fn whoever_watches_is_told_of_every_change_and_of_nothing_else() {
        let (slots, now) = slots(1);
        let mut watch = slots.watch();
        let mut told = || {
            let changed = watch.has_changed().expect("the slots live");
            changed.then(|| *watch.borrow_and_update())
        };
        assert_eq!(told(), None);
        let slot = slots.reserve(now).expect("a slot");
        assert_eq!(told(), Some(Usage { taken: 1, draining: false }));
        assert!(slots.reserve(now).is_err());
        assert_eq!(told(), None, "a refusal changes nothing");
        slots.drain();
        assert_eq!(told(), Some(Usage { taken: 1, draining: true }));
        slots.drain();
        assert_eq!(told(), None, "it drains already");
        drop(slot);
        assert_eq!(told(), Some(Usage { taken: 0, draining: true }));
    }
}
