//! Calls through a bad network between the router and LiveKit: what either side hears, and what the record says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::ear::{gaps, missing};
use crate::network::Weather;
use crate::relay::{Path, Relay};
use crate::room::{converses, goes_on_after};
use crate::rtp::Say;
use crate::world::{ACME, CALLER, Plan, SOON, World, hears_first, hears_out, pitch};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What a call in that weather came to.
struct Outcome {
    /// The carrier: the share of our speech that it did not hear, in percent, and the longest silence in it.
    missing: f64,
    gap: Duration,
    /// The model: what it took the caller's one sentence of 3 s for.
    utterances: Vec<(Duration, Option<f32>)>,
    /// What the record says.
    media: Value,
}

async fn call_in(what: &str, weather: Weather) -> Outcome {
    let (greeting, sentence) = (ms(4_000), ms(3_000));
    let behaviour = Behaviour { greeting, reply: ms(200), ..Behaviour::default() };
    let answer = json!({"voice": "marin", "systemPrompt": "You understand people on bad lines."});
    let path = Path { seed: 5, to_router: weather, to_livekit: weather };
    let (world, relay) = World::start_with(Plan::new(behaviour, &answer), async |rig, _| {
        let relay = Relay::open(rig, path).await;
        (BTreeMap::from([("LIVEKIT_URL".to_owned(), relay.url.clone())]), relay)
    })
    .await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    let voice = pitch("marin");
    let heard = hears_out(&call, voice).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: sentence }]);
    let over = |session: &SessionLog| {
        session.utterances.last().is_some_and(|said| said.stopped.is_some()).then_some(())
    };
    world.model.wait_for(|sessions| over(sessions.first()?), SOON).await.unwrap();
    let said = world.model.sessions()[0].utterances.clone();
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    let media = world.end(1).await[0]["media"].clone();
    let outcome = Outcome {
        missing: missing(&heard, voice, greeting),
        gap: gaps(&heard, voice).iter().map(|gap| gap.length()).max().unwrap_or_default(),
        utterances: said.iter().map(|said| (said.voiced, said.tone_hz)).collect(),
        media,
    };
    println!(
        "{what}: the carrier misses {:.1} % of our speech, longest gap {} ms; the model hears {:?}; {}",
        outcome.missing,
        outcome.gap.as_millis(),
        outcome.utterances,
        outcome.media
    );
    // ICE has found no way past the relay; the last frame may have been counted and not sent.
    let relayed: usize = relay.sent().iter().map(Vec::len).sum();
    assert!(outcome.number("sent", "packets") - relayed as f64 <= 1.0, "{what}: {relayed} relayed");
    outcome
}

impl Outcome {
    /// One sentence of 3 s and of one tone, with nothing in it that the model would take for its end.
    fn assert_understood(&self) {
        let [(voiced, tone)] = self.utterances[..] else { panic!("one sentence: {:?}", self.utterances) };
        assert!(voiced.abs_diff(ms(3_000)) <= ms(200), "{voiced:?}");
        assert!((tone.expect("a pure tone") - CALLER as f32).abs() < 5.0, "{tone:?}");
    }

    fn number(&self, way: &str, name: &str) -> f64 {
        self.media[way][name].as_f64().unwrap_or_else(|| panic!("no {name}: {}", self.media))
    }

    fn share_lost(&self, way: &str) -> f64 {
        let lost = self.number(way, "lost");
        lost / (self.number(way, "packets") + if way == "received" { lost } else { 0.0 })
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_is_understood_through_loss_and_the_record_says_how_much_there_was() {
    for (what, burst) in [("5 % lost", 1), ("5 % lost, 2 at once", 2)] {
        let outcome = call_in(what, Weather { loss: 0.05, burst, ..Weather::default() }).await;
        outcome.assert_understood();
        for way in ["received", "sent"] {
            let share = outcome.share_lost(way);
            assert!((0.01..0.12).contains(&share), "{what}: {way} {share}");
        }
        // livekit-sip conceals nothing: what the network takes is missing, and no more than that.
        assert!(outcome.missing < 12.0, "{what}: {} %", outcome.missing);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn jitter_and_disorder_take_nothing_from_what_the_model_hears() {
    let jitter = Weather { jitter: ms(50), ..Weather::default() };
    let disorder = Weather { reorder: 0.1, duplicate: 0.05, ..Weather::default() };
    for (what, weather) in [("50 ms jitter", jitter), ("overtaken by up to 3", disorder)] {
        let outcome = call_in(what, weather).await;
        outcome.assert_understood();
        // The last one may have been overtaken by the end of the call.
        assert!(outcome.number("received", "lost") <= 1.0, "{what}");
        assert!(outcome.number("received", "jitter_ms") > 2.0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_goes_on_when_its_media_alone_finds_no_way_any_more() {
    let behaviour = Behaviour { greeting: ms(60_000), reply: ms(2_000), ..Behaviour::default() };
    let answer = json!({"voice": "marin", "systemPrompt": "You are patient."});
    let (world, relay) = World::start_with(Plan::new(behaviour, &answer), async |rig, _| {
        let relay = Relay::open(rig, Path::default()).await;
        (BTreeMap::from([("LIVEKIT_URL".to_owned(), relay.url.clone())]), relay)
    })
    .await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch("marin")).await;
    let cut = Instant::now();
    relay.cut();
    let silence = goes_on_after(&call, cut).await;
    println!("media cut: silence of {silence:?}");
    assert!(silence < SOON, "{silence:?}");
    converses(&world, &call, 0).await;
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    assert_eq!(world.end(1).await[0]["ending"]["how"], "caller-hung-up");
}
