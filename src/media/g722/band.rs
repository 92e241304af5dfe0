//! The two bands' adaptive differential PCM. Names in capitals are the Recommendation's blocks; all arithmetic is its
//! 16 bit fixed point.

/// The lower band's six bits: where one step of the quantizer ends, for a scale of 4096 (table 14).
const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// The upper band's two bits have one.
const DECISION_HIGH: i32 = 564;

/// What six bits stand for.
const SIX_BITS: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
/// What their upper four stand for: the prediction goes by these alone, so that the lower two may carry data instead.
const FOUR_BITS: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// What the upper band's two bits stand for.
const TWO_BITS: [i32; 4] = [-7408, -1616, 7408, 1616];

/// How the scale of the next step changes with what this one was.
const SCALE_LOW: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
const SCALE_HIGH: [i32; 4] = [798, -214, 798, -214];

/// How much of a weight of the newest sample is left after a loss, of 32768; of the one before it the square, and so on.
const RESUMED: i32 = 28_508;

/// 2048 times the 32nd roots of 2 (table 16).
const ROOTS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// Both bands of one stream, in an encoder as in a decoder.
#[derive(Debug)]
pub(super) struct Bands {
    low: Band,
    high: Band,
}

impl Default for Bands {
    fn default() -> Self {
        Self { low: Band::new(Scale::LOW), high: Band::new(Scale::HIGH) }
    }
}

impl Bands {
    /// The byte of one sample of either band.
    pub(super) fn encode(&mut self, low: i32, high: i32) -> u8 {
        let byte = (self.high.quantize_high(high) << 6) | self.low.quantize_low(low);
        self.adapt(byte);
        byte
    }

    /// One sample of either band.
    pub(super) fn decode(&mut self, byte: u8) -> (i32, i32) {
        let low = self.low.predicted + self.low.scale.of(entry(&SIX_BITS, byte & 63));
        let high = self.high.predicted + self.high.scale.of(entry(&TWO_BITS, byte >> 6));
        self.adapt(byte);
        // LIMIT
        (low.clamp(-16_384, 16_383), high.clamp(-16_384, 16_383))
    }

    /// What comes next follows on something that was lost. The weights fitted the encoder's samples and not those that we
    /// made up, and between the two they ring, louder than the speech was. The older the sample, the less of its weight
    /// is kept: the filter's bandwidth is expanded, as the concealment of annex C does. In the band above it makes no
    /// difference.
    pub(super) fn resume(&mut self) {
        self.low.poles = expanded(self.low.poles);
        self.low.zeros = expanded(self.low.zeros);
    }

    fn adapt(&mut self, byte: u8) {
        let (low, high) = ((byte & 63) >> 2, byte >> 6);
        self.low.adapt(entry(&FOUR_BITS, low), entry(&SCALE_LOW, low));
        self.high.adapt(entry(&TWO_BITS, high), entry(&SCALE_HIGH, high));
    }
}

/// One band: predicts the next sample from those before it, by two poles and six zeros. The newest stands first.
#[derive(Debug)]
struct Band {
    scale: Scale,
    predicted: i32,
    /// The zeros' share of it.
    by_zeros: i32,
    poles: [i32; 2],
    zeros: [i32; 6],
    /// What was decoded.
    rebuilt: [i32; 2],
    /// The same, without the poles' share.
    partial: [i32; 2],
    differences: [i32; 6],
}

impl Band {
    const fn new(scale: Scale) -> Self {
        Self {
            scale,
            predicted: 0,
            by_zeros: 0,
            poles: [0; 2],
            zeros: [0; 6],
            rebuilt: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
        }
    }

    /// SUBTRA, QUANTL
    fn quantize_low(&self, sample: i32) -> u8 {
        let error = clip(sample - self.predicted);
        let step =
            DECISIONS.iter().take_while(|end| magnitude(error) >= self.scale.share(**end)).count() as u8;
        match (error < 0, step) {
            (false, _) => 61 - step,
            (true, 0 | 1) => 63 - step,
            (true, _) => 33 - step,
        }
    }

    /// SUBTRA, QUANTH
    fn quantize_high(&self, sample: i32) -> u8 {
        let error = clip(sample - self.predicted);
        let is_large = magnitude(error) >= self.scale.share(DECISION_HIGH);
        match (error < 0, is_large) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }

    /// Goes on to the next sample, by what the bits of this one stand for.
    fn adapt(&mut self, difference: i32, scale: i32) {
        let difference = self.scale.of(difference);
        self.scale.adapt(scale);
        // RECONS, PARREC
        let rebuilt = clip(self.predicted + difference);
        let partial = clip(self.by_zeros + difference);
        self.poles = self.next_poles(partial);
        self.zeros = self.next_zeros(difference);
        // DELAYA
        self.rebuilt = [rebuilt, self.rebuilt[0]];
        self.partial = [partial, self.partial[0]];
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        // FILTEP, FILTEZ, PREDIC
        let filtered = |(weight, sample): (&i32, &i32)| (weight * clip(sample * 2)) >> 15;
        let by_poles = clip(self.poles.iter().zip(&self.rebuilt).map(filtered).sum());
        self.by_zeros = clip(self.zeros.iter().zip(&self.differences).map(filtered).sum());
        self.predicted = clip(by_poles + self.by_zeros);
    }

    /// UPPOL2, UPPOL1
    fn next_poles(&self, partial: i32) -> [i32; 2] {
        let ([first, second], [one_ago, two_ago]) = (self.poles, self.partial);
        let turned = clip(first * 4);
        let turned = if is_alike(partial, one_ago) { (-turned).min(32_767) } else { turned };
        let step = if is_alike(partial, two_ago) { 128 } else { -128 };
        let second = ((turned >> 7) + step + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let step = if is_alike(partial, one_ago) { 192 } else { -192 };
        let most = clip(15_360 - second);
        let first = clip(step + ((first * 32_640) >> 15)).clamp(-most, most);
        [first, second]
    }

    /// UPZERO
    fn next_zeros(&self, difference: i32) -> [i32; 6] {
        let step = if difference == 0 { 0 } else { 128 };
        let mut zeros = self.zeros;
        for (zero, before) in zeros.iter_mut().zip(self.differences) {
            let step = if is_alike(difference, before) { step } else { -step };
            *zero = clip(step + ((*zero * 32_640) >> 15));
        }
        zeros
    }
}

/// How wide a band's quantizer steps are: as loud as the band was.
#[derive(Debug)]
struct Scale {
    log: i32,
    linear: i32,
    most: i32,
    shift: i32,
}

impl Scale {
    const LOW: Self = Self { log: 0, linear: 32, most: 18_432, shift: 9 };
    const HIGH: Self = Self { log: 0, linear: 8, most: 22_528, shift: 11 };

    /// LOGSCL and SCALEL, LOGSCH and SCALEH
    fn adapt(&mut self, change: i32) {
        self.log = (((self.log * 127) >> 7) + change).clamp(0, self.most);
        let root = entry(&ROOTS, ((self.log >> 6) & 31) as u8);
        self.linear = ((root * 2) >> (self.shift - (self.log >> 11))) * 4;
    }

    /// INVQAL, INVQBL, INVQAH: what bits that stand for `value` come to.
    const fn of(&self, value: i32) -> i32 {
        (self.linear * value) >> 15
    }

    const fn share(&self, decision: i32) -> i32 {
        (self.linear * decision) >> 12
    }
}

fn expanded<const N: usize>(weights: [i32; N]) -> [i32; N] {
    let mut left = 1 << 15;
    weights.map(|weight| {
        left = (left * RESUMED) >> 15;
        (weight * left) >> 15
    })
}

/// Negative numbers are mirrored at -1/2.
const fn magnitude(error: i32) -> i32 {
    if error < 0 { -(error + 1) } else { error }
}

const fn is_alike(one: i32, other: i32) -> bool {
    (one < 0) == (other < 0)
}

/// Within 16 bits.
fn clip(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

fn entry<const N: usize>(table: &[i32; N], at: u8) -> i32 {
    table.get(usize::from(at)).copied().unwrap_or_default()
}
