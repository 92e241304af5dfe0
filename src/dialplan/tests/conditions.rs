//! What a route can ask for beside the called number, and what is told of it.

use super::*;
use crate::call::{CallId, Caller, Diverter, Origin, Trunk};

const SHARED: &str = r#"
tenant = "acme"

[[route]]
id = "carrier"
trunk = "acme-sip"
[[route]]
id = "forwarded"
called = "+15550000000"
diverted = ["+1 555 600 1234", "+1555601*"]
[[route]]
id = "withheld"
called = "+15550000000"
caller = "anonymous"
[[route]]
id = "new-york"
called = "+15550000000"
caller = "+1212*"
[[route]]
id = "spring"
called = "+15550000000"
header = { "X-Campaign" = "spring" }
[[route]]
id = "day"
called = "+15550000000"
hours = "office"
[[route]]
id = "rest"
called = "+1555*"

[schedule.office]
timezone = "America/New_York"
open = ["Mon-Fri 09:00-17:00"]
closed = ["2026-12-25"]
"#;

fn from(caller: &str) -> Caller {
    Caller::Number(Number::read(caller, None))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn each_condition_is_asked_and_the_narrowest_wins() {
    let loaded = compile(&[source("a.toml", 0, SHARED)]);
    assert_eq!(lines(&loaded), [""; 0]);
    let evening = at("2026-11-23T23:00:00Z");
    let plain = Call { caller: from("+13105550000"), ..call_to("+15550000000") };
    let trunk = |name: Option<&str>| Some(Trunk { id: "acme-sip".into(), name: name.map(Arc::from) });
    let diverted = |number: &str| Some(Diverter::open(Number::read(number, None)));
    let header = |value: &str| [("x-campaign".to_owned(), value.into())].into();
    for (call, now, expected) in [
        (plain.clone(), evening, "rest prefix"),
        (plain.clone(), NOW, "day exact"),
        (plain.clone(), at("2026-12-25T17:00:00Z"), "rest prefix"),
        (Call { headers: header("spring"), ..plain.clone() }, NOW, "spring exact"),
        (Call { headers: header("summer"), ..plain.clone() }, evening, "rest prefix"),
        (Call { caller: from("+12125550000"), ..plain.clone() }, NOW, "new-york exact"),
        (Call { caller: Caller::Anonymous, ..plain.clone() }, NOW, "withheld exact"),
        (Call { diverter: diverted("+15556001234"), ..plain.clone() }, NOW, "forwarded exact"),
        (Call { diverter: diverted("+15556019999"), ..plain.clone() }, NOW, "forwarded exact"),
        (Call { diverter: diverted("+15556029999"), ..plain.clone() }, evening, "rest prefix"),
        (Call { trunk: trunk(None), ..plain.clone() }, NOW, "carrier any"),
        (Call { trunk: trunk(Some("other")), ..plain.clone() }, evening, "rest prefix"),
        (Call { trunk: trunk(None), ..call_to("reception") }, NOW, "carrier any"),
    ] {
        let routed = loaded.dialplan.resolve(&call, now).expect("a route");
        assert_eq!(format!("{} {}", routed.route, routed.matched.name()), expected, "{call:?}");
    }
}

#[test]
fn an_explanation_names_each_nearer_route_and_why_it_was_passed_over() {
    let loaded = compile(&[source("a.toml", 0, SHARED)]);
    let evening = at("2026-11-23T23:00:00Z");
    let call = Call { caller: from("+13105550000"), ..call_to("+15550000000") };
    let expected = "\
acme/rest (a.toml:29:10): answer, prefix +1555*
nearer, and passed over:
  acme/carrier (a.toml:4:1): answer, any, trunk acme-sip; the call did not come in on trunk acme-sip
  acme/forwarded (a.toml:9:10): answer, exact +15550000000, diverted +15556001234; the call was not diverted by +15556001234
  acme/forwarded (a.toml:9:10): answer, exact +15550000000, diverted +1555601*; the call was not diverted by +1555601*
  acme/withheld (a.toml:13:10): answer, exact +15550000000, caller anonymous; the caller is not anonymous
  acme/new-york (a.toml:17:10): answer, exact +15550000000, caller +1212*; the caller is not +1212*
  acme/spring (a.toml:21:10): answer, exact +15550000000, x-campaign spring; the header x-campaign is another or not there
  acme/day (a.toml:25:10): answer, exact +15550000000, hours office; the schedule office is closed until 2026-11-24T09:00:00-05:00[America/New_York]
";
    assert_eq!(loaded.dialplan.explain(&call, evening).to_string(), expected);
    let nobody = loaded.dialplan.explain(&call_to("+49301234567"), NOW).to_string();
    assert!(
        nobody.starts_with("no route: [unmatched] decides; unless it is set, the router's own backend is asked, or without one the call refused\nnearer, and passed over:\n  acme/carrier"),
        "{nobody}"
    );
}

#[test]
fn a_trunk_goes_by_its_name_or_its_id_where_the_settings_know_it() {
    let settings = "[[trunk]]\nname = 'acme-sip'\nids = ['ST_1', 'ST_2']\n";
    let (trunks, _) = crate::document::read(&Path::new("dialplane.toml").into(), settings, |document| {
        let root = document.root(crate::document::Keys::only(&["trunk"]));
        trunk::Trunks::read(&root.tables("trunk", trunk::TRUNK_KEYS), &secrets())
    });
    let route = |id: &str, trunk: &str, called: &str| {
        format!("[[route]]\nid = '{id}'\ntrunk = '{trunk}'\ncalled = '{called}'\n")
    };
    let text = format!(
        "tenant = 'a'\n{}{}{}",
        route("by-name", "acme-sip", "+15550000001"),
        route("by-id", "ST_2", "+15550000002"),
        route("unknown", "ST_9", "+15550000003"),
    );
    let loaded = Set::new(trunks).take(&[source("a.toml", 0, &text)], Vec::new(), &secrets(), NOW);
    let warned = "a.toml:12:9: warning: the settings have no [[trunk]] with the name or the id \"ST_9\"";
    assert!(lines(&loaded).iter().any(|line| line == warned), "{:?}", lines(&loaded));
    let trunk = Some(Trunk { id: "ST_1".into(), name: Some("acme-sip".into()) });
    for (called, expected) in [("+15550000001", true), ("+15550000002", true), ("+15550000003", false)] {
        let call = Call { trunk: trunk.clone(), ..call_to(called) };
        assert_eq!(loaded.dialplan.resolve(&call, NOW).is_some(), expected, "{called}");
    }
}

#[test]
fn shares_split_the_callers_and_each_caller_keeps_theirs() {
    let route = |id: &str, share: &str| format!("[[route]]\nid = '{id}'\ncalled = '+15550000001'\n{share}\n");
    let text = format!(
        "tenant = 'a'\n{}{}{}",
        route("new", "share = 10"),
        route("newer", "share = 30"),
        route("old", "")
    );
    let loaded = compile(&[source("a.toml", 0, &text)]);
    assert_eq!(lines(&loaded), [""; 0]);
    let route_of = |call: &Call| loaded.dialplan.resolve(call, NOW).expect("a route").route.to_string();
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    for caller in 0..10_000 {
        let call = Call { caller: from(&format!("+1212555{caller:04}")), ..call_to("+15550000001") };
        let other_day = Call { id: CallId::from_u128(caller), ..call.clone() };
        assert_eq!(route_of(&call), route_of(&other_day));
        *counts.entry(route_of(&call)).or_default() += 1;
    }
    let within = |name: &str, percent: u32| counts[name].abs_diff(percent * 100) < 150;
    assert!(within("new", 10) && within("newer", 30) && within("old", 60), "{counts:?}");
    let anonymous =
        |id| Call { id: CallId::from_u128(id), caller: Caller::Anonymous, ..call_to("+15550000001") };
    let routes: std::collections::BTreeSet<_> = (0..200).map(|id| route_of(&anonymous(id))).collect();
    assert_eq!(routes.len(), 3, "an anonymous caller has a share for each call");

    let excess = format!("tenant = 'a'\n{}{}", route("one", "share = 60"), route("two", "share = 41"));
    let told = "a.toml:8:10: share: found 101 percent with the routes from \"one\" on; accepted: at most 100 of one key";
    assert_eq!(lines(&compile(&[source("a.toml", 0, &excess)])), [told]);
}

#[test]
fn a_numbers_file_leads_its_numbers_to_their_agents() {
    let text = "tenant = 'a'\n[numbers]\ncountry = 'US'\n[numbers_file]\npath = 'n.csv'\n[agent.night]\nvoice = 'ash'\n\
                [[route]]\nid = 'one'\ncalled = '+15557770009'\n";
    let mut given = secrets();
    given
        .files
        .insert("n.csv".into(), "number,agent\n+15557770001,night\n555 777 0002\n+15557770009\n12\n".into());
    let sources = [source("a.toml", 0, text)];
    let loaded = load(&sources, &given);
    let shown = lines(&loaded);
    assert!(shown.iter().any(|line| line.starts_with("n.csv:5:1: ")), "{shown:?}");
    let tie = "n.csv:4:1: called: found a number that another route has, at a.toml:10:10; accepted: conditions that \
               tell them apart";
    assert!(shown.iter().any(|line| line == tie), "{shown:?}");

    given.files.insert("n.csv".into(), "number,agent\n+15557770001,night\n555 777 0002\n".into());
    let loaded = load(&sources, &given);
    assert_eq!(lines(&loaded), [""; 0]);
    assert_eq!(loaded.attachments, [std::path::PathBuf::from("n.csv")]);
    let routed = loaded.dialplan.resolve(&call_to("+15557770001"), NOW).expect("a route");
    let voice = |action: &Action| match action {
        Action::Answer { agent } => agent.as_ref().and_then(|agent| agent.voice.clone().chosen()),
        Action::Instead(_) => None,
    };
    assert_eq!((routed.route.as_ref(), voice(&routed.action).as_deref()), ("numbers_file", Some("ash")));
    let routed = loaded.dialplan.resolve(&call_to("+15557770002"), NOW).expect("a route");
    assert_eq!(voice(&routed.action), None);

    let missing = load(&sources, &secrets());
    assert!(
        lines(&missing)[0].starts_with("a.toml:5:8: path: found a file that cannot be read"),
        "{:?}",
        lines(&missing)
    );
}

#[test]
fn routes_that_never_get_a_call_and_calls_that_nobody_gets_are_worth_a_warning() {
    let never = "[schedule.never]\ntimezone = 'UTC'\nopen = ['Mon 08:00-09:00']\nclosed = ['2026-01-01..2029-01-01']\n";
    let ever = "[schedule.ever]\ntimezone = 'UTC'\nopen = ['daily 00:00-24:00']\n";
    let route =
        |id: &str, called: &str, rest: &str| format!("[[route]]\nid = '{id}'\ncalled = {called}\n{rest}\n");
    let longer: Vec<_> = (0..10).map(|digit| format!("+1555{digit}*")).collect();
    for (case, routes, schedules, expected) in [
        (
            "a schedule that never opens",
            route("a", "'+15550000001'", "hours = 'never'") + &route("b", "'+1555*'", ""),
            never,
            vec!["2:1: warning: hours: the schedule \"never\" never opens in the next 400 days"],
        ),
        (
            "a route behind one that is always open",
            route("a", "'+15550000001'", "hours = 'ever'") + &route("b", "'+15550000001'", ""),
            ever,
            vec!["6:1: warning: the route \"b\" never gets a call: \"a\" takes them all, at a.toml:2:1"],
        ),
        (
            "a route behind shares that leave nothing",
            route("a", "'+15550000001'", "share = 100") + &route("b", "'+15550000001'", ""),
            "",
            vec!["6:1: warning: the route \"b\" never gets a call: \"a\" takes them all, at a.toml:2:1"],
        ),
        (
            "a prefix whose ten longer ones are all taken",
            route("a", &format!("{longer:?}"), "") + &route("b", "'+1555*'", ""),
            "",
            vec!["6:1: warning: the route \"b\" never gets a call: \"a\" takes them all, at a.toml:2:1"],
        ),
        (
            "a number that is nobody's at night",
            route("a", "'+15550000001'", "caller = 'anonymous'"),
            "",
            vec![
                "2:1: warning: after the route \"a\" nobody takes the calls that its conditions leave: they are \
                 [unmatched]",
            ],
        ),
        (
            "nothing",
            route("a", "'+15550000001'", "caller = '+1212*'") + &route("b", "'+1555*'", ""),
            "",
            vec![],
        ),
    ] {
        let text = format!("tenant = 't'\n{routes}{schedules}");
        let shown = lines(&compile(&[source("a.toml", 0, &text)]));
        let expected: Vec<_> = expected.iter().map(|line| format!("a.toml:{line}")).collect();
        assert_eq!(shown, expected, "{case}");
    }
}

#[test]
fn a_diff_names_what_changes_hands_and_nothing_else() {
    let load_one = |text: &str| {
        let mut set = Set::default();
        let loaded = set.take(&[source("a.toml", 0, text)], Vec::new(), &secrets(), NOW);
        assert!(!loaded.has_errors(), "{:?}", lines(&loaded));
        (set, loaded.dialplan)
    };
    let route =
        |id: &str, called: &str, rest: &str| format!("[[route]]\nid = '{id}'\ncalled = {called}\n{rest}\n");
    let office = "[schedule.office]\ntimezone = 'UTC'\nopen = ['daily 08:00-17:00']\n";
    let old = format!(
        "tenant = 't'\n{}{}{office}",
        route("a", "['+15550000001', '+15550000002']", "hours = 'office'"),
        route("b", "['+1555*', '+1666*']", "")
    );
    let new = format!(
        "tenant = 't'\n{}{}{}{office}",
        route("a", "['+15550000001']", "hours = 'office'"),
        route("b", "['+1555*']", ""),
        route("c", "['+15559*']", "reject = 'busy'")
    );
    let (old, new) = (load_one(&old), load_one(&new));
    let shown: Vec<_> = diff((&old.0, &old.1), (&new.0, &new.1)).iter().map(ToString::to_string).collect();
    let expected = [
        "+15550000002: t/a [hours office], else t/b -> t/b",
        "+15559*: t/b -> t/c (busy)",
        "+1666*: t/b -> nobody",
    ];
    assert_eq!(shown, expected);
    assert!(diff((&old.0, &old.1), (&old.0, &old.1)).is_empty());
}

#[test]
fn a_project_is_a_condition_as_a_trunk_is() {
    let text = "tenant = 't'\n[[route]]\nid = 'a'\nproject = 'eu'\n[[route]]\nid = 'b'\ncalled = '+1555*'\n";
    let loaded = compile(&[source("a.toml", 0, text)]);
    let call = |project: &str| Call {
        origin: Origin::LiveKit { project: project.into() },
        ..call_to("+15550000001")
    };
    for (project, expected) in [("eu", "a"), ("us", "b")] {
        assert_eq!(loaded.dialplan.resolve(&call(project), NOW).expect("a route").route.as_ref(), expected);
    }
}
