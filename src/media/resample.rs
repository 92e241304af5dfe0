//! Between what the telephone's codecs sample at, 8 or 16 kHz, and the 24 kHz of models: one low-pass filter, 2 ms of
//! delay at most.
//!
//! It passes the telephone's band, to 3400 Hz, and the wide one, to 7000 Hz, within 0.6 dB, and takes away what would be
//! heard mirrored.

use std::f64::consts::PI;

/// Where it is 6 dB down, as a share of the common rate, which is three times the lower of both.
const CUT: f64 = 0.1625;
/// Of the Kaiser window: 70 dB.
const BETA: f64 = 6.76;

/// From one rate to `UP / DOWN` times as much, by way of `UP` times as much.
#[derive(Debug)]
pub struct Resampler<const UP: usize, const DOWN: usize, const TAPS: usize> {
    /// The filter, in turn, between the samples that there are; the last tap is of the newest.
    phases: Box<[[f32; TAPS]; UP]>,
    held: Vec<f32>,
    /// Where the next sample is to stand, counted at the common rate from the first window of those held.
    next: usize,
}

/// 8 kHz to 24 kHz.
pub type Up = Resampler<3, 1, 32>;
/// 24 kHz to 8 kHz.
pub type Down = Resampler<1, 3, 96>;
/// 16 kHz to 24 kHz.
pub type WideUp = Resampler<3, 2, 40>;
/// 24 kHz to 16 kHz.
pub type WideDown = Resampler<2, 3, 60>;

impl<const UP: usize, const DOWN: usize, const TAPS: usize> Default for Resampler<UP, DOWN, TAPS> {
    fn default() -> Self {
        let taps = taps(UP * TAPS);
        let phase = |phase: usize| {
            let of_phase = taps.iter().skip(phase).step_by(UP).rev();
            let mut filled = [0.0; TAPS];
            filled.iter_mut().zip(of_phase).for_each(|(slot, tap)| *slot = tap * UP as f32);
            filled
        };
        Self { phases: Box::new(std::array::from_fn(phase)), held: vec![0.0; TAPS - 1], next: 0 }
    }
}

impl<const UP: usize, const DOWN: usize, const TAPS: usize> Resampler<UP, DOWN, TAPS> {
    pub fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        self.held.extend(samples.iter().copied().map(f32::from));
        let mut out = Vec::with_capacity(samples.len() * UP / DOWN + 1);
        while let Some(window) = self.held.get(self.next / UP..self.next / UP + TAPS)
            && let Some(phase) = self.phases.get(self.next % UP)
        {
            out.push(dot(window, phase));
            self.next += DOWN;
        }
        let past = (self.next / UP).min(self.held.len());
        self.held.drain(..past);
        self.next -= past * UP;
        out
    }
}

fn dot(window: &[f32], taps: &[f32]) -> i16 {
    let sum: f32 = window.iter().zip(taps).map(|(sample, tap)| sample * tap).sum();
    sum.round() as i16
}

/// A windowed sinc whose sum is 1.
fn taps(count: usize) -> Vec<f32> {
    let middle = (count - 1) as f64 / 2.0;
    let tap = |n: usize| {
        let x = n as f64 - middle;
        let sinc = (2.0 * PI * CUT * x).sin() / (PI * x);
        let edge = (x / middle).powi(2);
        sinc * bessel(BETA * (1.0 - edge).max(0.0).sqrt()) / bessel(BETA)
    };
    let sum: f64 = (0..count).map(tap).sum();
    (0..count).map(|n| (tap(n) / sum) as f32).collect()
}

/// The modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let terms = (1..40).map(|k| {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        term
    });
    1.0 + terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::media::tone::measure;

    fn tone(hz: f64, rate: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((TAU * hz * n as f64 / rate).sin() * 10_000.0).round() as i16).collect()
    }

    #[test]
    fn the_telephones_bands_pass_both_ways_as_they_are() {
        for (hz, rate) in [200.0, 440.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0]
            .map(|hz| (hz, 8_000.0))
            .into_iter()
            .chain([200.0, 3_400.0, 5_000.0, 6_000.0, 7_000.0].map(|hz| (hz, 16_000.0)))
        {
            let (low, high) = (tone(hz, rate, rate as usize), tone(hz, 24_000.0, 24_000));
            let (up, down) = if rate == 8_000.0 {
                (Up::default().push(&low), Down::default().push(&high))
            } else {
                (WideUp::default().push(&low), WideDown::default().push(&high))
            };
            for (way, samples, rate) in [("up", &up, 24_000.0), ("down", &down, rate)] {
                assert_eq!(samples.len() as f64, rate, "{way}");
                // The filter's beginning is left out.
                let settled = &samples[samples.len() - rate as usize / 2..];
                let (level, rest) = measure(settled, hz, rate, 10_000.0);
                println!("{hz} Hz {way} to {rate}: {level:.2} dB, all else {rest:.1} dB");
                assert!(level.abs() < 0.6, "{hz} Hz {way}: {level:.2} dB");
                assert!(rest < -60.0, "{hz} Hz {way}: all else {rest:.1} dB");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_not_heard_mirrored() {
        let loudest =
            |samples: &[i16]| samples[100..].iter().map(|s| s.unsigned_abs()).max().expect("samples");
        for hz in [4_600.0, 5_000.0, 6_000.0, 8_000.0, 11_000.0] {
            let down = loudest(&Down::default().push(&tone(hz, 24_000.0, 24_000)));
            assert!(down <= 10, "{hz} Hz: {down} of 10000");
        }
        for hz in [8_800.0, 10_000.0, 11_000.0] {
            let down = loudest(&WideDown::default().push(&tone(hz, 24_000.0, 24_000)));
            assert!(down <= 10, "{hz} Hz: {down} of 10000");
        }
    }

    #[test]
    fn pieces_of_any_length_come_out_as_the_whole() {
        fn check<const UP: usize, const DOWN: usize, const TAPS: usize>() {
            let speech = tone(700.0, 24_000.0, 4_800);
            let mut resampler = Resampler::<UP, DOWN, TAPS>::default();
            let pieces: Vec<i16> = speech.chunks(7).flat_map(|piece| resampler.push(piece)).collect();
            assert_eq!(pieces, Resampler::<UP, DOWN, TAPS>::default().push(&speech), "{UP} to {DOWN}");
        }
        check::<3, 1, 32>();
        check::<1, 3, 96>();
        check::<3, 2, 40>();
        check::<2, 3, 60>();
    }
}
