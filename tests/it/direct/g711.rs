//! G.711 from the caller to the model and back, unchanged where the model takes it, and as PCM where it does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialplane::kit::model::script::{Fault, Rule};

use super::*;

/// How often the caller says the same thing: a busy machine may be late with one packet of it.
const TRIES: usize = 4;

/// Every byte of either law, in packets of which no two are the same. µ-law's 0x7F is a zero that no encoder writes, and
/// to resample any of it would change nearly all.
fn bytes() -> Vec<u8> {
    let packet =
        |n: u8| (0..160).map(move |at: u8| at.wrapping_mul(7).wrapping_add(n.wrapping_mul(37)) ^ 0x7F);
    (0..50).flat_map(packet).collect()
}

fn silence(codec: Codec) -> u8 {
    if codec == Codec::Pcma { 0xD5 } else { 0xFF }
}

/// Where one is in the other.
fn place(of: &[u8], within: &[u8]) -> Option<usize> {
    within.windows(of.len()).position(|window| window == of)
}

/// All that the model was sent of the caller.
fn appended(session: &SessionLog) -> Vec<u8> {
    let appends = session.events_of("input_audio_buffer.append");
    appends.flat_map(|event| STANDARD.decode(event.value["audio"].as_str().unwrap()).unwrap()).collect()
}

/// The formats of each session, by the record.
fn formats(record: &Value) -> Vec<&str> {
    let sessions = record["model"]["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["audio"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_goes_to_the_model_and_comes_from_it_as_it_is() {
    for (codec, format) in [(Codec::Pcmu, "pcmu"), (Codec::Pcma, "pcma")] {
        let said = bytes();
        let behaviour = Behaviour { bytes: Some(said.clone().into()), ..Behaviour::default() };
        let world = World::in_g711(behaviour).await;
        let mut call = Call::place(&Dial { codec, ..world.dial() }).await.unwrap();
        assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
        // 20 ms are a packet.
        call.hears(|heard| heard.length() >= ms(2_000), SOON).await.unwrap();
        let payloads = call.payloads();
        assert!(place(&said, &payloads.concat()).is_some(), "{codec:?}: every byte of the model's, in order");
        assert!(payloads.iter().all(|payload| payload.len() == 160));
        let rest = payloads.iter().filter(|payload| place(payload, &said).is_none());
        assert!(rest.flatten().all(|byte| *byte == silence(codec)), "and silence around it");

        let mut arrived = false;
        for _ in 0..TRIES {
            let before = world.model.sessions()[0].audio.bytes;
            call.say(vec![Say::Bytes(said.clone()), Say::Silence(ms(700))]).await;
            let over = |sessions: &[SessionLog]| {
                let bytes = sessions.first()?.audio.bytes;
                (bytes >= before + said.len() as u64 + 4_000).then_some(())
            };
            world.model.wait_for(over, SOON).await.unwrap();
            arrived |= place(&said, &appended(&world.model.sessions()[0])).is_some();
            if arrived {
                break;
            }
        }
        assert!(arrived, "{codec:?}: every byte of the caller's, in order");
        call.hang_up().await;
        assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
        let asked = world.model.sessions()[0].session["audio"].clone();
        for side in ["input", "output"] {
            assert_eq!(asked[side]["format"], json!({"type": format!("audio/{format}")}));
        }
        assert_eq!(formats(&world.end().await), [format]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wideband_caller_and_a_model_that_is_not_known_to_take_g711_meet_in_pcm() {
    let behaviour = Behaviour { greeting: ms(300), ..Behaviour::default() };
    for (codec, world) in [
        (Codec::G722, World::in_g711(behaviour.clone()).await),
        (Codec::Pcmu, World::start(behaviour.clone()).await),
    ] {
        let mut call = Call::place(&Dial { codec, ..world.dial() }).await.unwrap();
        assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
        call.hears(|heard| find(heard, tone_of("marin")).is_some(), SOON).await.unwrap();
        call.hang_up().await;
        assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
        assert_eq!(formats(&world.end().await), ["pcm"], "{codec:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_in_pcm_where_the_next_model_takes_no_other_and_in_g711_again_behind_it() {
    let breaks_off = |after: u64| Behaviour {
        greeting: ms(3_000),
        reply: ms(3_000),
        // As fast as it is heard: it breaks off in the middle of what the caller hears.
        delta_gap: ms(100),
        fault: Fault::DropAfterAudio(ms(after)),
        ..Behaviour::default()
    };
    let whole = Behaviour { greeting: ms(1_000), reply: ms(1_000), ..Behaviour::default() };
    let other = ModelServer::start(Script::always(breaks_off(600))).await.unwrap();
    let provider = |name: &str, url: &str, g711: bool| {
        format!(
            "[[provider]]\nname = '{name}'\nurl = '{url}'\napi_key = 'env:OPENAI_API_KEY'\ng711 = {g711}\nmodel = 'm'\n"
        )
    };
    let settings = provider("first", "MODEL_URL", true) + &provider("second", &other.url(), false);
    let script = Script::always(whole).with(Rule::first(1, breaks_off(800)));
    let world = World::with_files(script, json!({}), [("dialplane.toml", settings)]).await;
    let voice = tone_of("marin");
    let mut call = Call::place(&world.dial()).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    // 800 ms of the first, 600 ms of the second, and a second of the third; at a change of speakers a little is lost.
    let heard = |heard: &Recording| {
        find(heard, voice).is_some_and(|tone| tone.length.mul_f64(1.0 - tone.missing) >= ms(2_000))
    };
    call.hears(heard, SOON).await.unwrap();
    call.say(vec![Say::Tone { hz: TONE, length: ms(700) }]).await;
    let understood = |sessions: &[SessionLog]| {
        sessions.get(1)?.utterances.first().filter(|said| said.stopped.is_some())?.tone_hz
    };
    let tone = world.model.wait_for(understood, SOON).await.unwrap();
    assert!((tone - TONE).abs() < 5.0, "{tone}");
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    assert_eq!(other.sessions()[0].session["audio"]["input"]["format"]["type"], "audio/pcm");
    assert!(other.sessions()[0].refused.is_empty());
    let record = world.end().await;
    assert_eq!(formats(&record), ["pcmu", "pcm", "pcmu"], "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_changes_the_codec_talks_on_with_the_same_model_session() {
    let behaviour = Behaviour { greeting: ms(500), reply: ms(500), ..Behaviour::default() };
    let world = World::in_g711(behaviour).await;
    let voice = tone_of("marin");
    let mut call = Call::place(&world.dial()).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    for (codec, turns) in [(Codec::Pcmu, 0), (Codec::G722, 1), (Codec::Pcma, 2), (Codec::Pcmu, 3)] {
        if turns > 0 {
            call.change(codec).await;
            call.say(vec![Say::Silence(ms(200)), Say::Tone { hz: TONE, length: ms(600) }]).await;
            let over = |sessions: &[SessionLog]| {
                let said = &sessions.first()?.utterances;
                said.get(turns as usize - 1).filter(|said| said.stopped.is_some())?.tone_hz
            };
            let tone = world.model.wait_for(over, SOON).await.unwrap();
            assert!((tone - TONE).abs() < 5.0, "{codec:?}: {tone}");
        }
        let said = ms(500) * (turns + 1) - ms(60);
        let heard = |heard: &Recording| {
            find(heard, voice).is_some_and(|tone| tone.length.mul_f64(1.0 - tone.missing) >= said)
        };
        call.hears(heard, SOON).await.unwrap_or_else(|_| panic!("an answer in {codec:?}"));
    }
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    assert_eq!(formats(&world.end().await), ["pcmu"]);
}
