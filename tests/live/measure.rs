//! How fast and how heavy: `tests/rig/measure` runs this with a release binary and prints what it measured.

use std::time::{Duration, Instant};

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::phone::Call;
use crate::world::{ACME, Plan, SOON, World, hears_first, pitch};

const CALLS: usize = 20;
const AT_ONCE: usize = 10;

/// How long the calls at once are watched.
const WATCH: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn calls_one_after_the_other_and_ten_at_once() {
    // A model that answers at once, so that what is measured is ours and LiveKit's, and then goes on not much faster
    // than it speaks, so that encoding counts into the processor time of the calls that are watched.
    let (delta, delta_gap) = (Duration::from_millis(200), Duration::from_millis(150));
    let behaviour = Behaviour { greeting: Duration::from_secs(30), delta, delta_gap, ..Behaviour::default() };
    let answer = json!({"voice": "marin", "systemPrompt": "You greet the caller without any delay."});
    let world = World::start(Plan::new(behaviour, &answer)).await;
    let idle = world.router.memory();
    println!("idle                 {:.1} MB", megabytes(idle));

    let (mut answered, mut greeted) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let mut call = world.call(ACME);
        call.answered(SOON).await;
        let heard = hears_first(&call, pitch("marin")).await;
        call.hang_up();
        let (times, status) = call.over(SOON).await;
        assert!(status.success());
        answered.push(times.since_invite(times.answered.unwrap()));
        greeted.push(times.since_invite(heard));
        world.livekit.wait_until_alone().await;
    }
    print("INVITE to 200 OK", &mut answered);
    print("INVITE to greeting", &mut greeted);
    println!("after {CALLS} calls       {:.1} MB", megabytes(world.router.memory()));

    let before = world.router.memory();
    let mut calls: Vec<Call> = (0..AT_ONCE).map(|_| world.call(ACME)).collect();
    for call in &calls {
        call.answered(SOON).await;
        hears_first(call, pitch("marin")).await;
    }
    let (began, cpu) = (Instant::now(), world.router.cpu());
    tokio::time::sleep(WATCH).await;
    let share = (world.router.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let grown = world.router.memory().saturating_sub(before);
    println!("{AT_ONCE} calls at once     {:.1} % of a core a call", 100.0 * share / AT_ONCE as f64);
    println!("                     {:.2} MB a call", megabytes(grown) / AT_ONCE as f64);
    for call in &mut calls {
        call.hang_up();
        assert!(call.over(SOON).await.1.success());
    }
    world.end(CALLS + AT_ONCE).await;
}

fn print(name: &str, times: &mut [Duration]) {
    times.sort();
    let rank = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1].as_millis();
    println!("{name:<20} median {} ms, p95 {} ms, of {} calls", rank(50), rank(95), times.len());
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
