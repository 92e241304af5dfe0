//! The rooms that this router's own legs look after, each by one leg.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pii::Redacted;

type Rooms = HashSet<Redacted<String>>;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<Mutex<Rooms>>);

/// A leg's hold on its room, until dropped.
#[derive(Debug)]
pub struct Serving {
    served: Served,
    room: Redacted<String>,
}

impl Served {
    /// `None` when the room has a leg already.
    pub fn enter(&self, room: Redacted<String>) -> Option<Serving> {
        self.lock().insert(room.clone()).then(|| Serving { served: self.clone(), room })
    }

    pub fn includes(&self, room: &Redacted<String>) -> bool {
        self.lock().contains(room)
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.served.lock().remove(&self.room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_has_one_leg_and_may_have_another_once_that_is_gone() {
        let (served, room) = (Served::default(), Redacted::from("call-1"));
        let leg = served.enter(room.clone());
        assert!(leg.is_some() && served.includes(&room) && !served.includes(&"call-2".into()));
        assert!(served.enter(room.clone()).is_none());
        assert!(served.includes(&room), "the first is there still");
        drop(leg);
        assert!(!served.includes(&room));
        assert!(served.enter(room).is_some());
    }
}
