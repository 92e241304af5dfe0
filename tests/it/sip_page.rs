//! The page for carrier engineers says what the code does.

use std::collections::BTreeSet;
use std::time::Duration;

use dialplane::admission::NoSlot;
use dialplane::call::Ending;
use dialplane::dialplan::trunk::TRUNK_KEYS;
use dialplane::fleet::calls::Limit;
use dialplane::ingress::livekit::leg::machine::{SUBSCRIBED_OR_END, SUBSCRIBED_OR_REPUBLISH};
use dialplane::ingress::livekit::rescue::decide::{DISPATCHED, PATIENCE};
use dialplane::livekit::api::TRANSFER_RINGS;
use dialplane::lookup::Budget;
use dialplane::session::timings::Timings;

use crate::schemas::{doc, every_ending};

/// The rows of the table under a heading that begins with `first`, as cells.
fn table(page: &str, first: &str) -> Vec<Vec<String>> {
    let lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {first} |"))).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// The names in a cell, which stand in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

type Told = (String, Option<String>);

/// The endings of a row: its name with each of the details.
fn endings(how: &str, details: &str) -> Vec<Told> {
    let [how] = names(how).try_into().expect("one name");
    let details = names(details);
    if details.is_empty() {
        return vec![(how, None)];
    }
    details.into_iter().map(|detail| (how.clone(), Some(detail))).collect()
}

#[test]
fn the_two_tables_have_every_ending_and_every_limit() {
    let page = doc("sip.md");
    let (unanswered, answered) =
        (table(&page, "why | carrier gets | `how`"), table(&page, "why | BYE from | `how`"));
    let mut told = BTreeSet::new();
    let mut limits = BTreeSet::new();
    for row in &unanswered {
        let [_, carrier, how, details, limit] = row.as_slice() else { panic!("five cells: {row:?}") };
        let code = if how == "`caller-cancelled`" { "487" } else { "486" };
        assert!(carrier.starts_with(code) || carrier == "it rings on", "LiveKit knows no other: {row:?}");
        told.extend(endings(how, details));
        limits.extend(names(limit));
    }
    for row in &answered {
        let [_, _, how, details] = row.as_slice() else { panic!("four cells: {row:?}") };
        told.extend(endings(how, details));
        assert!(!["`refused`", "`caller-cancelled`"].contains(&how.as_str()), "never of an answered call");
    }
    let all =
        every_ending().map(|ending: Ending| (ending.name().to_owned(), ending.detail().map(str::to_owned)));
    assert_eq!(told, all.collect());
    assert_eq!(limits, Limit::ALL.map(|limit| limit.name().to_owned()).into());
}

#[test]
fn the_reasons_for_turning_an_offer_away_are_those_that_are_counted() {
    let told: Vec<_> = table(&doc("sip.md"), "`reason`").iter().flat_map(|row| names(&row[0])).collect();
    assert_eq!(told, NoSlot::ALL.map(|why| why.turned_away().name()));
}

#[test]
fn two_pages_have_every_key_of_a_trunk_once() {
    let keys = |page: &str| {
        let rows = table(&doc(page), "key | what | default");
        rows.iter().flat_map(|row| names(&row[0])).collect::<Vec<_>>()
    };
    let mut told = [keys("sip-port.md"), keys("dialplans.md"), vec!["name".into(), "ids".into()]].concat();
    let mut accepted = TRUNK_KEYS.accepted.to_vec();
    told.sort();
    accepted.sort_unstable();
    assert_eq!(told, accepted);
}

#[test]
fn the_timers_are_those_in_force() {
    let seconds = |duration: Duration| format!("{} s", duration.as_secs_f64());
    let expected = [
        ("the backend has not answered", Budget::default().whole),
        ("nothing is ready to be spoken", Timings::default().gate),
        ("our audio is not taken", SUBSCRIBED_OR_REPUBLISH),
        ("our audio is still not taken", SUBSCRIBED_OR_END),
        ("a call rings and no router came", DISPATCHED),
        ("a call rings and no router took it", PATIENCE),
        ("the destination of a transfer may ring", TRANSFER_RINGS),
    ];
    let page = doc("sip.md");
    let rows = table(&page, "what | after");
    assert_eq!(rows.len(), expected.len());
    for (row, (what, after)) in rows.iter().zip(expected) {
        assert!(row[0].starts_with(what), "{row:?}");
        assert_eq!(row[1], seconds(after), "{row:?}");
    }
    let timeout = format!("\"ringing_timeout\": \"{}s\"", PATIENCE.as_secs());
    assert!(page.contains(&timeout), "the trunk's timer is no shorter than ours");
}
