//! What stands in place of lost speech: the last pitch period said again and again, softer each time (the idea of G.711,
//! appendix I, without its delay).

use super::FRAME_BYTES;

/// What is remembered of the speech, in samples at 8 kHz: two of the longest periods.
const MEMORY: usize = 2 * LONGEST;
/// A pitch of 400 Hz to 66 Hz; of a higher one, several periods.
const SHORTEST: usize = 20;
const LONGEST: usize = 120;
/// What two periods are compared by.
const COMPARED: usize = 120;
/// It is as loud as the speech for 10 ms, and gone after 60 ms.
const HOLDS: usize = 80;
const FADES: usize = 400;
/// Speech that goes on is blended in for 5 ms.
const BLEND: usize = 40;

#[derive(Debug, Default)]
pub(super) struct Concealment {
    memory: Vec<i16>,
    /// While speech is lost.
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Lost {
    period: Vec<i16>,
    /// Samples made up so far.
    made_up: usize,
}

impl Concealment {
    /// Speech that arrived; what it goes on from may have been made up.
    pub(super) fn heard(&mut self, samples: &mut [i16]) {
        if let Some(mut lost) = self.lost.take() {
            for (sample, at) in samples.iter_mut().zip(1..BLEND) {
                let share = at as f32 / BLEND as f32;
                let blended = f32::from(*sample).mul_add(share, f32::from(lost.next()) * (1.0 - share));
                *sample = blended as i16;
            }
        }
        self.remember(samples);
    }

    /// 20 ms in place of what was lost.
    pub(super) fn make_up(&mut self) -> [i16; FRAME_BYTES] {
        let mut frame = [0; FRAME_BYTES];
        if self.memory.len() < MEMORY {
            return frame;
        }
        let memory = &self.memory;
        let lost = self.lost.get_or_insert_with(|| Lost { period: period(memory), made_up: 0 });
        frame.fill_with(|| lost.next());
        frame
    }

    fn remember(&mut self, samples: &[i16]) {
        self.memory.extend(samples);
        self.memory.drain(..self.memory.len().saturating_sub(MEMORY));
    }
}

impl Lost {
    fn next(&mut self) -> i16 {
        let sample = self.period.get(self.made_up % self.period.len().max(1)).copied().unwrap_or_default();
        let faded = self.made_up.saturating_sub(HOLDS).min(FADES);
        self.made_up += 1;
        (f32::from(sample) * (1.0 - faded as f32 / FADES as f32)) as i16
    }
}

/// The end of the speech as often as it takes to say it again without a step: one pitch period or several.
fn period(memory: &[i16]) -> Vec<i16> {
    let end = memory.len();
    let likeness = |lag: usize| {
        let (now, before) = (memory.get(end - COMPARED..), memory.get(end - COMPARED - lag..end - lag));
        let pairs = || now.into_iter().flatten().zip(before.into_iter().flatten());
        let product: f32 = pairs().map(|(a, b)| f32::from(*a) * f32::from(*b)).sum();
        let power: f32 = pairs().map(|(_, b)| f32::from(*b).powi(2)).sum();
        product / power.sqrt().max(1.0)
    };
    let mut best = (LONGEST, f32::MIN);
    for lag in SHORTEST..=LONGEST {
        let found = likeness(lag);
        if found > best.1 {
            best = (lag, found);
        }
    }
    let lag = best.0;
    let mut period: Vec<i16> = memory.get(end - lag..).unwrap_or_default().to_vec();
    // Its end runs into its beginning as the speech did.
    let lead = memory.get(end - lag - lag / 4..end - lag).unwrap_or_default();
    let tail = period.len() - lead.len();
    for ((sample, before), at) in period.iter_mut().skip(tail).zip(lead).zip(1u16..) {
        let share = f32::from(at) / (lead.len() + 1) as f32;
        *sample = f32::from(*before).mul_add(share, f32::from(*sample) * (1.0 - share)) as i16;
    }
    period
}
