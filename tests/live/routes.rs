//! Routes that need no agent: a recording is played, a call is handed on.

use std::f64::consts::TAU;
use std::time::Duration;

use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::ear::{Sound, first, gaps, missing, total};
use crate::phone::{Call, Dial};
use crate::world::{ADA, Plan, SOON, World, hear, hears};

const CLOSED: &str = "+15557770020";
const MOVED: &str = "+15557770021";
const DESTINATION: &str = "+15557770099";

const TONE: u32 = 440;
const LENGTH: Duration = Duration::from_millis(1500);

fn plan() -> Plan {
    let answer = json!({"systemPrompt": "Nobody may ask for me, and no caller may hear me."});
    let text = format!(
        "tenant = 'acme'\n[[route]]\nid = 'closed'\ncalled = '{CLOSED}'\nplay = 'closed.wav'\n\
         [[route]]\nid = 'moved'\ncalled = '{MOVED}'\ntransfer = 'tel:{DESTINATION}'\n"
    );
    let mut plan = Plan::new(Behaviour::default(), &answer).dialplan("acme.toml", &text);
    plan.dialplans.insert("closed.wav".to_owned(), recording(TONE, LENGTH));
    for number in [CLOSED, MOVED, DESTINATION] {
        plan.secrets = plan.secrets.number("a number of a route", number);
    }
    plan
}

/// A tone of 16 kHz, 16 bit, mono at -12 dBFS.
pub fn recording(hz: u32, length: Duration) -> Vec<u8> {
    const RATE: u32 = 16_000;
    let samples = (length.as_secs_f64() * f64::from(RATE)) as u32;
    let samples = (0..samples).map(|n| {
        let wave = (TAU * f64::from(hz) * f64::from(n) / f64::from(RATE)).sin();
        (wave * 0.355 * f64::from(i16::MAX)) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let size = u32::try_from(data.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    wav.extend([1u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([RATE, RATE * 2].map(u32::to_le_bytes).concat());
    wav.extend([2u16, 16].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    wav.extend(data);
    wav
}

/// Nobody was asked, and the record says who decided.
fn assert_decided_by_the_route(world: &World) {
    assert!(world.model.sessions().is_empty(), "no model was asked");
    assert!(world.backend.as_ref().unwrap().requests().is_empty(), "no backend was asked");
}

fn ending(record: &Value) -> (&str, Option<&str>) {
    assert_eq!(record["config_source"], "dialplan", "{record}");
    assert_eq!(record["config"]["why"], "not-asked", "{record}");
    (record["ending"]["how"].as_str().unwrap(), record["ending"]["detail"].as_str())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_route_that_plays_is_heard_to_its_end_and_then_hangs_up() {
    let world = World::start(plan()).await;
    let mut call = world.call(CLOSED);
    call.answered(SOON).await;
    let (times, status) = call.over(SOON).await;
    assert!(status.success() && times.let_go.is_some(), "we hang up: {times:?}");
    let heard = hear(&call, &[TONE]);
    println!("{heard:?}");
    assert!(missing(&heard, TONE, LENGTH) <= 5.0, "{heard:?}");
    assert!(total(&heard, TONE) <= LENGTH + Duration::from_millis(60), "{heard:?}");
    assert!(gaps(&heard, TONE).iter().all(|gap| gap.length() <= Duration::from_millis(40)), "{heard:?}");
    let tone = heard.iter().find(|h| h.sound == Sound::Tone(TONE)).unwrap();
    assert!((tone.level - -12.0).abs() < 2.0, "{tone:?}");

    // A caller need not hear it all.
    let mut call = world.call(CLOSED);
    call.answered(SOON).await;
    hears(&call, "the recording begins", &[TONE], |heard| first(heard, TONE)).await;
    call.hang_up();
    assert!(call.over(SOON).await.1.success());

    assert_decided_by_the_route(&world);
    let records = world.end(2).await;
    assert_eq!(ending(&records[0]), ("played", None));
    assert_eq!(ending(&records[1]), ("caller-hung-up", None));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_route_that_transfers_hands_the_caller_on_or_lets_them_go() {
    let world = World::start(plan()).await;
    for answer in ["202 Accepted", "603 Decline"] {
        let mut call = Call::place(&world.rig, &Dial { refer: answer, ..Dial::new(MOVED, ADA) });
        call.answered(SOON).await;
        let (times, status) = call.over(SOON).await;
        assert!(status.success() && times.let_go.is_some(), "{:?}", call.messages());
        let messages = call.messages();
        let refer = messages.iter().find(|m| !m.sent && m.is_request("REFER")).expect("a REFER");
        let to = refer.header("Refer-To").expect("it says where to");
        assert!(to.contains(&format!("tel:{DESTINATION}")), "{to}");
    }
    assert_decided_by_the_route(&world);
    let records = world.end(2).await;
    assert_eq!(ending(&records[0]), ("transferred", None));
    assert_eq!(ending(&records[1]), ("failed", Some("transfer")));
}
