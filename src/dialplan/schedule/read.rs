//! How a schedule is written.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::{self, TimeZone};

use super::Schedule;
use super::days::Days;
use super::week::{DAY, Week};
use crate::document::{Keys, Table, Value, nearest, shown};

/// The keys of `[schedule.NAME]`.
pub const SCHEDULE_KEYS: Keys = Keys::only(&["timezone", "open", "closed"]);

const ZONE: &str = "a time zone's IANA name, such as America/New_York";
const WINDOW: &str = "days and a time from 00:00 to 24:00, such as \"Mon-Fri 09:00-17:00\", \"Mon,Wed 09:00-12:00\", \
                      \"Sat 22:00-02:00\" or \"daily 00:00-24:00\"";
const DATES: &str =
    "a date such as \"2026-12-25\", or a first and a last one such as \"2026-12-24..2026-12-26\"";
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Schedule {
    /// Reads a table opened with [`SCHEDULE_KEYS`]. `None` when something is wrong, which is then noted.
    pub fn read(table: &Table<'_>) -> Option<Self> {
        let zone = table.require("timezone", ZONE).and_then(|value| read_zone(&value));
        let open = table.require("open", WINDOW).and_then(|value| read_week(&value));
        let closed = table.get("closed").map_or_else(|| Some(Days::default()), |value| read_days(&value));
        Some(Self { zone: zone?, open: open?, closed: closed? })
    }
}

fn read_zone(value: &Value<'_>) -> Option<TimeZone> {
    let written = value.text(ZONE)?;
    let known = TimeZone::get(written).ok().filter(|zone| !zone.is_unknown());
    if known.is_none() {
        let names: Vec<_> = tz::db().available().collect();
        let guess = nearest(written, names.iter().map(tz::TimeZoneName::as_str));
        let guess = guess.map(|name| format!(", did you mean {name}?")).unwrap_or_default();
        value.report_found(&format!("{}{guess}", shown(written)), ZONE);
    }
    known
}

fn read_week(value: &Value<'_>) -> Option<Week> {
    let written = value.one_or_more();
    if written.is_empty() {
        value.report_found("an empty list", WINDOW);
        return None;
    }
    let mut week = Week::default();
    let mut good = true;
    for value in written {
        let Some(window) = value.parsed(WINDOW, Window::parse) else {
            good = false;
            continue;
        };
        if window.add_to(&mut week) {
            value.warn("open: some of this time is in another window too");
        }
    }
    good.then_some(week)
}

fn read_days(value: &Value<'_>) -> Option<Days> {
    let written = value.one_or_more();
    let ranges: Vec<_> = written.iter().filter_map(|value| value.parsed_date(DATES, parse_dates)).collect();
    (ranges.len() == written.len()).then(|| Days::new(ranges))
}

/// The same time on some days of the week.
struct Window {
    /// Counted from Monday, 0.
    days: BTreeSet<u32>,
    /// Seconds of the day.
    start: u32,
    /// Seconds; past midnight it goes on into the next day.
    length: u32,
}

impl Window {
    fn parse(text: &str) -> Option<Self> {
        let (days, times) = text.trim().rsplit_once(' ')?;
        let (start, end) = times.split_once('-')?;
        let (start, end) = (parse_time(start)?, parse_time(end)?);
        let length = match end.cmp(&start) {
            Ordering::Greater => end - start,
            Ordering::Less => DAY - start + end,
            // No time, or a whole day? The writer should say.
            Ordering::Equal => return None,
        };
        (start < DAY).then_some(Self { days: parse_days(days)?, start, length })
    }

    /// Whether some of it was open already.
    fn add_to(&self, week: &mut Week) -> bool {
        let mut overlaps = false;
        for day in &self.days {
            overlaps |= week.add(day * DAY + self.start, self.length);
        }
        overlaps
    }
}

/// `daily`, or names and ranges of days with commas between them; a range may go past Sunday.
fn parse_days(text: &str) -> Option<BTreeSet<u32>> {
    if text.trim().eq_ignore_ascii_case("daily") {
        return Some((0..7).collect());
    }
    let mut days = BTreeSet::new();
    for part in text.split(',') {
        let Some((first, last)) = part.split_once('-') else {
            days.insert(parse_day(part)?);
            continue;
        };
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        // Mon-Mon might be a day or eight.
        if first == last {
            return None;
        }
        let last = if last < first { last + 7 } else { last };
        days.extend((first..=last).map(|day| day % 7));
    }
    Some(days)
}

fn parse_day(text: &str) -> Option<u32> {
    (0..).zip(DAY_NAMES).find(|(_, name)| name.eq_ignore_ascii_case(text.trim())).map(|(day, _)| day)
}

/// `HH:MM` from 00:00 to 24:00, in seconds.
fn parse_time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let seconds = digits::<2>(hours)? * 60 * 60 + digits::<2>(minutes).filter(|minutes| *minutes < 60)? * 60;
    (seconds <= DAY).then_some(seconds)
}

fn parse_dates(text: &str) -> Option<(Date, Date)> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = (parse_date(first.trim())?, parse_date(last.trim())?);
    (first <= last).then_some((first, last))
}

/// `YYYY-MM-DD` and no other form of ISO 8601.
fn parse_date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (digits::<4>(year)?, digits::<2>(month)?, digits::<2>(day)?);
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// A number of exactly `N` digits.
fn digits<const N: usize>(text: &str) -> Option<u32> {
    (text.len() == N && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
