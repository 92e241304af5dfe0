//! What stands in place of lost speech: the last pitch period said again and again, softer each time (the idea of G.711,
//! appendix I, without its delay).

/// Of speech, in samples at 8 kHz: a pitch of 400 Hz to 66 Hz; of a higher one, several periods.
const SHORTEST: usize = 20;
const LONGEST: usize = 120;
/// It is as loud as the speech for 10 ms, and gone after 60 ms.
const HOLDS: usize = 80;
const FADES: usize = 400;
/// Speech that goes on is blended in for 5 ms.
const BLEND: usize = 40;
/// 20 ms.
const FRAME: usize = 160;

#[derive(Debug)]
pub(super) struct Concealment {
    /// What 8 kHz times this is the speech's rate.
    times: usize,
    /// Two of the longest periods.
    memory: Vec<i16>,
    /// While speech is lost.
    lost: Option<Lost>,
}

#[derive(Debug)]
struct Lost {
    times: usize,
    period: Vec<i16>,
    /// Samples made up so far.
    made_up: usize,
}

impl Concealment {
    /// Of speech at `rate`, a multiple of 8 kHz.
    pub(super) const fn new(rate: usize) -> Self {
        Self { times: rate / 8_000, memory: Vec::new(), lost: None }
    }

    /// Whether what came last was made up.
    pub(super) const fn is_going_on(&self) -> bool {
        self.lost.is_some()
    }

    /// Speech that arrived; what it goes on from may have been made up. How many samples were blended with that: the
    /// first so many.
    pub(super) fn heard(&mut self, samples: &mut [i16]) -> usize {
        let mut blended = 0;
        if let Some(mut lost) = self.lost.take() {
            let blend = BLEND * self.times;
            blended = samples.len().min(blend - 1);
            for (sample, at) in samples.iter_mut().zip(1..blend) {
                let share = at as f32 / blend as f32;
                let mixed = f32::from(*sample).mul_add(share, f32::from(lost.next()) * (1.0 - share));
                *sample = mixed as i16;
            }
        }
        self.memory.extend(&*samples);
        self.memory.drain(..self.memory.len().saturating_sub(2 * LONGEST * self.times));
        blended
    }

    /// 20 ms in place of what was lost.
    pub(super) fn make_up(&mut self) -> Vec<i16> {
        let (times, memory) = (self.times, &self.memory);
        let mut frame = vec![0; FRAME * times];
        if memory.len() == 2 * LONGEST * times {
            let begin = || Lost { times, period: period(memory, times), made_up: 0 };
            let lost = self.lost.get_or_insert_with(begin);
            frame.fill_with(|| lost.next());
        }
        frame
    }
}

impl Lost {
    fn next(&mut self) -> i16 {
        let sample = self.period.get(self.made_up % self.period.len().max(1)).copied().unwrap_or_default();
        let (holds, fades) = (HOLDS * self.times, FADES * self.times);
        let faded = self.made_up.saturating_sub(holds).min(fades);
        self.made_up += 1;
        (f32::from(sample) * (1.0 - faded as f32 / fades as f32)) as i16
    }
}

/// The end of the speech as often as it takes to say it again without a step: one pitch period or several.
fn period(memory: &[i16], times: usize) -> Vec<i16> {
    let end = memory.len();
    let compared = LONGEST * times;
    let likeness = |lag: usize| {
        let (now, before) = (memory.get(end - compared..), memory.get(end - compared - lag..end - lag));
        let pairs = || now.into_iter().flatten().zip(before.into_iter().flatten());
        let product: f32 = pairs().map(|(a, b)| f32::from(*a) * f32::from(*b)).sum();
        let power: f32 = pairs().map(|(_, b)| f32::from(*b).powi(2)).sum();
        product / power.sqrt().max(1.0)
    };
    let mut best = (LONGEST * times, f32::MIN);
    for lag in SHORTEST * times..=LONGEST * times {
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
