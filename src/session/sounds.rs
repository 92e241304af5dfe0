use std::f32::consts::TAU;
use std::sync::Arc;

use super::phrases::Phrases;
use crate::ingress::leg::Frame;
use crate::media::opus::{Encoder, SILENCE};
use crate::media::{FRAME_SAMPLES, MODEL_RATE, PcmFrame};

/// Sounds that need no model, encoded once for every call.
#[derive(Debug, Clone)]
pub struct Sounds {
    pub silence: Frame,
    /// Played when the model lets the caller wait, so that nobody thinks the line is dead.
    pub comfort: Arc<[Frame]>,
    pub phrases: Phrases,
}

/// Two soft notes, 200 ms each: a fourth apart, in the middle of the telephone band.
const NOTES: [f32; 2] = [440.0, 587.3];
const NOTE_FRAMES: usize = 10;
/// -30 dBFS: plainly there, far below speech.
const AMPLITUDE: f32 = 0.03;

impl Default for Sounds {
    fn default() -> Self {
        let mut encoder = Encoder::new();
        let comfort = NOTES.into_iter().flat_map(note).map(|frame| encoder.encode(&frame)).collect();
        Self { silence: SILENCE.into(), comfort, phrases: Phrases::default() }
    }
}

/// One note that swells and fades, so that it starts and ends without a click.
fn note(pitch: f32) -> impl Iterator<Item = PcmFrame> {
    let length = (NOTE_FRAMES * FRAME_SAMPLES) as f32;
    let sample = move |n: usize| {
        let n = n as f32;
        let swell = (TAU * n / length).cos().mul_add(-0.5, 0.5);
        let wave = (TAU * pitch * n / MODEL_RATE as f32).sin();
        (wave * swell * AMPLITUDE * f32::from(i16::MAX)) as i16
    };
    (0..NOTE_FRAMES).map(move |frame| std::array::from_fn(|n| sample(frame * FRAME_SAMPLES + n)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::opus::Decoder;

    #[test]
    fn the_comfort_sound_is_soft_and_short() {
        let sounds = Sounds::default();
        let mut decoder = Decoder::new();
        let pcm: Vec<i16> =
            sounds.comfort.iter().flat_map(|frame| decoder.decode(frame).expect("Opus")).collect();
        assert_eq!(pcm.len(), 400 * 24, "400 ms");
        let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().expect("samples");
        assert!((300..2_000).contains(&peak), "peak {peak}");
    }
}
