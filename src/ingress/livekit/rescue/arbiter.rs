//! Who stays when several agents of ours are in one caller's room: the one that was there first, if it lives.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::ingress::livekit::Site;
use crate::ingress::livekit::facts;
use crate::livekit::wire::signal::{Participant, Presence};
use crate::livekit::wire::worker::JobId;

/// What one agent goes by.
pub struct Arbiter {
    /// Ours in the room.
    pub identity: String,
    /// Whether an agent of that name is one of ours.
    pub is_ours: Box<dyn Fn(&str) -> bool + Send>,
    /// The longest that a live agent takes from joining a room to the answer.
    pub overdue: Duration,
    /// When we joined, by the server's clock; as all times here, so that no other clock matters.
    pub joined_at: Timestamp,
}

impl Arbiter {
    /// That of a job. When we joined is known once we have.
    pub fn of(site: Arc<Site>, job: &JobId) -> Self {
        Self {
            identity: job.identity(),
            overdue: site.overdue,
            is_ours: Box::new(move |agent| site.project.is_ours(agent)),
            joined_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Whether one of the others has the caller. `rings` is whether the caller's call is unanswered: then an agent that
    /// has published nothing for so long is dead, be it us, whom somebody else has come to replace.
    pub fn yields(&self, others: &[Participant], rings: bool) -> bool {
        others.iter().any(|other| {
            let is_agent = facts::agent_name(other).is_some_and(|name| (self.is_ours)(name));
            let is_here = other.presence == Presence::Here && *other.identity.reveal() != self.identity;
            is_agent && is_here && self.yields_to(other, rings)
        })
    }

    fn yields_to(&self, other: &Participant, rings: bool) -> bool {
        let ours = (self.joined_at, self.identity.as_str());
        let is_older = (other.joined_at, other.identity.reveal().as_str()) < ours;
        let apart = self.joined_at.duration_since(other.joined_at).unsigned_abs();
        let is_dead = rings && apart >= self.overdue;
        if is_older { !is_dead || !other.tracks.is_empty() } else { is_dead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RINGS: bool = true;
    const TALKS: bool = false;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn agent(identity: &str, joined: i64) -> Participant {
        Participant {
            identity: identity.into(),
            name: "".into(),
            is_sip: false,
            is_agent: true,
            presence: Presence::Here,
            joined_at: at(joined),
            attributes: [("lk.agent_name".to_owned(), "voice".into())].into(),
            tracks: Vec::new(),
        }
    }

    #[test]
    fn the_agent_that_was_there_first_stays_if_it_lives() {
        let speaks = |agent| Participant { tracks: vec!["TR_1".to_owned()], ..agent };
        let gone = |agent| Participant { presence: Presence::Left, ..agent };
        let other = |agent| Participant { attributes: [].into(), ..agent };
        let table = [
            ("we are alone", vec![], RINGS, false),
            ("an older one", vec![agent("b", 99)], RINGS, true),
            ("a younger one", vec![agent("b", 101)], RINGS, false),
            ("as old, and first by name", vec![agent("a", 100)], RINGS, true),
            ("as old, and after us by name", vec![agent("z", 100)], RINGS, false),
            ("ourselves, from before", vec![agent("m", 50)], RINGS, false),
            ("one that has left", vec![gone(agent("b", 99))], RINGS, false),
            ("one of others", vec![other(agent("b", 99))], RINGS, false),
            ("one that is dead", vec![agent("b", 89)], RINGS, false),
            ("one that is dead, and one that lives", vec![agent("b", 89), agent("c", 99)], RINGS, true),
            ("one that has answered late", vec![speaks(agent("b", 89))], RINGS, true),
            ("one that talks", vec![speaks(agent("b", 10))], TALKS, true),
            ("one that returns to its call", vec![agent("b", 10)], TALKS, true),
            ("we are taken for dead", vec![agent("b", 111)], RINGS, true),
            ("we talk, whoever comes", vec![agent("b", 111)], TALKS, false),
        ];
        let us = Arbiter {
            identity: "m".to_owned(),
            is_ours: Box::new(|name| name == "voice"),
            overdue: Duration::from_secs(11),
            joined_at: at(100),
        };
        for (what, others, rings, expected) in table {
            assert_eq!(us.yields(&others, rings), expected, "{what}");
        }
    }
}
