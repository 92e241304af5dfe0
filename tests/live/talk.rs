//! A conversation, and a caller who does not wait for the end of a sentence.

use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::ear::{Sound, stopped, total};
use crate::rtp::Say;
use crate::world::{ACME, CALLER, Plan, SOON, World, hears, hears_out, pitch};

fn answer() -> Value {
    json!({"systemPrompt": "You book appointments and never guess a diagnosis.", "voice": "marin",
        "startMessage": "Good morning, this is the long greeting of the practice."})
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn what_the_caller_says_is_heard_and_answered() {
    let behaviour = Behaviour { greeting: ms(1000), reply: ms(2000), ..Behaviour::default() };
    let world = World::start(Plan::new(behaviour, &answer())).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    let voice = pitch("marin");
    hears_out(&call, voice).await;

    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(1200) }]);
    let heard = hears(&call, "the whole reply is heard", &[voice, CALLER], |heard| {
        let quiet = heard.last().filter(|h| h.sound == Sound::Silence)?.length() > ms(400);
        (quiet && total(heard, voice) > ms(2500)).then(|| heard.to_vec())
    })
    .await;
    assert!(total(&heard, voice).abs_diff(ms(3000)) <= ms(150), "{heard:?}");
    assert_eq!(total(&heard, CALLER), Duration::ZERO, "the caller hears no echo: {heard:?}");

    let session = &world.model.sessions()[0];
    assert_eq!(session.utterances.len(), 1, "{:?}", session.utterances);
    let said = &session.utterances[0];
    assert!((said.tone_hz.unwrap() - CALLER as f32).abs() < 5.0, "{said:?}");
    assert!(said.voiced.abs_diff(ms(1200)) <= ms(100), "{said:?}");
    assert!(session.truncations.is_empty(), "nobody interrupted");

    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    let media = &world.end(1).await[0]["media"];
    println!("media: {media}");
    for way in ["received", "sent"] {
        // 4 s at least, 50 packets a second, and loopback loses none.
        assert!(media[way]["packets"].as_u64().unwrap() > 200, "{media}");
        assert_eq!(media[way]["lost"], 0, "{media}");
        assert!(media[way]["jitter_ms"].as_f64().unwrap() < 20.0, "{media}");
        assert!((20..200).contains(&media[way]["longest_gap_ms"].as_u64().unwrap()), "{media}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn our_voice_stops_when_the_caller_speaks_over_it() {
    let behaviour = Behaviour { greeting: ms(10_000), ..Behaviour::default() };
    let world = World::start(Plan::new(behaviour, &answer())).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    let voice = pitch("marin");
    hears(&call, "1.5 s of the greeting", &[voice], |heard| (total(heard, voice) > ms(1500)).then_some(()))
        .await;

    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(800) }]);
    let truncation = |session: &SessionLog| session.truncations.first().cloned();
    let truncated = world.model.wait_for(|sessions| truncation(sessions.first()?), SOON).await.unwrap();
    let session = &world.model.sessions()[0];
    let detected = session.speech_started[0].into_std();
    let (spoke, _) = call.endpoint.said()[0];
    let silent = hears(&call, "our audio has stopped", &[voice], |_| {
        let timeline = call.endpoint.timeline()?;
        Some(timeline.start + stopped(&timeline.samples, timeline.at(spoke))?)
    })
    .await;

    let timeline = call.endpoint.timeline().unwrap();
    let before =
        &timeline.samples[..timeline.samples.len().min(8 * timeline.at(silent).as_millis() as usize)];
    let heard = total(&crate::ear::segments(before, &[voice]), voice);
    let (detection, ours) = (detected - spoke, silent.saturating_duration_since(detected));
    let told = truncated.audio_end;
    println!(
        "barge-in: model's voice detection {detection:?}, then ours {ours:?}; heard {heard:?}, told {told:?}"
    );
    assert!(ours <= ms(400), "our audio went on for {ours:?}");
    assert!(told.abs_diff(heard) <= ms(200), "the caller heard {heard:?}, the model was told {told:?}");
    assert_eq!(truncated.item, session.responses[0].item);

    let reply = hears_out(&call, voice).await;
    assert!(total(&reply, voice) >= heard, "{reply:?}");
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
    let records = world.end(1).await;
    assert_eq!(records[0]["barge_ins"], 1, "{records:?}");
}
