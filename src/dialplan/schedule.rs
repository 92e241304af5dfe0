//! When a route is open: weekly windows and closed dates, by the wall clock of a time zone.
//!
//! An instant is open if its local wall time stands in a window and its local date is not closed. So a window in
//! the hour that spring skips is not open on that day, one in the hour that autumn repeats is open twice, and a
//! window across midnight ends early where the next date is closed.

mod days;
mod read;
#[cfg(test)]
mod tests;
mod walk;
mod week;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use read::SCHEDULE_KEYS;

use days::Days;
use week::Week;

/// `[schedule.NAME]` of a dialplan file.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    zone: TimeZone,
    open: Week,
    closed: Days,
}

impl Schedule {
    pub fn is_open(&self, at: Timestamp) -> bool {
        let wall = walk::second(at) + i64::from(self.zone.to_offset(at).seconds());
        self.at_wall(wall).open
    }

    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first instant from `from` on, and before `until`, at which both are open.
    pub fn first_overlap(&self, other: &Self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        walk::first([(self, true), (other, true)], from, until)
    }

    /// Whether `self` is open at every instant of the time at which `other` is.
    pub fn covers(&self, other: &Self, from: Timestamp, until: Timestamp) -> bool {
        walk::first([(self, false), (other, true)], from, until).is_none()
    }

    /// Whether there is an open instant from `from` on, and before `until`.
    pub fn ever_open(&self, from: Timestamp, until: Timestamp) -> bool {
        walk::first([(self, true)], from, until).is_some()
    }

    /// Whether every instant from `from` on, and before `until`, is open.
    pub fn always_open(&self, from: Timestamp, until: Timestamp) -> bool {
        walk::first([(self, false)], from, until).is_none()
    }

    /// The first instant after `at` at which open turns to closed or closed to open. `None`: never again.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        // Past the last closed date every year is like the next, but for the time zone's changes.
        const YEAR: SignedDuration = SignedDuration::from_hours(366 * 24);
        let quiet = self.closed.end().and_then(|wall| Timestamp::from_second(wall).ok());
        let until = quiet.map_or(at, |quiet| quiet.max(at)).saturating_add(YEAR).unwrap_or(Timestamp::MAX);
        walk::first([(self, !self.is_open(at))], at, until)
    }

    /// What holds at a wall time, and until which one nothing can change, in [`walk::second`]s of the wall clock.
    fn at_wall(&self, wall: i64) -> Span {
        let closed = self.closed.at(wall);
        if closed.open {
            return Span { open: false, until: closed.until };
        }
        let week = self.open.at(wall);
        Span { open: week.open, until: week.until.min(closed.until) }
    }
}

/// Whether something holds, and until when that cannot change (it need not change then).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    open: bool,
    until: i64,
}
