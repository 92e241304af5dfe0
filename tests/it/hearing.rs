//! What the model hears of a caller behind a bad network, against what it hears behind a good one. In virtual time.

use std::f64::consts::TAU;
use std::fmt;
use std::time::Duration;

use dialplane::media::audio::{Audio, Converter};
use dialplane::media::codec::{Codec, Encoder};
use dialplane::media::hearing::Hearing;
use dialplane::media::outlet::Outlet;
use dialplane::media::packet::Packet;
use dialplane::media::{FRAME, FRAME_SAMPLES, MODEL_RATE};
use proptest::prelude::*;
use tokio::time::Instant;

use crate::network::{Network, Weather};

/// 20 s.
const FRAMES: usize = 1_000;

/// Samples of 5 ms of what is heard.
const BLOCK: usize = FRAME_SAMPLES / 4;

/// Something like a voice: harmonics of a pitch that glides and trembles, in syllables, with breath.
fn voice(t: f64) -> f64 {
    let pitch = 7.0 * (TAU * 0.7 * t).sin() + 0.25 * (TAU * 5.3 * t).sin() + 0.06 * (TAU * 31.0 * t).sin();
    let syllable = (TAU * 3.0 * t).sin().max(0.0);
    let breath = ((t * 48_000.0).round() * 12.9898).sin() * 43_758.547;
    let harmonics: f64 =
        (1..20).map(|h| (f64::from(h) * (TAU * 140.0 * t + pitch)).sin() / f64::from(h)).sum();
    (harmonics + 0.4 * (breath - breath.floor() - 0.5)) * syllable * 9_000.0
}

fn tone(t: f64) -> f64 {
    (TAU * 440.0 * t).sin() * 9_000.0
}

/// The packets of a sender that sets up its encoder as livekit-sip does: 48 kHz, mono, VoIP, all else as it comes; no
/// redundancy for lost packets.
fn packets(start: Instant, frames: usize, sound: fn(f64) -> f64) -> Vec<Packet> {
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    (0..frames)
        .map(|frame| {
            let samples: Vec<i16> =
                (0..960).map(|n| sound((frame * 960 + n) as f64 / 48_000.0) as i16).collect();
            Packet {
                source: 1,
                sequence: 1_000 + frame as u64,
                time: 960 * frame as u64,
                arrived: start + FRAME * frame as u32,
                payload: encoder.encode_vec(&samples, 1_275).unwrap().into(),
            }
        })
        .collect()
}

/// The packets of a sender that is like us.
fn packets_in(codec: Codec, start: Instant, frames: usize, sound: fn(f64) -> f64) -> Vec<Packet> {
    let (mut encoder, mut outlet) = (Encoder::new(codec), Outlet::new(codec, codec));
    let mut payload = |frame: usize| {
        let sample = |n: usize| sound((frame * FRAME_SAMPLES + n) as f64 / f64::from(MODEL_RATE)) as i16;
        outlet.payload(&encoder.encode(&std::array::from_fn(sample)))
    };
    (0..frames)
        .map(|frame| Packet {
            source: 1,
            sequence: 1_000 + frame as u64,
            time: 960 * frame as u64,
            arrived: start + FRAME * frame as u32,
            payload: payload(frame),
        })
        .collect()
}

/// What is heard of packets.
struct Heard {
    pcm: Vec<i16>,
    converter: Converter,
    arrived: usize,
    /// The longest that a packet waited for one before it that came after all.
    held: Duration,
}

impl Heard {
    /// Whether there is anything to be heard now.
    fn note(&mut self, frames: &[Audio]) -> bool {
        for frame in frames {
            self.pcm.extend(&*self.converter.pcm(frame));
        }
        !frames.is_empty()
    }
}

/// Sends the packets through the network.
fn hear(codec: Codec, start: Instant, packets: &[Packet], mut network: Network) -> Heard {
    let mut arrivals: Vec<Packet> = Vec::new();
    for (packet, index) in packets.iter().zip(0..) {
        // What arrives first is where a stream begins.
        let copies = if index == 0 { vec![Duration::ZERO] } else { network.next() };
        // str0m drops second copies.
        arrivals.extend(copies.iter().min().map(|delay| late(packet, *delay)));
    }
    listen(codec, start, arrivals)
}

fn late(packet: &Packet, delay: Duration) -> Packet {
    Packet { arrived: packet.arrived + delay, ..packet.clone() }
}

fn listen(codec: Codec, start: Instant, mut arrivals: Vec<Packet>) -> Heard {
    arrivals.sort_by_key(|packet| packet.arrived);
    let mut hearing = Hearing::new(start, codec);
    let mut heard = Heard {
        pcm: Vec::new(),
        converter: Converter::default(),
        arrived: arrivals.len(),
        held: Duration::ZERO,
    };
    let mut waiting: Option<Instant> = None;
    for packet in arrivals {
        while hearing.deadline() <= packet.arrived {
            let at = hearing.deadline();
            heard.note(&hearing.on_time(at));
            waiting = None;
        }
        let since = *waiting.get_or_insert(packet.arrived);
        if heard.note(&hearing.packet(packet.arrived, &packet)) {
            heard.held = heard.held.max(packet.arrived - since);
            waiting = None;
        }
    }
    heard
}

/// How what was heard compares with the clean signal.
#[derive(Debug)]
struct Likeness {
    /// The mean over all 20 ms of sound, each kept within -10 and 35 dB.
    segmental_snr: f64,
    /// Of the levels of 5 ms blocks.
    envelope_correlation: f64,
    /// The longest time during which sound was 20 dB too quiet.
    longest_hole: Duration,
    /// The share of the sound's time that was.
    holes: f64,
    /// How much louder the loudest 5 ms were than those of the clean signal.
    excess: f64,
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segmental_snr, envelope_correlation, longest_hole, holes, excess } = self;
        write!(
            f,
            "segmental SNR {segmental_snr:5.1} dB, envelope {envelope_correlation:.3}, longest hole {:2} ms, {:.2} % of the sound, excess {excess:.1} dB",
            longest_hole.as_millis(),
            holes * 100.0
        )
    }
}

fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

/// Louder than -40 dBFS.
fn is_sound(block: &[i16]) -> bool {
    rms(block) > 327.0
}

fn compare(clean: &[i16], heard: &[i16]) -> Likeness {
    let snr = |(clean, heard): (&[i16], &[i16])| {
        let noise: Vec<i16> = clean.iter().zip(heard).map(|(c, h)| c.saturating_sub(*h)).collect();
        (20.0 * (rms(clean) / rms(&noise).max(0.01)).log10()).clamp(-10.0, 35.0)
    };
    let frames = clean.chunks(FRAME_SAMPLES).zip(heard.chunks(FRAME_SAMPLES));
    let snrs: Vec<f64> = frames.filter(|(clean, _)| is_sound(clean)).map(snr).collect();
    let blocks: Vec<(f64, f64)> =
        clean.chunks(BLOCK).zip(heard.chunks(BLOCK)).map(|(c, h)| (rms(c), rms(h))).collect();
    let sound = blocks.iter().filter(|(clean, _)| *clean > 327.0).count();
    let is_hole = |(clean, heard): &(f64, f64)| *clean > 327.0 && *heard < clean / 10.0;
    let loudest = |of: fn(&(f64, f64)) -> f64| blocks.iter().map(of).fold(1.0, f64::max);
    let longest =
        blocks.chunk_by(|a, b| is_hole(a) == is_hole(b)).filter(|run| is_hole(&run[0])).map(<[_]>::len).max();
    Likeness {
        segmental_snr: snrs.iter().sum::<f64>() / snrs.len() as f64,
        envelope_correlation: correlation(&blocks),
        longest_hole: Duration::from_millis(5) * longest.unwrap_or(0) as u32,
        excess: 20.0 * (loudest(|block| block.1) / loudest(|block| block.0)).log10(),
        holes: blocks.iter().filter(|block| is_hole(block)).count() as f64 / sound as f64,
    }
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (a, b) = pairs.iter().fold((0.0, 0.0), |(a, b), pair| (a + pair.0 / count, b + pair.1 / count));
    let sum = |f: fn(f64, f64) -> f64| pairs.iter().map(|pair| f(pair.0 - a, pair.1 - b)).sum::<f64>();
    let (both, first, second) = (sum(|x, y| x * y), sum(|x, _| x * x), sum(|_, y| y * y));
    if first == second { 1.0 } else { both / (first * second).sqrt().max(f64::MIN_POSITIVE) }
}

fn lossy(loss: f64, burst: u32) -> Weather {
    Weather { loss, burst, ..Weather::default() }
}

/// What a receiver hears that has nothing but silence for a lost packet.
fn with_silence(packets: &[Packet], mut network: Network) -> Vec<i16> {
    let mut decoder = opus::Decoder::new(MODEL_RATE, opus::Channels::Mono).unwrap();
    let frames = packets.iter().zip(0..).map(|(packet, index)| {
        let mut frame = vec![0; FRAME_SAMPLES];
        if index == 0 || !network.next().is_empty() {
            decoder.decode(&packet.payload, &mut frame, false).unwrap();
        }
        frame
    });
    frames.collect::<Vec<_>>().concat()
}

#[test]
fn loss_is_concealed_and_leaves_no_hole_that_a_listener_would_notice() {
    for (name, sound) in [("voice", voice as fn(f64) -> f64), ("tone", tone)] {
        let start = Instant::now();
        let packets = packets(start, FRAMES, sound);
        let clean = hear(Codec::Opus, start, &packets, Network::new(0, Weather::default())).pcm;
        for (burst, longest) in [(1, 40), (2, 60), (3, 80)] {
            let (mut holes, mut silences) = (0.0, 0.0);
            for seed in 1..=4 {
                let network = || Network::new(seed, lossy(0.05, burst));
                let heard = hear(Codec::Opus, start, &packets, network());
                let (likeness, silenced) =
                    (compare(&clean, &heard.pcm), compare(&clean, &with_silence(&packets, network())));
                let lost = FRAMES - heard.arrived;
                let of = format!("{name}, {lost} packets lost, {burst} at once");
                println!("{of}: {likeness}; with silence instead: {silenced}");
                assert!(likeness.longest_hole <= Duration::from_millis(longest), "{of}");
                assert!(heard.pcm.len().abs_diff(clean.len()) <= 5 * FRAME_SAMPLES, "{of}");
                assert!(likeness.excess < 3.0, "{of}: what follows a loss is too loud");
                holes += likeness.holes;
                silences += silenced.holes;
            }
            assert!(
                holes < 0.5 * silences,
                "{name}: {holes} of the sound missing, {silences} without concealment"
            );
        }
    }
}

#[test]
fn every_codec_is_heard_through_loss_and_jitter_without_a_gap_that_a_listener_would_notice() {
    let start = Instant::now();
    let ms = Duration::from_millis;
    for codec in Codec::ALL {
        let packets = packets_in(codec, start, FRAMES, voice);
        let clean = hear(codec, start, &packets, Network::new(0, Weather::default())).pcm;
        for seed in 1..=4 {
            let heard = hear(codec, start, &packets, Network::new(seed, lossy(0.05, 1)));
            let (lost, likeness) = (FRAMES - heard.arrived, compare(&clean, &heard.pcm));
            println!("{codec:?}, {lost} of {FRAMES} lost: {likeness}");
            assert!((30..80).contains(&lost), "{codec:?}: {lost} packets lost");
            assert!(likeness.longest_hole <= ms(40) && likeness.holes < 0.02, "{codec:?}: {likeness}");
            assert!(likeness.excess < 3.0 && likeness.envelope_correlation > 0.9, "{codec:?}: {likeness}");
            let jitter = Weather { jitter: ms(50), ..Weather::default() };
            let heard = hear(codec, start, &packets, Network::new(seed, jitter));
            assert!(heard.pcm == clean, "{codec:?}, 50 ms of jitter: {}", compare(&clean, &heard.pcm));
        }
    }
}

#[test]
fn what_only_arrives_late_or_out_of_order_is_heard_as_if_it_had_not() {
    let start = Instant::now();
    let packets = packets(start, FRAMES, voice);
    let clean = hear(Codec::Opus, start, &packets, Network::new(0, Weather::default()));
    assert_eq!((clean.held, clean.pcm.len()), (Duration::ZERO, FRAMES * FRAME_SAMPLES));
    let ms = Duration::from_millis;
    for (what, weather) in [
        ("50 ms jitter", Weather { jitter: ms(50), ..Weather::default() }),
        ("60 ms jitter", Weather { jitter: ms(60), ..Weather::default() }),
        ("overtaken by up to 3", Weather { reorder: 0.1, ..Weather::default() }),
        ("twice", Weather { duplicate: 0.2, jitter: ms(30), ..Weather::default() }),
    ] {
        for seed in 1..=4 {
            let heard = hear(Codec::Opus, start, &packets, Network::new(seed, weather));
            println!("{what}: held {:?}", heard.held);
            assert!(heard.pcm == clean.pcm, "{what}: {}", compare(&clean.pcm, &heard.pcm));
            assert!(heard.held < ms(90), "{what}: held {:?}", heard.held);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_that_arrives_within_70_ms_is_missing_or_out_of_order_or_held_for_long(
        delays in prop::collection::vec(prop_oneof![4 => 0u64..15_000, 1 => 0u64..70_000], 100)
    ) {
        let start = Instant::now();
        let packets = packets(start, delays.len() + 1, voice);
        let (first, rest) = packets.split_first().unwrap();
        let delayed = rest.iter().zip(&delays).map(|(packet, delay)| late(packet, Duration::from_micros(*delay)));
        let heard = listen(Codec::Opus, start, std::iter::once(first.clone()).chain(delayed).collect());
        let clean = listen(Codec::Opus, start, packets);
        prop_assert!(heard.held <= Duration::from_millis(70), "{:?}", heard.held);
        // What arrives last may still wait for nothing but its turn.
        prop_assert!(heard.pcm == clean.pcm);
    }

    #[test]
    fn as_much_is_heard_as_time_has_passed_whatever_arrives(
        fates in prop::collection::vec(prop_oneof![
            6 => (0u64..40).prop_map(Some),
            1 => (0u64..400).prop_map(Some),
            2 => Just(None),
        ], 1..300)
    ) {
        let start = Instant::now();
        let packets = packets(start, fates.len(), tone);
        let ms = Duration::from_millis;
        let arrivals: Vec<Packet> =
            packets.iter().zip(&fates).filter_map(|(packet, fate)| Some(late(packet, ms((*fate)?)))).collect();
        let end = arrivals.iter().map(|packet| packet.arrived).max().unwrap_or(start);
        let heard = FRAME * (listen(Codec::Opus, start, arrivals).pcm.len() / FRAME_SAMPLES) as u32;
        let passed = end - start;
        prop_assert!(heard + ms(115) >= passed && heard <= passed + ms(225), "{heard:?} in {passed:?}");
    }
}
