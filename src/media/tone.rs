//! What tests hear of a tone.

use std::f64::consts::TAU;

/// How strong a tone of `hz` is in it against one of `amplitude`, and how strong all else, both in dB.
pub(crate) fn measure(samples: &[i16], hz: f64, rate: f64, amplitude: f64) -> (f64, f64) {
    let count = samples.len() as f64;
    let turn = |n: usize| TAU * hz * n as f64 / rate;
    let part = |wave: fn(f64) -> f64| {
        samples.iter().enumerate().map(|(n, s)| f64::from(*s) * wave(turn(n))).sum::<f64>() * 2.0 / count
    };
    let (sine, cosine) = (part(f64::sin), part(f64::cos));
    let rest = samples
        .iter()
        .enumerate()
        .map(|(n, s)| (f64::from(*s) - sine * turn(n).sin() - cosine * turn(n).cos()).powi(2));
    let db = |power: f64| 10.0 * (power / amplitude.powi(2)).max(1e-12).log10();
    (db(sine.powi(2) + cosine.powi(2)), db(rest.sum::<f64>() * 2.0 / count))
}
