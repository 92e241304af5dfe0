//! What processes cost, read from /proc.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

/// A process and all that it started.
#[derive(Debug, Clone, Copy)]
pub struct Tree(pub u32);

/// Processor time by process: what has ended between two readings is left out.
pub type Spent = BTreeMap<u32, Duration>;

impl Tree {
    pub fn spent(self) -> Spent {
        let stats = stats();
        let spent = |pid: &u32| Some((*pid, stats.get(pid)?.spent));
        self.members(&stats).iter().filter_map(spent).collect()
    }

    /// Proportional set size in KiB: a page that several processes share counts once in all.
    pub fn memory(self) -> u64 {
        self.members(&stats()).iter().filter_map(|pid| pss(*pid)).sum()
    }

    fn members(self, stats: &BTreeMap<u32, Stat>) -> BTreeSet<u32> {
        let mut members = BTreeSet::from([self.0]);
        loop {
            let children = stats.iter().filter(|(_, stat)| members.contains(&stat.parent));
            let all: BTreeSet<u32> = children.map(|(pid, _)| *pid).chain(members.iter().copied()).collect();
            if all.len() == members.len() {
                return members;
            }
            members = all;
        }
    }
}

/// What was spent between two readings.
pub fn between(before: &Spent, after: &Spent) -> Duration {
    let since =
        |(pid, spent): (&u32, &Duration)| spent.saturating_sub(before.get(pid).copied().unwrap_or_default());
    after.iter().map(since).sum()
}

struct Stat {
    parent: u32,
    spent: Duration,
}

fn stats() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

fn stat(text: &str) -> Option<Stat> {
    // The name in brackets may hold spaces; the fields after it are counted from 3 (proc(5)).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    // 100 ticks a second on every Linux that Rust runs on.
    let spent = Duration::from_millis((field(14)? + field(15)?) * 10);
    Some(Stat { parent: u32::try_from(field(4)?).ok()?, spent })
}

fn pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
