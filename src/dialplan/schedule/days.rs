use jiff::civil::Date;

use super::Span;
use super::week::DAY;

/// Dates, as ranges in order, apart from each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Days(Vec<Range>);

/// Seconds of the wall clock, from the first to the one before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    start: i64,
    end: i64,
}

impl Days {
    /// Of ranges in any order, each with its first and last date.
    pub(super) fn new(ranges: impl IntoIterator<Item = (Date, Date)>) -> Self {
        let day_after = |date| midnight(date) + i64::from(DAY);
        let mut sorted: Vec<_> = ranges
            .into_iter()
            .map(|(first, last)| Range { start: midnight(first), end: day_after(last) })
            .collect();
        sorted.sort_unstable();
        sorted.dedup_by(|next, range| {
            let touches = next.start <= range.end;
            if touches {
                range.end = range.end.max(next.end);
            }
            touches
        });
        Self(sorted)
    }

    /// What holds at a second of the wall clock: open on one of the days.
    pub(super) fn at(&self, wall: i64) -> Span {
        let next = self.0.partition_point(|range| range.end <= wall);
        match self.0.get(next) {
            Some(range) if range.start <= wall => Span { open: true, until: range.end },
            Some(range) => Span { open: false, until: range.start },
            None => Span { open: false, until: i64::MAX },
        }
    }

    /// When the last one is over.
    pub(super) fn end(&self) -> Option<i64> {
        self.0.last().map(|range| range.end)
    }
}

/// The second of the wall clock at which a date begins.
fn midnight(date: Date) -> i64 {
    date.duration_since(Date::constant(1970, 1, 1)).as_secs()
}
