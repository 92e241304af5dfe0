//! Going along the time line from change to change.

use jiff::Timestamp;

use super::{Schedule, Span};

/// The second that an instant is in, from 1970-01-01 on. Windows and changes of a time zone begin on whole seconds.
pub(super) fn second(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// The first instant from `from` on, and before `until`, at which each schedule is open or closed as wanted.
pub(super) fn first<const N: usize>(
    wanted: [(&Schedule, bool); N],
    from: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let mut walks = wanted.map(|(schedule, open)| (Walk::new(schedule), open));
    let mut at = from;
    while at < until {
        // As long as one of them is not as wanted, the others need not be looked at.
        let mut unwanted_until = None;
        for (walk, open) in &mut walks {
            let span = walk.at(at);
            if span.open != *open {
                unwanted_until = unwanted_until.max(Some(span.until));
            }
        }
        match unwanted_until {
            None => return Some(at),
            Some(next) => at = Timestamp::from_second(next).ok()?,
        }
    }
    None
}

/// A schedule, and its time zone's offset where the walk is now.
pub(super) struct Walk<'s> {
    schedule: &'s Schedule,
    offset: i64,
    /// The second at which the offset changes; before the first step it holds nowhere.
    offset_until: i64,
}

impl<'s> Walk<'s> {
    pub(super) fn new(schedule: &'s Schedule) -> Self {
        Self { schedule, offset: 0, offset_until: i64::MIN }
    }

    /// What holds at an instant, none before the last one asked for, and until which second nothing can change.
    pub(super) fn at(&mut self, at: Timestamp) -> Span {
        let second = second(at);
        if second >= self.offset_until {
            let zone = &self.schedule.zone;
            self.offset = i64::from(zone.to_offset(at).seconds());
            let change = zone.following(at).next();
            self.offset_until = change.map_or(i64::MAX, |change| change.timestamp().as_second());
        }
        let Span { open, until } = self.schedule.at_wall(second + self.offset);
        Span { open, until: until.saturating_sub(self.offset).min(self.offset_until) }
    }
}
