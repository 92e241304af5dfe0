use std::path::Path;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::document::{self, Keys};

/// The schedule of a table's text, and its diagnostics.
fn read(text: &str) -> (Option<Schedule>, Vec<String>) {
    let path: Arc<Path> = Path::new("f").into();
    let (schedule, found) = document::read(&path, &format!("[s]\n{text}"), |document| {
        Schedule::read(&document.root(Keys::only(&["s"])).table("s", SCHEDULE_KEYS)?)
    });
    (schedule, found.iter().map(ToString::to_string).collect())
}

fn schedule(zone: &str, open: &str, closed: &str) -> Schedule {
    let (schedule, found) = read(&format!("timezone = '{zone}'\nopen = [{open}]\nclosed = [{closed}]"));
    schedule.unwrap_or_else(|| panic!("{found:?}"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// At each instant, written with its offset, whether it is open.
fn check(schedule: &Schedule, expected: &[(&str, bool)]) {
    for (instant, open) in expected {
        assert_eq!(schedule.is_open(at(instant)), *open, "{instant}");
    }
}

#[test]
fn windows_hold_from_their_first_minute_to_the_one_before_the_last() {
    let office = schedule("America/New_York", "'Mon-Fri 08:00-12:00', 'mon,wed 13:00-18:00'", "");
    check(
        &office,
        &[
            ("2026-07-06T07:59:59.999-04:00", false),
            ("2026-07-06T08:00-04:00", true),
            ("2026-07-06T11:59:59.999-04:00", true),
            ("2026-07-06T12:00-04:00", false),
            ("2026-07-06T13:00-04:00", true),
            ("2026-07-07T13:00-04:00", false),
            ("2026-07-08T17:59-04:00", true),
            ("2026-07-10T08:00-04:00", true),
            ("2026-07-11T08:00-04:00", false),
            ("1969-12-31T07:59:59.5-05:00", false),
            ("1969-12-31T11:59:59.5-05:00", true),
        ],
    );
}

#[test]
fn a_window_goes_on_past_midnight_and_past_the_weeks_end() {
    let night = schedule("UTC", "'Sat,Sun 22:00-02:00'", "");
    check(
        &night,
        &[
            ("2026-07-11T01:00Z", false),
            ("2026-07-11T21:59Z", false),
            ("2026-07-11T22:00Z", true),
            ("2026-07-12T01:59Z", true),
            ("2026-07-12T02:00Z", false),
            ("2026-07-12T23:59Z", true),
            ("2026-07-13T01:59Z", true),
            ("2026-07-13T02:00Z", false),
            ("2026-07-13T23:00Z", false),
        ],
    );
    let weekend = schedule("UTC", "'Fri-Mon 00:00-24:00'", "");
    for (day, open) in [(9, false), (10, true), (11, true), (12, true), (13, true), (14, false)] {
        check(
            &weekend,
            &[(&format!("2026-07-{day:02}T00:00Z"), open), (&format!("2026-07-{day:02}T23:59Z"), open)],
        );
    }
}

#[test]
fn a_closed_date_closes_what_crosses_into_it_and_nothing_beyond() {
    let night = schedule(
        "America/New_York",
        "'daily 22:00-02:00'",
        "'2026-12-25', 2028-02-29, '2027-01-01..2027-01-03'",
    );
    check(
        &night,
        &[
            ("2026-12-24T23:59:59-05:00", true),
            ("2026-12-25T00:00-05:00", false),
            ("2026-12-25T23:00-05:00", false),
            ("2026-12-26T00:00-05:00", true),
            ("2026-12-26T02:00-05:00", false),
            ("2027-01-01T01:00-05:00", false),
            ("2027-01-03T23:00-05:00", false),
            ("2027-01-04T01:00-05:00", true),
            ("2028-02-28T23:59-05:00", true),
            ("2028-02-29T00:30-05:00", false),
            ("2028-03-01T00:30-05:00", true),
        ],
    );
}

#[test]
fn a_skipped_hour_opens_nothing_and_a_repeated_one_opens_twice() {
    let early = schedule("America/New_York", "'Sun 01:30-02:30'", "");
    check(
        &early,
        &[
            ("2026-03-08T01:59:59-05:00", true),
            ("2026-03-08T03:00-04:00", false),
            ("2026-11-01T01:29-04:00", false),
            ("2026-11-01T01:30-04:00", true),
            ("2026-11-01T01:00-05:00", false),
            ("2026-11-01T01:30-05:00", true),
            ("2026-11-01T02:29-05:00", true),
        ],
    );
    let half = schedule("Australia/Lord_Howe", "'Sun 01:30-02:15'", "");
    check(
        &half,
        &[
            ("2026-04-05T01:59:59+11:00", true),
            ("2026-04-05T01:30+10:30", true),
            ("2026-04-05T02:15+10:30", false),
            ("2026-10-04T01:59:59+10:30", true),
            ("2026-10-04T02:30+11:00", false),
        ],
    );
    let gap = schedule("America/New_York", "'Sun 02:00-03:00'", "");
    let (from, until) = (at("2026-03-08T00:00-05:00"), at("2026-03-09T00:00-04:00"));
    assert!(!gap.ever_open(from, until));
    assert_eq!(gap.next_change(from), Some(at("2026-03-15T02:00-04:00")));
}

#[test]
fn a_date_that_a_zone_skipped_is_never_open() {
    let friday = schedule("Pacific/Apia", "'Fri 00:00-24:00'", "");
    let night = schedule("Pacific/Apia", "'Thu 22:00-02:00'", "");
    check(&friday, &[("2011-12-29T23:59:59-10:00", false), ("2011-12-31T00:00+14:00", false)]);
    check(&night, &[("2011-12-29T23:59:59-10:00", true), ("2011-12-31T00:00+14:00", false)]);
    assert!(!friday.ever_open(at("2011-12-29T12:00-10:00"), at("2012-01-06T00:00+14:00")));
    assert_eq!(friday.next_change(at("2011-12-29T12:00-10:00")), Some(at("2012-01-06T00:00+14:00")));
}

#[test]
fn the_next_change_is_looked_for_past_long_closures() {
    let always = schedule("Europe/Paris", "'daily 00:00-24:00'", "");
    assert_eq!(always.next_change(at("2026-07-01T00:00Z")), None);
    let away = schedule("Europe/Paris", "'daily 00:00-24:00'", "'2026-08-01..2030-08-31'");
    let (leaves, back) = (at("2026-08-01T00:00+02:00"), at("2030-09-01T00:00+02:00"));
    assert_eq!(away.next_change(at("2026-07-01T00:00Z")), Some(leaves));
    assert_eq!(away.next_change(leaves), Some(back));
    assert_eq!(away.next_change(back), None);
    assert_eq!(always.next_change(Timestamp::MAX), None);
    assert!(always.is_open(Timestamp::MIN) && always.is_open(Timestamp::MAX));
}

#[test]
fn schedules_in_different_zones_meet_where_their_instants_do() {
    let york = schedule("America/New_York", "'Mon-Fri 09:00-17:00'", "");
    let berlin = schedule("Europe/Berlin", "'Mon-Fri 09:00-17:00'", "");
    let tokyo = schedule("Asia/Tokyo", "'Mon-Fri 09:00-17:00'", "");
    let (from, until) = (at("2026-07-06T00:00Z"), at("2027-08-10T00:00Z"));
    assert_eq!(york.first_overlap(&berlin, from, until), Some(at("2026-07-06T13:00Z")));
    assert_eq!(york.first_overlap(&tokyo, from, until), None);
    let half_open = at("2026-07-06T13:00Z");
    assert_eq!(york.first_overlap(&berlin, from, half_open), None);
    assert_eq!(
        york.first_overlap(&berlin, at("2026-07-06T14:00:00.5Z"), until),
        Some(at("2026-07-06T14:00:00.5Z"))
    );
    // In winter and in summer alike, but in the weeks between Europe's and America's change.
    let same = schedule("Europe/Berlin", "'Mon-Fri 15:00-23:00'", "");
    assert!(york.covers(&same, from, at("2026-10-24T00:00Z")));
    assert!(!york.covers(&same, from, until));
}

#[test]
fn all_that_is_wrong_is_noted_with_what_is_accepted() {
    let accepted = "days and a time from 00:00 to 24:00, such as \"Mon-Fri 09:00-17:00\", \"Mon,Wed 09:00-12:00\", \
                    \"Sat 22:00-02:00\" or \"daily 00:00-24:00\"";
    let bad = [
        "",
        "Mon",
        "09:00-17:00",
        "Mon 9-17",
        "Mon 9:00-17:00",
        "Mon 09:00-09:00",
        "Mon 24:00-02:00",
        "Mon 09:00-24:01",
        "Mon 09:60-10:00",
        "Mon-Mon 09:00-17:00",
        "Monday 09:00-17:00",
        "Mon, 09:00-17:00",
        "Mon 09:00 17:00",
        "Mon 09:00 - 17:00",
        "Mon é9:00-17:00",
        "Mon +9:00-17:00",
    ];
    for window in bad {
        let (schedule, found) = read(&format!("timezone = 'UTC'\nopen = ['{window}']"));
        assert_eq!(
            (schedule, found),
            (None, vec![format!("f:3:9: open: found {window:?}; accepted: {accepted}")])
        );
    }
    let dates = "a date such as \"2026-12-25\", or a first and a last one such as \"2026-12-24..2026-12-26\"";
    let (schedule, found) = read(
        "timezone = 'America/New_Yrok'\nopen = []\nclosed = ['2026-2-3', '2027-02-29', '2026-12-26..2026-12-24', \
         2026-12-25T10:00:00, '20261225', 7]\ntimezoen = 1",
    );
    assert_eq!(schedule, None);
    assert_eq!(
        found,
        [
            "f:2:12: timezone: found \"America/New_Yrok\", did you mean America/New_York?; accepted: a time zone's \
             IANA name, such as America/New_York"
                .to_owned(),
            format!("f:3:8: open: found an empty list; accepted: {accepted}"),
            format!("f:4:11: closed: found \"2026-2-3\"; accepted: {dates}"),
            format!("f:4:23: closed: found \"2027-02-29\"; accepted: {dates}"),
            format!("f:4:37: closed: found \"2026-12-26..2026-12-24\"; accepted: {dates}"),
            format!("f:4:63: closed: found 2026-12-25T10:00:00; accepted: {dates}"),
            format!("f:4:84: closed: found \"20261225\"; accepted: {dates}"),
            format!("f:4:96: closed: found a whole number; accepted: {dates}"),
            "f:5:1: found the unknown key \"timezoen\", did you mean timezone?; accepted: timezone, open, closed"
                .to_owned(),
        ]
    );
    let (_, found) = read("closed = '2026-12-25'");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(read("timezone = 'Etc/Unknown'\nopen = 'daily 09:00-17:00'").0, None);
}

#[test]
fn windows_that_overlap_are_warned_of_and_those_that_touch_are_not() {
    for (windows, overlaps) in [
        ("'Mon-Fri 08:00-12:00', 'Wed 11:59-13:00'", true),
        ("'Mon-Fri 08:00-12:00', 'Wed 12:00-13:00'", false),
        ("'Sun 22:00-02:00', 'Mon 01:00-03:00'", true),
        ("'Sun 22:00-02:00', 'Mon 02:00-03:00'", false),
        ("'Mon 00:00-24:00', 'Tue 00:00-24:00'", false),
        ("'Mon 08:00-09:00', 'Mon 10:00-11:00', 'Mon 09:00-10:30'", true),
        ("'Fri-Mon 08:00-09:00', 'Sun 08:00-09:00'", true),
        ("'Mon-Fri,Wed 08:00-09:00'", false),
    ] {
        let (schedule, found) = read(&format!("timezone = 'UTC'\nopen = [{windows}]"));
        assert!(schedule.is_some());
        assert_eq!(!found.is_empty(), overlaps, "{windows}: {found:?}");
    }
}

/// What a schedule is made of, read by the rules as they are written and not by the code above.
#[derive(Debug, Clone)]
struct Written {
    zone: &'static str,
    /// First and last day from Monday, 0; start and end minute.
    windows: Vec<(i8, i8, i16, i16)>,
    closed: Vec<(Date, Date)>,
}

impl Written {
    fn read(&self) -> Schedule {
        let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let time = |minute: i16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let windows = self.windows.iter().map(|&(first, last, start, end)| {
            let (from, to) = (names[first as usize], names[last as usize]);
            let days = if first == last { from.to_owned() } else { format!("{from}-{to}") };
            format!("'{days} {}-{}'", time(start), time(end))
        });
        let closed = self.closed.iter().map(|(first, last)| format!("'{first}..{last}'"));
        schedule(self.zone, &windows.collect::<Vec<_>>().join(","), &closed.collect::<Vec<_>>().join(","))
    }

    fn is_open(&self, at: Timestamp) -> bool {
        let wall: DateTime = at.to_zoned(TimeZone::get(self.zone).unwrap()).datetime();
        let minute = i16::from(wall.hour()) * 60 + i16::from(wall.minute());
        let within = |day: Weekday, first: i8, last: i8| {
            let day = day.to_monday_zero_offset();
            if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
        };
        let (today, yesterday) = (wall.weekday(), wall.weekday().previous());
        let open = self.windows.iter().any(|&(first, last, start, end)| {
            if start < end {
                within(today, first, last) && (start..end).contains(&minute)
            } else {
                (within(today, first, last) && minute >= start)
                    || (within(yesterday, first, last) && minute < end)
            }
        });
        open && !self.closed.iter().any(|(first, last)| (*first..=*last).contains(&wall.date()))
    }
}

/// Around changes of zones, a skipped date, a leap day and the year's end.
const MOMENTS: [&str; 8] = [
    "2026-03-07T12:00Z",
    "2026-10-31T12:00Z",
    "2026-04-04T00:00Z",
    "2026-10-03T00:00Z",
    "2011-12-29T12:00Z",
    "2028-02-28T00:00Z",
    "2026-12-31T00:00Z",
    "1969-12-31T00:00Z",
];
const ZONES: [&str; 7] = [
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "UTC",
    "Africa/Casablanca",
    "Antarctica/Troll",
];
const MINUTES: i64 = 3 * 24 * 60;

prop_compose! {
    fn written(near: Timestamp)(
        zone in prop::sample::select(ZONES.to_vec()),
        windows in prop::collection::vec((0..7_i8, 0..7_i8, 0..1440_i16, 0..=1440_i16), 1..4),
        closed in prop::collection::vec((-1..5_i64, 0..2_i64), 0..2),
    ) -> Written {
        let windows = windows.into_iter().map(|(first, last, start, end)| {
            (first, last, start, if start == end { end + 1 } else { end })
        });
        let date = |days: i64| {
            let at = near + SignedDuration::from_hours(24 * days);
            at.to_zoned(TimeZone::UTC).date()
        };
        Written {
            zone,
            windows: windows.collect(),
            closed: closed.into_iter().map(|(first, more)| (date(first), date(first + more))).collect(),
        }
    }
}

prop_compose! {
    fn two_schedules()(
        moment in prop::sample::select(MOMENTS.to_vec()),
        minutes in -1440..1440_i64,
    )(
        from in Just(at(moment) + SignedDuration::from_mins(minutes)),
        one in written(at(moment)),
        other in written(at(moment)),
    ) -> (Timestamp, Written, Written) {
        (from, one, other)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Minute by minute, by the written rules.
    #[test]
    fn every_answer_agrees_with_the_minutes_one_by_one((from, one, other) in two_schedules()) {
        let (a, b) = (one.read(), other.read());
        let minute = |n: i64| from + SignedDuration::from_mins(n);
        let minutes: Vec<_> =
            (0..MINUTES).map(|n| (minute(n), one.is_open(minute(n)), other.is_open(minute(n)))).collect();
        for &(at, open_a, open_b) in &minutes {
            prop_assert_eq!((a.is_open(at), b.is_open(at)), (open_a, open_b), "{}", at);
        }
        let until = minute(MINUTES);
        let both = minutes.iter().find(|(_, a, b)| *a && *b).map(|(at, ..)| *at);
        prop_assert_eq!(a.first_overlap(&b, from, until), both);
        prop_assert_eq!(b.first_overlap(&a, from, until), both);
        prop_assert_eq!(a.ever_open(from, until), minutes.iter().any(|(_, a, _)| *a));
        prop_assert_eq!(a.always_open(from, until), minutes.iter().all(|(_, a, _)| *a));
        prop_assert_eq!(a.covers(&b, from, until), minutes.iter().all(|(_, a, b)| *a || !*b));
        let change = minutes.iter().find(|(_, open, _)| *open != minutes[0].1).map(|(at, ..)| *at);
        let found = a.next_change(from);
        prop_assert!(found.is_none_or(|at| at > from));
        prop_assert_eq!(found.filter(|at| *at < until), change);
    }

    #[test]
    fn no_text_makes_the_reader_panic(window in "\\PC*", pieces in prop::collection::vec(
        prop::sample::select(vec!["Mon", "Sun", "daily", "-", ",", " ", "09", ":", "00", "24", "..", "2026", "é"]), 0..9,
    )) {
        for text in [window, pieces.concat()] {
            let text = text.replace(['\'', '\\'], "");
            read(&format!("timezone = '{text}'\nopen = ['{text}']\nclosed = ['{text}']"));
        }
    }
}
