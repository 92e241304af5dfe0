//! The first call that a newcomer sees: `tests/rig/first-call` runs this and shows it as a timeline.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use dialplane::kit::backend::script::{Answer, Script};
use dialplane::kit::model::script::Behaviour;

use crate::ear::{RATE, Sound};
use crate::rtp::Say;
use crate::world::{CALLER, Plan, SOON, World, hear, hears, hears_first, hears_out, pitch};

/// The front desk of `dialplans/brightsmile-dental.toml`.
const FRONT_DESK: &str = "+12125550142";
/// Its agent's voice.
const VOICE: &str = "marin";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_to_the_front_desk_of_the_example_dialplans() {
    let world = World::start(plan()).await;
    let mut call = world.call(FRONT_DESK);
    let answered = call.answered(SOON).await;
    let greeted = hears_first(&call, pitch(VOICE)).await;
    hears_out(&call, pitch(VOICE)).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_millis(1200) }]);
    hears(&call, "greeting and answer", &[pitch(VOICE)], |heard| {
        let turns = heard.iter().filter(|h| h.sound == Sound::Tone(pitch(VOICE))).count();
        (turns >= 2 && heard.last()?.sound == Sound::Silence).then_some(())
    })
    .await;
    let said = call.endpoint.said()[0].0;
    call.hang_up();
    let (times, status) = call.over(SOON).await;
    assert!(status.success());

    let ms = |moment: Instant| times.since_invite(moment).as_millis();
    println!("\n{:>6} ms  INVITE {FRONT_DESK}", 0);
    println!("{:>6} ms  180 Ringing", ms(times.ringing.unwrap()));
    println!("{:>6} ms  200 OK: the tenant's agent is configured and its greeting is ready", ms(answered));
    println!("{:>6} ms  the greeting is heard, in the voice {VOICE} ({} Hz)", ms(greeted), pitch(VOICE));
    println!("{:>6} ms  the caller speaks ({CALLER} Hz)", ms(said));
    let start = call.endpoint.timeline().unwrap();
    let answers = hear(&call, &[pitch(VOICE)]);
    let reply = answers.iter().rfind(|h| h.sound == Sound::Tone(pitch(VOICE))).unwrap();
    println!(
        "{:>6} ms  the agent answers for {} ms",
        ms(start.start + reply.start),
        reply.length().as_millis()
    );
    println!("{:>6} ms  BYE", ms(times.hung_up.unwrap()));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo-output");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("heard.wav"), wav(&start.samples)).unwrap();
    let records = world.end(1).await;
    assert_eq!(records[0]["tenant"], "brightsmile-dental");
    assert_eq!(records[0]["config_source"], "dialplan");
    let record = serde_json::to_string_pretty(&records[0]).unwrap();
    fs::write(folder.join("record.json"), &record).unwrap();
    println!(
        "\nWhat the caller heard is in demo-output/heard.wav, the call's record in demo-output/record.json.\n"
    );
}

/// The example dialplans, and a backend that knows none of their calls.
fn plan() -> Plan {
    let mut plan = Plan::new(Behaviour::default(), &serde_json::json!({}));
    plan.backend = Some(Script::always(Answer::status(404)));
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/dialplans")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        plan = plan.dialplan(name, &fs::read_to_string(&path).unwrap());
    }
    plan
}

/// 16-bit mono PCM at the telephone's rate, in the canonical 44-byte header.
fn wav(samples: &[i16]) -> Vec<u8> {
    let (rate, bytes) = (RATE as u32, (samples.len() * 2) as u32);
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}
