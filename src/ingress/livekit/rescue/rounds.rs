//! Which rooms to look into, and what was seen there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::livekit::api::Listed;

/// Looks into rooms in one round, and those of them that only make sure.
const LOOKS: usize = 32;
const SETTLED_LOOKS: usize = 16;
/// A younger room is not looked into: its agent is on the way.
const YOUNG: Duration = Duration::from_secs(4);
/// A caller and an agent who talk have each published a track. With fewer, one of them may be missing.
const COMPANY: u32 = 2;

/// What was seen in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A caller with an agent who talk, or nobody who concerns us.
    Settled,
    /// A caller who has an agent, and still rings.
    Attended,
    /// A caller without an agent.
    Alone,
}

/// What is known of the rooms that are open.
#[derive(Debug, Default)]
pub struct Rounds(HashMap<Arc<str>, Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    sight: Sight,
    at: Instant,
    /// Since when, if it is so now.
    alone: Option<Instant>,
}

impl Rounds {
    /// The rooms of this round: where something may be wrong, a caller who was seen alone first; and of the others those
    /// that were not looked into for longest. What is known of rooms that are gone is forgotten.
    pub fn choose(&mut self, mut listed: Vec<Listed>, now: Timestamp) -> Vec<Listed> {
        self.forget_others(&listed);
        listed.retain(|room| {
            Duration::try_from(now.duration_since(room.created_at)).is_ok_and(|age| age >= YOUNG)
        });
        let (mut chosen, mut settled): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|room| self.is_urgent(room));
        settled.sort_by_key(|room| self.0.get(&room.id).map(|known| known.at));
        settled.truncate(SETTLED_LOOKS);
        chosen.sort_by_key(|room| (!self.is_alone(room), room.publishers >= COMPANY));
        chosen.truncate(LOOKS - settled.len());
        chosen.extend(settled);
        chosen
    }

    pub fn saw(&mut self, room: Arc<str>, sight: Sight, now: Instant) {
        let earlier = self.0.get(&room).and_then(|known| known.alone);
        let alone = (sight == Sight::Alone).then(|| earlier.unwrap_or(now));
        self.0.insert(room, Known { sight, at: now, alone });
    }

    /// How long the room's caller has been alone, as we have seen it.
    pub fn watched(&self, room: &str, now: Instant) -> Duration {
        let alone = self.0.get(room).and_then(|known| known.alone);
        alone.map_or(Duration::ZERO, |alone| now.saturating_duration_since(alone))
    }

    fn is_urgent(&self, room: &Listed) -> bool {
        let settled = self.0.get(&room.id).is_some_and(|known| known.sight == Sight::Settled);
        !settled || room.publishers < COMPANY
    }

    fn is_alone(&self, room: &Listed) -> bool {
        self.0.get(&room.id).is_some_and(|known| known.alone.is_some())
    }

    fn forget_others(&mut self, listed: &[Listed]) {
        let mut known = std::mem::take(&mut self.0);
        self.0 = listed.iter().filter_map(|room| known.remove_entry(&room.id)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: usize, publishers: u32) -> Listed {
        let name = format!("call-{id}").into();
        Listed { id: format!("RM_{id}").into(), name, created_at: Timestamp::UNIX_EPOCH, publishers }
    }

    fn later(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    fn ids(rooms: &[Listed]) -> Vec<&str> {
        rooms.iter().map(|room| &*room.id).collect()
    }

    #[test]
    fn a_room_is_looked_into_once_it_is_not_young() {
        let mut rounds = Rounds::default();
        assert!(rounds.choose(vec![listed(1, 1)], later(3)).is_empty());
        assert_eq!(ids(&rounds.choose(vec![listed(1, 1)], later(4))), ["RM_1"]);
    }

    #[test]
    fn rooms_where_something_may_be_wrong_come_first_and_the_others_in_turns() {
        let (mut rounds, start) = (Rounds::default(), Instant::now());
        let rooms: Vec<_> = (0..100).map(|id| listed(id, 2)).collect();
        for (at, room) in rooms.iter().enumerate() {
            let sight = [Sight::Settled, Sight::Attended, Sight::Alone].get(at.saturating_sub(97)).copied();
            rounds.saw(
                Arc::clone(&room.id),
                sight.unwrap_or(Sight::Settled),
                start + Duration::from_secs(at as u64),
            );
        }
        let chosen = rounds.choose(rooms.clone(), later(1000));
        assert_eq!(ids(&chosen)[..3], ["RM_99", "RM_98", "RM_0"]);
        assert_eq!(chosen.len(), 2 + SETTLED_LOOKS);

        for room in &chosen {
            rounds.saw(Arc::clone(&room.id), Sight::Settled, start + Duration::from_secs(1000));
        }
        assert_eq!(ids(&rounds.choose(rooms, later(1000)))[..2], ["RM_16", "RM_17"]);
    }

    #[test]
    fn a_room_with_one_publisher_is_looked_into_whatever_was_seen_there() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        let rooms: Vec<_> = (0..40).map(|id| listed(id, if id == 39 { 1 } else { 2 })).collect();
        for room in &rooms {
            rounds.saw(Arc::clone(&room.id), Sight::Settled, now);
        }
        assert_eq!(ids(&rounds.choose(rooms, later(1000))).first(), Some(&"RM_39"));
    }

    #[test]
    fn a_caller_who_was_seen_alone_is_looked_at_again_however_many_rooms_are_new() {
        let mut rounds = Rounds::default();
        let mut rooms: Vec<_> = (0..100).map(|id| listed(id, 2)).collect();
        rooms.extend([listed(100, 1), listed(101, 2)]);
        rounds.saw("RM_101".into(), Sight::Alone, Instant::now());
        assert_eq!(ids(&rounds.choose(rooms, later(1000)))[..3], ["RM_101", "RM_100", "RM_0"]);
    }

    #[test]
    fn a_round_is_bounded_and_what_is_gone_is_forgotten() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        assert_eq!(rounds.choose((0..1000).map(|id| listed(id, 2)).collect(), later(1000)).len(), LOOKS);
        rounds.saw("RM_1".into(), Sight::Alone, now);
        let second = now + Duration::from_secs(1);
        rounds.saw("RM_1".into(), Sight::Alone, second);
        assert_eq!(rounds.watched("RM_1", second), Duration::from_secs(1));
        rounds.saw("RM_1".into(), Sight::Settled, second);
        assert_eq!(rounds.watched("RM_1", second), Duration::ZERO);
        rounds.choose(vec![listed(2, 2)], later(1000));
        assert!(rounds.0.is_empty());
    }
}
