use std::time::Duration;

use proptest::prelude::*;

use super::*;

const ROOT: Keys =
    Keys { accepted: &["tenant", "name", "numbers", "route", "agent"], not_yet: &["schedule"] };
const NUMBERS: Keys = Keys::only(&["country"]);
const ROUTE: Keys = Keys::only(&["id", "called", "secret", "share", "after"]);
const AGENT: Keys = Keys::only(&["voice"]);

/// Reads a file as the dialplan would, and gives its diagnostics as they print.
fn diagnose(text: &str) -> Vec<String> {
    let path: Arc<Path> = Path::new("f.toml").into();
    let ((), diagnostics) = read(&path, text, read_everything);
    diagnostics.iter().map(ToString::to_string).collect()
}

fn read_everything(document: &Document<'_>) {
    let root = document.root(ROOT);
    root.require("tenant", "a name").and_then(|value| value.text("a name"));
    root.get("name").and_then(|value| value.choice(["acme", "globex"]));
    if let Some(numbers) = root.table("numbers", NUMBERS) {
        numbers.require("country", "US").and_then(|value| value.parsed("US", |t| (t == "US").then_some(())));
    }
    for route in root.tables("route", ROUTE) {
        route.require("id", "text").and_then(|value| value.text("text"));
        route.get("called").map(|value| value.one_or_more());
        route.get("secret").and_then(|value| value.secret(&Given::variables([("SET", "x")])));
        route.get("share").and_then(|value| value.number("0 to 2", &(0.0..=2.0)));
        let range = Duration::from_secs(1)..=Duration::from_secs(60);
        route.get("after").and_then(|value| value.duration("1s to 60s", &range));
    }
    for (_, agent) in root.named_tables("agent", AGENT) {
        agent.get("voice").and_then(|value| value.text("text"));
    }
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(diagnose(text), expected, "{text}");
}

#[test]
fn a_good_file_has_nothing_to_say() {
    check(
        "tenant = 't'\nname = 'acme'\n[numbers]\ncountry = 'US'\n[[route]]\nid = 'a'\ncalled = ['x']\n\
         secret = 'env:SET'\nshare = 1\nafter = '10s'\n[agent.day]\nvoice = 'marin'\n",
        &[],
    );
}

#[test]
fn every_error_is_found_at_its_place_with_what_is_accepted() {
    check(
        "tenant = 3\nname = 'acne'\nnmubers = 1\n[schedule.office]\nopen = 1\n[[route]]\nshare = 2.5\n\
         after = '2m'\n[[route]]\nid = 'é'\n  sahre = 1 # é\nafter = 7\nshare = 'x'\n[agent]\nday = 1\n",
        &[
            "f.toml:1:10: tenant: found a whole number; accepted: a name",
            "f.toml:2:8: name: found \"acne\", did you mean acme?; accepted: acme, globex",
            "f.toml:3:1: found the unknown key \"nmubers\", did you mean numbers?; accepted: tenant, name, \
             numbers, route, agent",
            "f.toml:4:2: schedule is not yet supported",
            "f.toml:6:1: found no id in [[route]]; accepted: text",
            "f.toml:7:9: share: found \"2.5\"; accepted: 0 to 2",
            "f.toml:8:9: after: found \"2m\"; accepted: 1s to 60s",
            "f.toml:11:3: found the unknown key \"sahre\", did you mean share?; accepted: id, called, secret, \
             share, after",
            "f.toml:12:9: after: found a whole number; accepted: 1s to 60s",
            "f.toml:13:9: share: found text; accepted: 0 to 2",
            "f.toml:15:7: [agent.day]: found a whole number; accepted: a table with voice",
        ],
    );
}

#[test]
fn a_table_where_several_belong_and_the_other_way_round() {
    check(
        "tenant = 't'\n[route]\nid = 'x'\n[[numbers]]\ncountry = 'US'\n",
        &[
            "f.toml:2:1: route: found a table; accepted: tables, each headed [[route]]",
            "f.toml:4:1: numbers: found an array; accepted: a table with country",
        ],
    );
}

#[test]
fn the_whole_file_is_read_past_broken_lines() {
    check(
        "tenant \"t\"\nname = acme\n[numbers\n[[route]]\nid = 'a'\nid = 'b'\nshare = \n[agent.day]\nvioce = 'x'\n",
        &[
            "f.toml:1:8: not TOML: key with no value; accepted: `=`",
            "f.toml:2:8: found no value or text without quotes; accepted: text in quotes, a number, true or \
             false, [...] or {...}",
            "f.toml:3:9: not TOML: unclosed table; accepted: `]`",
            "f.toml:6:1: this key or table is already there; accepted: each one once",
            "f.toml:7:9: found no value or text without quotes; accepted: text in quotes, a number, true or \
             false, [...] or {...}",
            "f.toml:9:1: found the unknown key \"vioce\", did you mean voice?; accepted: voice",
        ],
    );
}

#[test]
fn a_secret_that_stands_in_the_file_is_refused_and_not_shown() {
    for literal in ["whsec_c2VjcmV0", "env:sk-proj-c2VjcmV0", "c2VjcmV0"] {
        let found = diagnose(&format!("tenant = 't'\n[[route]]\nid = 'a'\nsecret = '{literal}'\n"));
        assert_eq!(
            found,
            ["f.toml:4:10: secret: found a value that is no reference (not shown); accepted: env:NAME or \
                 file:PATH"]
        );
    }
    check(
        "tenant = 't'\n[[route]]\nid = 'a'\nsecret = 'env:NOT_SET'\n",
        &[
            "f.toml:4:10: secret: env:NOT_SET names an environment variable that is unset or empty; accepted: a \
           reference that leads to a secret",
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        diagnose(&text);
    }

    /// Text made of TOML's own pieces gets further into the parser than random characters.
    #[test]
    fn no_broken_toml_makes_the_reader_panic(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "tenant", "name", "numbers", "route", "agent", "a", "=", "= ", ".", ",", "[", "]", "[[", "]]",
                "{", "}", "\"", "'", "'''", "\"\"\"", "\n", "\r\n", "\r", " ", "#", "1", "-", "_", "0x", "1.5", "é",
                "true", "inf", "2026-01-01", "\\", "\u{feff}", "[route]\n", "[[route]]\n", "[agent.day]\n", "id = 'x'\n",
            ]),
            0..60,
        )
    ) {
        for line in diagnose(&pieces.concat()) {
            prop_assert!(line.starts_with("f.toml:"));
        }
    }
}
