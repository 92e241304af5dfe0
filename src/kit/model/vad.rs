//! Voice detection by energy, on the clock of the audio itself.

use std::time::Duration;

use crate::kit::tone::dominant;

/// Everything is judged at 8 kHz, in frames of 10 ms.
const RATE: u32 = 8_000;
const FRAME: usize = 80;
const FRAME_TIME: Duration = Duration::from_millis(10);

/// Sound this loud is speech: -34 dB of full scale, root mean square.
const LOUD: f64 = 0.02 * 32_768.0;

/// Sound in a row before speech is believed: a click is shorter.
const ONSET: Duration = Duration::from_millis(60);

/// The tone of an utterance is the median over pieces of 100 ms, of at most this many.
const PIECE: usize = 800;
const MAX_PIECES: usize = 600;

/// Hears the caller begin and stop.
#[derive(Debug, Default)]
pub(super) struct Vad {
    /// All sound since the session began.
    heard: Duration,
    /// Samples that become one at 8 kHz.
    group: Vec<i16>,
    frame: Vec<i16>,
    /// Loud frames in a row while nobody speaks.
    onset: Duration,
    speech: Option<Speech>,
    pitch: Pitch,
}

#[derive(Debug, Default)]
struct Speech {
    voiced: Duration,
    quiet: Duration,
    longest_pause: Duration,
}

/// What was heard; times since the session began, by the audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Heard {
    Started { at: Duration },
    Stopped { at: Duration, tone_hz: Option<f32>, voiced: Duration, longest_pause: Duration },
}

impl Vad {
    /// Takes the caller's sound and says what happened in it, in order.
    pub(super) fn hear(&mut self, samples: &[i16], rate: u32, silence: Duration) -> Vec<Heard> {
        let mut events = Vec::new();
        let step = usize::try_from(rate / RATE).unwrap_or(1).max(1);
        for sample in samples {
            self.group.push(*sample);
            if self.group.len() >= step {
                self.frame.push(mean(&self.group));
                self.group.clear();
            }
            if self.frame.len() == FRAME {
                let frame = std::mem::take(&mut self.frame);
                events.extend(self.hear_frame(&frame, silence));
            }
        }
        events
    }

    /// Forgets an utterance that is going on: detection was switched off, or the buffer cleared.
    pub(super) fn reset(&mut self) {
        self.onset = Duration::ZERO;
        self.speech = None;
        self.pitch = Pitch::default();
    }

    fn hear_frame(&mut self, frame: &[i16], silence: Duration) -> Option<Heard> {
        self.heard += FRAME_TIME;
        let loud = loudness(frame) >= LOUD;
        if loud {
            self.pitch.hear(frame);
        }
        let Some(speech) = &mut self.speech else {
            return self.before_speech(loud);
        };
        if loud {
            speech.voiced += FRAME_TIME;
            speech.longest_pause = speech.longest_pause.max(speech.quiet);
            speech.quiet = Duration::ZERO;
            return None;
        }
        speech.quiet += FRAME_TIME;
        if speech.quiet < silence {
            return None;
        }
        let Speech { voiced, longest_pause, .. } = *speech;
        let stopped = Heard::Stopped { at: self.heard, tone_hz: self.pitch.median(), voiced, longest_pause };
        self.reset();
        Some(stopped)
    }

    fn before_speech(&mut self, loud: bool) -> Option<Heard> {
        if !loud {
            self.reset();
            return None;
        }
        self.onset += FRAME_TIME;
        if self.onset < ONSET {
            return None;
        }
        self.speech = Some(Speech { voiced: self.onset, ..Speech::default() });
        Some(Heard::Started { at: self.heard - self.onset })
    }
}

/// The tone of an utterance, from pieces of its loud frames.
#[derive(Debug, Default)]
struct Pitch {
    piece: Vec<i16>,
    found: Vec<f32>,
}

impl Pitch {
    fn hear(&mut self, frame: &[i16]) {
        if self.found.len() >= MAX_PIECES {
            return;
        }
        self.piece.extend_from_slice(frame);
        if self.piece.len() >= PIECE {
            self.found.extend(dominant(&self.piece, RATE));
            self.piece.clear();
        }
    }

    /// A piece may span a gap between two sounds; the median doesn't mind a few of those.
    fn median(&self) -> Option<f32> {
        let mut found = self.found.clone();
        if found.is_empty() {
            found.extend(dominant(&self.piece, RATE));
        }
        found.sort_by(f32::total_cmp);
        found.get(found.len() / 2).copied()
    }
}

fn mean(group: &[i16]) -> i16 {
    let sum: i32 = group.iter().map(|sample| i32::from(*sample)).sum();
    let count = i32::try_from(group.len()).unwrap_or(1).max(1);
    i16::try_from(sum / count).unwrap_or(0)
}

fn loudness(frame: &[i16]) -> f64 {
    let energy: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / 80.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::tone::sine;

    const SILENCE: Duration = Duration::from_millis(500);

    fn tone(hz: f32, rate: u32, ms: u64) -> Vec<i16> {
        sine(hz, 0.25, rate, 0, u64::from(rate) * ms / 1_000)
    }

    fn quiet(rate: u32, ms: u64) -> Vec<i16> {
        vec![0; usize::try_from(u64::from(rate) * ms / 1_000).unwrap()]
    }

    #[test]
    fn an_utterance_is_measured_however_the_audio_is_cut() {
        for (rate, cut) in [(24_000, 480), (24_000, 7), (24_000, 100_000), (8_000, 160)] {
            let sound = [quiet(rate, 200), tone(970.0, rate, 800), quiet(rate, 700)].concat();
            let mut vad = Vad::default();
            let events: Vec<Heard> =
                sound.chunks(cut).flat_map(|piece| vad.hear(piece, rate, SILENCE)).collect();
            let [Heard::Started { at }, Heard::Stopped { at: end, tone_hz: Some(hz), voiced, .. }] = *events
            else {
                panic!("{events:?}");
            };
            assert_eq!((at.as_millis(), end.as_millis(), voiced.as_millis()), (200, 1_500, 800));
            assert!((hz - 970.0).abs() < 5.0, "{hz}");
        }
    }

    #[test]
    fn a_click_and_a_murmur_are_no_speech_and_a_pause_does_not_end_it() {
        for (name, sound, expected) in [
            ("click", [tone(970.0, 8_000, 50), quiet(8_000, 900), vec![]], 0),
            ("murmur", [sine(970.0, 0.02, 8_000, 0, 8_000), quiet(8_000, 900), vec![]], 0),
            ("pause", [tone(970.0, 8_000, 200), quiet(8_000, 490), tone(970.0, 8_000, 200)], 1),
            ("end", [tone(970.0, 8_000, 200), quiet(8_000, 500), tone(970.0, 8_000, 200)], 3),
        ] {
            let mut vad = Vad::default();
            assert_eq!(vad.hear(&sound.concat(), 8_000, SILENCE).len(), expected, "{name}");
        }
    }

    #[test]
    fn the_longest_pause_of_an_utterance_is_told_without_the_silence_that_ends_it() {
        let piece = |pause| [tone(970.0, 8_000, 200), quiet(8_000, pause)].concat();
        let sound: Vec<i16> = [30, 110, 20, 600].into_iter().flat_map(piece).collect();
        let events = Vad::default().hear(&sound, 8_000, SILENCE);
        let Some(Heard::Stopped { voiced, longest_pause, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!((voiced.as_millis(), longest_pause.as_millis()), (800, 110));
    }
}
