//! Short calls of every kind, ten at once: nothing is left of them but their records.
//!
//! `tests/rig/soak` places more of them with a release binary and prints the same figures.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use dialplane::kit::backend::script::{Answer, Script};
use dialplane::kit::model::script::{Behaviour, Fault, Rule};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::ear::total;
use crate::phone::{Call, Dial};
use crate::rtp::Say;
use crate::world::{CALLER, CALLS, Plan, SLOTS, SOON, World, hears, hears_first, hears_out, pitch};

const AT_ONCE: usize = 10;

/// What CI places; another number by this variable.
const FEW: usize = 200;
const HOW_MANY: &str = "DIALPLANE_SOAK_CALLS";

/// One seed, one order of calls.
const SEED: u64 = 5;

/// The tasks that look after the pools of the router's HTTP clients, each begun when its pool is first used.
const POOLS: usize = 3;

const OFFERED: &str = "dialplane_calls_offered_total";
const YIELDED: &str = "dialplane_jobs_yielded_total";

const GREETING: Duration = Duration::from_millis(600);

/// As long as a trunk lets a call ring: a router that is late with its media has no room, and callers wait until it has.
const RINGS: Duration = Duration::from_secs(20);

/// What memory may grow by in 100 calls, in KiB, once the router is warm. A call that leaves 10 kB behind is found.
const GROWTH: f64 = 1000.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Talks,
    HangsUp,
    GivesUp,
    OutOfTime,
    Refused,
    BackendDown,
    /// Another model of the provider serves.
    ModelDown,
    /// About when the caller speaks; another model has heard it.
    ModelDrops,
    NoModel,
}

use Kind::{BackendDown, GivesUp, HangsUp, ModelDown, ModelDrops, NoModel, OutOfTime, Refused, Talks};

/// Every kind: how many of a hundred, and the only ending that its records may have.
const TABLE: [(Kind, u32, &str, Option<&str>); 9] = [
    (Talks, 30, "caller-hung-up", None),
    (HangsUp, 20, "caller-hung-up", None),
    (GivesUp, 13, "caller-cancelled", None),
    (OutOfTime, 8, "time-limit", None),
    (Refused, 8, "refused", Some("busy")),
    (BackendDown, 6, "caller-hung-up", None),
    (ModelDown, 5, "caller-hung-up", None),
    (ModelDrops, 5, "caller-hung-up", None),
    (NoModel, 5, "failed", Some("model-unavailable")),
];

impl Kind {
    fn drawn(random: &mut SmallRng) -> Self {
        let mut left = random.random_range(0..100);
        for (kind, share, ..) in TABLE {
            if left < share {
                return kind;
            }
            left -= share;
        }
        panic!("the shares make a hundred");
    }

    fn called(self) -> String {
        format!("+155577703{:02}", self as u8)
    }

    /// What the backend says of its number. Kept for all callers, so that what is kept does not grow with them.
    fn answer(self) -> Answer {
        let mut answer = json!({"voice": "marin", "systemPrompt": "You keep it short, whatever they ask.",
            "cache": {"by": ["called"]}});
        match self {
            Talks | HangsUp => {}
            GivesUp => answer["model"] = json!("slow"),
            OutOfTime => answer["limits"] = json!({"maxDurationSeconds": 1}),
            Refused => answer = json!({"action": "reject", "reject": {"reason": "busy"}}),
            BackendDown => return Answer::status(500),
            ModelDown => answer["model"] = json!("down"),
            ModelDrops => answer["model"] = json!("drops"),
            // A tenant of its own: its provider fails no other.
            NoModel => {
                answer["voice"] = json!("verse");
                answer["tenantId"] = json!("unlucky");
            }
        }
        Answer::ok(answer)
    }
}

fn plan() -> Plan {
    let good = Behaviour { greeting: GREETING, reply: GREETING, ..Behaviour::default() };
    let slow = Behaviour { first_audio: Duration::from_secs(2), ..good.clone() };
    let down = Behaviour { fault: Fault::RefuseUpgrade(503), ..good.clone() };
    let drops = Behaviour { fault: Fault::DropAfter(Duration::from_millis(1500)), ..good.clone() };
    let mut plan = Plan::new(good, &Value::Null).dialplan(
        "soak.toml",
        &format!(
            "tenant = \"soak\"\n[[route]]\nid = \"line\"\ncalled = [\"{}\"]\nagent = \"own\"\n\
             [agent.own]\nvoice = \"marin\"\nprompt = \"You answer while the backend is down.\"\n",
            BackendDown.called()
        ),
    );
    let fails = Fault::FailResponses { code: "server_error".to_owned() };
    plan.script = plan.script.with(Rule::voice("verse", Behaviour { fault: fails, ..down.clone() }));
    for (model, behaviour) in [("slow", slow), ("down", down), ("drops", drops)] {
        plan.script = plan.script.with(Rule::model(model, behaviour));
    }
    plan.backend = Some(Script::by_called(TABLE.map(|(kind, ..)| (kind.called(), kind.answer()))));
    plan
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn short_calls_ten_at_once_leave_nothing_but_their_records() {
    let calls = std::env::var(HOW_MANY).map_or(FEW, |calls| calls.parse().expect("a number of calls"));
    let world = World::start(plan()).await;
    let idle = Sample::take(&world, 0).await;
    let began = Instant::now();

    let (mut samples, mut kinds, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let round = (calls / 10).max(50);
    while kinds.len() < calls {
        let first = kinds.len();
        let drawn = (first..calls.min(first + round))
            .map(|at| Kind::drawn(&mut SmallRng::seed_from_u64(SEED + at as u64)));
        kinds.extend(drawn);
        let placed = kinds[first..].iter().enumerate().map(|(at, kind)| attempt(&world, *kind, first + at));
        let failed = stream::iter(placed).buffer_unordered(AT_ONCE).filter_map(std::future::ready);
        failures.extend(failed.collect::<Vec<_>>().await);
        let sample = rest(&world, &idle, kinds.len()).await;
        println!("{sample:?}");
        samples.push(sample);
    }
    let took = began.elapsed();
    // Who gives up before LiveKit has offered the call to anybody is no call of ours.
    let offered = (world.router.metric(OFFERED).await - world.router.metric(YIELDED).await) as usize;
    let never_offered = calls.saturating_sub(offered);
    let records = world.end(offered).await;
    failures.extend(wrong_records(&kinds, &records, never_offered));

    for (kind, _, ending, detail) in TABLE {
        let placed = kinds.iter().filter(|k| **k == kind).count();
        println!("{placed:>5} {kind:?}: {ending} {}", detail.unwrap_or_default());
    }
    println!("{calls} calls in {:.0} s, {} not as the table says", took.as_secs_f64(), failures.len());
    println!("given up before they were offered: {never_offered}");
    let growth = growth(&samples);
    let (warm, end) = (&samples[0], &samples[samples.len() - 1]);
    println!("memory: idle {} kB, warm {} kB, at the end {} kB", idle.memory, warm.memory, end.memory);
    println!("memory: {growth:.0} kB in 100 calls");
    println!("open files and sockets: idle {}, at the end {}", idle.descriptors, end.descriptors);
    println!("tasks: idle {}, warm {}, at the end {}", idle.tasks, warm.tasks, end.tasks);
    assert!(failures.is_empty(), "not as the table says: {failures:#?}");
    assert!(growth < GROWTH, "memory grows by {growth:.0} kB in 100 calls: {samples:?}");
}

/// Places one call; why it did not go as its kind should.
async fn attempt(world: &World, kind: Kind, at: usize) -> Option<String> {
    let mut call = Call::place(&world.rig, &Dial::new(&kind.called(), &caller(at)));
    let failed = AssertUnwindSafe(go_through(&mut call, kind, at)).catch_unwind().await.err()?;
    // Or it would hold up the rest of the round.
    call.hang_up();
    let _ended = AssertUnwindSafe(call.over(SOON)).catch_unwind().await;
    let why = failed.downcast_ref::<String>().cloned();
    let why = why.or_else(|| Some((*failed.downcast_ref::<&str>()?).to_owned()));
    Some(format!("call {at}, {kind:?}: {}", why.unwrap_or_default()))
}

async fn go_through(call: &mut Call, kind: Kind, at: usize) {
    let mut random = SmallRng::seed_from_u64(SEED ^ at as u64);
    let mut some_time = |most: u64| Duration::from_millis(random.random_range(0..most));
    match kind {
        Talks | ModelDrops => {
            call.answered(RINGS).await;
            talk(call).await;
            call.hang_up();
        }
        HangsUp | BackendDown | ModelDown => {
            call.answered(RINGS).await;
            // A noisy line.
            call.endpoint.say(vec![Say::Murmur { hz: CALLER, length: SOON }]);
            hears_first(call, pitch("marin")).await;
            tokio::time::sleep(some_time(1000)).await;
            call.hang_up();
        }
        GivesUp => {
            call.wait("it rings", SOON, |times| times.ringing).await;
            tokio::time::sleep(some_time(1200)).await;
            call.hang_up();
        }
        OutOfTime => {
            call.answered(RINGS).await;
            hears_first(call, pitch("marin")).await;
        }
        Refused | NoModel => {}
    }
    let (times, status) = call.over(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}: {times:?}");
    let refused = times.refused.map(|(_, code)| code);
    match kind {
        Talks | HangsUp | BackendDown | ModelDown | ModelDrops => {
            assert_eq!(times.let_go, None, "the caller hung up");
        }
        GivesUp => assert_eq!((refused, times.answered), (Some(487), None)),
        OutOfTime => assert!(times.let_go.is_some(), "the router hung up: {times:?}"),
        // livekit-sip knows no other refusal.
        Refused | NoModel => assert_eq!((refused, times.answered), (Some(486), None)),
    }
}

/// The greeting, a word, and the answer to it.
async fn talk(call: &Call) {
    let voice = pitch("marin");
    let heard = hears_out(call, voice).await;
    let greeted = total(&heard, voice);
    if greeted < GREETING.mul_f64(0.8) {
        println!("{greeted:?} of the greeting are heard: {heard:?}, {:?}", call.endpoint.delivery());
    }
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_millis(300) }]);
    let answered = |heard: &[_]| (total(heard, voice) > greeted + GREETING / 4).then_some(());
    hears(call, "an answer is heard", &[voice], answered).await;
}

/// Nobody else calls from there.
fn caller(at: usize) -> String {
    format!("+1555123{at:04}")
}

/// What the router holds while no call is up.
#[derive(Debug)]
struct Sample {
    calls: usize,
    /// Resident, in KiB.
    memory: u64,
    descriptors: usize,
    /// Those of kept HTTP connections left out, as `descriptors` leaves out their sockets.
    tasks: usize,
}

impl Sample {
    async fn take(world: &World, calls: usize) -> Self {
        let descriptors = world.descriptors();
        let kept = world.router.descriptors(&[]) - descriptors;
        let tasks = world.router.metric("dialplane_tasks").await as usize;
        Self { calls, memory: world.router.memory(), descriptors, tasks: tasks.saturating_sub(kept) }
    }
}

/// Waits until the router holds no more than before the first call.
async fn rest(world: &World, idle: &Sample, calls: usize) -> Sample {
    world.livekit.wait_until_empty().await;
    let deadline = Instant::now() + SOON;
    loop {
        let held = world.router.metric(SLOTS).await + world.router.metric(CALLS).await;
        let now = Sample::take(world, calls).await;
        if held == 0.0 && now.descriptors <= idle.descriptors && now.tasks <= idle.tasks + POOLS {
            return now;
        }
        assert!(Instant::now() < deadline, "at rest with {held} calls: {now:?}, before any: {idle:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Callers that have not exactly one record with the ending of their kind. Of those who give up, so many have none.
fn wrong_records(kinds: &[Kind], records: &[Value], mut never_offered: usize) -> Vec<String> {
    let mut by_caller: BTreeMap<&str, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    for record in records {
        let number = record["call"]["caller"]["number"].as_str().unwrap_or_default();
        let ending = &record["ending"];
        let ending = (ending["how"].as_str().unwrap_or_default(), ending["detail"].as_str());
        by_caller.entry(number).or_default().push(ending);
    }
    // Who gives up before we are in the room is recorded without a name.
    let mut nameless = by_caller.remove("").unwrap_or_default();
    let wrong = kinds.iter().enumerate().filter_map(|(at, kind)| {
        let found = by_caller.remove(caller(at).as_str());
        let found = found.or_else(|| (*kind == GivesUp).then(|| nameless.pop().into_iter().collect()));
        let found = found.unwrap_or_default();
        let (.., ending, detail) = TABLE.into_iter().find(|row| row.0 == *kind)?;
        // Of a caller who gives up while it joins, livekit-sip leaves without a word, and LiveKit shows them for 20 s more.
        let unannounced = *kind == GivesUp && found == [("failed", Some("not-answered"))];
        if *kind == GivesUp && found.is_empty() && never_offered > 0 {
            never_offered -= 1;
            return None;
        }
        let is_wrong = found != [(ending, detail)] && !unannounced;
        is_wrong.then(|| format!("call {at}, {kind:?}: recorded as {found:?}"))
    });
    wrong.collect()
}

/// KiB in 100 calls: the slope of the straight line that fits best.
fn growth(samples: &[Sample]) -> f64 {
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
    let calls = mean(&|sample| sample.calls as f64);
    let memory = mean(&|sample| sample.memory as f64);
    let slope = |over: &dyn Fn(&Sample) -> f64| -> f64 {
        samples.iter().map(|sample| (sample.calls as f64 - calls) * over(sample)).sum()
    };
    100.0 * slope(&|sample| sample.memory as f64 - memory) / slope(&|sample| sample.calls as f64 - calls)
}

#[test]
fn growth_is_what_a_hundred_calls_leave_behind() {
    let samples = [(50, 10_000), (100, 10_600), (150, 11_000), (200, 11_600)].map(|(calls, memory)| Sample {
        calls,
        memory,
        descriptors: 0,
        tasks: 0,
    });
    let growth = growth(&samples);
    assert!((growth - 1040.0).abs() < 1.0, "{growth}");
}
