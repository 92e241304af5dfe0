//! The rooms that this router's own legs look after.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pii::Redacted;

type Rooms = HashMap<Redacted<String>, usize>;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<Mutex<Rooms>>);

/// One leg's hold on its room, until dropped.
#[derive(Debug)]
pub struct Serving {
    served: Served,
    room: Redacted<String>,
}

impl Served {
    pub fn enter(&self, room: Redacted<String>) -> Serving {
        *self.lock().entry(room.clone()).or_default() += 1;
        Serving { served: self.clone(), room }
    }

    pub fn includes(&self, room: &Redacted<String>) -> bool {
        self.lock().contains_key(room)
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut rooms = self.served.lock();
        if let Some(legs) = rooms.get_mut(&self.room) {
            *legs -= 1;
            if *legs == 0 {
                rooms.remove(&self.room);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_served_until_its_last_leg_is_gone() {
        let (served, room) = (Served::default(), Redacted::from("call-1"));
        let first = served.enter(room.clone());
        let second = served.enter(room.clone());
        drop(first);
        assert!(served.includes(&room));
        drop(second);
        assert!(!served.includes(&room));
        assert!(!served.includes(&"call-2".into()));
    }
}
