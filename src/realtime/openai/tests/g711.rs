//! Sessions in G.711.

use super::*;
use crate::media::g711::Law;

/// Both zeros of µ-law, and bytes that no encoder writes.
const BYTES: [u8; 8] = [0x7F, 0xFF, 0x00, 0x80, 0x55, 0xD5, 0x2A, 0xAA];

fn in_g711(law: Law, dialect: Dialect) -> OpenAi {
    let opening = Opening { audio: Format::G711(law), ..opening(Greeting::None) };
    OpenAi::new(&Provider { dialect, g711: true, ..provider() }, opening)
}

fn configured_in(law: Law) -> OpenAi {
    let mut dialect = in_g711(law, Dialect::OpenAiRealtime);
    hear(&mut dialect, created());
    let audio = Format::G711(law);
    let told = events(&mut dialect, json!({"type": "session.updated"}));
    assert_eq!(told, [ModelEvent::Configured { audio }]);
    dialect
}

fn appended(dialect: &mut OpenAi, audio: Audio) -> Vec<u8> {
    let append = sent(dialect.on_command(&ModelCommand::Audio(audio)));
    STANDARD.decode(append["audio"].as_str().unwrap()).unwrap()
}

#[test]
fn the_format_is_asked_for_both_ways_and_has_no_rate() {
    for (law, name, flat) in [(Law::Mu, "audio/pcmu", "g711_ulaw"), (Law::A, "audio/pcma", "g711_alaw")] {
        let update = sent(hear(&mut in_g711(law, Dialect::OpenAiRealtime), created()).send);
        for side in ["input", "output"] {
            assert_eq!(update["session"]["audio"][side]["format"], json!({"type": name}));
        }
        let update = sent(hear(&mut in_g711(law, Dialect::OpenAiRealtimeBeta), created()).send);
        for side in ["input_audio_format", "output_audio_format"] {
            assert_eq!(update["session"][side], flat);
        }
    }
}

#[test]
fn bytes_go_both_ways_as_they_are() {
    for law in [Law::Mu, Law::A] {
        let mut dialect = configured_in(law);
        assert_eq!(appended(&mut dialect, Audio::G711(law, BYTES.to_vec())), BYTES);
        events(&mut dialect, begin("r1"));
        // A byte is a sample: none is carried over.
        for piece in [&BYTES[..3], &BYTES[3..]] {
            let audio = Audio::G711(law, piece.to_vec());
            let (response, item) = (ResponseId("r1".into()), ItemId("a".into()));
            let heard = events(&mut dialect, delta("r1", "a", piece));
            assert_eq!(heard, [ModelEvent::AgentAudio { response, item, audio }]);
        }
    }
}

#[test]
fn a_caller_of_another_codec_is_heard_in_the_sessions_own() {
    let mut dialect = configured_in(Law::Mu);
    assert_eq!(appended(&mut dialect, Audio::G711(Law::A, vec![Law::A.silence(); 160])).len(), 160);
    let loud = Audio::Pcm((0..480).map(|n| if n / 12 % 2 == 0 { 8_000 } else { -8_000 }).collect());
    let bytes = appended(&mut dialect, loud);
    assert_eq!(bytes.len(), 160);
    assert!(bytes.iter().any(|byte| Law::Mu.decode(*byte) > 6_000));
    // And the other way round.
    let mut dialect = configured();
    assert_eq!(appended(&mut dialect, Audio::G711(Law::Mu, vec![0xFF; 160])), [0; 960]);
}

#[test]
fn what_was_heard_is_told_by_8_samples_a_millisecond() {
    let mut dialect = configured_in(Law::A);
    events(&mut dialect, begin("r1"));
    events(&mut dialect, delta("r1", "a", &[0x55; 160 * 30]));
    for (heard, told) in [(0, 0), (340, 340), (599, 599), (600, 600), (5_000, 600)] {
        let truncate = sent(dialect.on_command(&super::heard("a", heard)));
        assert_eq!(truncate["audio_end_ms"], told);
    }
}

#[test]
fn a_server_that_refuses_the_format_gets_pcm_and_keeps_the_call() {
    for param in
        ["session.audio.input.format", "session.audio.output.format.type", "session.input_audio_format"]
    {
        let mut dialect = in_g711(Law::Mu, Dialect::OpenAiRealtime);
        hear(&mut dialect, created());
        let refused = error(json!("invalid_value"), "t", json!(param), json!("setup-0"));
        let reaction = hear(&mut dialect, refused);
        assert_eq!(reaction.events, [ModelEvent::Warning { code: G711_REFUSED.into() }]);
        let again = sent(reaction.send);
        assert_eq!(
            again["session"]["audio"]["input"]["format"],
            json!({"type": "audio/pcm", "rate": 24_000})
        );
        assert_eq!(again["session"]["audio"]["output"]["voice"], "marin", "nothing else is left out");
        let told = events(&mut dialect, json!({"type": "session.updated"}));
        assert_eq!(told, [ModelEvent::Configured { audio: Format::Pcm }]);
        events(&mut dialect, begin("r1"));
        assert_eq!(events(&mut dialect, delta("r1", "a", &[1, 0])), [audio("r1", "a", &[1])]);
    }
}

#[test]
fn a_server_that_refuses_pcm_too_is_of_no_use() {
    let mut dialect = in_g711(Law::Mu, Dialect::OpenAiRealtime);
    hear(&mut dialect, created());
    let refused =
        |id: &str| error(json!("invalid_value"), "t", json!("session.audio.input.format"), json!(id));
    hear(&mut dialect, refused("setup-0"));
    let closed = events(&mut dialect, refused("setup-1"));
    assert_eq!(closed, [ModelEvent::Closed(Closed::by_code("invalid_value".into()))]);
}
