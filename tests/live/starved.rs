//! A router that gets a quarter of the time it wants: its callers stay, and new ones go elsewhere.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::ear::{Sound, total};
use crate::phone::Call;
use crate::rig::until_every;
use crate::router::Router;
use crate::rtp::Say;
use crate::world::{ACME, CALLER, Plan, SOON, World, hang_up, hear, hears, hears_first, hears_out, pitch};

const VOICE: &str = "marin";
const GREETING: Duration = Duration::from_secs(2);
const REPLY: Duration = Duration::from_secs(3);

/// A call that nobody can take rings no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A router that stands still for three quarters of the time, for as long as this lives.
struct Starved<'a> {
    router: &'a Router,
    /// Stops it for 30 ms, lets it run for 10 ms, and so on.
    gaoler: Child,
}

impl<'a> Starved<'a> {
    fn new(router: &'a Router) -> Self {
        // Reading from a pipe that nobody writes to waits without another process.
        const TURNS: &str = "exec {never}<> <(:); while kill -STOP $0; do read -rt 0.03 -u $never; \
                             kill -CONT $0; read -rt 0.01 -u $never; done";
        let mut bash = Command::new("bash");
        bash.args(["-c", TURNS, &router.id().to_string()]).stdin(Stdio::null());
        Self { router, gaoler: bash.spawn().expect("bash is there") }
    }
}

impl Drop for Starved<'_> {
    fn drop(&mut self) {
        let _ended = self.gaoler.kill().and_then(|()| self.gaoler.wait());
        self.router.signal("CONT");
    }
}

/// Waits until the share of its frames that leave late is like this.
async fn late(router: &Router, what: &str, is: impl Fn(f64) -> bool) {
    until_every(Duration::from_millis(100), what, SOON, async || {
        // It may be too late with its metrics too.
        let (_, metrics) = router.get("/metrics").await?;
        let share = metrics.lines().find_map(|line| line.strip_prefix("dialplane_late_frames_ratio "))?;
        is(share.parse().ok()?).then_some(())
    })
    .await;
}

/// The caller asks something and is answered; how much of the answer was heard.
async fn answer_heard(call: &Call) -> Duration {
    let before = total(&hear(call, &[pitch(VOICE)]), pitch(VOICE));
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_secs(1) }]);
    let heard = hears(call, "the answer was heard", &[pitch(VOICE)], |heard| {
        let quiet = heard.last().filter(|h| h.sound == Sound::Silence)?.length();
        let heard = total(heard, pitch(VOICE)) - before;
        (quiet > Duration::from_secs(1) && heard > REPLY / 2).then_some(heard)
    })
    .await;
    println!("{heard:?} of {REPLY:?} heard");
    heard
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_starved_routers_callers_stay_and_new_ones_are_taken_elsewhere_until_it_is_well() {
    let answer = json!({"voice": VOICE, "systemPrompt": "You have all the time in the world."});
    let behaviour = Behaviour { greeting: GREETING, reply: REPLY, ..Behaviour::default() };
    let world = World::start(Plan::new(behaviour, &answer)).await;
    let starving = &world.router;
    let first = [world.call(ACME), world.call(ACME)];
    for call in &first {
        call.answered(SOON).await;
        hears_out(call, pitch(VOICE)).await;
    }

    let starved = Starved::new(starving);
    late(starving, "it finds itself late", |share| share >= 0.1).await;
    // Alone it lets a caller ring rather than answer with dead air.
    let ringing = world.call(ACME);
    ringing.wait("it rings", SOON, |times| times.ringing).await;
    let well = Router::start(&world.rig, &world.settings).await;
    ringing.answered(PATIENCE).await;
    hears_first(&ringing, pitch(VOICE)).await;
    let next = [world.call(ACME), world.call(ACME)];
    for call in &next {
        call.answered(SOON).await;
        hears_first(call, pitch(VOICE)).await;
    }
    for call in &first {
        assert!(answer_heard(call).await >= REPLY.mul_f64(0.8), "a starved call is a call still");
    }
    assert_eq!(starving.metric("dialplane_calls_offered_total").await, 2.0, "it took no other");
    assert_eq!(well.metric("dialplane_calls_offered_total").await, 3.0);

    drop(starved);
    late(starving, "it is in time again", |share| share < 0.02).await;
    assert!(answer_heard(&first[0]).await >= REPLY.mul_f64(0.95), "as good as before");
    hang_up(next.into_iter().chain([ringing])).await;
    let elsewhere = well.stop().await;
    let last = world.call(ACME);
    last.answered(SOON).await;
    hears_first(&last, pitch(VOICE)).await;
    hang_up(first.into_iter().chain([last])).await;
    for records in [elsewhere, world.end(3).await] {
        assert_eq!(records.len(), 3, "{records:?}");
        assert!(records.iter().all(|record| record["ending"]["how"] == "caller-hung-up"), "{records:?}");
    }
}
