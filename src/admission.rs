//! Who may have a call now: this router's slots.

use std::sync::Arc;

use tokio::sync::watch;

/// The router's slots: one per call offered or up. Clones share them.
#[derive(Debug, Clone)]
pub struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
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
    Draining,
}

impl Slots {
    pub fn new(limit: usize) -> Self {
        let usage = watch::Sender::new(Usage { taken: 0, draining: false });
        Self(Arc::new(Shared { limit, usage }))
    }

    /// A slot, unless all are taken or the router drains.
    pub fn reserve(&self) -> Result<Slot, NoSlot> {
        let mut denied = None;
        self.0.usage.send_if_modified(|usage| {
            denied = match usage {
                Usage { draining: true, .. } => Some(NoSlot::Draining),
                Usage { taken, .. } if *taken >= self.0.limit => Some(NoSlot::Full),
                Usage { .. } => None,
            };
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
    pub fn has_room(&self) -> bool {
        let usage = *self.0.usage.borrow();
        !usage.draining && usage.taken < self.0.limit
    }

    /// Tells of every change from now on, whoever makes it.
    pub fn watch(&self) -> watch::Receiver<Usage> {
        self.0.usage.subscribe()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.usage.send_modify(|usage| usage.taken -= 1);
    }
}

impl NoSlot {
    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Draining => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_and_come_back() {
        let slots = Slots::new(2);
        let first = slots.reserve().expect("a slot");
        let second = slots.reserve().expect("a slot");
        assert_eq!(slots.reserve().expect_err("none is left"), NoSlot::Full);
        drop(first);
        assert!(slots.has_room());
        let third = slots.reserve().expect("a slot came back");
        slots.drain();
        drop(second);
        assert_eq!(slots.reserve().expect_err("a draining router takes nothing"), NoSlot::Draining);
        drop(third);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn whoever_watches_is_told_of_every_change_and_of_nothing_else() {
        let slots = Slots::new(1);
        let mut watch = slots.watch();
        let mut told = || {
            let changed = watch.has_changed().expect("the slots live");
            changed.then(|| *watch.borrow_and_update())
        };
        assert_eq!(told(), None);
        let slot = slots.reserve().expect("a slot");
        assert_eq!(told(), Some(Usage { taken: 1, draining: false }));
        assert!(slots.reserve().is_err());
        assert_eq!(told(), None, "a refusal changes nothing");
        slots.drain();
        assert_eq!(told(), Some(Usage { taken: 1, draining: true }));
        slots.drain();
        assert_eq!(told(), None, "it drains already");
        drop(slot);
        assert_eq!(told(), Some(Usage { taken: 0, draining: true }));
    }
}
