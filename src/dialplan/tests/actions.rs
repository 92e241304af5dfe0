use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::*;
use crate::call::{Destination, Refusal};
use crate::media::clip::Clip;
use crate::media::clip::samples::{SPEC, wav};
use crate::tenant::{Choice, ToolName};

/// Recordings beside the dialplans.
#[derive(Default)]
struct Recordings(BTreeMap<PathBuf, Vec<u8>>);

impl Recordings {
    fn with(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.0.insert(name.into(), bytes);
        self
    }
}

impl Surroundings for Recordings {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn read(&self, _path: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn attachment(&self, path: &Path, _largest: u64) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn file(action: &str) -> Vec<Source> {
    let text = format!("tenant = 'a'\n[[route]]\nid = 'one'\ncalled = '+15557770001'\n{action}\n");
    vec![source("a.toml", 0, &text)]
}

fn instead_of(loaded: &Loaded) -> Instead {
    match loaded.dialplan.resolve(&call_to("+15557770001"), NOW).expect("a route").action {
        Action::Instead(instead) => instead,
        Action::Answer { .. } => panic!("an agent answers"),
    }
}

#[test]
fn a_route_plays_a_recording_or_transfers() {
    let tone = wav(SPEC, 400.0, 0.2);
    let recordings = Recordings::default().with("closed.wav", tone.clone());
    let plays = load(&file("play = 'closed.wav'"), &recordings);
    assert_eq!(lines(&plays), [""; 0]);
    assert_eq!(plays.attachments, [PathBuf::from("closed.wav")]);
    assert_eq!(instead_of(&plays), Instead::Play(Arc::new(Clip::read(&tone).expect("a recording"))));
    let told = plays.dialplan.explain(&call_to("+15557770001"), NOW).to_string();
    assert!(told.contains(": play, exact"), "{told}");

    for written in ["tel:+15557770099", "+1 555 777 0099"] {
        let transfers = load(&file(&format!("transfer = '{written}'")), &recordings);
        assert_eq!(lines(&transfers), [""; 0]);
        let to = Destination::parse("tel:+15557770099").expect("a destination");
        assert_eq!(instead_of(&transfers), Instead::Transfer(to));
        let told = transfers.dialplan.explain(&call_to("+15557770001"), NOW).to_string();
        assert!(told.contains(": transfer, exact") && !told.contains("0099"), "{told}");
    }
}

#[test]
fn a_file_says_what_becomes_of_calls_that_no_model_serves() {
    let to = Destination::parse("tel:+15557770099").expect("a destination");
    for (written, expected) in [
        ("{ transfer = '+1 555 777 0099' }", Instead::Transfer(to)),
        ("{ reject = 'busy' }", Instead::Refuse(Refusal::Busy)),
    ] {
        let loaded = load(&file(&format!("[limits]\nwhen_model_down = {written}")), &Recordings::default());
        assert_eq!(lines(&loaded), [""; 0]);
        let routed = loaded.dialplan.resolve(&call_to("+15557770001"), NOW).expect("a route");
        assert_eq!(routed.tenant.limits.when_model_down, Some(expected));
    }
}

#[test]
fn a_file_grants_destinations_by_name_and_an_agent_has_all_tools_or_those_it_names() {
    let text = "tenant = 'a'\n[[route]]\nid = 'one'\ncalled = '+15557770001'\nagent = 'one'\n[agent.one]\n\
                tools = ['hang_up']\n[transfers]\nbilling = '+1 555 777 0098'\nsales = 'sip:sales@pbx.acme.example'\n";
    let loaded = load(&[source("a.toml", 0, text)], &Recordings::default());
    assert_eq!(lines(&loaded), [""; 0]);
    let routed = loaded.dialplan.resolve(&call_to("+15557770001"), NOW).expect("a route");
    let transfers = &routed.tenant.transfers;
    assert_eq!(transfers.names().collect::<Vec<_>>(), ["billing", "sales"]);
    assert_eq!(transfers.named("billing"), Destination::parse("tel:+15557770098").as_ref());
    let Action::Answer { agent: Some(agent) } = routed.action else { panic!("it answers") };
    assert_eq!(agent.tools, Choice::This(vec![ToolName::HangUp]));
}

#[test]
fn a_recording_that_changes_is_read_again_and_a_bad_one_keeps_the_last() {
    let (mut set, sources) = (Set::default(), file("play = 'closed.wav'"));
    let mut load = |bytes: Vec<u8>| {
        set.take(&sources, Vec::new(), &Recordings::default().with("closed.wav", bytes), NOW)
    };
    let first = instead_of(&load(wav(SPEC, 400.0, 0.2)));
    let Instead::Play(again) = instead_of(&load(wav(SPEC, 400.0, 0.2))) else { panic!("it plays") };
    assert!(matches!(&first, Instead::Play(clip) if Arc::ptr_eq(clip, &again)), "it is not encoded again");
    let second = instead_of(&load(wav(SPEC, 800.0, 0.2)));
    assert_ne!(first, second);
    let broken = load(b"no sound".to_vec());
    assert_eq!((broken.kept, instead_of(&broken)), (1, second));
}

#[test]
fn what_a_route_cannot_do_is_told() {
    let recordings = Recordings::default()
        .with("song.mp3", b"ID3 and more".to_vec())
        .with("cd.wav", at_44100_hz())
        .with("blip.wav", wav(SPEC, 400.0, 0.02));
    let destination = Destination::ACCEPTED;
    for (action, expected) in [
        (
            "play = 'none.wav'".to_owned(),
            "5:8: play: found a file that cannot be read (entity not found)".to_owned(),
        ),
        ("play = ''".into(), "5:8: play: found \"\"; accepted: the path of a WAV file".into()),
        ("play = 5".into(), "5:8: play: found a whole number; accepted: the path of a WAV file".into()),
        (
            "play = 'song.mp3'".into(),
            format!(
                "5:8: play: found something that is no WAV of PCM in \"song.mp3\"; accepted: {}",
                Clip::ACCEPTED
            ),
        ),
        ("play = 'cd.wav'".into(), "5:8: play: found 44100 Hz in \"cd.wav\"; accepted: ".into()),
        ("play = 'blip.wav'".into(), "5:8: play: found 0.02 s of sound in \"blip.wav\"; accepted: ".into()),
        (
            "transfer = 'tel:5550099'".into(),
            format!("5:12: transfer: found something that is none (not shown); accepted: {destination}"),
        ),
        ("transfer = ['tel:+15557770099']".into(), "5:12: transfer: found an array; accepted: tel:+".into()),
        ("reject = 'gone'".into(), "5:10: reject: found \"gone\"; accepted: not-found, ".into()),
        (
            "play = 'a.wav'\ntransfer = 'tel:+15557770099'".into(),
            "5:8: found both transfer and play; accepted: one of them".into(),
        ),
        (
            "[limits]\nwhen_full = { play = 'cd.wav' }".into(),
            "6:22: when_full.play: found 44100 Hz in \"cd.wav\"".into(),
        ),
        (
            "[transfers]\nbilling = 'tel:5550098'".into(),
            format!(
                "6:11: transfers.billing: found something that is none (not shown); accepted: {destination}"
            ),
        ),
        (
            "[transfers]\n'the boss' = 'tel:+15557770098'".into(),
            "6:14: transfers.the boss: found the name \"the boss\"; accepted: a name of 1 to 64 letters"
                .into(),
        ),
        (
            "agent = 'one'\n[agent.one]\ntools = ['hangup']".into(),
            "7:10: tools: found \"hangup\", did you mean hang_up?; accepted: hang_up, transfer_call, send_dtmf".into(),
        ),
        ("[limits]\nwhen_full = {}".into(), "6:13: when_full: found 0 of its keys; accepted: one of".into()),
    ] {
        let found = lines(&load(&file(&action), &recordings));
        let expected = format!("a.toml:{expected}");
        assert!(found.len() == 1 && relates(&found[0], &expected), "{action}: {found:?}");
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_named() {
    for (limit, expected) in [
        ("when_full = { reject = 'full' }", "24: when_full.reject: found \"full\"; accepted: not-found, "),
        ("calls = 1.5", "9: calls: found a decimal number; accepted: a whole "),
        ("calls = -1", "9: calls: found "),
        ("calls_per_second = 0", "20: calls_per_second: found "),
        ("when_full = { reject = 'busy' }", "13: warning: nobody is ever turned away: there is neither "),
    ] {
        let found = lines(&load(&file(&format!("[limits]\n{limit}")), &Given::default()));
        let expected = format!("a.toml:6:{expected}");
        assert!(found.len() == 1 && relates(&found[0], &expected), "{limit}: {found:?}");
    }
}

/// A nested key may be named with or without its table.
fn relates(found: &str, expected: &str) -> bool {
    found.starts_with(expected) || found.starts_with(&expected.replace("when_full.", ""))
}

/// A compact disc's rate, which only the header tells.
fn at_44100_hz() -> Vec<u8> {
    let mut bytes = wav(SPEC, 400.0, 0.2);
    let rate = 16_000u32.to_le_bytes();
    let at = bytes.windows(4).position(|four| four == rate).expect("the header has the rate");
    bytes[at..at + 4].copy_from_slice(&44_100u32.to_le_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&88_200u32.to_le_bytes());
    bytes
}

#[test]
fn what_a_bad_file_names_is_watched_too_since_its_mend_may_lie_there() {
    let unreadable = Recordings::default().with("noise.wav", b"no sound".to_vec());
    for (written, named) in [
        ("play = 'missing.wav'", "missing.wav"),
        ("play = 'noise.wav'", "noise.wav"),
        ("[numbers_file]\npath = 'missing.csv'", "missing.csv"),
    ] {
        let loaded = load(&file(written), &unreadable);
        assert!(loaded.has_errors(), "{written}");
        assert_eq!(loaded.attachments, [PathBuf::from(named)]);
    }
}
