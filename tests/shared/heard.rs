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

/// How loud the tone is in a piece, as a share of all that is in it, if there is anything. By Goertzel's recurrence:
/// tests look often, and a sine for each sample would take more of the machine than the calls do.
pub fn is_tone(piece: &[i16], hz: f32) -> bool {
    let turn = 2.0 * (std::f64::consts::TAU * f64::from(hz) / f64::from(RATE)).cos();
    let (mut power, mut last, mut before) = (0.0, 0.0, 0.0);
    for sample in piece {
        let sample = f64::from(*sample);
        power += sample * sample;
        (last, before) = (turn.mul_add(last, sample - before), last);
    }
    let of_tone = (last * last + before * before - turn * last * before) * 2.0 / piece.len() as f64;
    power > 100.0 * piece.len() as f64 && of_tone > 0.5 * power
}

/// Whether the tone is there for so long, from its beginning to now.
pub fn lasts(hz: f32, length: Duration) -> impl Fn(&Recording) -> bool {
    move |heard| heard.length() >= length && find(heard, hz).is_some_and(|tone| tone.length >= length)
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
