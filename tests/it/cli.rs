//! The admin's commands, as the binary itself: what they print and how they exit.

mod folder;

use std::fs;

use folder::{Folder, Outcome};
use serde_json::{Value, json};

const ACME: &str = "tenant = \"acme\"\n\
    [[route]]\nid = \"desk\"\ncalled = [\"+15557770001\"]\nhours = \"office\"\n\
    [[route]]\nid = \"rest\"\ncalled = [\"+1555777*\"]\n\
    [[route]]\nid = \"none\"\ncalled = [\"+15557770009\"]\nreject = \"busy\"\n\
    [schedule.office]\ntimezone = \"America/New_York\"\nopen = [\"Mon-Fri 09:00-17:00\"]\n";

const TRUNK: &str = "[[trunk]]\nname = \"berlin\"\nids = [\"ST_1\"]\ncountry = \"DE\"\narea_code = \"30\"\n";

fn acme() -> Folder {
    Folder::with(&[("d/acme.toml", ACME)])
}

fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap()
}

#[test]
fn check_counts_what_it_read() {
    let outcome = acme().run("check d");
    let counts = "d: 1 file, 1 tenant, 3 numbers and patterns, no errors, no warnings\n";
    assert_eq!(outcome, Outcome::new(0, counts, ""));
}

#[test]
fn check_fails_on_an_error_and_not_on_a_warning() {
    let folder = acme();
    folder.write(
        "d/b.toml",
        "tenant = \"b\"\n[[route]]\nid = \"r\"\ncalled = [\"+15558880001\"]\n[agent.unused]\nprompt = \"p\"\n",
    );
    let warning = "d/b.toml:5:1: warning: no route names the agent \"unused\"\n";
    let counts = "d: 2 files, 2 tenants, 4 numbers and patterns, no errors, 1 warning\n";
    assert_eq!(folder.run("check d"), Outcome::new(0, &format!("{warning}{counts}"), ""));
    folder.write("d/c.toml", "tenant = 7\n");
    let outcome = folder.run("check d");
    assert_eq!((outcome.code, outcome.err.as_str()), (1, ""));
    assert!(outcome.out.contains("\nd/c.toml:1:10: tenant: found "), "{outcome:?}");
    assert!(outcome.out.ends_with("3 files, 2 tenants, 4 numbers and patterns, 1 error, 2 warnings\n"));
}

#[test]
fn check_takes_its_folder_from_the_environment_when_none_is_named() {
    let folder = acme();
    let outcome = folder.run_with(&[("DIALPLANE_DIALPLANS", "d")], "check");
    assert_eq!((outcome.code, outcome.out.starts_with("d: 1 file,")), (0, true), "{outcome:?}");
    let outcome = folder.run("check");
    assert_eq!(outcome.code, 1);
    assert!(outcome.out.starts_with("dialplans: cannot be read: "), "{outcome:?}");
}

#[test]
fn check_knows_the_trunks_of_the_settings_and_needs_no_key_for_it() {
    let folder = acme();
    let route = "[[route]]\nid = \"paris\"\ncalled = [\"+33*\"]\ntrunk = \"paris\"\n";
    folder.write("d/acme.toml", &ACME.replace("[schedule", &format!("{route}[schedule")));
    folder.write("s.toml", TRUNK);
    let outcome = folder.run("check d --config s.toml");
    let warning = "warning: the settings have no [[trunk]] with the name or the id \"paris\"";
    assert_eq!((outcome.code, outcome.out.contains(warning)), (0, true), "{outcome:?}");
    folder.write("s.toml", "[[trunk]]\nname = \"berlin\"\n");
    let outcome = folder.run_with(&[("DIALPLANE_CONFIG", "s.toml")], "check d");
    assert_eq!((outcome.code, outcome.out.starts_with("s.toml:1:")), (1, true), "{outcome:?}");
}

#[test]
fn check_as_json_has_the_places() {
    let folder = acme();
    folder.write("d/c.toml", "tenant = 7\n");
    let outcome = folder.run("check d --json");
    let mut found = json_of(&outcome);
    let diagnostics = found["diagnostics"].take();
    let counts =
        json!({"files": 2, "tenants": 1, "patterns": 3, "errors": 1, "warnings": 1, "diagnostics": null});
    assert_eq!((outcome.code, found), (1, counts));
    let errors: Vec<_> =
        diagnostics.as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(
        (&errors[0]["file"], &errors[0]["line"], &errors[0]["column"]),
        (&json!("d/c.toml"), &json!(1), &json!(10))
    );
    assert!(errors[0]["message"].as_str().unwrap().starts_with("tenant: found"));
}

#[test]
fn explain_says_who_gets_the_call_at_a_time() {
    let folder = acme();
    let noon = folder
        .run("explain --dialplans d --called '+1 (555) 777-0001' --at '2026-11-23 12:00[America/New_York]'");
    let desk = "acme/desk (d/acme.toml:4:11): answer, exact +15557770001, hours office\n";
    assert_eq!(noon, Outcome::new(0, desk, ""));
    let night = folder.run("explain --dialplans d --called +15557770001 --at 2026-11-23T22:00:00-05:00");
    let rest = "acme/rest (d/acme.toml:8:11): answer, prefix +1555777*\nnearer, and passed over:\n  \
                acme/desk (d/acme.toml:4:11): answer, exact +15557770001, hours office; the schedule office is \
                closed until 2026-11-24T09:00:00-05:00[America/New_York]\n";
    assert_eq!(night, Outcome::new(0, rest, ""));
}

#[test]
fn explain_exits_1_without_a_route_and_0_with_one_that_refuses() {
    let folder = acme();
    let nobody = Outcome::new(
        1,
        "no route: [unmatched] decides; unless it is set, the router's own backend is asked, or without one the call refused\n",
        "",
    );
    assert_eq!(folder.run("explain --dialplans d --called +15550000000"), nobody);
    let refused = folder.run_with(&[("DIALPLANE_DIALPLANS", "d")], "explain --called +15557770009");
    let busy = "acme/none (d/acme.toml:11:11): busy, exact +15557770009\n";
    assert_eq!(refused, Outcome::new(0, busy, ""));
}

#[test]
fn explain_says_what_becomes_of_calls_beyond_the_limits() {
    let folder = acme();
    let explained = |limits: &str, called: &str, more: &str| {
        folder.write("d/acme.toml", &format!("{ACME}[limits]\n{limits}"));
        folder.run(&format!("explain --dialplans d --called {called} {more}"))
    };
    let rest = "acme/rest (d/acme.toml:8:11): answer, prefix +1555777*\n";
    for (limits, full) in [
        ("", ""),
        ("max_duration = \"30m\"\nwhen_full = { reject = \"declined\" }\n", ""),
        ("calls = 50\n", "when full (calls = 50): busy\n"),
        (
            "calls = 0\ncalls_per_second = 0.5\nwhen_full = { transfer = \"tel:+15557770099\" }\n",
            "when full (calls = 0, calls_per_second = 0.5): transfer\n",
        ),
    ] {
        let outcome = explained(limits, "+15557770002", "");
        assert_eq!(outcome, Outcome::new(0, &format!("{rest}{full}"), ""), "{limits}");
    }
    let refused = explained("calls = 50\n", "+15557770009", "");
    assert!(
        refused.out.ends_with(": busy, exact +15557770009\n"),
        "who is refused is not counted: {refused:?}"
    );
    let found = json_of(&explained("calls_per_second = 2\n", "+15557770002", "--json"));
    let expected = json!({"calls": null, "calls_per_second": 2.0, "action": "busy"});
    assert_eq!(found["when_full"], expected);
}

#[test]
fn explain_reads_the_call_as_its_trunk_does() {
    let folder = acme();
    folder.write("s.toml", TRUNK);
    folder.write(
        "d/b.toml",
        "tenant = \"b\"\n[[route]]\nid = \"r\"\ncalled = [\"+4930*\"]\ntrunk = \"berlin\"\n\
         diverted = [\"+498912345678\"]\ncaller = [\"anonymous\"]\nheader = { \"x-a\" = \"b=c\" }\n",
    );
    let rest = "--caller anonymous --header X-A=b=c --dialplans d --config s.toml";
    for (call, code) in [
        ("--called '030 901820' --trunk ST_1 --diverted 089/12345678", 0),
        ("--called 901820 --trunk berlin --header 'Diversion=<sip:+498912345678@example.com>'", 0),
        ("--called +4930901820 --trunk berlin", 1),
        ("--called +4930901820 --trunk hamburg --diverted +498912345678", 1),
        ("--called +4930901820 --trunk berlin --diverted +498912345678 --caller +4930901821", 1),
    ] {
        let rest =
            if call.contains("--caller") { rest.replace("--caller anonymous", "") } else { rest.into() };
        let outcome = folder.run(&format!("explain {call} {rest}"));
        assert_eq!(outcome.code, code, "{call}: {outcome:?}");
    }
}

#[test]
fn explain_notes_a_number_that_nothing_reads() {
    let folder = acme();
    let outcome = folder.run("explain --dialplans d --called 5557770002");
    assert_eq!(
        (outcome.code, outcome.err.starts_with("note: the called number is not in international form")),
        (1, true)
    );
    let outcome = folder.run("explain --dialplans d --called 5557770002 --country US");
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{outcome:?}");
}

#[test]
fn explain_answers_from_the_good_files_and_tells_of_the_bad_ones() {
    let folder = acme();
    folder.write("d/c.toml", "tenant = 7\n");
    let outcome = folder.run("explain --dialplans d --called +15557770009");
    assert_eq!((outcome.code, outcome.err.starts_with("d/c.toml:1:10: ")), (0, true), "{outcome:?}");
}

#[test]
fn explain_as_json_has_the_call_the_route_and_those_passed_over() {
    let outcome = acme()
        .run("explain --dialplans d --called +15557770001 --at 2026-11-22T12:00:00Z --project p --json");
    let desk = json!({
        "tenant": "acme", "id": "desk", "match": "exact", "pattern": "+15557770001", "conditions": ["hours office"],
        "action": "answer", "file": "d/acme.toml", "line": 4, "column": 11,
        "why": "the schedule office is closed until 2026-11-23T09:00:00-05:00[America/New_York]",
    });
    let expected = json!({
        "at": "2026-11-22T12:00:00Z", "called": {"number": "+15557770001", "raw": "+15557770001"}, "caller": null,
        "diverted_from": null, "trunk": null, "project": "p",
        "route": {
            "tenant": "acme", "id": "rest", "match": "prefix", "pattern": "+1555777*", "conditions": [],
            "action": "answer", "file": "d/acme.toml", "line": 8, "column": 11,
        },
        "when_full": null, "passed": [desk],
    });
    assert_eq!((outcome.code, json_of(&outcome)), (0, expected));
}

#[test]
fn diff_says_which_numbers_change_hands() {
    let folder = acme();
    folder.write("e/acme.toml", ACME);
    assert_eq!(folder.run("diff d e"), Outcome::new(0, "", ""));
    folder.write("e/acme.toml", &ACME.replace("reject = \"busy\"\n", "").replace("777*", "888*"));
    let changes = "+15557770001: acme/desk [hours office], else acme/rest -> acme/desk [hours office]\n\
                   +15557770009: acme/none (busy) -> acme/none\n\
                   +1555777*: acme/rest -> nobody\n\
                   +1555888*: nobody -> acme/rest\n";
    assert_eq!(folder.run("diff d e"), Outcome::new(1, changes, ""));
    let outcome = folder.run_with(&[("DIALPLANE_DIALPLANS", "e")], "diff d --json");
    let found = json_of(&outcome);
    assert_eq!((outcome.code, &found["calls"]), (1, &Value::Null));
    assert_eq!(found["changes"][2], json!({"called": "+1555777*", "old": ["acme/rest"], "new": []}));
    assert_eq!(found["changes"].as_array().unwrap().len(), 4);
}

#[test]
fn diff_places_recorded_calls_again_each_at_its_own_time() {
    let folder = acme();
    folder.write("e/acme.toml", &ACME.replace("09:00", "12:00"));
    let at = |id: u8, time: &str| folder::record(id, "+15557770001", time);
    let of_later = at(4, "2026-11-23T15:00:00.000Z").replace("\"version\":1", "\"version\":2");
    let cut = &at(5, "2026-11-23T15:00:00.000Z")[..80];
    let lines = [
        at(1, "2026-11-23T15:00:00.250Z"),
        at(2, "2026-11-23T18:00:00.000Z"),
        String::new(),
        of_later,
        cut.into(),
    ];
    folder.write("calls.jsonl", &lines.join("\n"));
    let outcome = folder.run("diff d e --calls calls.jsonl");
    let out = "00000000-0000-0000-0000-000000000001 2026-11-23T15:00:00Z +15557770001: acme/desk -> acme/rest\n\
               1 of 2 calls would go elsewhere; 2 lines have no call that can be placed again\n";
    assert_eq!(outcome, Outcome::new(1, out, ""));
    let found = json_of(&folder.run("diff d e --calls calls.jsonl --json"));
    let moved = json!({
        "id": "00000000-0000-0000-0000-000000000001", "at": "2026-11-23T15:00:00.25Z", "called": "+15557770001",
        "old": "acme/desk", "new": "acme/rest",
    });
    assert_eq!(found, json!({"changes": [], "calls": {"read": 2, "unreadable": 2, "changes": [moved]}}));
}

#[test]
fn diff_of_a_bad_folder_is_trouble_and_compares_the_good_files() {
    let folder = acme();
    folder.write("e/acme.toml", &ACME.replace("0009", "0008"));
    folder.write("e/c.toml", "tenant = 7\n");
    let outcome = folder.run("diff d e");
    assert_eq!((outcome.code, outcome.err.starts_with("e/c.toml:1:10: ")), (2, true), "{outcome:?}");
    assert_eq!(outcome.out.lines().count(), 2, "{outcome:?}");
}

#[test]
fn wrong_input_is_named_and_exits_2() {
    let folder = acme();
    for (command, told) in [
        ("explain --dialplans d", "--called <NUMBER>"),
        ("explain --dialplans d --called ''", "a value is required for '--called <NUMBER>'"),
        ("explain --dialplans d --called 1 --caller ''", "'--caller <NUMBER>'"),
        ("explain --dialplans d --called 1 --trunk ''", "'--trunk <NAME|ID>'"),
        ("explain --dialplans d --called 1 --diverted ''", "'--diverted <NUMBER>'"),
        ("explain --dialplans d --called 1 --header x-campaign", "such as x-campaign=spring"),
        ("explain --dialplans d --called 1 --header =spring", "such as x-campaign=spring"),
        ("explain --dialplans d --called 1 --country USA", "an ISO 3166 code of two letters"),
        ("explain --dialplans d --called 1 --at '2026-12-24 19:00'", "with its zone"),
        ("explain --dialplans d --called 1 --at '2026-12-24 19:00[Mars/Olympus]'", "with its zone"),
        ("explain --dialplans none --called 1", "none: found no such folder"),
        ("explain --dialplans d --called 1 --config none.toml", "none.toml: cannot be read"),
        ("diff d", "dialplans: found no such folder"),
        ("diff none d", "none: found no such folder"),
        ("diff", "<OLD>"),
        ("diff d d --calls none.jsonl", "none.jsonl: cannot be read"),
        ("diff d d --config d", "d: cannot be read"),
        ("check d e", "unexpected argument 'e'"),
        ("check d --jsn", "'--json'"),
    ] {
        let outcome = folder.run(command);
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{command}: {outcome:?}");
        assert!(outcome.err.contains(told), "{command}: {outcome:?}");
    }
}

#[test]
fn the_page_for_admins_shows_what_the_commands_print() {
    let page = crate::schemas::doc("dialplans.md");
    let folder = Folder::with(&[]);
    for block in folder::blocks(&page, &["toml ", "csv "]) {
        let (name, text) = block.split_once('\n').unwrap();
        folder.write(name, text);
    }
    let calls = ["+15557770001", "+15559990003", "+15557770009"];
    let calls = calls.into_iter().zip(1..).map(|(called, id)| {
        let id = 0x0193_f0c0_7a10_7000_8000_0000_0000_0000 + id;
        let time = "2026-11-03T17:00:00.250Z";
        folder::record(1, called, time)
            .replace("00000000-0000-0000-0000-000000000001", &uuid::Uuid::from_u128(id).to_string())
    });
    folder.write("calls.jsonl", &calls.chain(["{\"version\":1,".to_owned()]).collect::<Vec<_>>().join("\n"));
    let shown = folder::blocks(&page, &["console\n"]);
    assert_eq!(shown.len(), 4);
    for block in shown {
        let (commands, out): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with("$ "));
        let commands: Vec<_> = commands.iter().map(|line| line.trim_start_matches("$ ")).collect();
        let outcome = folder.shell(&commands.join(" && "));
        assert_eq!(outcome.out.lines().collect::<Vec<_>>(), out, "{commands:?}: {outcome:?}");
        assert_eq!(outcome.err, "", "{commands:?}");
    }
}

#[test]
fn the_dialplans_that_come_along_have_nothing_wrong() {
    let there = concat!(env!("CARGO_MANIFEST_DIR"), "/dialplans");
    let outcome = acme().run(&format!("check {there}"));
    assert!(outcome.out.ends_with(", no errors, no warnings\n"), "{outcome:?}");
    assert!(fs::read_dir(there).unwrap().count() > 1);
}
