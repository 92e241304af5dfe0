//! G.711 as ITU-T writes it: one byte a sample, 8 kHz.

/// Which of the two laws; the value is RTP's static payload type (RFC 3551).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    Mu = 0,
    A = 8,
}

impl Law {
    pub fn of_payload_type(number: u8) -> Option<Self> {
        [Self::Mu, Self::A].into_iter().find(|law| *law as u8 == number)
    }

    /// As SDP calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => mu_encode(sample),
            Self::A => a_encode(sample),
        }
    }

    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Mu => mu_decode(byte),
            Self::A => a_decode(byte),
        }
    }
}

/// Added before µ-law takes the logarithm, so that every segment begins at a power of two.
const MU_BIAS: i32 = 0x84;

/// The loudest value that the last segment still holds.
const MU_MOST: i32 = 8191 - MU_BIAS / 4;

fn mu_encode(sample: i16) -> u8 {
    // µ-law has 14 bits; the sign is of what is left of them.
    let value = i32::from(sample) >> 2;
    let sign = if value < 0 { 0x7F } else { 0xFF };
    let magnitude = (value.abs().min(MU_MOST) + MU_BIAS / 4) as u32;
    let segment = (26 - magnitude.leading_zeros()).min(7);
    let step = (magnitude >> (segment + 1)) & 0x0F;
    ((segment << 4 | step) as u8) ^ sign
}

fn mu_decode(byte: u8) -> i16 {
    let bits = i32::from(!byte);
    let magnitude = (((bits & 0x0F) << 3) + MU_BIAS) << ((bits & 0x70) >> 4);
    let value = magnitude - MU_BIAS;
    (if bits & 0x80 != 0 { -value } else { value }) as i16
}

fn a_encode(sample: i16) -> u8 {
    let value = i32::from(sample) >> 3;
    let (sign, magnitude) = if value >= 0 { (0xD5, value as u32) } else { (0x55, (-value - 1) as u32) };
    let segment = (27 - magnitude.leading_zeros().min(27)).min(7);
    let step = (magnitude >> segment.max(1)) & 0x0F;
    ((segment << 4 | step) as u8) ^ sign
}

fn a_decode(byte: u8) -> i16 {
    let bits = i32::from(byte ^ 0x55);
    let step = (bits & 0x0F) << 4;
    let magnitude = match (bits & 0x70) >> 4 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    (if bits & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Python's audioop, which is Sun's reference implementation.
    #[test]
    fn samples_encode_as_the_reference_does() {
        for (sample, mu, a) in [
            (0, 0xFF, 0xD5),
            (1, 0xFF, 0xD5),
            (-1, 0x7E, 0x55),
            (8, 0xFE, 0xD5),
            (-8, 0x7E, 0x55),
            (100, 0xF2, 0xD3),
            (-100, 0x72, 0x53),
            (1000, 0xCE, 0xFA),
            (-1000, 0x4E, 0x7A),
            (5000, 0xAB, 0x86),
            (-5000, 0x2B, 0x06),
            (12345, 0x97, 0xBD),
            (-12345, 0x17, 0x3D),
            (i16::MAX, 0x80, 0xAA),
            (i16::MIN, 0x00, 0x2A),
        ] {
            assert_eq!(Law::Mu.encode(sample), mu, "µ-law of {sample}");
            assert_eq!(Law::A.encode(sample), a, "A-law of {sample}");
        }
    }

    #[test]
    fn bytes_decode_as_the_reference_does() {
        for (byte, mu, a) in [
            (0x00, -32124, -5504),
            (0x01, -31100, -5248),
            (0x2A, -5372, -32256),
            (0x55, -716, -8),
            (0x7F, 0, -848),
            (0x80, 32124, 5504),
            (0xAA, 5372, 32256),
            (0xD5, 716, 8),
            (0xFE, 8, 880),
            (0xFF, 0, 848),
        ] {
            assert_eq!(Law::Mu.decode(byte), mu, "µ-law {byte:#x}");
            assert_eq!(Law::A.decode(byte), a, "A-law {byte:#x}");
        }
    }

    #[test]
    fn every_byte_survives_a_round_trip_but_the_second_zero_of_mu_law() {
        for byte in 0..=255 {
            assert_eq!(Law::A.encode(Law::A.decode(byte)), byte);
            let mu = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(Law::Mu.encode(Law::Mu.decode(byte)), mu);
        }
    }
}
