//! Resolution against a naive reference that follows the written rules: every pattern of every route is tried, and of
//! those that take the call the narrowest wins.

use proptest::option::weighted;
use proptest::sample::select;

use super::*;

/// The instants that calls come at: each of them is in another combination of the schedules below.
const TIMES: [&str; 5] = [
    "2026-11-23T12:00:00-05:00[America/New_York]",
    "2026-11-23T17:30:00-05:00[America/New_York]",
    "2026-11-23T20:00:00-05:00[America/New_York]",
    "2026-11-24T03:00:00-05:00[America/New_York]",
    "2026-12-25T12:00:00-05:00[America/New_York]",
];
/// Open at those instants.
const SCHEDULES: [(&str, &str, [bool; 5]); 4] = [
    ("day", "open = ['Mon-Fri 08:00-18:00']\nclosed = ['2026-12-25']", [true, true, false, false, false]),
    ("late", "open = ['Mon-Fri 17:00-22:00']", [false, true, true, false, false]),
    ("night", "open = ['daily 22:00-06:00']", [false, false, false, true, false]),
    ("always", "open = ['daily 00:00-24:00']", [true; 5]),
];

/// Scope, called, diverted, caller, without header, without hours.
type Rank = (u8, Vec<usize>, Vec<usize>, Vec<usize>, bool, bool);

#[derive(Debug, Clone)]
struct Spec {
    trunk: Option<&'static str>,
    project: Option<&'static str>,
    called: Vec<String>,
    diverted: Option<String>,
    caller: Option<String>,
    header: Option<&'static str>,
    hours: Option<usize>,
}

#[derive(Debug, Clone)]
struct Facts {
    trunk: Option<&'static str>,
    project: &'static str,
    called: String,
    diverted: Option<String>,
    caller: Option<String>,
    header: Option<&'static str>,
    time: usize,
}

impl Spec {
    fn toml(&self, id: usize) -> String {
        let mut text = format!("[[route]]\nid = 'r{id}'\ncalled = {:?}\n", self.called);
        let mut say = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                text += &format!("{key} = '{value}'\n");
            }
        };
        say("trunk", &self.trunk.map(str::to_owned));
        say("project", &self.project.map(str::to_owned));
        say("diverted", &self.diverted);
        say("caller", &self.caller);
        say("hours", &self.hours.map(|at| SCHEDULES[at].0.to_owned()));
        if let Some(value) = self.header {
            text += &format!("header = {{ 'X-Campaign' = '{value}' }}\n");
        }
        text
    }

    /// The rank of the narrowest called pattern by which it takes the call, if it does.
    fn rank(&self, call: &Facts) -> Option<Rank> {
        const WIDEST: usize = 12;
        let scope = match (self.trunk, self.project) {
            (Some(_), Some(_)) => 0,
            (Some(_), None) => 1,
            (None, Some(_)) => 2,
            (None, None) => 3,
        };
        let optional = |asked: &Option<String>, found: &Option<String>| match (asked, found) {
            (None, _) => Some(vec![WIDEST]),
            (Some(asked), None) => (asked == "anonymous").then(Vec::new),
            (Some(asked), Some(found)) => takes(asked, found).then(|| sizes(asked)),
        };
        let called =
            self.called.iter().filter(|pattern| takes(pattern, &call.called)).map(|p| sizes(p)).min()?;
        let diverted = optional(&self.diverted, &call.diverted)?;
        let caller = optional(&self.caller, &call.caller)?;
        let met = self.trunk.is_none_or(|trunk| call.trunk == Some(trunk))
            && self.project.is_none_or(|project| call.project == project)
            && self.header.is_none_or(|value| call.header == Some(value))
            && self.hours.is_none_or(|at| SCHEDULES[at].2[call.time]);
        met.then(|| (scope, called, diverted, caller, self.header.is_none(), self.hours.is_none()))
    }
}

impl Facts {
    fn call(&self) -> Call {
        let number = |text: &String| Number::read(text, None);
        Call {
            origin: crate::call::Origin::LiveKit { project: self.project.into() },
            called: number(&self.called),
            diverter: self.diverted.as_ref().map(number).map(crate::call::Diverter::open),
            caller: self
                .caller
                .as_ref()
                .map_or(crate::call::Caller::Anonymous, |c| crate::call::Caller::Number(number(c))),
            trunk: self.trunk.map(|id| crate::call::Trunk { id: id.into(), name: None }),
            headers: self.header.iter().map(|value| ("x-campaign".to_owned(), (*value).into())).collect(),
            ..Call::example()
        }
    }
}

/// The places of a pattern: the digits that may stand at each; none for the tail.
fn places(pattern: &str) -> Vec<Option<Vec<char>>> {
    let mut rest = pattern.trim_start_matches('+').chars();
    let mut places = Vec::new();
    while let Some(c) = rest.next() {
        places.push(match c {
            '*' => None,
            'X' => Some(('0'..='9').collect()),
            'Z' => Some(('1'..='9').collect()),
            'N' => Some(('2'..='9').collect()),
            '[' => Some(rest.by_ref().take_while(|c| *c != ']').collect()),
            digit => Some(vec![digit]),
        });
    }
    places
}

fn sizes(pattern: &str) -> Vec<usize> {
    places(pattern).iter().map(|place| place.as_ref().map_or(11, Vec::len)).collect()
}

fn takes(pattern: &str, number: &str) -> bool {
    let mut digits = number.trim_start_matches('+').chars();
    for place in places(pattern) {
        match place {
            None => return true,
            Some(set) if digits.next().is_some_and(|digit| set.contains(&digit)) => {}
            Some(_) => return false,
        }
    }
    digits.next().is_none()
}

/// Patterns of few digits, so that they meet often.
fn pattern() -> impl Strategy<Value = String> {
    let place = select(vec!["1", "2", "3", "1", "2", "X", "Z", "N", "[12]", "[23]", "[13]"]);
    let first = select(vec!["1", "2", "1", "N", "[12]"]);
    let whole = (first.clone(), prop::collection::vec(place.clone(), 2..=3));
    let open = (first, prop::collection::vec(place, 0..=2));
    prop_oneof![
        whole.prop_map(|(first, rest)| format!("+{first}{}", rest.concat())),
        open.prop_map(|(first, rest)| format!("+{first}{}*", rest.concat())),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["1", "2", "3"]), 3..=4)
        .prop_map(|digits| format!("+{}", digits.concat()))
}

fn spec() -> impl Strategy<Value = Spec> {
    let caller = prop_oneof![Just("anonymous".to_owned()), pattern()];
    (
        weighted(0.2, select(vec!["ST_1", "ST_2"])),
        weighted(0.1, select(vec!["p1", "p2"])),
        prop::collection::vec(pattern(), 1..=2),
        weighted(0.2, pattern()),
        weighted(0.3, caller),
        weighted(0.2, select(vec!["spring", "summer"])),
        weighted(0.4, 0..SCHEDULES.len()),
    )
        .prop_map(|(trunk, project, called, diverted, caller, header, hours)| Spec {
            trunk,
            project,
            called,
            diverted,
            caller,
            header,
            hours,
        })
}

fn facts() -> impl Strategy<Value = Facts> {
    (
        weighted(0.7, select(vec!["ST_1", "ST_2"])),
        select(vec!["p1", "p2"]),
        number(),
        weighted(0.4, number()),
        weighted(0.7, number()),
        weighted(0.6, select(vec!["spring", "summer"])),
        0..TIMES.len(),
    )
        .prop_map(|(trunk, project, called, diverted, caller, header, time)| Facts {
            trunk,
            project,
            called,
            diverted,
            caller,
            header,
            time,
        })
}

fn sources_of(tenants: &[Vec<Spec>]) -> Vec<Source> {
    let file = |(at, specs): (usize, &Vec<Spec>)| {
        let routes: String = specs.iter().enumerate().map(|(id, spec)| spec.toml(id)).collect();
        let schedules = SCHEDULES.iter().filter(|(name, ..)| routes.contains(&format!("hours = '{name}'")));
        let schedules: String = schedules
            .map(|(name, text, _)| format!("[schedule.{name}]\ntimezone = 'America/New_York'\n{text}\n"))
            .collect();
        source(&format!("t{at}.toml"), 9 - at as u64, &format!("tenant = 't{at}'\n{routes}{schedules}"))
    };
    tenants.iter().enumerate().map(file).collect()
}

fn at(time: usize) -> Timestamp {
    TIMES[time].parse::<jiff::Zoned>().unwrap().timestamp()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn resolution_agrees_with_the_written_rules(
        tenants in prop::collection::vec(prop::collection::vec(spec(), 1..=4), 1..=3),
        calls in prop::collection::vec(facts(), 60),
    ) {
        let sources = sources_of(&tenants);
        let loaded = compile(&sources);
        let again = compile(&sources);
        prop_assert!(loaded.dialplan == again.dialplan, "the same files, the same table");
        for call in calls {
            let mut takers: Vec<_> = tenants
                .iter()
                .enumerate()
                .flat_map(|(tenant, specs)| specs.iter().enumerate().map(move |(id, spec)| (tenant, id, spec)))
                .filter_map(|(tenant, id, spec)| Some((spec.rank(&call)?, tenant, id)))
                .collect();
            takers.sort();
            if takers.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                prop_assert!(loaded.has_errors(), "{:?} ties {:?}", call, takers);
            }
            if loaded.has_errors() {
                continue;
            }
            let expected = takers.first().map(|(_, tenant, id)| format!("t{tenant}/r{id}"));
            let facts = call.call();
            let found = loaded.dialplan.resolve(&facts, at(call.time));
            let found = found.map(|routed| format!("{}/{}", routed.tenant.id, routed.route));
            prop_assert_eq!(&found, &expected, "{:?}", call);
            let explained = loaded.dialplan.explain(&facts, at(call.time)).winner;
            prop_assert_eq!(explained.map(|step| format!("{}/{}", step.tenant, step.route)), expected);
        }
    }

    /// Every number of the little world is called by everybody, at every time and from everywhere.
    #[test]
    fn an_error_is_told_if_and_only_if_two_routes_tie(
        tenants in prop::collection::vec(prop::collection::vec(spec(), 1..=2), 1..=2),
    ) {
        let all: Vec<&Spec> = tenants.iter().flatten().collect();
        let longer = |numbers: &[String]| -> Vec<String> {
            numbers.iter().flat_map(|number| ["1", "2", "3"].map(|digit| format!("{number}{digit}"))).collect()
        };
        let three = longer(&longer(&longer(&["+".to_owned()])));
        let four = longer(&three);
        let numbers = [three, four].concat();
        let meets = |one: &str, other: &str| one == other && one == "anonymous"
            || numbers.iter().any(|number| takes(one, number) && takes(other, number));
        let both = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => meets(one, other) && rank_of(one) == rank_of(other),
            (None, None) => true,
            _ => false,
        };
        let same = |one: &Spec, other: &Spec| {
            let called = one.called.iter().any(|a| other.called.iter().any(|b| sizes(a) == sizes(b) && meets(a, b)));
            let hours = match (one.hours, other.hours) {
                (Some(a), Some(b)) => (0..TIMES.len()).any(|t| SCHEDULES[a].2[t] && SCHEDULES[b].2[t]),
                (None, None) => true,
                _ => false,
            };
            called
                && one.trunk == other.trunk
                && one.project == other.project
                && both(&one.diverted, &other.diverted)
                && both(&one.caller, &other.caller)
                && one.header == other.header
                && hours
        };
        let pairs = all.iter().enumerate().flat_map(|(at, one)| all.iter().skip(at + 1).map(move |other| (one, other)));
        let tie = pairs.clone().any(|(one, other)| same(one, other));
        let loaded = compile(&sources_of(&tenants));
        prop_assert_eq!(loaded.has_errors(), tie, "{:?}", lines(&loaded));
    }
}

fn rank_of(pattern: &str) -> Vec<usize> {
    if pattern == "anonymous" { Vec::new() } else { sizes(pattern) }
}
