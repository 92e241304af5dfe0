//! Voices as tones: each voice is one frequency, so a test can hear who speaks and for how long.

use std::f64::consts::TAU;

/// Voices of fixed pitch, 230 Hz and more apart, none a multiple of another, all inside what G.711 and Opus at
/// telephone quality carry.
const VOICES: [(&str, f32); 10] = [
    ("marin", 440.0),
    ("cedar", 710.0),
    ("alloy", 970.0),
    ("ash", 1_210.0),
    ("ballad", 1_450.0),
    ("coral", 1_690.0),
    ("echo", 1_930.0),
    ("sage", 2_170.0),
    ("shimmer", 2_410.0),
    ("verse", 2_650.0),
];

/// The pitch of a voice in Hz. A voice without a fixed pitch gets one of 91 by its name, never a fixed one.
pub fn tone_of(voice: &str) -> f32 {
    match VOICES.iter().find(|(name, _)| *name == voice) {
        Some((_, hz)) => *hz,
        None => by_name(voice),
    }
}

/// 500 Hz to 2840 Hz in steps of 26 Hz, moved away from the fixed pitches by at least 60 Hz.
fn by_name(voice: &str) -> f32 {
    // FNV-1a: stable over releases and machines, which a hasher of the standard library is not.
    let hash = voice.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let free: Vec<f32> = (0..91_u8)
        .map(|step| 26.0f32.mul_add(f32::from(step), 500.0))
        .filter(|hz| VOICES.iter().all(|(_, fixed)| (fixed - hz).abs() >= 60.0))
        .collect();
    let count = u64::try_from(free.len().max(1)).unwrap_or(1);
    let index = usize::try_from(hash % count).unwrap_or(0);
    free.get(index).copied().unwrap_or(500.0)
}

/// Samples `from..to` of a sine wave that began at sample 0, so pieces join without a click.
///
/// `amplitude` is a share of full scale.
pub fn sine(hz: f32, amplitude: f32, rate: u32, from: u64, to: u64) -> Vec<i16> {
    let step = TAU * f64::from(hz) / f64::from(rate);
    let peak = f64::from(amplitude) * f64::from(i16::MAX);
    (from..to).map(|n| to_i16((step * to_f64(n)).sin() * peak)).collect()
}

/// The strongest frequency between 200 and 3400 Hz, in Hz, of the middle 100 ms of sound at `rate`. `None` where
/// there are less than 50 ms, or nothing stands out.
pub fn dominant(samples: &[i16], rate: u32) -> Option<f32> {
    if samples.len() < usize::try_from(rate / 20).ok()? {
        return None;
    }
    // A longer window has narrower peaks, which fall between the steps below.
    let length = samples.len().min(usize::try_from(rate / 10).ok()?);
    let samples = samples.get((samples.len() - length) / 2..)?.get(..length)?;
    let windowed = hann(samples);
    let energy: f64 = windowed.iter().map(|x| x * x).sum();
    let power = |hz: f64| goertzel(&windowed, hz / f64::from(rate));
    let coarse = strongest((0..=160_u16).map(|step| 20.0f64.mul_add(f64::from(step), 200.0)), power)?;
    let (hz, peak) = strongest((0..=40_u16).map(|step| f64::from(step) + coarse.0 - 20.0), power)?;
    // A pure tone under a Hann window holds N/3 times its energy at the peak; noise holds about 1.
    let purity = peak / (energy * to_f64(samples.len() as u64)).max(f64::MIN_POSITIVE);
    (purity > 0.08).then_some(hz as f32)
}

fn strongest(mut candidates: impl Iterator<Item = f64>, power: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
    let first = candidates.next()?;
    Some(candidates.fold((first, power(first)), |best, hz| {
        let found = power(hz);
        if found > best.1 { (hz, found) } else { best }
    }))
}

fn hann(samples: &[i16]) -> Vec<f64> {
    let step = TAU / to_f64(samples.len() as u64);
    let window = (0_u64..).map(|n| 0.5f64.mul_add(-(step * to_f64(n)).cos(), 0.5));
    samples.iter().zip(window).map(|(sample, weight)| f64::from(*sample) * weight).collect()
}

/// The power at one frequency (cycles per sample), by Goertzel's recurrence.
fn goertzel(samples: &[f64], frequency: f64) -> f64 {
    let coefficient = 2.0 * (TAU * frequency).cos();
    let (last, before) = samples
        .iter()
        .fold((0.0f64, 0.0f64), |(last, before), sample| (coefficient.mul_add(last, sample - before), last));
    (coefficient * last).mul_add(-before, last.mul_add(last, before * before))
}

#[expect(clippy::cast_precision_loss, reason = "sample counts stay far below 2^52")]
const fn to_f64(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16 by the cast's own saturation"
)]
const fn to_i16(x: f64) -> i16 {
    x as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_voices_are_230_hz_apart_and_inside_the_telephone_band() {
        for (at, (name, hz)) in VOICES.iter().enumerate() {
            assert!((400.0..3_000.0).contains(hz), "{name}");
            for (other, other_hz) in VOICES.iter().take(at) {
                assert!((hz - other_hz).abs() >= 230.0, "{name} and {other}");
            }
        }
    }

    #[test]
    fn a_voice_nobody_fixed_keeps_its_own_pitch_away_from_the_fixed_ones() {
        for n in 0..500 {
            let voice = format!("voice-{n}");
            let hz = tone_of(&voice);
            assert!((400.0..3_000.0).contains(&hz), "{voice} {hz}");
            assert!(VOICES.iter().all(|(_, fixed)| (fixed - hz).abs() >= 60.0), "{voice} {hz}");
            assert_eq!(hz, tone_of(&voice));
        }
        assert_ne!(tone_of("voice-1"), tone_of("voice-2"));
    }

    #[test]
    fn a_sine_in_pieces_is_the_same_as_in_one() {
        let whole = sine(970.0, 0.25, 24_000, 0, 1_000);
        let pieces = [sine(970.0, 0.25, 24_000, 0, 333), sine(970.0, 0.25, 24_000, 333, 1_000)].concat();
        assert_eq!(whole, pieces);
    }

    #[test]
    fn the_dominant_frequency_of_a_tone_is_found_within_3_hz() {
        for rate in [8_000, 24_000] {
            for hz in [250.0, 440.0, 997.0, 1_690.0, 2_655.0, 3_300.0] {
                for ms in [60, 100, 1_000] {
                    let samples = sine(hz, 0.1, rate, 0, u64::from(rate) * ms / 1_000);
                    let found = dominant(&samples, rate).expect("a tone");
                    assert!((found - hz).abs() <= 3.0, "{hz} at {rate} in {ms} ms: {found}");
                }
            }
        }
    }

    #[test]
    fn noise_and_silence_have_no_dominant_frequency() {
        use rand::rngs::SmallRng;
        use rand::{Rng, SeedableRng};
        let mut rng = SmallRng::seed_from_u64(7);
        let noise: Vec<i16> = (0..2_400).map(|_| rng.random_range(-8_000..8_000)).collect();
        assert_eq!(dominant(&noise, 24_000), None);
        assert_eq!(dominant(&[0; 2_400], 24_000), None);
        assert_eq!(dominant(&sine(440.0, 0.5, 24_000, 0, 1_000), 24_000), None);
    }
}
