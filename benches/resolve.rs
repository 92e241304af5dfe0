//! Where a called number goes, and how long a dialplan takes to be ready. `cargo bench --bench resolve`.
//!
//! A look-up's time is the whole divided by the items: read `item/s`. Each round asks for every number of its kind
//! once, in random order, so that at a million no look-up finds its bucket in the cache.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::time::SystemTime;

use dialplane::call::{Call, CallId, Number, Origin, Trunk};
use dialplane::dialplan::index::Index;
use dialplane::dialplan::pattern::Pattern;
use dialplane::dialplan::{Set, Source, numbers_file};
use dialplane::document::Given;
use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Numbers that stand close together.
const BLOCK: usize = 200;
/// Calling codes, whose countries' numbers have 11 digits with them.
const CODES: [u64; 6] = [1, 27, 33, 46, 48, 61];

fn main() {
    for size in SIZES {
        let index = Plan::of(size).index();
        let bytes = index.bytes() as f64 / index.len() as f64;
        eprintln!("{size} numbers, {} patterns in all: {bytes:.1} bytes each", index.len());
    }
    divan::main();
}

/// Numbers in blocks, as carriers give them out, with a prefix for each hundred and a pattern for each thousand.
struct Plan {
    numbers: Vec<u64>,
    prefixes: Vec<Pattern>,
    patterns: Vec<Pattern>,
    random: SmallRng,
}

impl Plan {
    fn of(size: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(4);
        let pattern = |text: String| Pattern::parse(&text, None).expect("a pattern");
        let mut unlike = |count: usize, digits: u32| {
            let mut found = BTreeSet::new();
            while found.len() < count {
                let code = *CODES.choose(&mut random).expect("not empty");
                let rest = 10_u64.pow(digits - 1 - code.ilog10());
                found.insert(code * rest + random.random_range(rest / 5..rest));
            }
            let mut found: Vec<u64> = found.into_iter().collect();
            found.shuffle(&mut random);
            found
        };
        let blocks = unlike(size / BLOCK, 8).into_iter();
        let mut numbers: Vec<u64> =
            blocks.flat_map(|block| (0..BLOCK as u64).map(move |n| block * 1000 + n * 5)).collect();
        let prefixes = unlike(size / 100, 7).into_iter().map(|head| pattern(format!("+{head}*"))).collect();
        let patterns =
            unlike(size / 1000, 6).into_iter().map(|head| pattern(format!("+{head}[0-4]NXX*"))).collect();
        numbers.shuffle(&mut random);
        Self { numbers, prefixes, patterns, random }
    }

    fn index(&self) -> Index {
        let numbers = self.numbers.iter().copied().zip(0..).collect();
        Index::build(numbers, self.prefixes.iter().chain(&self.patterns).zip(0..))
    }

    /// Calls to each number, and to a number under each pattern, again and again up to the size of the plan.
    fn calls(&mut self, kind: Kind) -> Vec<Number> {
        let read = |text: &str| Number::read(text, None);
        let size = self.numbers.len();
        let under = |patterns: &[Pattern], rest: &str| {
            let heads: Vec<String> = patterns
                .iter()
                .map(|pattern| pattern.reveal().split(['[', '*']).next().unwrap_or("").to_owned())
                .collect();
            heads.iter().cycle().take(size).map(|head| read(&format!("{head}{rest}"))).collect()
        };
        let mut calls: Vec<Number> = match kind {
            Kind::Exact => self.numbers.iter().map(|number| read(&format!("+{number}"))).collect(),
            // 12 digits, which no exact number has.
            Kind::Prefix => under(&self.prefixes, "12345"),
            Kind::Pattern => under(&self.patterns, "399999"),
            Kind::Miss => (0..size)
                .map(|_| {
                    read(&format!("+{}", self.random.random_range(990_000_000_000_u64..999_999_999_999)))
                })
                .collect(),
        };
        calls.shuffle(&mut self.random);
        calls
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Exact,
    Prefix,
    Pattern,
    Miss,
}

fn independent(bencher: Bencher<'_, '_>, size: usize, kind: Kind) {
    let mut plan = Plan::of(size);
    let (index, calls) = (plan.index(), plan.calls(kind));
    let value = |call: &Number| index.candidates(call).next().map_or(0, |(_, value)| u64::from(value));
    bencher.counter(ItemsCount::new(size)).bench_local(|| calls.iter().map(value).sum::<u64>());
}

#[divan::bench(args = SIZES)]
fn exact(bencher: Bencher<'_, '_>, size: usize) {
    independent(bencher, size, Kind::Exact);
}

/// Each look-up waits for the one before: which call comes next follows from what was found.
#[divan::bench(args = SIZES)]
fn exact_one_after_the_other(bencher: Bencher<'_, '_>, size: usize) {
    let mut plan = Plan::of(size);
    let (index, calls) = (plan.index(), plan.calls(Kind::Exact));
    bencher.counter(ItemsCount::new(size)).bench_local(|| {
        let mut at = 0;
        while let Some(call) = calls.get(at) {
            let found = index.candidates(call).next().map_or(0, |(_, value)| value as usize);
            // Values are below 2^31, which only the table knows.
            at += 1 + (found >> 31);
        }
        at
    });
}

#[divan::bench(args = SIZES)]
fn prefix(bencher: Bencher<'_, '_>, size: usize) {
    independent(bencher, size, Kind::Prefix);
}

#[divan::bench(args = SIZES)]
fn pattern(bencher: Bencher<'_, '_>, size: usize) {
    independent(bencher, size, Kind::Pattern);
}

#[divan::bench(args = SIZES)]
fn miss(bencher: Bencher<'_, '_>, size: usize) {
    independent(bencher, size, Kind::Miss);
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn build(bencher: Bencher<'_, '_>, size: usize) {
    let plan = Plan::of(size);
    bencher.bench_local(|| plan.index());
}

/// From the text of a numbers file to the index.
#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn file_to_index(bencher: Bencher<'_, '_>, size: usize) {
    let mut text = "number,agent\n".to_owned();
    for (at, number) in Plan::of(size).numbers.iter().enumerate() {
        let _ = writeln!(text, "+{number}{}", if at % 3 == 0 { ",reception" } else { "" });
    }
    let path: Arc<Path> = Path::new("numbers.csv").into();
    bencher.bench_local(|| {
        let (entries, diagnostics) = numbers_file::read(black_box(&text), &path, None, &["reception"]);
        assert_eq!((entries.len(), diagnostics.len()), (size, 0));
        let numbers =
            entries.iter().map(|entry| (entry.number(), entry.agent.map_or(0, u32::from))).collect();
        Index::build(numbers, [])
    });
}

/// A tenant with all the numbers in a file, and with prefixes and patterns in routes.
fn files_of(plan: &Plan) -> (Source, Given) {
    let mut numbers = String::new();
    for number in &plan.numbers {
        let _ = writeln!(numbers, "+{number}");
    }
    let called: Vec<String> =
        plan.prefixes.iter().chain(&plan.patterns).map(Pattern::reveal).take(10_000).collect();
    let text = format!(
        "tenant = 'acme'\n[[route]]\nid = 'blocks'\ncalled = {called:?}\n[numbers_file]\npath = 'numbers.csv'\n"
    );
    let mut given = Given::default();
    given.files.insert("numbers.csv".into(), numbers);
    (Source { path: Path::new("acme.toml").into(), text, modified: SystemTime::UNIX_EPOCH }, given)
}

/// From the files' text to a dialplan in force: reading, comparing every claim with every other, warnings, compiling.
#[divan::bench(args = SIZES, sample_count = 10, sample_size = 1)]
fn load(bencher: Bencher<'_, '_>, size: usize) {
    let (source, given) = files_of(&Plan::of(size));
    bencher.bench_local(|| {
        let loaded = Set::default().take(slice::from_ref(&source), Vec::new(), &given, Timestamp::UNIX_EPOCH);
        assert!(!loaded.has_errors());
        loaded.dialplan
    });
}

/// A whole call through a whole dialplan, the copies of what was found included.
#[divan::bench(args = SIZES)]
fn resolve(bencher: Bencher<'_, '_>, size: usize) {
    const CALLS: usize = 100_000;
    let mut plan = Plan::of(size);
    let (source, given) = files_of(&plan);
    let loaded = Set::default().take(slice::from_ref(&source), Vec::new(), &given, Timestamp::UNIX_EPOCH);
    let numbers = plan.calls(Kind::Exact).into_iter().cycle().take(CALLS);
    let calls: Vec<Call> = numbers.map(call_to).collect();
    let found = |call: &Call| usize::from(loaded.dialplan.resolve(call, Timestamp::UNIX_EPOCH).is_some());
    bencher
        .counter(ItemsCount::new(CALLS))
        .bench_local(|| assert_eq!(calls.iter().map(found).sum::<usize>(), CALLS));
}

fn call_to(called: Number) -> Call {
    let origin = Origin::LiveKit { project: "main".into() };
    Call {
        trunk: Some(Trunk { id: "ST_1".into(), name: None }),
        ..Call::new(CallId::from_u128(1), origin, Timestamp::UNIX_EPOCH, called)
    }
}
