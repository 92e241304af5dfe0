//! The three audio formats of OpenAI's realtime model: PCM at 24 kHz and the two G.711 laws at 8 kHz.

use std::time::Duration;

/// A format, as `audio/pcm`, `audio/pcmu` and `audio/pcma` name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Pcm24k,
    Mulaw,
    Alaw,
}

impl Codec {
    /// By the word under `format.type`; anything else is PCM, the service's default.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "audio/pcmu" => Self::Mulaw,
            "audio/pcma" => Self::Alaw,
            _ => Self::Pcm24k,
        }
    }

    pub(super) const fn rate(self) -> u32 {
        match self {
            Self::Pcm24k => 24_000,
            Self::Mulaw | Self::Alaw => 8_000,
        }
    }

    /// How many samples there are in this long.
    pub(super) fn samples_in(self, time: Duration) -> u64 {
        u64::try_from(time.as_micros() * u128::from(self.rate()) / 1_000_000).unwrap_or(u64::MAX)
    }

    const fn bytes_a_sample(self) -> usize {
        match self {
            Self::Pcm24k => 2,
            Self::Mulaw | Self::Alaw => 1,
        }
    }

    /// How many bytes there are in this long.
    pub(super) fn bytes_in(self, time: Duration) -> usize {
        usize::try_from(self.samples_in(time)).unwrap_or(usize::MAX).saturating_mul(self.bytes_a_sample())
    }

    /// How long this many bytes last.
    pub(super) fn time_of_bytes(self, bytes: usize) -> Duration {
        self.time_of(bytes / self.bytes_a_sample())
    }

    /// How long this many samples last.
    pub(super) fn time_of(self, samples: usize) -> Duration {
        Duration::from_micros(samples as u64 * 1_000_000 / u64::from(self.rate()))
    }

    /// Samples at [`Self::rate`].
    pub(super) fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Pcm24k => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
            Self::Mulaw => samples.iter().map(|sample| mulaw_encode(*sample)).collect(),
            Self::Alaw => samples.iter().map(|sample| alaw_encode(*sample)).collect(),
        }
    }

    /// Samples at [`Self::rate`]. `None` where a sample is cut in half.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<Vec<i16>> {
        match self {
            Self::Pcm24k => {
                let (pairs, rest) = bytes.as_chunks::<2>();
                rest.is_empty().then(|| pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
            }
            Self::Mulaw => Some(bytes.iter().map(|byte| mulaw_decode(*byte)).collect()),
            Self::Alaw => Some(bytes.iter().map(|byte| alaw_decode(*byte)).collect()),
        }
    }
}

/// ITU-T G.711, µ-law. Magnitudes are biased by 132 so that every segment begins at a power of two.
const fn mulaw_decode(byte: u8) -> i16 {
    let byte = !byte;
    let segment = (byte >> 4) & 7;
    let magnitude = ((((byte & 15) as i16) << 3) + 132) << segment;
    if byte & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }
}

fn mulaw_encode(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let segment = segment_of(magnitude >> 8);
    let mantissa = low_nibble(magnitude >> (segment + 3));
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) | mantissa)
}

/// ITU-T G.711, A-law. Even bits are inverted on the wire.
const fn alaw_decode(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = (byte >> 4) & 7;
    let base = (((byte & 15) as i16) << 4) + 8;
    let magnitude = if segment == 0 { base } else { (base + 256) << (segment - 1) };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

fn alaw_encode(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let magnitude = magnitude.unsigned_abs();
    let segment = segment_of(magnitude >> 8);
    let mantissa = low_nibble(magnitude >> if segment == 0 { 4 } else { segment + 3 });
    (sign | (segment << 4) | mantissa) ^ 0x55
}

/// The position of the highest bit, counted from 1; 0 for none. Both laws have eight segments.
fn segment_of(bits: u16) -> u8 {
    u8::try_from(u16::BITS - bits.leading_zeros()).unwrap_or(7).min(7)
}

const fn low_nibble(bits: u16) -> u8 {
    (bits & 15) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_g711_byte_survives_decoding_and_encoding() {
        for byte in 0..=u8::MAX {
            // Both zeros of µ-law decode to 0, which encodes to the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(mulaw_encode(mulaw_decode(byte)), expected, "µ-law {byte:#x}");
            assert_eq!(alaw_encode(alaw_decode(byte)), byte, "A-law {byte:#x}");
        }
    }

    #[test]
    fn silence_and_full_scale_are_the_bytes_of_the_recommendation() {
        assert_eq!((mulaw_encode(0), alaw_encode(0)), (0xff, 0xd5));
        assert_eq!((mulaw_encode(i16::MAX), mulaw_encode(i16::MIN)), (0x80, 0x00));
        assert_eq!((alaw_encode(i16::MAX), alaw_encode(i16::MIN)), (0xaa, 0x2a));
        assert_eq!((mulaw_decode(0x80), alaw_decode(0xaa)), (32_124, 32_256));
    }

    #[test]
    fn half_a_pcm_sample_does_not_decode() {
        assert_eq!(Codec::Pcm24k.decode(&[1, 0, 2]), None);
        assert_eq!(Codec::Pcm24k.decode(&[1, 0, 2, 0]), Some(vec![1, 2]));
        assert_eq!(Codec::Mulaw.decode(&[0xff]), Some(vec![0]));
    }
}
