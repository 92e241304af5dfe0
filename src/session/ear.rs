/// Quieter is no voice on any line: -46 dB of full scale, as a mean square.
const FAINT: f64 = 26_900.0;
/// No line is taken for quieter: -70 dB of full scale.
const STILL: f64 = 107.0;
/// How far above the noise of the line a voice is: 9 dB.
const OVER_NOISE: f64 = 8.0;
/// What is taken for noise grows by 6 dB a second, so that a sound without any pause is noise after some seconds.
const RISE: f64 = 1.028;
/// Frames in a row that make a voice; a click is shorter.
const ONSET: u32 = 4;

/// Our own ear: it tells a caller's voice from the noise of the line. Whose turn it is the model says; the ear says
/// since when, and stands in while no model listens.
#[derive(Debug)]
pub struct Ear {
    /// The mean square of the line between words.
    noise: f64,
    /// Loud frames in a row.
    loud: u32,
}

impl Default for Ear {
    fn default() -> Self {
        Self { noise: STILL, loud: 0 }
    }
}

impl Ear {
    /// 20 ms of the caller: whether they speak.
    pub fn hear(&mut self, pcm: &[i16]) -> bool {
        let power = mean_square(pcm);
        self.noise = (self.noise * RISE).min(power.max(STILL));
        let is_loud = power > FAINT.max(self.noise * OVER_NOISE);
        self.loud = if is_loud { self.loud.saturating_add(1) } else { 0 };
        self.loud >= ONSET
    }
}

fn mean_square(pcm: &[i16]) -> f64 {
    let sum: f64 = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    sum / pcm.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{FRAME_SAMPLES, PcmFrame};

    const SECOND: usize = 50;

    /// A tone of this level below full scale.
    fn sound(dbfs: f64) -> PcmFrame {
        let peak = 32_768.0 * 2f64.sqrt() * 10f64.powf(dbfs / 20.0);
        std::array::from_fn(|n| {
            let turn = n as f64 * 15.0 / FRAME_SAMPLES as f64;
            (peak * (turn * std::f64::consts::TAU).sin()) as i16
        })
    }

    /// In which frames a voice is heard, as the first and the count.
    fn voice(ear: &mut Ear, dbfs: f64, frames: usize) -> (Option<usize>, usize) {
        let heard: Vec<bool> = (0..frames).map(|_| ear.hear(&sound(dbfs))).collect();
        (heard.iter().position(|voice| *voice), heard.iter().filter(|voice| **voice).count())
    }

    #[test]
    fn a_voice_is_told_from_the_line_and_from_a_click() {
        for (line, level, heard) in [
            (-90.0, -20.0, true),
            (-60.0, -40.0, true),
            (-40.0, -20.0, true),
            (-90.0, -50.0, false),
            (-30.0, -25.0, false),
        ] {
            let mut ear = Ear::default();
            voice(&mut ear, line, 6 * SECOND);
            assert_eq!(voice(&mut ear, line, SECOND).1, 0, "the line at {line}");
            assert_eq!(voice(&mut ear, level, 3).1, 0, "a click at {level}");
            voice(&mut ear, line, 1);
            let (first, frames) = voice(&mut ear, level, SECOND);
            assert_eq!(first, heard.then_some(3), "{level} over {line}");
            assert_eq!(frames, if heard { SECOND - 3 } else { 0 }, "{level} over {line}");
        }
    }

    #[test]
    fn a_sound_without_a_pause_is_noise_after_some_seconds_and_a_voice_over_it_is_heard() {
        let mut ear = Ear::default();
        let (first, frames) = voice(&mut ear, -30.0, 10 * SECOND);
        assert_eq!(first, Some(3));
        assert!((4 * SECOND..7 * SECOND).contains(&frames), "{frames} frames");
        assert_eq!(voice(&mut ear, -15.0, SECOND).0, Some(3));
    }

    #[test]
    fn a_speaker_who_pauses_between_words_is_heard_for_as_long_as_they_speak() {
        let mut ear = Ear::default();
        for _ in 0..60 {
            assert_eq!(voice(&mut ear, -25.0, 40).1, 37);
            voice(&mut ear, -60.0, 10);
        }
    }
}
