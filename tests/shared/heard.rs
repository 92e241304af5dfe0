//! Tones in what a phone heard.

use std::time::Duration;

use dialplane::kit::phone::{RATE, Recording};

/// Where a tone is: from its first 20 ms to its last, and how much of that it is not there, at once and in all.
#[derive(Debug, PartialEq)]
pub struct Tone {
    pub from: Duration,
    pub length: Duration,
    pub longest_hole: Duration,
    pub missing: f64,
}

/// How loud the tone is in a piece, as a share of all that is in it, if there is anything.
pub fn is_tone(piece: &[i16], hz: f32) -> bool {
    let turn = |n: usize| std::f64::consts::TAU * f64::from(hz) * n as f64 / f64::from(RATE);
    let part = |wave: fn(f64) -> f64| {
        piece.iter().enumerate().map(|(n, s)| f64::from(*s) * wave(turn(n))).sum::<f64>()
    };
    let power: f64 = piece.iter().map(|s| f64::from(*s).powi(2)).sum();
    let of_tone = (part(f64::sin).powi(2) + part(f64::cos).powi(2)) * 2.0 / piece.len() as f64;
    power > 100.0 * piece.len() as f64 && of_tone > 0.5 * power
}

pub fn find(heard: &Recording, hz: f32) -> Option<Tone> {
    let pieces: Vec<bool> = heard.samples.chunks(80).map(|piece| is_tone(piece, hz)).collect();
    let (first, last) = (pieces.iter().position(|is| *is)?, pieces.iter().rposition(|is| *is)?);
    let within = &pieces[first..=last];
    let hole = within.chunk_by(|a, b| a == b).filter(|run| !run[0]).map(<[_]>::len).max().unwrap_or(0);
    let missing = within.iter().filter(|is| !**is).count() as f64 / within.len() as f64;
    let time = |pieces: usize| Duration::from_millis(pieces as u64 * 10);
    Some(Tone { from: time(first), length: time(within.len()), longest_hole: time(hole), missing })
}
