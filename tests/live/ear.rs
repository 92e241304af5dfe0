//! What was heard: tones told apart by their energy, silence, gaps, and how evenly packets came.

use std::f64::consts::TAU;
use std::time::Duration;

/// Samples a second of everything the phone hears.
pub const RATE: usize = 8000;

const HOP: usize = RATE * 20 / 1000;

/// Quieter than this is silence: comfort noise and the hiss of two codecs stay below it.
const SILENCE_DBFS: f64 = -48.0;

/// How much of a window's energy a tone must hold.
const PURE: f64 = 0.45;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    Silence,
    /// One of the tones that were listened for, in Hz.
    Tone(u32),
    Other,
}

/// A stretch of one sound, counted from the first sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    pub sound: Sound,
    pub start: Duration,
    pub end: Duration,
    /// The mean level, in dB below full scale.
    pub level: f64,
}

impl Heard {
    pub fn length(&self) -> Duration {
        self.end - self.start
    }
}

/// Cuts `samples` into stretches of one sound each, to 20 ms; `tones` are the ones to tell apart.
pub fn segments(samples: &[i16], tones: &[u32]) -> Vec<Heard> {
    let mut found: Vec<(Sound, usize, usize, f64)> = Vec::new();
    let hops: Vec<&[i16]> = samples.chunks(HOP).collect();
    for (at, hop) in hops.iter().enumerate() {
        let (sound, end) = (sound_of(samples, &hops, at, tones), at * HOP + hop.len());
        match found.last_mut() {
            Some((last, _, last_end, sum)) if *last == sound => {
                *last_end = end;
                *sum += power(hop);
            }
            _ => found.push((sound, at * HOP, end, power(hop))),
        }
    }
    let heard = found.into_iter().map(|(sound, start, end, sum)| Heard {
        sound,
        start: time(start),
        end: time(end),
        level: dbfs(sum / (end - start).div_ceil(HOP) as f64),
    });
    heard.collect()
}

/// Silence is told from the 20 ms alone; a tone from 60 ms around them, which tell tones 50 Hz apart, less what
/// is silent of those. Where a loud tone meets a quiet one, only the 20 ms are pure.
fn sound_of(samples: &[i16], hops: &[&[i16]], at: usize, tones: &[u32]) -> Sound {
    let is_loud = |at: usize| hops.get(at).is_some_and(|hop| dbfs(power(hop)) >= SILENCE_DBFS);
    if !is_loud(at) {
        return Sound::Silence;
    }
    let before = if at > 0 && is_loud(at - 1) { at - 1 } else { at };
    let after = if is_loud(at + 1) { at + 1 } else { at };
    let window = &samples[before * HOP..samples.len().min((after + 1) * HOP)];
    let tone = purest(window, tones).or_else(|| purest(hops[at], tones));
    tone.map_or(Sound::Other, Sound::Tone)
}

fn purest(window: &[i16], tones: &[u32]) -> Option<u32> {
    let share = |tone: &u32| (*tone, tone_power(window, f64::from(*tone)) / power(window));
    let (tone, share) = tones.iter().map(share).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (share > PURE).then_some(tone)
}

/// Mean square of the samples.
fn power(window: &[i16]) -> f64 {
    let sum: f64 = window.iter().map(|s| f64::from(*s).powi(2)).sum();
    sum / window.len().max(1) as f64
}

/// The mean square that a tone of `hz` contributes (Goertzel's algorithm).
fn tone_power(window: &[i16], hz: f64) -> f64 {
    let step = TAU * hz / RATE as f64;
    let (mut one, mut two) = (0.0, 0.0);
    for sample in window {
        (one, two) = (f64::from(*sample) + 2.0 * step.cos() * one - two, one);
    }
    let magnitude = one * one + two * two - 2.0 * step.cos() * one * two;
    2.0 * magnitude / (window.len() as f64).powi(2)
}

fn dbfs(power: f64) -> f64 {
    10.0 * (power / 32768f64.powi(2)).max(1e-10).log10()
}

fn time(sample: usize) -> Duration {
    Duration::from_micros((sample * 1_000_000 / RATE) as u64)
}

/// How long `tone` was heard in all.
pub fn total(heard: &[Heard], tone: u32) -> Duration {
    heard.iter().filter(|h| h.sound == Sound::Tone(tone)).map(Heard::length).sum()
}

/// When `tone` was first heard.
pub fn first(heard: &[Heard], tone: u32) -> Option<Duration> {
    heard.iter().find(|h| h.sound == Sound::Tone(tone)).map(|h| h.start)
}

/// The silences inside the speech of one voice: between its first and its last sound.
pub fn gaps(heard: &[Heard], tone: u32) -> Vec<Heard> {
    let is_voice = |h: &Heard| h.sound == Sound::Tone(tone);
    let (Some(first), Some(last)) = (heard.iter().position(is_voice), heard.iter().rposition(is_voice))
    else {
        return Vec::new();
    };
    heard[first..last].iter().filter(|h| h.sound == Sound::Silence).copied().collect()
}

/// How much of the `expected` speech of `tone` was not heard, in percent.
pub fn missing(heard: &[Heard], tone: u32, expected: Duration) -> f64 {
    (100.0 * (1.0 - total(heard, tone).as_secs_f64() / expected.as_secs_f64())).max(0.0)
}

/// When the sound that is heard at or after `from` stopped: the end of the last 10 ms block before 200 ms of quiet.
/// `None` while it goes on.
pub fn stopped(samples: &[i16], from: Duration) -> Option<Duration> {
    const BLOCK: usize = RATE / 100;
    let skip = (from.as_secs_f64() * RATE as f64) as usize / BLOCK;
    let loud: Vec<bool> = samples.chunks(BLOCK).map(|block| dbfs(power(block)) >= SILENCE_DBFS).collect();
    let begins = skip + loud.get(skip..)?.iter().position(|loud| *loud)?;
    let quiet = loud[begins..].windows(20).position(|blocks| blocks.iter().all(|loud| !loud))?;
    Some(time((begins + quiet) * BLOCK))
}

/// `length` of a tone at `level` dBFS: what a phone says and a test expects.
pub fn tone(hz: u32, length: Duration, level: f64) -> Vec<i16> {
    let amplitude = 32768.0 * 2f64.sqrt() * 10f64.powf(level / 20.0);
    let samples = (length.as_secs_f64() * RATE as f64).round() as usize;
    let sample = |at: usize| (amplitude * (TAU * f64::from(hz) * at as f64 / RATE as f64).sin()) as i16;
    (0..samples).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::Law;

    const TONES: [u32; 4] = [350, 440, 500, 880];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn silence(length: u64) -> Vec<i16> {
        vec![0; length as usize * RATE / 1000]
    }

    fn near(a: Duration, b: Duration) -> bool {
        a.abs_diff(b) <= ms(20)
    }

    #[test]
    fn tones_and_silence_are_told_apart_with_their_times_and_levels() {
        for law in [Law::Mu, Law::A] {
            let parts = [
                tone(440, ms(500), -12.0),
                silence(300),
                tone(500, ms(400), -20.0),
                tone(350, ms(200), -12.0),
            ];
            let coded: Vec<i16> = parts.concat().iter().map(|s| law.decode(law.encode(*s))).collect();
            let heard = segments(&coded, &TONES);
            let sounds: Vec<Sound> = heard.iter().map(|h| h.sound).collect();
            assert_eq!(sounds, [Sound::Tone(440), Sound::Silence, Sound::Tone(500), Sound::Tone(350)]);
            for (heard, (start, end)) in heard.iter().zip([(0, 500), (500, 800), (800, 1200), (1200, 1400)]) {
                assert!(near(heard.start, ms(start)) && near(heard.end, ms(end)), "{heard:?}");
            }
            assert!((heard[0].level + 12.0).abs() < 0.5 && (heard[2].level + 20.0).abs() < 0.5, "{heard:?}");
        }
    }

    #[test]
    fn an_unknown_tone_and_a_mixture_are_neither_voice() {
        let mixed: Vec<i16> = tone(440, ms(400), -15.0)
            .iter()
            .zip(tone(880, ms(400), -15.0))
            .zip(tone(1500, ms(400), -12.0))
            .map(|((a, b), c)| a + b + c)
            .collect();
        for samples in [tone(700, ms(400), -12.0), mixed] {
            assert!(segments(&samples, &TONES).iter().all(|h| h.sound == Sound::Other));
        }
    }

    #[test]
    fn a_gap_is_silence_inside_speech_and_counts_as_missing() {
        let samples =
            [silence(500), tone(440, ms(1000), -12.0), silence(100), tone(440, ms(900), -12.0), silence(700)]
                .concat();
        let heard = segments(&samples, &TONES);
        let gaps = gaps(&heard, 440);
        assert_eq!(gaps.len(), 1);
        assert!(near(gaps[0].length(), ms(100)), "{gaps:?}");
        assert!((missing(&heard, 440, ms(2000)) - 5.0).abs() < 2.0);
        assert!(missing(&heard, 880, ms(2000)) > 99.0, "another voice is no speech of this one");
        assert!(near(first(&heard, 440).unwrap(), ms(500)));
        assert_eq!(first(&heard, 880), None);
    }

    #[test]
    fn audio_has_stopped_when_quiet_follows_it_and_not_before() {
        let speech =
            [silence(100), tone(440, ms(330), -12.0), silence(100), tone(440, ms(70), -12.0)].concat();
        assert_eq!(stopped(&speech, ms(0)), None, "still speaking; 100 ms of quiet is a pause");
        let ended = [speech, silence(300)].concat();
        assert!(near(stopped(&ended, ms(0)).unwrap(), ms(600)));
        assert_eq!(stopped(&ended, ms(700)), None, "nothing is heard after that");
    }
}
