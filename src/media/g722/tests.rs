use std::f64::consts::TAU;

use super::*;
use crate::media::MODEL_RATE;
use crate::media::tone::measure;

/// So many frames of a tone at the model's rate.
fn tone(hz: f64, amplitude: f64, frames: usize) -> Vec<PcmFrame> {
    let sample = |n: usize| ((TAU * hz * n as f64 / f64::from(MODEL_RATE)).sin() * amplitude).round() as i16;
    (0..frames).map(|frame| std::array::from_fn(|n| sample(frame * FRAME_SAMPLES + n))).collect()
}

fn through(encoder: &mut Encoder, decoder: &mut Decoder, frames: &[PcmFrame]) -> Pcm {
    frames.iter().flat_map(|frame| decoder.decode(&encoder.encode(frame)).expect("a packet")).collect()
}

/// How strong a tone of `hz` is in it against one of `amplitude`, and how strong all else, both in dB.
fn measured(samples: &[i16], hz: f64, amplitude: f64) -> (f64, f64) {
    measure(samples, hz, f64::from(MODEL_RATE), amplitude)
}

#[test]
fn tones_of_the_wide_band_come_out_at_their_level() {
    for amplitude in [300.0, 3_000.0, 20_000.0] {
        for hz in [200.0, 440.0, 1_000.0, 2_500.0, 3_900.0, 4_100.0, 5_000.0, 6_000.0, 7_000.0] {
            let heard = through(&mut Encoder::default(), &mut Decoder::default(), &tone(hz, amplitude, 60));
            assert_eq!(heard.len(), 60 * FRAME_SAMPLES);
            let (level, rest) = measured(&heard[FRAME_SAMPLES * 10..], hz, amplitude);
            println!("{hz} Hz of {amplitude}: {level:.2} dB, all else {rest:.1} dB");
            assert!(level.abs() < 0.3, "{hz} Hz of {amplitude}: {level:.2} dB");
            // The band above 4 kHz has two bits a sample.
            let most = if hz < 4_500.0 { -30.0 } else { -19.0 };
            assert!(rest < most, "{hz} Hz of {amplitude}: all else {rest:.1} dB");
        }
    }
}

/// FNV-1a.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes
        .into_iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn noise() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1u32), |x| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))).skip(1)
}

fn encoded(samples: &[i16]) -> Vec<u8> {
    let mut bands = Bands::default();
    let split = Analysis::default().push(samples);
    split.into_iter().map(|(low, high)| bands.encode(low, high)).collect()
}

fn decoded(bytes: &[u8]) -> Vec<i16> {
    let mut bands = Bands::default();
    let split: Vec<_> = bytes.iter().map(|byte| bands.decode(*byte)).collect();
    Synthesis::default().push(&split)
}

/// Two seconds of noise, at full scale first and 6 dB softer every eighth of a second, sixteen times; and a second of
/// bytes that no encoder makes. The digests are those of another implementation, libg722, which passes the test
/// sequences of the Recommendation.
#[test]
fn bytes_and_samples_are_those_of_another_implementation() {
    let sample = |(n, x): (usize, u32)| (x.cast_signed() >> 16 >> ((n / 2_000) % 16)) as i16;
    let samples: Vec<i16> = noise().take(32_000).enumerate().map(sample).collect();
    let bytes = encoded(&samples);
    let in_bytes = |samples: Vec<i16>| samples.into_iter().flat_map(i16::to_le_bytes);
    assert_eq!(digest(bytes.iter().copied()), 0xA99B_4597_AEA6_91A4);
    assert_eq!(digest(in_bytes(decoded(&bytes))), 0xFFF7_2BE7_978F_3E81);
    let any: Vec<u8> = noise().take(16_000).map(|x| (x >> 24) as u8).collect();
    assert_eq!(digest(in_bytes(decoded(&any))), 0x57DB_14AA_B0AA_B689);
}

/// How loud the loudest sample is.
fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default()
}

#[test]
fn silence_is_silent_before_speech_and_soon_after_it() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    for loudness in [0.0, 300.0, 20_000.0] {
        through(&mut encoder, &mut decoder, &tone(700.0, loudness, 20));
        let quiet = through(&mut encoder, &mut decoder, &[[0; FRAME_SAMPLES]; 20]);
        let after = peak(&quiet[2 * FRAME_SAMPLES..]);
        assert!(after <= 8, "{after} after a tone of {loudness}");
    }
}

#[test]
fn what_goes_in_comes_out_4_ms_later() {
    let mut click = [[0; FRAME_SAMPLES]; 4];
    click[1][100..124].fill(12_000);
    let heard = through(&mut Encoder::default(), &mut Decoder::default(), &click);
    let loudest = (0..heard.len()).max_by_key(|n| heard[*n].unsigned_abs()).expect("samples");
    let delay = loudest as f64 - (FRAME_SAMPLES + 112) as f64;
    println!("{:.2} ms", delay / 24.0);
    assert!((3.5..4.0).contains(&(delay / 24.0)), "{:.2} ms", delay / 24.0);
}

#[test]
fn a_lost_packet_is_covered_and_what_follows_is_the_callers() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let mut heard = Pcm::new();
    for (n, frame) in tone(440.0, 8_000.0, 40).iter().enumerate() {
        let packet = encoder.encode(frame);
        let is_lost = n % 10 == 5;
        heard.extend(if is_lost {
            decoder.conceal().to_vec()
        } else {
            decoder.decode(&packet).expect("a packet")
        });
    }
    let (level, rest) = measured(&heard[FRAME_SAMPLES * 2..], 440.0, 8_000.0);
    println!("{level:.2} dB, all else {rest:.1} dB");
    // A tone without end is what suffers most from weights that are taken back.
    assert!(level.abs() < 0.7 && rest < -17.5, "{level:.2} dB, all else {rest:.1} dB");
}

#[test]
fn nothing_and_too_much_are_no_packets() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(&[]), Err(BadPacket));
    assert_eq!(decoder.decode(&[0; MAX_PACKET + 1]), Err(BadPacket));
    assert_eq!(decoder.decode(&[0; 80]).map(|pcm| pcm.len()), Ok(240));
    assert_eq!(Decoder::default().conceal(), [0; FRAME_SAMPLES], "there is nothing to go on from");
}
