//! Every codec in whole calls: tones and keys both ways, and both again through a bad network.

use dialplane::kit::model::script::ToolCue;
use dialplane::kit::phone::{Codec, Press, RATE};
use dialplane::kit::tone::dominant;

use super::relay::Relay;
use super::timers::{BareTask, Late};
use super::*;
use crate::heard::Tone;
use crate::network::Weather;

const KEYS: &str = "0123456789*#ABCD";

/// What a phone plays in place of a packet or two that it waits for; nobody notices that.
const CONCEALED: Duration = Duration::from_millis(40);

/// We make up for so much when we were kept waiting. While the machine keeps a task waiting for longer that only sleeps,
/// a call says little of the router: it is made again, and the last one counts with what the machine took away.
const QUIET: Duration = Duration::from_millis(60);
const ATTEMPTS: usize = 4;
/// Beyond it nobody can hold a conversation.
const TOO_BUSY: Duration = Duration::from_millis(300);

/// A call in each codec, all at once, each in a world of its own: what became of it, and how late the machine was meanwhile.
pub async fn in_each_codec<W, F, T>(
    world: impl AsyncFn() -> W,
    call: impl Fn(W, Codec) -> F,
) -> Vec<(Codec, Late, T)>
where
    F: Future<Output = (Late, T)> + Send + 'static,
    T: Send + 'static,
{
    let mut latest = Duration::MAX;
    for attempt in 1..=ATTEMPTS {
        // All are there before the first call: a router that starts keeps a thread for itself.
        let mut worlds = Vec::new();
        for _ in Codec::ALL {
            worlds.push(world().await);
        }
        let mut calls = JoinSet::new();
        for (world, codec) in worlds.into_iter().zip(Codec::ALL) {
            let call = call(world, codec);
            calls.spawn(async move {
                let (late, went) = call.await;
                (codec, late, went)
            });
        }
        let went = calls.join_all().await;
        latest = went.iter().map(|(_, late, _)| late.longest).max().unwrap_or_default();
        if latest <= if attempt < ATTEMPTS { QUIET } else { TOO_BUSY } {
            return went;
        }
    }
    panic!("{ATTEMPTS} times the machine was too busy for calls: late by {latest:?} the last time");
}

/// How a call on a good network went.
#[derive(Debug)]
pub struct Went {
    greeting: Tone,
    pitch: Option<f32>,
    said: Utterance,
    /// By the model.
    pressed: Vec<Press>,
    /// What the model was told of keys.
    told: String,
    pub record: Value,
}

/// A model that greets, and that presses every key and says something when it is spoken to; and what the backend says of it.
pub fn talkative() -> (Script, Value) {
    let tool_calls = vec![ToolCue::after(1, "send_dtmf", &json!({ "digits": KEYS }))];
    let behaviour = Behaviour { greeting: ms(1_500), reply: ms(700), tool_calls, ..Behaviour::default() };
    (Script::always(behaviour), json!({"tools": ["send_dtmf"]}))
}

/// The caller of a [`talkative`] model speaks, hears out what that answers, and presses all keys too.
pub async fn tones_and_keys(world: World, dial: Dial) -> (Late, Went) {
    let voice = tone_of("marin");
    let mut call = Call::place(&dial).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let bare = BareTask::start();
    let heard = call.hears(lasts(voice, ms(1_450)), SOON).await.unwrap();
    let greeting = find(&heard, voice).expect("the greeting");
    let middle = ((greeting.from + greeting.length / 2).as_millis() * 8) as usize;
    let pitch = dominant(&heard.samples[middle - 400..middle + 400], RATE);

    call.say(vec![Say::Tone { hz: TONE, length: ms(1_000) }]).await;
    let said = world.understood().await;
    let pressed = call.keys(16, SOON).await.unwrap();
    call.hears(lasts(voice, ms(1_500 + 1_000 + 16 * 160 + 700)), SOON).await.unwrap();

    call.say(KEYS.chars().flat_map(|key| [Say::Key(key), Say::Silence(ms(60))]).collect()).await;
    let told = |sessions: &[SessionLog]| {
        let told = sessions.first()?.told();
        let keys: String = told.iter().filter_map(|(_, text)| keys_in(text)).collect();
        (keys.len() >= KEYS.len()).then_some(keys)
    };
    let told = world.model.wait_for(told, SOON).await.unwrap();
    let late = bare.late().await;
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    (late, Went { greeting, pitch, said, pressed, told, record: world.end().await })
}

fn keys_in(text: &str) -> Option<&str> {
    text.strip_prefix("[The caller pressed ")?.strip_suffix(" on the telephone keypad.]")
}

/// Both heard all that the other said and pressed.
pub fn is_right(codec: Codec, late: Late, went: Went) {
    let of = format!("{codec:?}, {late:?}: {went:?}");
    let Went { greeting, pitch, said, pressed, told, record } = went;
    assert!(greeting.from <= ms(300), "{of}");
    assert!(greeting.longest_hole <= late.longest, "{of}");
    let is_near = |pitch: Option<f32>, hz: f32| pitch.is_some_and(|pitch| (pitch - hz).abs() < 5.0);
    assert!(is_near(pitch, tone_of("marin")) && is_near(said.tone_hz, TONE), "{of}");
    assert!(said.voiced.abs_diff(ms(1_000)) <= ms(40) + late.longest, "{of}");
    assert!(said.longest_pause <= late.longest, "{of}");
    assert_eq!(pressed.iter().map(|press| press.key).collect::<String>(), KEYS, "{codec:?}");
    let is_whole = |press: &Press| (press.length, press.ends, press.marked) == (ms(100), 3, true);
    assert!(pressed.iter().all(is_whole), "{codec:?}: {pressed:?}");
    assert_eq!(told, KEYS, "{codec:?}");

    assert_eq!((&record["call"]["ingress"], &record["digits"]), (&json!("sip"), &json!(16)), "{codec:?}");
    let media = &record["media"];
    for way in ["received", "sent"] {
        assert!(media[way]["packets"].as_u64().unwrap() > 400, "{codec:?}: {media}");
    }
    assert_eq!((&media["received"]["lost"], &media["unsent"]), (&json!(0), &json!(0)), "{codec:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_and_model_hear_each_others_tones_and_keys_in_each_codec() {
    let world = async || {
        let (script, answer) = talkative();
        World::configured(script, answer).await
    };
    let call = |world: World, codec| {
        let dial = Dial { codec, ..world.dial() };
        tones_and_keys(world, dial)
    };
    for (codec, late, went) in in_each_codec(world, call).await {
        is_right(codec, late, went);
    }
}

/// How a call through some weather went.
#[derive(Debug)]
struct Weathered {
    greeting: Tone,
    /// Of the packets to the phone: the share that the network lost, and the most in a row.
    lost: (f64, u32),
    said: Utterance,
    record: Value,
}

async fn call_in(world: World, codec: Codec, weather: Weather) -> (Late, Weathered) {
    let voice = tone_of("marin");
    let relay = Relay::open(7, weather).await;
    let dial = Dial { codec, audio_via: Some(relay.address()), ..world.dial() };
    let mut call = Call::place(&dial).await.unwrap();
    relay.serve(call.audio());
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let bare = BareTask::start();
    let heard = call.hears(lasts(voice, ms(3_900)), SOON).await.unwrap();
    let (greeting, lost) = (find(&heard, voice).expect("the greeting"), relay.lost());
    call.say(vec![Say::Tone { hz: TONE, length: ms(3_000) }]).await;
    let (said, late) = (world.understood().await, bare.late().await);
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    (late, Weathered { greeting, lost, said, record: world.end().await })
}

/// The phone conceals nothing, so that it misses what the network lost of our packets, and nothing else. The model
/// hears what our concealment makes of what is lost of the phone's.
#[tokio::test(flavor = "multi_thread")]
async fn each_codec_is_heard_through_loss_and_jitter_without_a_gap_that_a_listener_would_notice() {
    let (loss, jitter) = (0.05, ms(50));
    let world = async || {
        World::start(Behaviour { greeting: ms(4_000), reply: ms(200), ..Behaviour::default() }).await
    };
    for weather in [
        Weather { loss, ..Weather::default() },
        Weather { jitter, ..Weather::default() },
        Weather { loss, jitter, ..Weather::default() },
    ] {
        for (codec, late, went) in in_each_codec(world, |world, codec| call_in(world, codec, weather)).await {
            let of = format!("{codec:?}, {weather:?}, {late:?}: {went:?}");
            let Weathered { greeting, lost: (share, in_a_row), said, record } = went;
            let received = &record["media"]["received"];
            assert!(greeting.longest_hole <= ms(20) * in_a_row + ms(10) + late.longest, "{of}");
            assert!(greeting.missing <= share + 0.01 + late.in_all.as_secs_f64() / 4.0, "{of}");
            assert!(said.voiced.abs_diff(ms(3_000)) <= ms(120) + late.longest, "{of}");
            assert!(said.longest_pause <= CONCEALED + late.longest, "{of}");
            assert!((said.tone_hz.expect("a pure tone") - TONE).abs() < 5.0, "{of}");
            let lost = received["lost"].as_f64().unwrap() / received["packets"].as_f64().unwrap();
            let expected = if weather.loss > 0.0 { 0.01..0.12 } else { 0.0..f64::MIN_POSITIVE };
            assert!(expected.contains(&lost), "{of}");
            assert!(received["jitter_ms"].as_f64().unwrap() > weather.jitter.as_secs_f64() * 100.0, "{of}");
        }
    }
}
