use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

mod actions;
mod conditions;
mod reference;
mod reload;

use super::*;
use crate::call::Country;
use crate::call::Number;
use crate::document::{Given, Placeholders, Surroundings};
use crate::fleet::calls::Caps;
use crate::fleet::rate::Rate;
use crate::tenant::{Choice, Eagerness, Interruptible, TurnDetection};

const ACME: &str = r#"
tenant = "acme-dental"
name   = "Acme Dental"
tier   = "pro"

[numbers]
country = "US"

[[route]]
id     = "front-desk"
called = ["555 777 0001", "+1 555 777 00*", "'reception'", "'2255'"]
agent  = "reception"

[[route]]
id     = "after-hours"
called = "+1555777*"
agent  = "night"

[[route]]
id     = "fax"
called = ["+15557770009"]
reject = "busy"

[[route]]
id     = "backend-only"
called = ["+15557779*"]

[backend]
url    = "https://api.acme.example/call-config"
secret = ["env:NEW_SECRET", "env:OLD_SECRET"]
token  = "env:TOKEN"

[agent.reception]
model       = "gpt-realtime-2.1"
voice       = "marin"
prompt      = "You answer the phone for {{tenant.name}}."
greeting    = "Thank you for calling Acme Dental."
temperature = 0.7
language    = "en-US"
turn_detection = { eagerness = "low" }
greeting_interruptible = 1500

[agent.night]
greeting = ""

[limits]
max_duration = "30m"
max_silence = "20s"
max_turns = 40
calls = 50
calls_per_second = 0.5
when_full = { reject = "unavailable" }
"#;

fn source(name: &str, age: u64, text: &str) -> Source {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
    Source { path: Path::new(name).into(), text: text.to_owned(), modified }
}

fn secrets() -> Given {
    Given::variables([("NEW_SECRET", "new"), ("OLD_SECRET", "old"), ("TOKEN", "token")])
}

fn compile(sources: &[Source]) -> Loaded {
    load(sources, &secrets())
}

fn load(sources: &[Source], surroundings: &dyn Surroundings) -> Loaded {
    let mut set = Set::default();
    let mut loaded = set.take(sources, Vec::new(), surroundings, NOW);
    loaded.diagnostics.extend(set.lints(NOW));
    loaded
}

/// 2026-11-23, a Monday, 12:00 in New York.
const NOW: Timestamp = Timestamp::constant(1_795_453_200, 0);

fn call_to(called: &str) -> Call {
    Call { called: Number::read(called, Country::parse("US")), ..Call::example() }
}

fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

/// The tenant and route that `called` leads to, and how it matched.
fn goes_to(dialplan: &Dialplan, called: &str) -> Option<String> {
    let routed = dialplan.resolve(&call_to(called), NOW)?;
    Some(format!("{}/{} {}", routed.tenant.id, routed.route, routed.matched.name()))
}

#[test]
fn the_exact_number_beats_the_longest_prefix_beats_the_shorter() {
    let loaded = compile(&[source("acme.toml", 0, ACME)]);
    assert_eq!(lines(&loaded), [""; 0]);
    assert_eq!((loaded.dialplan.tenants(), loaded.dialplan.patterns(), loaded.files), (1, 7, 1));
    for (called, expected) in [
        ("+15557770001", Some("acme-dental/front-desk exact")),
        ("5557770001", Some("acme-dental/front-desk exact")),
        ("+15557770002", Some("acme-dental/front-desk prefix")),
        ("+15557770009", Some("acme-dental/fax exact")),
        ("+15557771234", Some("acme-dental/after-hours prefix")),
        ("+1555777", Some("acme-dental/after-hours prefix")),
        ("+15557779999", Some("acme-dental/backend-only prefix")),
        ("+1555776", None),
        ("+445557770001", None),
        ("reception", Some("acme-dental/front-desk exact")),
        ("Reception", None),
        ("2255", Some("acme-dental/front-desk exact")),
        ("", None),
    ] {
        assert_eq!(goes_to(&loaded.dialplan, called).as_deref(), expected, "{called}");
    }
}

#[test]
fn a_route_carries_its_tenant_agent_limits_and_backend() {
    let dialplan = compile(&[source("acme.toml", 0, ACME)]).dialplan;
    let routed = |called: &str| dialplan.resolve(&call_to(called), NOW).expect("a route");

    let front_desk = routed("+15557770001");
    assert_eq!(front_desk.tenant.name.as_deref(), Some("Acme Dental"));
    assert_eq!(front_desk.tenant.tier.as_deref(), Some("pro"));
    let backend = front_desk.tenant.backend.as_ref().expect("a backend");
    assert_eq!(backend.url.as_str(), "https://api.acme.example/call-config");
    assert_eq!(backend.secrets, ["new", "old"].map(|text| Secret::parse(text).expect("a secret")));
    assert_eq!(backend.bearer.as_ref().map(|token| token.reveal().as_str()), Some("token"));

    let limits = &front_desk.tenant.limits;
    assert_eq!(limits.max_duration, Some(Duration::from_secs(1800)));
    assert_eq!((limits.max_silence, limits.max_turns), (Some(Duration::from_secs(20)), Some(40)));
    let caps = Caps { calls: Some(50), per_second: Rate::per_second(0.5) };
    assert_eq!(front_desk.tenant.limits.caps, caps);
    assert_eq!(front_desk.tenant.limits.when_full, Some(Instead::Refuse(Refusal::Unavailable)));
    assert_eq!(dialplan.tenant(&front_desk.tenant.id), Some(&front_desk.tenant));

    let expected = Agent {
        model: Choice::This("gpt-realtime-2.1".into()),
        voice: Choice::This("marin".into()),
        prompt: Choice::This("You answer the phone for {{tenant.name}}.".into()),
        start_message: Choice::This("Thank you for calling Acme Dental.".into()),
        temperature: Choice::This(0.7),
        language: Choice::This("en-US".into()),
        turn_detection: Choice::This(TurnDetection::Semantic(Eagerness::Low)),
        greeting_interruptible: Choice::This(Interruptible::After(Duration::from_millis(1500))),
        ..Agent::default()
    };
    assert_eq!(front_desk.action, Action::Answer { agent: Some(expected.into()) });

    let night = Agent { start_message: Choice::Nothing, ..Agent::default() };
    assert_eq!(routed("+15557771234").action, Action::Answer { agent: Some(night.into()) });
    assert_eq!(routed("+15557770009").action, Action::Instead(Instead::Refuse(Refusal::Busy)));
    assert_eq!(routed("+15557779999").action, Action::Answer { agent: None });
}

const BROKEN: &str = r#"
tenant = "acme dental"
shedule = 1

[numbers]
country = "Germany"

[[route]]
id     = "a"
called = ["+15557770001", "+1555888[4-0]XX", "reception", "030 1234567", 5]
agent  = "recption"

[[route]]
id     = "a"
called = ["+1 555 777 0001"]
transfer = "tel:1"
reject = "gone"

[[route]]
called = []
agent  = "reception"
reject = "busy"

[agent.reception]
voice = 3
temperature = 3.5
language = "english please"

[backend]
url = "ftp://user:hunter2@acme.example"
secret = ["env:NEW_SECRET", "env:OLD_SECRET", "env:TOKEN"]
token = "hunter2"
cache_by = ["called", "colour"]

[limits]
calls = 50
max_duration = "90d"
max_silence = "1s"
max_turns = 1.5

[schedule.office]
timezone = "Europe/Berlin"
"#;

#[test]
fn every_error_of_a_file_is_found_and_costs_the_file_its_routes() {
    let loaded = compile(&[source("a.toml", 0, BROKEN)]);
    let accepted = pattern::Pattern::ACCEPTED;
    let expected = [
        "2:10: tenant: found \"acme dental\"; accepted: 1 to 128 letters, digits, '-' and '_'".to_owned(),
        "3:1: found the unknown key \"shedule\", did you mean schedule?; accepted: tenant, name, tier, numbers, \
         route, schedule, numbers_file, backend, agent, limits, transfers"
            .into(),
        "6:11: country: found \"Germany\"; accepted: an ISO 3166 code of two letters, such as US".into(),
        format!("10:27: called: found a range in [..] that ends before it begins; accepted: {accepted}"),
        format!("10:46: called: found something that is no number; accepted: {accepted}"),
        format!("10:59: called: found a national number, but the file names no country to read it by; accepted: {accepted}"),
        format!("10:74: called: found a whole number; accepted: {accepted}"),
        "11:10: agent: found \"recption\", did you mean reception?; accepted: the NAME of an [agent.NAME] of this \
         file"
            .into(),
        "14:10: id: found the id of another route; accepted: an id of its own for each route of the file".into(),
        "15:11: called: found a number that another route has, at a.toml:10:11; accepted: conditions that tell them apart"
            .into(),
        "16:12: found both reject and transfer; accepted: one of them".into(),
        "19:1: found no id in [[route]]; accepted: 1 to 128 letters, digits, '-' and '_'".into(),
        format!("20:10: called: found no number; accepted: {accepted}"),
        "22:10: found both agent and reject; accepted: one of them".into(),
        "24:1: warning: no route names the agent \"reception\"".into(),
        "25:9: voice: found a whole number; accepted: text".into(),
        "26:15: temperature: found \"3.5\"; accepted: a number from 0 to 2".into(),
        "27:12: language: found \"english please\"; accepted: a language tag such as en-US".into(),
        "30:7: url: found an address with more than host and path (not shown); accepted: the http or https address of the webhook, without a \
         user name or password"
            .into(),
        "31:10: secret: found 3 secrets; accepted: one, or two while one replaces the other, the newer first".into(),
        "32:9: token: found a value that is no reference (not shown); accepted: env:NAME or file:PATH".into(),
        "33:23: cache_by: found \"colour\"; accepted: caller, called, diverted, trunk, route".into(),
        "37:16: max_duration: found \"90d\"; accepted: a time such as 30m or 1h30m, from 1s to 24h".into(),
        "38:15: max_silence: found \"1s\"; accepted: a time such as 20s, from 2s to 1h".into(),
        "39:13: max_turns: found a decimal number; accepted: a whole number of turns, from 1 to 10000".into(),
        "41:1: found no open in [schedule.office]; accepted: days and a time from 00:00 to 24:00, such as \"Mon-Fri \
         09:00-17:00\", \"Mon,Wed 09:00-12:00\", \"Sat 22:00-02:00\" or \"daily 00:00-24:00\""
            .into(),
        "41:1: warning: no route names the schedule \"office\"".into(),
    ];
    let found: Vec<String> =
        lines(&loaded).iter().filter_map(|line| line.strip_prefix("a.toml:").map(str::to_owned)).collect();
    assert_eq!(found, expected);
    assert_eq!((loaded.dialplan.tenants(), loaded.dialplan.patterns()), (0, 0));
}

#[test]
fn a_bad_file_costs_no_other_tenant_its_routes() {
    let bad = "tenant = \"bad\"\n[[route]]\nid = \"a\"\ncalled = [\"+15550000001\"]\nagnet = \"x\"\n";
    let loaded = compile(&[source("acme.toml", 0, ACME), source("bad.toml", 9, bad)]);
    assert!(loaded.has_errors());
    assert_eq!((loaded.dialplan.tenants(), loaded.files), (1, 2));
    assert_eq!(goes_to(&loaded.dialplan, "+15550000001"), None);
    assert_eq!(goes_to(&loaded.dialplan, "+15557770001").as_deref(), Some("acme-dental/front-desk exact"));
}

fn tenant_file(tenant: &str, called: &str, rest: &str) -> String {
    format!("tenant = '{tenant}'\n{rest}[[route]]\nid = 'r'\ncalled = ['{called}']\n")
}

#[test]
fn of_two_files_that_want_the_same_the_newer_is_held_back() {
    let number = "a number that another file has, at";
    let tenant = "a tenant that another file has, at";
    let one = tenant_file("one", "+15550000001", "");
    let broken_one = tenant_file("one", "+15550000001", "colour = 1\n");
    let two = tenant_file("two", "+1 555 000 0001", "");
    let one_again = tenant_file("one", "+15550000002", "");
    for (case, files, expected, winner) in [
        (
            "the newer by its time",
            [source("a.toml", 1, &one), source("b.toml", 2, &two)],
            format!(
                "a.toml:4:11: called: found {number} b.toml:4:11; accepted: conditions that tell them apart"
            ),
            Some("two/r exact"),
        ),
        (
            "the later name at the same time",
            [source("a.toml", 1, &one), source("b.toml", 1, &two)],
            format!(
                "b.toml:4:11: called: found {number} a.toml:4:11; accepted: conditions that tell them apart"
            ),
            Some("one/r exact"),
        ),
        (
            "one tenant in two files",
            [source("a.toml", 1, &one), source("b.toml", 1, &one_again)],
            format!("b.toml:1:10: found {tenant} a.toml:1:10; accepted: one file for each"),
            Some("one/r exact"),
        ),
        (
            "an older file with errors keeps its claim",
            [source("a.toml", 2, &broken_one), source("b.toml", 1, &two)],
            format!(
                "b.toml:4:11: called: found {number} a.toml:5:11; accepted: conditions that tell them apart"
            ),
            None,
        ),
    ] {
        let loaded = compile(&files);
        assert_eq!(lines(&loaded).last(), Some(&expected), "{case}");
        assert_eq!(goes_to(&loaded.dialplan, "+15550000001").as_deref(), winner, "{case}");
    }
}

#[test]
fn a_folder_is_read_by_name_and_what_cannot_be_read_is_named() {
    let folder = std::env::temp_dir().join(format!("dialplane-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("a file");
    write("b.toml", tenant_file("b", "+15550000002", "").as_bytes());
    write("a.toml", b"tenant = 'a'\n# caf\xe9\n");
    write(".#b.toml", b"an editor's lock");
    write("README.md", b"not a dialplan");
    std::fs::create_dir(folder.join("c.toml")).expect("a folder");

    let loaded = Set::default().reload(&folder, &secrets(), NOW);
    let shown: Vec<String> =
        lines(&loaded).iter().map(|line| line.replace(&format!("{}/", folder.display()), "")).collect();
    assert_eq!(
        shown,
        [
            "a.toml:2:6: found a byte that is not UTF-8; accepted: text in UTF-8",
            "c.toml: cannot be read: is a directory"
        ]
    );
    assert_eq!((loaded.dialplan.tenants(), loaded.files), (1, 3));
    assert_eq!(Set::default().reload(&folder, &Placeholders, NOW).diagnostics.len(), 2);
    std::fs::remove_dir_all(&folder).expect("the folder goes");
    assert_eq!(lines(&Set::default().reload(&folder, &secrets(), NOW)).len(), 1, "no folder is an error too");
}

#[test]
fn a_webhook_secret_that_cannot_sign_is_named_and_not_shown() {
    let rest = "[backend]\nurl = 'https://backend.example'\nsecret = ['env:NEW_SECRET', 'env:BAD']\n";
    let mut given = secrets();
    given.variables.insert("BAD".into(), "whsec_hunter2!".into());
    let loaded = load(&[source("a.toml", 0, &tenant_file("a", "+15550000001", rest))], &given);
    let expected = "a.toml:4:29: secret: found a secret that cannot sign (not shown); accepted: whsec_ and base64, \
                    or any other text";
    assert_eq!(lines(&loaded), [expected]);
    assert_eq!(loaded.dialplan.tenants(), 0);
}

#[test]
fn a_check_needs_no_keys() {
    let sources = [source("acme.toml", 0, ACME)];
    assert!(load(&sources, &Given::default()).has_errors());
    assert!(!load(&sources, &Placeholders).has_errors());
}

#[test]
fn the_dialplans_that_come_with_the_router_have_nothing_wrong() {
    let loaded = Set::default().reload(Path::new("dialplans"), &Given::default(), NOW);
    assert_eq!(lines(&loaded), [""; 0]);
    assert_eq!(loaded.dialplan.tenants(), 2);
}

proptest! {
    #[test]
    fn no_broken_dialplan_makes_the_reader_panic(
        cuts in prop::collection::vec((0..ACME.len(), 0_usize..40, "[\\[\\]{}='\"*.a1\n]{0,3}"), 1..6)
    ) {
        let mut text = ACME.to_owned();
        for (at, length, inserted) in cuts {
            let start = at.min(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, &inserted);
        }
        let loaded = compile(&[source("acme.toml", 0, &text)]);
        prop_assert!(loaded.has_errors() || loaded.dialplan.tenants() == 1);
    }

    #[test]
    fn no_text_makes_a_pattern_panic(text in "\\PC*") {
        for country in [None, Country::parse("US"), Country::parse("IT")] {
            let _ = pattern::Pattern::parse(&text, country);
        }
    }
}
