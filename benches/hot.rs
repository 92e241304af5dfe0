//! What every call does fifty times a second. `cargo bench --bench hot`.

use std::f64::consts::TAU;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialplane::ingress::sip::rtp::wire::Rtp;
use dialplane::ingress::sip::srtp::{Incoming, Key, LIFETIME, Outgoing, Suite};
use dialplane::media::audio::{Audio, Format};
use dialplane::media::g711::{self, Law};
use dialplane::media::g722;
use dialplane::media::opus::{Decoder, Encoder};
use dialplane::media::{FRAME_SAMPLES, MODEL_RATE, PcmFrame};
use dialplane::realtime::openai::OpenAi;
use dialplane::realtime::{Dialect, ModelCommand, Opening, Provider};
use dialplane::tenant::{Greeting, TurnDetection};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

/// Two seconds that are more like a voice than a tone is: harmonics of a gliding pitch, by syllables.
fn voice() -> Vec<PcmFrame> {
    let sample = |n: usize| {
        let t = n as f64 / f64::from(MODEL_RATE);
        let pitch = 140.0 + 40.0 * (TAU * 0.7 * t).sin();
        let syllable = (TAU * 3.0 * t).sin().max(0.0);
        let harmonics: f64 = (1..12).map(|h| (TAU * pitch * f64::from(h) * t).sin() / f64::from(h)).sum();
        (harmonics * syllable * 9_000.0) as i16
    };
    (0..100).map(|frame| std::array::from_fn(|n| sample(frame * FRAME_SAMPLES + n))).collect()
}

/// The time is that of 100 frames, or two seconds of one way of a call.
#[divan::bench]
fn opus_encode(bencher: Bencher<'_, '_>) {
    let frames = voice();
    bencher
        .counter(ItemsCount::new(frames.len()))
        .with_inputs(Encoder::new)
        .bench_refs(|encoder| frames.iter().map(|frame| encoder.encode(frame).len()).sum::<usize>());
}

#[divan::bench]
fn opus_encode_lasting_silence(bencher: Bencher<'_, '_>) {
    let mut encoder = Encoder::new();
    bencher
        .counter(ItemsCount::new(100_u32))
        .bench_local(|| (0..100).map(|_| encoder.encode(&[0; FRAME_SAMPLES]).len()).sum::<usize>());
}

#[divan::bench]
fn opus_decode(bencher: Bencher<'_, '_>) {
    let mut encoder = Encoder::new();
    let packets: Vec<_> = voice().iter().map(|frame| encoder.encode(frame)).collect();
    bencher.counter(ItemsCount::new(packets.len())).with_inputs(Decoder::new).bench_refs(|decoder| {
        packets.iter().map(|packet| decoder.decode(packet).map_or(0, |pcm| pcm.len())).sum::<usize>()
    });
}

#[divan::bench]
fn g711_encode(bencher: Bencher<'_, '_>) {
    let frames = voice();
    bencher
        .counter(ItemsCount::new(frames.len()))
        .with_inputs(|| g711::Encoder::new(Law::Mu))
        .bench_refs(|encoder| frames.iter().map(|frame| encoder.encode(frame).len()).sum::<usize>());
}

#[divan::bench]
fn g711_decode(bencher: Bencher<'_, '_>) {
    let mut encoder = g711::Encoder::new(Law::Mu);
    let packets: Vec<_> = voice().iter().map(|frame| encoder.encode(frame)).collect();
    bencher.counter(ItemsCount::new(packets.len())).with_inputs(|| g711::Decoder::new(Law::Mu)).bench_refs(
        |decoder| {
            packets.iter().map(|packet| decoder.decode(packet).map_or(0, |pcm| pcm.len())).sum::<usize>()
        },
    );
}

#[divan::bench]
fn g722_encode(bencher: Bencher<'_, '_>) {
    let frames = voice();
    bencher
        .counter(ItemsCount::new(frames.len()))
        .with_inputs(g722::Encoder::default)
        .bench_refs(|encoder| frames.iter().map(|frame| encoder.encode(frame).len()).sum::<usize>());
}

#[divan::bench]
fn g722_decode(bencher: Bencher<'_, '_>) {
    let mut encoder = g722::Encoder::default();
    let packets: Vec<_> = voice().iter().map(|frame| encoder.encode(frame)).collect();
    bencher.counter(ItemsCount::new(packets.len())).with_inputs(g722::Decoder::default).bench_refs(
        |decoder| {
            packets.iter().map(|packet| decoder.decode(packet).map_or(0, |pcm| pcm.len())).sum::<usize>()
        },
    );
}

/// Two seconds of G.711 as RTP.
fn packets() -> Vec<Vec<u8>> {
    let packet = |sequence| {
        let payload = &[0xD5; 160];
        Rtp { payload_type: 8, marker: false, sequence, timestamp: 0, ssrc: 7, payload }.write()
    };
    (0..100).map(packet).collect()
}

#[divan::bench(args = Suite::ALL)]
fn srtp_seal(bencher: Bencher<'_, '_>, suite: Suite) {
    let (packets, key) = (packets(), Key::fresh(suite));
    bencher
        .counter(ItemsCount::new(packets.len()))
        .with_inputs(|| (Outgoing::new(&key), packets.clone()))
        .bench_values(|(mut outgoing, packets)| {
            packets.into_iter().map(|packet| outgoing.rtp(packet).len()).sum::<usize>()
        });
}

#[divan::bench(args = Suite::ALL)]
fn srtp_open(bencher: Bencher<'_, '_>, suite: Suite) {
    let key = Key::fresh(suite);
    let mut outgoing = Outgoing::new(&key);
    let sealed: Vec<_> = packets().into_iter().map(|packet| outgoing.rtp(packet)).collect();
    bencher
        .counter(ItemsCount::new(sealed.len()))
        .with_inputs(|| Incoming::new(&key, LIFETIME))
        .bench_refs(|incoming| sealed.iter().filter(|datagram| incoming.rtp(datagram).is_ok()).count());
}

fn configured() -> OpenAi {
    let provider = Provider {
        name: "bench".into(),
        dialect: Dialect::OpenAiRealtime,
        url: "http://127.0.0.1/v1".parse().expect("an address"),
        api_key: "".into(),
        model: "m".into(),
        fallback: Vec::new(),
        transcription: None,
        g711: false,
    };
    let opening = Opening {
        model: "m".into(),
        voice: None,
        audio: Format::Pcm,
        instructions: None,
        temperature: None,
        greeting: Greeting::None,
        language: None,
        max_output_tokens: 4096,
        turn_detection: TurnDetection::default(),
        interruptible: true,
        tools: Vec::new(),
        history: Vec::new(),
    };
    let mut dialect = OpenAi::new(&provider, opening);
    dialect.on_server(r#"{"type":"session.created","session":{"id":"s"}}"#);
    dialect.on_server(r#"{"type":"session.updated"}"#);
    dialect
}

/// The caller's 20 ms as a client event.
#[divan::bench]
fn model_append(bencher: Bencher<'_, '_>) {
    let mut dialect = configured();
    let command = ModelCommand::Audio(Audio::Pcm(voice().concat().into_iter().take(FRAME_SAMPLES).collect()));
    bencher.bench_local(|| dialect.on_command(&command).len());
}

/// A delta of this many milliseconds: from the server's text to PCM.
#[divan::bench(args = [20, 200, 1000])]
fn model_delta(bencher: Bencher<'_, '_>, milliseconds: usize) {
    let bytes: Vec<u8> =
        voice().concat().iter().take(24 * milliseconds).flat_map(|sample| sample.to_le_bytes()).collect();
    let delta = format!(
        r#"{{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1","output_index":0,"content_index":0,"delta":"{}"}}"#,
        STANDARD.encode(bytes)
    );
    let mut dialect = configured();
    bencher.bench_local(|| dialect.on_server(&delta).events.len());
}
