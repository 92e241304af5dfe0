//! How long our voice goes on once the caller speaks, and whose share of it is ours.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::Behaviour;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::ear::stopped;
use crate::relay::{Path, Relay};
use crate::rig::until;
use crate::rtp::Say;
use crate::world::{ACME, CALLER, Plan, SOON, World, hears, pitch};

const SEED: u64 = 300;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn our_share_of_the_delay_to_silence_is_under_60_ms_whenever_the_caller_speaks() {
    let behaviour = Behaviour { greeting: ms(10_000), ..Behaviour::default() };
    let answer = json!({"voice": "marin", "systemPrompt": "You let everybody finish their sentences.",
        "startMessage": "This greeting is far too long for anybody to listen to its end."});
    let (world, relay) = World::start_with(Plan::new(behaviour, &answer), async |rig, _| {
        let relay = Relay::open(rig, Path::default()).await;
        (BTreeMap::from([("LIVEKIT_URL".to_owned(), relay.url.clone())]), relay)
    })
    .await;
    let mut rng = SmallRng::seed_from_u64(SEED);
    let moments = [ms(300), ms(300)].into_iter().chain((0..4).map(|_| ms(rng.random_range(320..3_000))));
    let moments: Vec<Duration> = moments.collect();
    for (index, moment) in moments.iter().enumerate() {
        interrupt(&world, &relay, index, *moment).await;
    }
    let records = world.end(moments.len()).await;
    assert!(records.iter().all(|record| record["barge_ins"] == 1), "{records:?}");
}

async fn interrupt(world: &World, relay: &Relay, index: usize, moment: Duration) {
    let mut call = world.call(ACME);
    let began = Instant::now();
    call.answered(SOON).await;
    let greeted = until("the greeting has begun", SOON, || relay.first_speech(began)).await;
    tokio::time::sleep_until((greeted + moment).into()).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(800) }]);
    let noticed =
        |session: &SessionLog| session.truncations.first().map(|_| session.speech_started[0].into_std());
    let noticed = world.model.wait_for(|sessions| noticed(sessions.get(index)?), SOON).await.unwrap();
    let (spoke, _) = call.endpoint.said()[0];
    let quiet = hears(&call, "our audio has stopped", &[pitch("marin")], |_| {
        let timeline = call.endpoint.timeline()?;
        Some(timeline.start + stopped(&timeline.samples, timeline.at(spoke))?)
    })
    .await;
    let last = relay.last_speech(began).expect("there was a greeting");
    let from = |moment: Instant| match moment.checked_duration_since(noticed) {
        Some(after) => after.as_secs_f64() * 1000.0,
        None => -(noticed - moment).as_secs_f64() * 1000.0,
    };
    let (ours, carrier) = (from(last), from(quiet));
    println!(
        "caller speaks {} ms into the greeting: noticed by the model after {} ms; from there our last frame of speech \
         {ours:.1} ms, the carrier's last sound {carrier:.0} ms",
        spoke.saturating_duration_since(greeted).as_millis(),
        (noticed - spoke).as_millis(),
    );
    assert!(ours < 60.0, "our audio went on for {ours} ms");
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    world.livekit.wait_until_alone().await;
}
