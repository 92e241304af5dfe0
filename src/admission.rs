//! Who may have a call now: this router's slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The router's slots: one per call offered or up.
#[derive(Debug, Clone)]
pub struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    taken: AtomicUsize,
    draining: AtomicBool,
}

/// One reserved slot, given back when dropped.
#[derive(Debug)]
pub struct Slot(Arc<Shared>);

impl Slots {
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, taken: AtomicUsize::new(0), draining: AtomicBool::new(false) }))
    }

    /// A slot, unless all are taken or the router drains.
    pub fn reserve(&self) -> Option<Slot> {
        if self.is_draining() {
            return None;
        }
        let more = |taken| (taken < self.0.limit).then_some(taken + 1);
        self.0.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Slot(Arc::clone(&self.0)))
    }

    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Acquire)
    }

    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// From now on no slot is given; those that are out stay until dropped.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Whether another call would be taken.
    pub fn has_room(&self) -> bool {
        !self.is_draining() && self.taken() < self.limit()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
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
        assert!(slots.reserve().is_none());
        drop(first);
        assert!(slots.has_room());
        let third = slots.reserve().expect("a slot came back");
        slots.drain();
        drop(second);
        assert!(slots.reserve().is_none(), "a draining router takes nothing");
        drop(third);
        assert_eq!(slots.taken(), 0);
    }
}
