//! A phone that nobody here wrote: baresip, as Debian has it, calls the router's own SIP port.

pub mod phone;

use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::{Behaviour, Script, ToolCue};
use serde_json::json;

use crate::ear::{Heard, Sound, gaps, segments, total};
use crate::port::{Plan, Port};
use crate::rig::until_every;
use crate::tls::Authority;
use crate::world::{ADA, CALLER, SOON, pitch};
use phone::{Baresip, Line, TCP, UDP};

const RECEPTION: &str = "+15557770001";
const BILLING: &str = "+15557770098";
const VOICE: &str = "marin";
/// Who answers at the other router.
const OTHER_VOICE: &str = "cedar";

const GREETING: Duration = Duration::from_millis(1_500);
const REPLY: Duration = Duration::from_millis(1_000);
/// What the tones of a codec and a phone's own buffer may blur.
const BLUR: Duration = Duration::from_millis(60);

/// The third time that the caller is heard, the model hands them on to billing.
fn behaviour() -> Behaviour {
    let billing = ToolCue::after(3, "transfer_call", &json!({"destination": "billing"}));
    Behaviour { greeting: GREETING, reply: REPLY, tool_calls: vec![billing], ..Behaviour::default() }
}

fn dialplan(number: &str, voice: &str, rest: &str) -> String {
    format!(
        "tenant = 'acme'\n[[route]]\nid = 'desk'\ncalled = ['{number}']\nagent = 'desk'\n\
         [agent.desk]\nprompt = 'You answer the phone.'\ngreeting = 'Hello.'\nvoice = '{voice}'\n{rest}"
    )
}

async fn open(line: Line<'_>, settings: &str, number: &str, voice: &str, rest: &str) -> Port {
    let dialplans = vec![("acme.toml", dialplan(number, voice, rest))];
    let tls = line.authority.map(|authority| authority.server_files.clone());
    let variables = vec![("OFFICE_PASSWORD", "open-sesame".to_owned())];
    let (script, settings) = (Script::always(behaviour()), settings.to_owned());
    Port::open(Plan { script, dialplans, settings, variables, tls }).await
}

/// Waits until baresip has heard so much of the voice in its call of that number, and then a pause: the whole call.
async fn hears(phone: &Baresip, call: usize, voice: &str, length: Duration) -> Vec<Heard> {
    let (pause, tone) = (Duration::from_millis(300), pitch(voice));
    let what = format!("{length:?} of {voice}");
    until_every(Duration::from_millis(50), &what, Duration::from_secs(20), async || {
        let heard = segments(phone.heard().get(call)?, &[tone, CALLER]);
        let last = heard.last()?;
        let is_over = last.sound == Sound::Silence && last.length() >= pause;
        (is_over && total(&heard, tone) + BLUR >= length).then_some(heard)
    })
    .await
}

/// Waits until the model has heard the caller speak so many times; the last: how long, and at what pitch.
async fn understood(port: &Port, times: usize) -> (Duration, Option<f32>) {
    let said = |session: &SessionLog| {
        let last = session.utterances.get(times - 1).filter(|said| said.stopped.is_some())?;
        Some((last.voiced, last.tone_hz))
    };
    port.model.wait_for(|sessions| said(sessions.first()?), SOON).await.unwrap()
}

async fn says(phone: &mut Baresip, port: &Port, times: usize) {
    phone.say().await;
    let (length, hz) = understood(port, times).await;
    assert!(length.abs_diff(Duration::from_secs(1)) <= BLUR, "{length:?}");
    assert!(hz.is_some_and(|hz| (hz - CALLER as f32).abs() < 10.0), "{hz:?}");
}

/// Calls the reception, hears its greeting, says something and hears the answer.
async fn talks(phone: &mut Baresip, port: &Port) {
    phone.dial(RECEPTION, port.sip).await;
    phone.event("CALL_ESTABLISHED", RECEPTION).await;
    hears(phone, 0, VOICE, GREETING).await;
    says(phone, port, 1).await;
    hears(phone, 0, VOICE, GREETING + REPLY).await;
}

/// `settings`: a file of them for both routers, where there is one.
async fn whole_call(line: Line<'_>, settings: &str) {
    let other = open(line, settings, BILLING, OTHER_VOICE, "").await;
    let billing = format!("sip:{BILLING}@{};transport={}", other.sip, line.transport);
    let port = open(line, settings, RECEPTION, VOICE, &format!("[transfers]\nbilling = '{billing}'\n")).await;
    let mut phone = Baresip::start(&port.dir, ADA, line).await;

    talks(&mut phone, &port).await;

    phone.press("15#").await;
    let keys = |sessions: &[SessionLog]| {
        let mut events = sessions.first()?.events.iter();
        events.any(|event| event.value.to_string().contains("15#")).then_some(())
    };
    port.model.wait_for(keys, SOON).await.expect("the model is told of the keys");
    let heard = hears(&phone, 0, VOICE, GREETING + REPLY * 2).await;
    let spoken = total(&heard, pitch(VOICE));
    assert!(spoken.abs_diff(GREETING + REPLY * 2) <= BLUR * 3, "{heard:?}");
    let pauses = gaps(&heard, pitch(VOICE));
    // One of baresip's own, of a frame or two, is not ours: its threads may be late on a busy machine.
    let short = pauses.iter().filter(|pause| pause.length() < Duration::from_millis(300));
    assert!(short.clone().count() <= 1 && short.clone().all(|pause| pause.length() <= BLUR), "{pauses:?}");

    phone.hush().await;
    phone.command("hold", None).await;
    phone.event("CALL_REMOTE_SDP", RECEPTION).await;
    let held = port.model.sessions()[0].audio.length;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let session = &port.model.sessions()[0];
    assert!(session.audio.length > held && session.utterances.len() == 1, "the model hears silence");
    phone.command("resume", None).await;
    phone.event("CALL_REMOTE_SDP", RECEPTION).await;
    says(&mut phone, &port, 2).await;
    // baresip 1.0.0 records no more what it hears after a hold, so it gives it back.
    phone.echo().await;
    let (_, hz) = understood(&port, 3).await;
    assert!(hz.is_some_and(|hz| (hz - pitch(VOICE) as f32).abs() < 10.0), "{hz:?}");
    phone.hush().await;

    phone.event("TRANSFER", RECEPTION).await;
    phone.event("CALL_ESTABLISHED", BILLING).await;
    hears(&phone, 1, OTHER_VOICE, GREETING).await;
    phone.command("hangup", None).await;
    phone.event("CALL_CLOSED", BILLING).await;

    let (here, there) = (port.close().await, other.close().await);
    let endings =
        [&here, &there].map(|records| records.iter().map(|r| r["ending"]["how"].clone()).collect::<Vec<_>>());
    assert_eq!(endings, [["transferred"], ["caller-hung-up"]], "{here:?}{there:?}");
    assert_eq!(
        (&here[0]["digits"], &here[0]["media"]["received"]["lost"]),
        (&json!(3), &json!(0)),
        "{here:?}"
    );
    let to = here[0]["call"]["headers"]["to"].as_str().unwrap();
    assert!(to.ends_with(&format!(";transport={}>", line.transport)), "{to}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs baresip"]
async fn baresip_calls_talks_presses_keys_holds_is_transferred_and_hangs_up() {
    whole_call(UDP, "").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs baresip"]
async fn baresip_does_the_same_over_tcp() {
    whole_call(TCP, "").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs baresip"]
async fn baresip_does_the_same_over_tls_with_srtp() {
    let dir = std::env::temp_dir().join(format!("dialplane-authority-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir(&dir).unwrap();
    let authority = Authority::new(&dir);
    let line = Line { transport: "tls", account: ";mediaenc=srtp-mand", authority: Some(&authority), ..UDP };
    whole_call(line, "").await;
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs baresip"]
async fn baresip_does_the_same_with_a_password() {
    let office = "[sip]\nlisten = '127.0.0.1:0'\n[[trunk]]\nname = 'office'\nfrom = 'anywhere'\n\
                  digest = { username = 'office', password = 'env:OFFICE_PASSWORD', algorithms = ['MD5'] }\n";
    whole_call(Line { account: ";auth_user=office;auth_pass=open-sesame", ..UDP }, office).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs baresip"]
async fn baresip_and_the_model_hear_each_other_in_g722_and_in_opus() {
    for (codecs, name) in [(["g722"].as_slice(), "encoder: G722"), (&["opus"], "encoder: opus")] {
        let line = Line { codecs, ..UDP };
        let port = open(line, "", RECEPTION, VOICE, "").await;
        let mut phone = Baresip::start(&port.dir, ADA, line).await;
        talks(&mut phone, &port).await;
        phone.command("hangup", None).await;
        phone.event("CALL_CLOSED", RECEPTION).await;
        assert!(phone.log().contains(name), "{}", phone.log());
        let records = port.close().await;
        assert_eq!(records[0]["ending"]["how"], "caller-hung-up", "{name}: {records:?}");
        assert_eq!(records[0]["media"]["received"]["lost"], 0, "{name}: {records:?}");
    }
}
