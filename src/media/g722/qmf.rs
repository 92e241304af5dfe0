//! Into two bands of 8 kHz and back: the Recommendation's quadrature mirror filter, 24 taps (table 11).

/// The filter's one half, every other tap; the other taps are the same from its end.
const TAPS: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Pairs of samples that a filter remembers.
const MEMORY: usize = TAPS.len() - 1;

#[derive(Debug)]
pub(super) struct Analysis {
    held: Vec<[i32; 2]>,
}

impl Default for Analysis {
    fn default() -> Self {
        Self { held: vec![[0; 2]; MEMORY] }
    }
}

impl Analysis {
    /// Samples after which it has forgotten all before them.
    pub(super) const MEMORY: usize = 2 * MEMORY;

    /// One of either band, the low and the high, for every two samples.
    pub(super) fn push(&mut self, samples: &[i16]) -> Vec<(i32, i32)> {
        let (pairs, _rest) = samples.as_chunks::<2>();
        self.held.extend(pairs.iter().map(|pair| pair.map(i32::from)));
        let bands = |(first, second): (i32, i32)| ((second + first) >> 14, (second - first) >> 14);
        let split = self.held.windows(TAPS.len()).map(filtered).map(bands).collect();
        self.held.drain(..pairs.len());
        split
    }
}

#[derive(Debug)]
pub(super) struct Synthesis {
    held: Vec<[i32; 2]>,
}

impl Default for Synthesis {
    fn default() -> Self {
        Self { held: vec![[0; 2]; MEMORY] }
    }
}

impl Synthesis {
    /// Two samples for every one of either band.
    pub(super) fn push(&mut self, bands: &[(i32, i32)]) -> Vec<i16> {
        self.held.extend(bands.iter().map(|(low, high)| [low + high, low - high]));
        let sample = |sum: i32| (sum >> 11).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        let pair = |(first, second): (i32, i32)| [sample(second), sample(first)];
        let whole = self.held.windows(TAPS.len()).map(filtered).flat_map(pair).collect();
        self.held.drain(..bands.len());
        whole
    }
}

/// What the first and the second of the pairs come to.
fn filtered(pairs: &[[i32; 2]]) -> (i32, i32) {
    let first = pairs.iter().zip(TAPS).map(|(pair, tap)| pair[0] * tap).sum();
    let second = pairs.iter().zip(TAPS.into_iter().rev()).map(|(pair, tap)| pair[1] * tap).sum();
    (first, second)
}
