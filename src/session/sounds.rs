use std::f32::consts::TAU;
use std::sync::Arc;

use super::phrases::Phrases;
use crate::ingress::leg::Frame;
use crate::media::codec::{Codec, Encoder};
use crate::media::{FRAME_SAMPLES, MODEL_RATE, PcmFrame};

/// Sounds that need no model, encoded once for every call in the codec.
#[derive(Debug, Clone)]
pub struct Sounds {
    pub codec: Codec,
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

impl Sounds {
    pub fn new(codec: Codec, phrases: Phrases) -> Self {
        let mut encoder = Encoder::new(codec);
        let comfort = NOTES.into_iter().flat_map(note).map(|frame| encoder.encode(&frame)).collect();
        Self { codec, silence: codec.silence(), comfort, phrases }
    }
}

/// The sounds of every codec.
#[derive(Debug, Clone)]
pub struct SoundsByCodec([Sounds; Codec::ALL.len()]);

impl Default for SoundsByCodec {
    fn default() -> Self {
        let phrases = Phrases::default();
        Self(Codec::ALL.map(|codec| Sounds::new(codec, phrases.clone())))
    }
}

impl SoundsByCodec {
    pub fn of(&self, codec: Codec) -> &Sounds {
        self.0.iter().find(|sounds| sounds.codec == codec).expect("every codec has its sounds")
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
    use crate::media::codec::Decoder;
    use crate::media::outlet::Outlet;

    #[test]
    fn the_comfort_sound_is_soft_and_short() {
        let sounds = SoundsByCodec::default();
        for codec in Codec::ALL {
            let (mut outlet, mut decoder) = (Outlet::new(codec, codec), Decoder::new(codec));
            let comfort = sounds.of(codec).comfort.iter();
            let pcm: Vec<i16> = comfort.flat_map(|frame| decoder.decode(&outlet.payload(frame))).collect();
            assert_eq!(pcm.len(), 400 * 24, "400 ms");
            let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().expect("samples");
            assert!((300..2_000).contains(&peak), "{codec:?}: peak {peak}");
        }
    }
}
