//! G.711 for one call: telephone speech at 8 kHz, a byte a sample, in either of its two laws.

use std::sync::Arc;

use super::conceal::Concealment;
use super::resample::{Down, Up};
use super::{FRAME_SAMPLES, Pcm, PcmFrame};

/// Samples, and bytes, of one 20 ms frame.
pub const FRAME_BYTES: usize = 160;

/// Samples, and bytes, a second.
pub const RATE: u32 = 8_000;

/// The longest packet that is decoded, 200 ms: no phone sends longer ones.
const MAX_PACKET: usize = 10 * FRAME_BYTES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    Mu,
    A,
}

impl Law {
    pub const fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Mu => decode_mu(byte),
            Self::A => decode_a(byte),
        }
    }

    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    /// The byte that says nothing.
    pub const fn silence(self) -> u8 {
        self.encode(0)
    }

    pub fn samples(self, bytes: &[u8]) -> Vec<i16> {
        bytes.iter().map(|byte| self.decode(*byte)).collect()
    }

    /// The same sound in the other law.
    pub fn transcode(self, bytes: &[u8], to: Self) -> Vec<u8> {
        bytes.iter().map(|byte| to.encode(self.decode(*byte))).collect()
    }
}

/// Magnitudes are biased by 132, so that every segment begins at a power of two. All bits are inverted on the wire.
const fn decode_mu(byte: u8) -> i16 {
    let byte = !byte;
    let segment = (byte >> 4) & 7;
    let magnitude = ((((byte & 15) as i16) << 3) + 132) << segment;
    if byte & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }
}

const fn encode_mu(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs();
    let magnitude = if magnitude > 32_635 { 32_767 } else { magnitude + 132 };
    let segment = segment(magnitude);
    let step = (magnitude >> (segment + 3)) as u8 & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) | step)
}

/// Every other bit is inverted on the wire.
const fn decode_a(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = (byte >> 4) & 7;
    let step = (((byte & 15) as i16) << 4) + 8;
    let magnitude = if segment == 0 { step } else { (step + 256) << (segment - 1) };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

const fn encode_a(sample: i16) -> u8 {
    // Negative samples are mirrored at -1/2, so that there are as many of them.
    let (sign, magnitude) = if sample < 0 { (0, !sample as u16) } else { (0x80, sample as u16) };
    let segment = segment(magnitude);
    let step = (magnitude >> if segment == 0 { 4 } else { segment + 3 }) as u8 & 15;
    (sign | (segment << 4) | step) ^ 0x55
}

/// The eighth of a law's range, each but the first twice as wide as the one before.
const fn segment(magnitude: u16) -> u8 {
    (u16::BITS - (magnitude >> 8).leading_zeros()) as u8
}

/// One stream towards a caller.
#[derive(Debug)]
pub struct Encoder {
    law: Law,
    down: Down,
}

impl Encoder {
    pub fn new(law: Law) -> Self {
        Self { law, down: Down::default() }
    }

    /// Forgets what was encoded.
    pub fn restart(&mut self) {
        self.down = Down::default();
    }

    pub fn encode(&mut self, frame: &PcmFrame) -> Arc<[u8]> {
        self.down.push(frame).into_iter().map(|sample| self.law.encode(sample)).collect()
    }
}

/// Not G.711: nothing at all, or more than anybody sends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a packet of G.711")]
pub struct BadPacket;

/// One stream from a caller as it came. Only what was lost is made up, and the first 5 ms after that are blended with it.
#[derive(Debug)]
pub struct Mending {
    law: Law,
    concealment: Concealment,
}

impl Mending {
    pub fn new(law: Law) -> Self {
        Self { law, concealment: Concealment::new(RATE as usize) }
    }

    pub const fn law(&self) -> Law {
        self.law
    }

    /// The next packet of the stream, however long.
    pub fn packet(&mut self, packet: &[u8]) -> Result<Vec<u8>, BadPacket> {
        if packet.is_empty() || packet.len() > MAX_PACKET {
            return Err(BadPacket);
        }
        let mut samples = self.law.samples(packet);
        let blended = self.concealment.heard(&mut samples);
        let mut bytes = packet.to_vec();
        for (byte, sample) in bytes.iter_mut().zip(samples).take(blended) {
            *byte = self.law.encode(sample);
        }
        Ok(bytes)
    }

    /// A frame in place of one that was lost.
    pub fn conceal(&mut self) -> [u8; FRAME_BYTES] {
        let mut frame = [self.law.silence(); FRAME_BYTES];
        for (byte, sample) in frame.iter_mut().zip(self.concealment.make_up()) {
            *byte = self.law.encode(sample);
        }
        frame
    }
}

/// One stream from a caller, at the rate of models.
#[derive(Debug)]
pub struct Decoder {
    mending: Mending,
    up: Up,
}

impl Decoder {
    pub fn new(law: Law) -> Self {
        Self { mending: Mending::new(law), up: Up::default() }
    }

    /// The next packet of the stream, however long.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Pcm, BadPacket> {
        let bytes = self.mending.packet(packet)?;
        Ok(self.up.push(&self.mending.law().samples(&bytes)))
    }

    /// A frame in place of one that was lost.
    pub fn conceal(&mut self) -> PcmFrame {
        let made_up = self.mending.conceal();
        let samples = self.mending.law().samples(&made_up);
        self.up.push(&samples).try_into().unwrap_or([0; FRAME_SAMPLES])
    }
}

#[cfg(test)]
mod tests;
