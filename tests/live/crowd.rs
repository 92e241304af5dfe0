//! Ten calls at once, each with a voice of its own.

use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::ear::{Heard, Sound, missing};
use crate::rtp::Say;
use crate::world::{Plan, SOON, World, hear, hears, pitch};

const VOICES: [&str; 10] =
    ["marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn ten_calls_at_once_hear_each_their_own_voice_without_gaps() {
    let greeting = Duration::from_secs(6);
    let behaviour = Behaviour { greeting, ..Behaviour::default() };
    let number = |at: usize| format!("+155577701{at:02}");
    let answers = VOICES.iter().enumerate().map(|(at, voice)| (number(at), json!({"voice": voice})));
    let world = World::start(Plan::new(behaviour, &Value::Null).by_called(answers)).await;
    let voices = VOICES.map(pitch);

    let mut calls: Vec<_> = (0..VOICES.len()).map(|at| world.call(&number(at))).collect();
    for call in &calls {
        call.answered(SOON).await;
    }
    for (call, voice) in calls.iter().zip(voices) {
        hears(call, "the greeting is over", &[voice], |heard| {
            let spoke = heard.iter().any(|h| h.sound == Sound::Tone(voice));
            let quiet = heard.last().filter(|h| h.sound == Sound::Silence)?.length();
            (spoke && quiet > Duration::from_millis(400)).then_some(())
        })
        .await;
    }
    // Every caller says something else, so that a mix-up on the way to the model shows too.
    let caller = |at: usize| 320 + 10 * at as u32;
    for (at, call) in calls.iter().enumerate() {
        call.endpoint.say(vec![Say::Tone { hz: caller(at), length: Duration::from_secs(1) }]);
    }
    let has_heard = |session: &SessionLog| session.utterances.iter().any(|u| u.stopped.is_some());
    let all_have = |sessions: &[SessionLog]| sessions.iter().all(has_heard).then_some(());
    if world.model.wait_for(all_have, SOON).await.is_err() {
        let deaf = world.model.sessions().into_iter().filter(|session| !has_heard(session));
        let deaf: Vec<_> = deaf.map(|s| (s.model, s.audio, s.utterances, s.refused, s.closed)).collect();
        panic!("models that have not heard their caller: {deaf:#?}");
    }

    for (at, (call, voice)) in calls.iter().zip(voices).enumerate() {
        let heard = hear(call, &voices);
        let stranger = |h: &&Heard| matches!(h.sound, Sound::Tone(tone) if tone != voice);
        assert_eq!(heard.iter().find(stranger), None, "call {at} hears another call's voice");
        let lacking = missing(&heard, voice, greeting);
        println!("call {at}: {lacking:.1} % of its speech missing, {:?}", call.endpoint.delivery());
        assert!(lacking <= 5.0, "call {at}: {lacking} % missing: {heard:?}");
        let sessions = world.model.sessions();
        let session = sessions.iter().find(|s| s.responses[0].voice == VOICES[at]).unwrap();
        let tone = session.utterances[0].tone_hz.expect("a pure tone");
        assert!((tone - caller(at) as f32).abs() < 4.0, "call {at}: the model heard {tone} Hz");
    }
    for call in &mut calls {
        call.hang_up();
        assert!(call.over(SOON).await.1.success());
    }
    let records = world.end(VOICES.len()).await;
    assert!(records.iter().all(|record| record["ending"]["how"] == "caller-hung-up"), "{records:?}");
}
