use std::f64::consts::TAU;

use super::*;
use crate::media::MODEL_RATE;

/// A tone of 1 kHz at 0 dBm0 (ITU-T G.711, tables 5 and 6).
const MILLIWATT: [(Law, [u8; 8]); 2] = [
    (Law::Mu, [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E]),
    (Law::A, [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4]),
];

#[test]
fn bytes_are_the_samples_of_the_recommendation() {
    for (law, byte, sample) in [
        (Law::Mu, 0x00, -32_124),
        (Law::Mu, 0x80, 32_124),
        (Law::Mu, 0x8F, 16_764),
        (Law::Mu, 0xB0, 3_900),
        (Law::Mu, 0xE0, 372),
        (Law::Mu, 0xF0, 120),
        (Law::Mu, 0xFF, 0),
        (Law::A, 0x00, -5_504),
        (Law::A, 0x02, -6_016),
        (Law::A, 0x10, -2_752),
        (Law::A, 0x2A, -32_256),
        (Law::A, 0xAA, 32_256),
        (Law::A, 0xD5, 8),
        (Law::A, 0x55, -8),
    ] {
        assert_eq!(law.decode(byte), sample, "{law:?} {byte:#04x}");
        assert_eq!(law.encode(sample), byte, "{law:?} {sample}");
    }
    assert_eq!((Law::Mu.silence(), Law::A.silence()), (0xFF, 0xD5));
}

#[test]
fn every_sample_becomes_a_byte_within_half_a_step_of_it() {
    for law in [Law::Mu, Law::A] {
        let mut levels: Vec<i32> = (0..=u8::MAX).map(|byte| law.decode(byte).into()).collect();
        levels.sort_unstable();
        for sample in i16::MIN..=i16::MAX {
            let found: i32 = law.decode(law.encode(sample)).into();
            let at = levels.partition_point(|level| *level < found);
            let below = at.checked_sub(1).and_then(|below| levels.get(below));
            let above = levels[at..].iter().find(|level| **level > found);
            // What is louder than the last step is cut off there.
            let (Some(below), Some(above)) = (below, above) else { continue };
            let step = (above - found).max(found - below);
            let off = (found - i32::from(sample)).abs();
            assert!(off <= step / 2 + 4, "{law:?} {sample}: off by {off} in steps of {step}");
        }
        for byte in 0..=u8::MAX {
            // µ-law has two zeros.
            let same = if (law, byte) == (Law::Mu, 0x7F) { 0xFF } else { byte };
            assert_eq!(law.encode(law.decode(byte)), same, "{law:?}");
        }
    }
}

#[test]
fn the_milliwatt_tone_is_one_of_1_khz_in_either_law() {
    for (law, bytes) in MILLIWATT {
        // 3.17 dB (µ-law) and 3.14 dB (A-law) below the loudest sine that there is.
        let full = if law == Law::Mu { 22_657.0 } else { 22_827.0 };
        for (byte, n) in bytes.into_iter().zip(0..) {
            let sine = -full * (TAU * (f64::from(n) + 0.5) / 8.0).sin();
            let error = (f64::from(law.decode(byte)) - sine).abs() / full;
            assert!(error < 0.03, "{law:?} {n}: {} for {sine:.0}", law.decode(byte));
        }
    }
    let [(mu, mu_bytes), (a, a_bytes)] = MILLIWATT;
    assert_eq!(mu.transcode(&mu_bytes, a), a_bytes);
    assert_eq!(a.transcode(&a_bytes, mu), mu_bytes);
}

/// Frames of a tone at 24 kHz.
fn tone(hz: f64, frames: usize) -> Vec<PcmFrame> {
    let sample = |n: usize| ((TAU * hz * n as f64 / f64::from(MODEL_RATE)).sin() * 8_000.0) as i16;
    (0..frames).map(|frame| std::array::from_fn(|n| sample(frame * FRAME_SAMPLES + n))).collect()
}

/// The level of the tone, and of all else, in dB against what was encoded.
fn fidelity(heard: &[i16], hz: f64) -> (f64, f64) {
    let turn = |n: usize| TAU * hz * n as f64 / f64::from(MODEL_RATE);
    let part = |wave: fn(f64) -> f64| {
        heard.iter().enumerate().map(|(n, s)| f64::from(*s) * wave(turn(n))).sum::<f64>() * 2.0
            / heard.len() as f64
    };
    let (sine, cosine) = (part(f64::sin), part(f64::cos));
    let rest =
        |(n, s): (usize, &i16)| (f64::from(*s) - sine * turn(n).sin() - cosine * turn(n).cos()).powi(2);
    let rest: f64 = heard.iter().enumerate().map(rest).sum::<f64>() * 2.0 / heard.len() as f64;
    let db = |power: f64| 10.0 * (power / 8_000f64.powi(2)).log10();
    (db(sine.powi(2) + cosine.powi(2)), db(rest))
}

#[test]
fn a_tone_is_heard_as_it_was_said_but_for_the_laws_own_noise() {
    for law in [Law::Mu, Law::A] {
        for hz in [300.0, 440.0, 1_000.0, 2_400.0, 3_300.0] {
            let (mut encoder, mut decoder) = (Encoder::new(law), Decoder::new(law));
            let heard: Vec<i16> = tone(hz, 60)
                .iter()
                .flat_map(|frame| {
                    let packet = encoder.encode(frame);
                    assert_eq!(packet.len(), FRAME_BYTES);
                    decoder.decode(&packet).expect("G.711")
                })
                .collect();
            assert_eq!(heard.len(), 60 * FRAME_SAMPLES);
            let (level, noise) = fidelity(&heard[10 * FRAME_SAMPLES..], hz);
            println!("{law:?} {hz} Hz: {level:.2} dB, all else {noise:.1} dB");
            assert!(level.abs() < 0.7, "{law:?} {hz} Hz: {level:.2} dB");
            // The recommendation's signal to noise ratio is 33 dB and more (G.712).
            assert!(noise < -33.0, "{law:?} {hz} Hz: {noise:.1} dB");
        }
    }
}

#[test]
fn what_is_lost_goes_on_as_it_was_then_fades_and_speech_comes_back_without_a_step() {
    let (mut encoder, mut decoder) = (Encoder::new(Law::A), Decoder::new(Law::A));
    let packets: Vec<_> = tone(440.0, 40).iter().map(|frame| encoder.encode(frame)).collect();
    let mut heard: Vec<Vec<i16>> = Vec::new();
    for (at, packet) in packets.iter().enumerate() {
        let is_lost = (20..25).contains(&at);
        heard.push(if is_lost { decoder.conceal().to_vec() } else { decoder.decode(packet).expect("G.711") });
    }
    let peak = |frame: &[i16]| frame.iter().map(|sample| sample.unsigned_abs()).max().expect("samples");
    let levels: Vec<u16> = heard.iter().map(|frame| peak(frame)).collect();
    assert!(levels[20] > 7_000, "{levels:?}");
    assert!((3_000..7_500).contains(&levels[21]), "{levels:?}");
    assert!(levels[23] < 500, "{levels:?}");
    assert!(levels[26] > 7_500, "{levels:?}");
    // A tone of 440 Hz at 8000 moves by 921 from one sample to the next.
    let whole = heard[10..].concat();
    let steepest = whole.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
    assert!(steepest.expect("samples") < 2_000, "{steepest:?}");
}

#[test]
fn nothing_and_too_much_are_no_packets() {
    let mut decoder = Decoder::new(Law::Mu);
    assert_eq!(decoder.decode(&[]), Err(BadPacket));
    assert_eq!(decoder.decode(&[0xFF; MAX_PACKET + 1]), Err(BadPacket));
    assert_eq!(decoder.decode(&[0xFF; 80]).map(|pcm| pcm.len()), Ok(240));
    assert_eq!(Decoder::new(Law::Mu).conceal(), [0; FRAME_SAMPLES], "there is nothing to go on from");
}
