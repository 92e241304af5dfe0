//! One system under more and more calls.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::model::Model;
use crate::phones::{Had, Phones, RATE};
use crate::processes::{Spent, Tree, between};

const STEPS: [usize; 10] = [2, 5, 10, 15, 20, 30, 40, 60, 80, 100];

/// How long the calls of a step are watched.
const WATCH: Duration = Duration::from_secs(12);

/// From the last INVITE until its greeting must be heard: what is later is missing.
const PATIENCE: Duration = Duration::from_secs(8);

/// What may be missing of the agents' speech.
const MISSING: f64 = 0.05;

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

struct Bench {
    rig: PathBuf,
    sip: String,
    system: String,
    /// Who takes part beside the phones, by the names of the table.
    trees: BTreeMap<&'static str, Tree>,
    idle: u64,
    out: File,
}

/// Measures until the calls are too many, writing a JSON line a step.
pub fn run(system: &str, file: &str, most: usize, command: &[&str]) {
    let rig = rig();
    let model = Model::start();
    let agent = agent(&rig, &model.url, command);
    let server = |name: &str| {
        let pid = fs::read_to_string(rig.join(format!("{name}.pid"))).unwrap();
        Tree(pid.trim().parse().unwrap())
    };
    let trees = BTreeMap::from([
        ("agent", Tree(agent.0.id())),
        ("model", Tree(model.id())),
        ("livekit-server", server("livekit-server")),
        ("livekit-sip", server("livekit-sip")),
    ]);
    let out = File::options().create(true).append(true).open(file).unwrap();
    let mut bench = Bench { rig, sip: sip(), system: system.to_owned(), idle: 0, trees, out };
    bench.idle = bench.settled();
    for calls in STEPS.into_iter().filter(|calls| *calls <= most) {
        if !bench.step(calls) {
            break;
        }
    }
}

/// Where the processor time of the system goes with so many calls up, as perf sees it.
pub fn profile(calls: usize, command: &[&str]) {
    let rig = rig();
    let model = Model::start();
    let agent = agent(&rig, &model.url, command);
    let mut phones = Phones::place(&sip(), &rig.join("phones"), calls);
    phones.answered(ramp(calls));
    let samples = rig.join("perf.data");
    let (pid, seconds) = (agent.0.id().to_string(), WATCH.as_secs().to_string());
    // No hardware counter: virtual machines have none.
    let record = ["record", "-q", "-e", "cpu-clock", "-F", "997", "-p", &pid, "-o"];
    let recorded = Command::new("perf").args(record).arg(&samples).args(["--", "sleep", &seconds]).status();
    assert!(recorded.expect("perf is installed").success());
    for fields in ["overhead,dso", "overhead,sym"] {
        let report = ["report", "--stdio", "--no-children", "--percent-limit", "0.3", "-F", fields, "-i"];
        let reported = Command::new("perf").args(report).arg(&samples).stderr(Stdio::null()).status();
        assert!(reported.expect("perf is installed").success());
    }
    phones.hang_up();
}

fn rig() -> PathBuf {
    PathBuf::from(std::env::var("RIG_DIR").expect("inside tests/rig/up"))
}

fn sip() -> String {
    std::env::var("RIG_SIP").expect("inside tests/rig/up")
}

/// The longest wait until so many calls are up and hear their agent.
fn ramp(calls: usize) -> Duration {
    Duration::from_secs_f64(calls as f64 / RATE as f64) + PATIENCE
}

/// Starts the system, and waits until its log says that LiveKit knows it.
fn agent(rig: &Path, model: &str, command: &[&str]) -> Running {
    let log = rig.join("agent.log");
    let output = File::create(&log).unwrap();
    let child = Command::new(command[0])
        .args(&command[1..])
        .env("OPENAI_BASE_URL", model)
        .env("OPENAI_API_KEY", "a-key")
        .env("DIALPLANE_RECORDS", rig.join("records.jsonl"))
        .stdin(Stdio::null())
        .stderr(output.try_clone().unwrap())
        .stdout(output)
        .spawn()
        .unwrap();
    let running = Running(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(&log).unwrap_or_default().contains("registered") {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&log).unwrap_or_default());
        sleep(Duration::from_millis(50));
    }
    running
}

impl Bench {
    /// Whether that many calls are held.
    fn step(&mut self, calls: usize) -> bool {
        let dir = self.rig.join(format!("phones-{calls}"));
        let mut phones = Phones::place(&self.sip, &dir, calls);
        let mut trees = self.trees.clone();
        trees.insert("phones", Tree(std::process::id()));
        trees.insert("sipp", Tree(phones.sipp()));
        phones.answered(ramp(calls));

        let before = spent(&trees);
        let from = Instant::now();
        sleep(WATCH);
        let to = Instant::now();
        let after = spent(&trees);
        let memory = self.trees["agent"].memory();
        let had = phones.had(from, to);
        phones.hang_up();

        // Our own tree holds all the others but the servers.
        let mut busy: BTreeMap<&str, f64> = trees
            .keys()
            .map(|name| {
                (*name, between(&before[name], &after[name]).as_secs_f64() / (to - from).as_secs_f64())
            })
            .collect();
        let others = busy["agent"] + busy["model"];
        busy.entry("phones").and_modify(|phones| *phones -= others);
        let grown = memory.saturating_sub(self.idle) as f64 / 1024.0 / calls as f64;
        let missing = had.iter().map(|had| had.missing).sum::<f64>() / calls as f64;
        let held = had.iter().all(|had| had.answered.is_some()) && missing <= MISSING;
        let line = json!({
            "system": self.system, "calls": calls, "held": held,
            "answered": had.iter().filter(|had| had.answered.is_some()).count(),
            "ok_ms": quantiles(&had, |had| had.answered), "greeting_ms": quantiles(&had, |had| had.greeted),
            "missing": missing, "worst_missing": had.iter().map(|had| had.missing).fold(0.0, f64::max),
            "idle_mb": self.idle as f64 / 1024.0, "mb_a_call": grown, "cores": busy,
        });
        println!("{line}");
        writeln!(self.out, "{line}").unwrap();
        self.settled();
        held
    }

    /// Waits until the system is at rest, for 8 s at most: its memory by then, in KiB.
    fn settled(&self) -> u64 {
        let agent = self.trees["agent"];
        for _ in 0..8 {
            let before = agent.spent();
            sleep(Duration::from_secs(1));
            if between(&before, &agent.spent()) < Duration::from_millis(30) {
                break;
            }
        }
        agent.memory()
    }
}

fn spent(trees: &BTreeMap<&'static str, Tree>) -> BTreeMap<&'static str, Spent> {
    trees.iter().map(|(name, tree)| (*name, tree.spent())).collect()
}

/// Median and 95th percentile of those that have it, in milliseconds.
fn quantiles(had: &[Had], of: impl Fn(&Had) -> Option<Duration>) -> Value {
    let mut times: Vec<u128> = had.iter().filter_map(|had| Some(of(had)?.as_millis())).collect();
    times.sort_unstable();
    if times.is_empty() {
        return Value::Null;
    }
    let rank = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
    json!([u64::try_from(rank(50)).unwrap(), u64::try_from(rank(95)).unwrap()])
}
