//! The files, what happens to them, and what is in force then.

use std::collections::BTreeSet;
use std::fs;

use super::Outcome;
use crate::reload::Scratch;

pub const ROUNDS: usize = 10;

/// Tenants whose files nobody touches, with every kind of condition.
const STEADY: [(&str, &str); 3] = [
    (
        "acme.toml",
        r#"
tenant = "acme"
[[route]]
id = "exact"
called = ["+1 555 100 0001"]
[[route]]
id = "office"
called = ["+1 555 100 0002"]
hours = "office"
[[route]]
id = "closed"
called = ["+1 555 100 0002"]
[[route]]
id = "block"
called = ["+1555100*"]
[[route]]
id = "pattern"
called = ["+1555110[0-4]XXX"]
[schedule.office]
timezone = "America/New_York"
open = ["Mon-Fri 08:00-18:00"]
"#,
    ),
    (
        "globex.toml",
        r#"
tenant = "globex"
[[route]]
id = "trial"
called = ["+1 555 120 0001"]
share = 30
[[route]]
id = "rest"
called = ["+1 555 120 0001"]
[[route]]
id = "on-trunk"
called = ["+1 555 120 0002"]
trunk = "ST_globex"
[[route]]
id = "sent-on"
called = ["+1 555 120 0003"]
diverted = ["+1 555 600 1234"]
[[route]]
id = "direct"
called = ["+1 555 120 0003"]
"#,
    ),
    ("zenith.toml", "tenant = 'zenith'\n[numbers_file]\npath = 'zenith.csv'\n"),
];
/// How many numbers `zenith.csv` lists, from +1 555 130 0000 on.
const LISTED: usize = 2000;

/// One thing that happens to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    EditHooli,
    BreakHooli,
    ReplaceHooli,
    /// An edit that wants a number of acme's.
    MallorySteals,
    MalloryRepents,
    RemoveUmbrella,
    RestoreUmbrella,
    ReplaceNumbers,
    BreakNumbers,
    /// A new file that wants others' numbers, tied with them or broken, and then goes away.
    Newcomer,
}

/// Made without a pause, a file once at most in each group; each group is waited for.
pub const ROUND: [&[Change]; 3] = [
    &[Change::EditHooli, Change::MallorySteals, Change::RemoveUmbrella],
    &[Change::BreakHooli, Change::ReplaceNumbers, Change::Newcomer],
    &[Change::ReplaceHooli, Change::MalloryRepents, Change::BreakNumbers, Change::RestoreUmbrella],
];
pub const CHANGES: usize = 10 * ROUNDS;

/// What the changing tenants are in force with: the version of each, by its voice. `None` while a file is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub hooli: usize,
    pub mallory: usize,
    pub umbrella: Option<usize>,
    pub numbers: usize,
    /// The files that have an error.
    pub broken: BTreeSet<&'static str>,
}

impl State {
    pub fn after(&self, change: Change, version: usize) -> Self {
        let mut state = self.clone();
        let _was_broken = match change {
            Change::EditHooli | Change::ReplaceHooli => {
                state.hooli = version;
                state.broken.remove("hooli.toml")
            }
            Change::BreakHooli => state.broken.insert("hooli.toml"),
            Change::MallorySteals => state.broken.insert("mallory.toml"),
            Change::MalloryRepents => {
                state.mallory = version;
                state.broken.remove("mallory.toml")
            }
            Change::RemoveUmbrella => state.umbrella.take().is_some(),
            Change::RestoreUmbrella => state.umbrella.replace(version).is_some(),
            Change::ReplaceNumbers => {
                state.numbers = version;
                state.broken.remove("initech.csv")
            }
            Change::BreakNumbers => state.broken.insert("initech.csv"),
            Change::Newcomer => match newcomer(version) {
                Some(_) => state.broken.insert("newcomer.toml"),
                None => state.broken.remove("newcomer.toml"),
            },
        };
        state
    }

    /// Where the numbers of the changing tenants lead, in the order of [`CHANGING`].
    pub fn outcomes(&self) -> [Outcome; CHANGING.len()] {
        let route = |tenant: &str, route: &str, version: usize| Outcome {
            tenant: tenant.to_owned(),
            route: route.to_owned(),
            voice: Some(format!("v{version}")),
        };
        let gone = Outcome { tenant: String::new(), route: String::new(), voice: None };
        [
            route("hooli", "line", self.hooli),
            route("mallory", "line", self.mallory),
            self.umbrella.map_or(gone, |version| route("umbrella", "line", version)),
            route("initech", "numbers_file", self.numbers),
        ]
    }
}

pub const CHANGING: [&str; 4] = ["+15552000001", "+15552100001", "+15552200001", "+15552300001"];

pub fn apply(change: Change, version: usize, disk: &Scratch) {
    match change {
        Change::EditHooli => drop(disk.write("d/hooli.toml", &line("hooli", CHANGING[0], version))),
        Change::BreakHooli => drop(disk.write("d/hooli.toml", "tenant = \"hooli\n[[route]]\ncalled = [")),
        Change::ReplaceHooli => disk.replace("d/hooli.toml", &line("hooli", CHANGING[0], version)),
        Change::MallorySteals => {
            let stolen =
                "[[route]]\nid = 'stolen'\ncalled = ['+15551000001', '+1555110[0-4]XXX']\nagent = 'own'\n";
            disk.replace("d/mallory.toml", &(line("mallory", CHANGING[1], version) + stolen));
        }
        Change::MalloryRepents => {
            drop(disk.write("d/mallory.toml", &line("mallory", CHANGING[1], version)));
        }
        Change::RemoveUmbrella => fs::remove_file(disk.path("d/umbrella.toml")).unwrap(),
        Change::RestoreUmbrella => {
            drop(disk.write("d/umbrella.toml", &line("umbrella", CHANGING[2], version)));
        }
        Change::ReplaceNumbers => disk.replace("d/initech.csv", &numbers(version)),
        Change::BreakNumbers => disk.replace("d/initech.csv", &(numbers(version) + "not a number\n")),
        Change::Newcomer => match newcomer(version) {
            Some(text) => drop(disk.write("d/newcomer.toml", text)),
            None => fs::remove_file(disk.path("d/newcomer.toml")).unwrap(),
        },
    }
}

fn line(tenant: &str, number: &str, version: usize) -> String {
    format!(
        "tenant = '{tenant}'\n[agent.own]\nvoice = 'v{version}'\n\
         [[route]]\nid = 'line'\ncalled = ['{number}']\nagent = 'own'\n"
    )
}

/// Its agents are `a0` and on, each with the voice of its version.
fn numbers(version: usize) -> String {
    format!("{},a{version}\n+1555230{:04},a0\n", CHANGING[3], 1000 + version)
}

/// Two texts in turn, and then none.
fn newcomer(version: usize) -> Option<&'static str> {
    // The second is narrower than acme's block and would win, but names an agent that is not there.
    let texts = [
        "tenant = 'newcomer'\n[[route]]\nid = 'tied'\ncalled = ['+15551000001', '+15551200001', '+15551300007']\n",
        "tenant = 'newcomer'\n[[route]]\nid = 'near'\ncalled = ['+15551000077', '+155510007*']\nagent = 'nobody'\n",
    ];
    texts.get(version % 3).copied()
}

pub fn begin(disk: &Scratch) -> State {
    for (name, text) in STEADY {
        disk.write(&format!("d/{name}"), text);
    }
    let listed: String = (0..LISTED).map(|at| format!("+1555130{at:04}\n")).collect();
    disk.write("d/zenith.csv", &listed);
    let agents = (0..=ROUNDS).map(|version| format!("[agent.a{version}]\nvoice = 'v{version}'\n"));
    let initech = "tenant = 'initech'\n[numbers_file]\npath = 'initech.csv'\n".to_owned();
    disk.write("d/initech.toml", &agents.fold(initech, |text, agent| text + &agent));
    disk.write("d/initech.csv", &numbers(0));
    for (tenant, number) in ["hooli", "mallory", "umbrella"].into_iter().zip(CHANGING) {
        disk.write(&format!("d/{tenant}.toml"), &line(tenant, number, 0));
    }
    State { hooli: 0, mallory: 0, umbrella: Some(0), numbers: 0, broken: BTreeSet::new() }
}

pub fn changes() -> impl Iterator<Item = (Change, usize)> {
    let version = |(at, change)| (change, at / 10 + 1);
    std::iter::repeat_n(ROUND.concat(), ROUNDS).flatten().enumerate().map(version)
}
