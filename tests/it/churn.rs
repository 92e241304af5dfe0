//! Dialplans that change on a real disk under thousands of calls: every number leads where it should at every moment.

mod files;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dialplane::call::{Call, CallId, Caller, Diverter, Number, Origin, Trunk};
use dialplane::dialplan::reload::Reloader;
use dialplane::dialplan::trunk::Trunks;
use dialplane::dialplan::{Action, Dialplan, Routed, Set};
use dialplane::document::Process;
use dialplane::tenant::Choice;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::reload::Scratch;
use files::{CHANGES, CHANGING, ROUND, ROUNDS, State, apply, begin, changes};

/// A change takes effect within 1 s; a busy machine that runs tests may need longer.
const LIMIT: Duration = Duration::from_secs(5);
/// An unoptimised build shares the machine with tests that keep time, and its rate says nothing anyway.
const RESOLVERS: usize = if cfg!(debug_assertions) { 1 } else { 2 };
/// Half of what is promised of resolution, so that a busy machine fails nobody.
const LEAST_PER_MS: f64 = 500.0;

/// A Monday's noon and midnight in New York.
const DAY: &str = "2026-11-23T17:00:00Z";
const NIGHT: &str = "2026-11-24T05:00:00Z";

/// The tenant `""` is nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    tenant: String,
    route: String,
    voice: Option<String>,
}

impl Outcome {
    fn of(routed: Option<&Routed>) -> Self {
        let (tenant, route, voice) = parts(routed);
        Self { tenant: tenant.to_owned(), route: route.to_owned(), voice: voice.map(str::to_owned) }
    }

    fn is(&self, routed: Option<&Routed>) -> bool {
        parts(routed) == (&self.tenant, &self.route, self.voice.as_deref())
    }
}

fn parts(routed: Option<&Routed>) -> (&str, &str, Option<&str>) {
    let Some(routed) = routed else { return ("", "", None) };
    let voice = match &routed.action {
        Action::Answer { agent } => agent.as_ref().map(|agent| &agent.voice),
        Action::Instead(_) => None,
    };
    let voice = match voice {
        Some(Choice::This(voice)) => Some(voice.as_str()),
        Some(Choice::Unsaid | Choice::Nothing) | None => None,
    };
    (routed.tenant.id.as_str(), &routed.route, voice)
}

/// A call, and where it leads in each state.
struct Probe {
    call: Call,
    at: Timestamp,
    outcomes: Vec<Outcome>,
}

fn call(called: &str) -> Call {
    let origin = Origin::LiveKit { project: "main".into() };
    Call::new(CallId::from_u128(1), origin, Timestamp::UNIX_EPOCH, Number::read(called, None))
}

fn caller(last: usize) -> Caller {
    Caller::Number(Number::read(&format!("+1555123{last:04}"), None))
}

/// Calls to the tenants that nobody touches, each with its tenant and route.
fn steady() -> Vec<(Call, &'static str, &'static str, &'static str)> {
    let on_trunk = Some(Trunk { id: "ST_globex".into(), name: None });
    let sent_on = Some(Diverter::open(Number::read("+15556001234", None)));
    vec![
        (call("+15551000001"), DAY, "acme", "exact"),
        (call("+15551000002"), DAY, "acme", "office"),
        (call("+15551000002"), NIGHT, "acme", "closed"),
        (call("+15551000077"), DAY, "acme", "block"),
        (call("+15551100123"), DAY, "acme", "pattern"),
        (call("+15551104999"), DAY, "acme", "pattern"),
        (call("+15551105000"), DAY, "", ""),
        (Call { trunk: on_trunk, ..call("+15551200002") }, DAY, "globex", "on-trunk"),
        (call("+15551200002"), DAY, "", ""),
        (Call { diverter: sent_on, ..call("+15551200003") }, DAY, "globex", "sent-on"),
        (call("+15551200003"), DAY, "globex", "direct"),
        (call("+15551300007"), DAY, "zenith", "numbers_file"),
        (call("+15551301999"), NIGHT, "zenith", "numbers_file"),
    ]
}

fn probes(states: &[State], first: &Dialplan) -> Vec<Probe> {
    let always = |outcome: Outcome| vec![outcome; states.len()];
    let mut probes: Vec<Probe> = steady()
        .into_iter()
        .map(|(call, at, tenant, route)| {
            let outcome = Outcome { tenant: tenant.to_owned(), route: route.to_owned(), voice: None };
            Probe { call, at: at.parse().unwrap(), outcomes: always(outcome) }
        })
        .collect();
    // A caller stays with the share that is theirs at first.
    for last in 0..20 {
        let (call, at) = (Call { caller: caller(last), ..call("+15551200001") }, DAY.parse().unwrap());
        let outcome = Outcome::of(first.resolve(&call, at).as_ref());
        assert_eq!(outcome.tenant, "globex");
        probes.push(Probe { call, at, outcomes: always(outcome) });
    }
    let shares: BTreeSet<&str> = probes.iter().map(|probe| probe.outcomes[0].route.as_str()).collect();
    assert!(shares.contains("trial") && shares.contains("rest"), "{shares:?}");
    for (number, called) in CHANGING.into_iter().enumerate() {
        let outcomes = states.iter().map(|state| state.outcomes()[number].clone()).collect();
        probes.push(Probe { call: call(called), at: DAY.parse().unwrap(), outcomes });
    }
    probes
}

/// What the resolvers hold the dialplan to: any state from the last one that was seen in force to the newest on disk.
#[derive(Default)]
struct Bounds {
    seen: AtomicUsize,
    newest: AtomicUsize,
    done: AtomicBool,
    resolved: AtomicU64,
}

/// Resolves as calls do, and panics at the first wrong answer.
fn resolve_all(probes: &[Probe], current: &watch::Receiver<Arc<Dialplan>>, bounds: &Bounds) {
    while !bounds.done.load(Ordering::SeqCst) {
        for probe in probes {
            let from = bounds.seen.load(Ordering::SeqCst);
            let dialplan = Arc::clone(&current.borrow());
            let routed = dialplan.resolve(&probe.call, probe.at);
            if probe.outcomes[from].is(routed.as_ref()) {
                continue;
            }
            let to = bounds.newest.load(Ordering::SeqCst);
            let allowed = &probe.outcomes[from..=to];
            let found = Outcome::of(routed.as_ref());
            assert!(allowed.contains(&found), "after {from} to {to} changes {found:?}, not of {allowed:?}");
        }
        bounds.resolved.fetch_add(probes.len() as u64, Ordering::Relaxed);
    }
}

/// What was read last: the dialplan's errors by file. Sent after the dialplan itself.
type Broken = watch::Receiver<BTreeSet<String>>;

async fn in_force(state: &State, current: &watch::Receiver<Arc<Dialplan>>, broken: &mut Broken) {
    let expected: BTreeSet<String> = state.broken.iter().map(|file| (*file).to_owned()).collect();
    let holds = |found: &BTreeSet<String>| {
        let dialplan = Arc::clone(&current.borrow());
        let leads =
            |called: &str| Outcome::of(dialplan.resolve(&call(called), DAY.parse().unwrap()).as_ref());
        *found == expected && CHANGING.map(leads) == state.outcomes()
    };
    let waited = timeout(LIMIT, broken.wait_for(holds)).await.map(|seen| seen.map(|_| ()));
    assert!(matches!(waited, Ok(Ok(()))), "not in force: {state:?}, but {:?}", *broken.borrow());
}

/// The reloader as the router wires it, and the errors of each reading.
fn keep(
    disk: &Scratch,
    stop: CancellationToken,
) -> (watch::Receiver<Arc<Dialplan>>, Broken, impl Future<Output = ()> + Send + 'static) {
    let folder = disk.path("d");
    let reloader = Reloader::new(&folder);
    let mut set = Set::new(Trunks::default());
    let first = set.reload(&folder, &Process, Timestamp::now());
    assert!(!first.has_errors(), "{:?}", first.diagnostics);
    let (current, watched) = watch::channel(Arc::new(first.dialplan));
    let (broken, seen) = watch::channel(BTreeSet::new());
    let reload = move || {
        let loaded = set.reload(&folder, &Process, Timestamp::now());
        current.send_replace(Arc::new(loaded.dialplan));
        let errors = loaded.diagnostics.iter().filter(|found| found.is_error());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        broken.send_replace(errors.filter_map(|found| found.place.path().map(name)).collect());
        loaded.attachments
    };
    (watched, seen, reloader.run(first.attachments, stop, reload))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn while_files_change_a_hundred_times_every_call_finds_its_own_tenant() {
    let disk = Scratch::new();
    let mut states = vec![begin(&disk)];
    for (change, version) in changes() {
        states.push(states[states.len() - 1].after(change, version));
    }
    assert_eq!(states.len(), CHANGES + 1);
    let stop = CancellationToken::new();
    let (current, mut broken, kept) = keep(&disk, stop.clone());
    let probes = Arc::new(probes(&states, &current.borrow()));
    let bounds = Arc::new(Bounds::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(kept);
    let resolvers: Vec<_> = (0..RESOLVERS)
        .map(|_| {
            let (probes, current, bounds) = (Arc::clone(&probes), current.clone(), Arc::clone(&bounds));
            thread::spawn(move || resolve_all(&probes, &current, &bounds))
        })
        .collect();

    let began = Instant::now();
    let mut made = changes();
    for group in std::iter::repeat_n(ROUND, ROUNDS).flatten() {
        for (change, version) in made.by_ref().take(group.len()) {
            bounds.newest.fetch_add(1, Ordering::SeqCst);
            apply(change, version, &disk);
        }
        let newest = bounds.newest.load(Ordering::SeqCst);
        in_force(&states[newest], &current, &mut broken).await;
        bounds.seen.store(newest, Ordering::SeqCst);
    }
    let took = began.elapsed();
    bounds.done.store(true, Ordering::SeqCst);
    for resolver in resolvers {
        let ended = spawn_blocking(move || resolver.join()).await.unwrap();
        ended.expect("no wrong answer");
    }
    stop.cancel();
    timeout(LIMIT, tasks.join_next()).await.expect("the reloader ends").unwrap().unwrap();

    let resolved = bounds.resolved.load(Ordering::SeqCst);
    let per_ms = resolved as f64 / took.as_secs_f64() / 1000.0;
    eprintln!("{CHANGES} changes in {took:?}: {resolved} resolutions, {per_ms:.0} a millisecond");
    assert!(cfg!(debug_assertions) || per_ms >= LEAST_PER_MS, "{per_ms} a millisecond");
}
