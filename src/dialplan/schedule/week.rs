use super::Span;

pub(super) const DAY: u32 = 24 * 60 * 60;
const WEEK: u32 = 7 * DAY;
/// 1970-01-01 was a Thursday, and a week begins on Monday.
const EPOCH: i64 = 3 * DAY as i64;

/// The open times of any week: seconds from Monday 00:00, in order, apart from each other, none across the week's
/// end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Week(Vec<Open>);

/// From the first second to the one before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    start: u32,
    end: u32,
}

impl Week {
    /// Opens `length` seconds, at most a week, from second `start` of the week on. Whether some of them were open
    /// already.
    pub(super) fn add(&mut self, start: u32, length: u32) -> bool {
        let end = start + length.min(WEEK);
        let this_week = Open { start, end: end.min(WEEK) };
        let next_week = Open { start: 0, end: end.saturating_sub(WEEK) };
        let parts = [this_week, next_week].into_iter().filter(|part| part.start < part.end);
        let mut overlaps = false;
        for part in parts {
            overlaps |= self.insert(part);
        }
        overlaps
    }

    fn insert(&mut self, mut new: Open) -> bool {
        let touching = self.0.partition_point(|open| open.end < new.start)
            ..self.0.partition_point(|open| open.start <= new.end);
        let mut overlaps = false;
        for open in self.0.get(touching.clone()).unwrap_or_default() {
            overlaps |= open.end > new.start && open.start < new.end;
        }
        for open in self.0.drain(touching.clone()) {
            new = Open { start: new.start.min(open.start), end: new.end.max(open.end) };
        }
        self.0.insert(touching.start, new);
        overlaps
    }

    /// What holds at a second of the wall clock.
    pub(super) fn at(&self, wall: i64) -> Span {
        let second = (wall + EPOCH).rem_euclid(i64::from(WEEK));
        let next = self.0.partition_point(|open| i64::from(open.end) <= second);
        let (open, until) = match self.0.get(next) {
            Some(open) if i64::from(open.start) <= second => (true, open.end),
            Some(open) => (false, open.start),
            None => (false, WEEK),
        };
        Span { open, until: wall + i64::from(until) - second }
    }
}
