//! How evenly our frames leave, with as many calls up as this machine should hold.

use std::thread;
use std::time::{Duration, Instant};

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::router::Router;
use crate::world::{ACME, Plan, SOON, World, hears_first, pitch};

/// What a router that was built for speed holds, with its servers and phones on two cores, and what another does.
const CALLS: usize = 20;
const FEW_CALLS: usize = 5;
const FRAME: Duration = Duration::from_millis(20);
/// A router that is late with its media has no room for a moment.
const RINGS: Duration = Duration::from_secs(20);
const WATCH: Duration = Duration::from_secs(8);

/// Bounds of `dialplane_frame_jitter_seconds`. Frames are to be within [`AIM`].
const BOUNDS: [&str; 3] = ["0.001", "0.002", "0.004"];
const AIM: usize = 1;

/// The model speaks on, in pieces much longer than a frame.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn frames_leave_every_20_ms_with_twenty_calls_up() {
    let count = if cfg!(debug_assertions) && Router::is_of_this_build() { FEW_CALLS } else { CALLS };
    let (delta, delta_gap) = (Duration::from_millis(400), Duration::from_millis(250));
    let behaviour = Behaviour { greeting: Duration::from_secs(60), delta, delta_gap, ..Behaviour::default() };
    let answer = json!({"voice": "marin", "systemPrompt": "You speak evenly, whoever else is speaking."});
    let world = World::start(Plan::new(behaviour, &answer)).await;
    let mut calls = Vec::new();
    for _ in 0..count {
        let call = world.call(ACME);
        call.answered(RINGS).await;
        calls.push(call);
    }
    hears_first(calls.last().expect("a call"), pitch("marin")).await;
    let before = Left::so_far(&world).await;
    let bare = tokio::task::spawn_blocking(bare_timer).await.expect("no panic");
    let left = Left::so_far(&world).await.since(&before);
    for call in &mut calls {
        call.hang_up();
    }
    for call in &mut calls {
        assert!(call.over(SOON).await.1.success());
    }
    let records = world.end(count).await;

    let share = left.share();
    let jitter = records.iter().filter_map(|record| record["media"]["sent"]["jitter_ms"].as_f64());
    let jitter = jitter.fold(0.0, f64::max);
    println!(
        "{} frames of {count} calls after 20 ms: {:.2} % within 1 ms, {:.2} % within 2, {:.2} % within 4; a thread that only \
         sleeps: {:.2} %, {:.2} %, {:.2} %; as LiveKit saw the frames, at most {jitter} ms of jitter",
        left.all, share[0], share[1], share[2], bare[0], bare[1], bare[2],
    );
    assert!(records.iter().all(|record| record["media"]["unsent"] == 0), "{records:?}");
    let expected = count as f64 * WATCH.as_secs_f64() / FRAME.as_secs_f64();
    assert!((left.all / expected - 1.0).abs() < 0.02, "{} frames instead of {expected}", left.all);
    let (off, bare_off) = (100.0 - share[AIM], 100.0 - bare[AIM]);
    assert!(
        off <= 5.0 + 3.0 * bare_off,
        "{off} % of the frames and {bare_off} % of a bare thread's turns are further off"
    );
}

/// What part of the turns of a thread that does nothing but sleep 20 ms is off by no more than each of [`BOUNDS`]: no
/// program on this machine, with the servers and phones of twenty calls on it, can do much better.
fn bare_timer() -> [f64; BOUNDS.len()] {
    let turns = u32::try_from(WATCH.as_millis() / FRAME.as_millis()).expect("a few");
    let begun = Instant::now();
    let mut left = Left { all: 0.0, within: [0.0; BOUNDS.len()] };
    let mut last = begun;
    for turn in 1..=turns {
        thread::sleep((begun + FRAME * turn).saturating_duration_since(Instant::now()));
        let now = Instant::now();
        let off = (now - last).abs_diff(FRAME);
        left.all += 1.0;
        for (within, bound) in left.within.iter_mut().zip(BOUNDS) {
            *within += f64::from(off.as_secs_f64() <= bound.parse().expect("a number"));
        }
        last = now;
    }
    left.share()
}

/// Frames that left, and those of them that were off by no more than each of [`BOUNDS`].
struct Left {
    all: f64,
    within: [f64; BOUNDS.len()],
}

impl Left {
    /// In percent.
    fn share(&self) -> [f64; BOUNDS.len()] {
        self.within.map(|frames| 100.0 * frames / self.all)
    }

    async fn so_far(world: &World) -> Self {
        let metrics = world.router.metrics().await;
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().parse().expect("a number")
        };
        let within =
            BOUNDS.map(|bound| value(&format!("dialplane_frame_jitter_seconds_bucket{{le=\"{bound}\"}}")));
        Self { all: value("dialplane_frame_jitter_seconds_count"), within }
    }

    fn since(&self, before: &Self) -> Self {
        let mut within = self.within;
        within.iter_mut().zip(before.within).for_each(|(frames, before)| *frames -= before);
        Self { all: self.all - before.all, within }
    }
}
