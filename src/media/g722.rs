//! G.722 for one call (ITU-T G.722, mode 1): wideband speech, 16 kHz, in 64 kbit/s. A byte is two samples: two bits of
//! the band above 4 kHz, six of the one below.

mod band;
mod qmf;

use std::sync::Arc;

use super::conceal::Concealment;
use super::resample::{WideDown, WideUp};
use super::{FRAME_SAMPLES, Pcm, PcmFrame};
use band::Bands;
use qmf::{Analysis, Synthesis};

/// Of one 20 ms frame.
pub const FRAME_BYTES: usize = 160;

/// Samples a second.
const RATE: usize = 16_000;

/// The longest packet that is decoded, 200 ms: no phone sends longer ones.
const MAX_PACKET: usize = 10 * FRAME_BYTES;

/// One stream towards a caller.
#[derive(Debug, Default)]
pub struct Encoder {
    down: WideDown,
    analysis: Analysis,
    bands: Bands,
}

impl Encoder {
    pub fn encode(&mut self, frame: &PcmFrame) -> Arc<[u8]> {
        let samples = self.down.push(frame);
        let bands = self.analysis.push(&samples);
        bands.into_iter().map(|(low, high)| self.bands.encode(low, high)).collect()
    }
}

/// Not G.722: nothing at all, or more than anybody sends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a packet of G.722")]
pub struct BadPacket;

/// One stream from a caller.
#[derive(Debug)]
pub struct Decoder {
    bands: Bands,
    synthesis: Synthesis,
    concealment: Concealment,
    /// Of what was heard, made up or not.
    analysis: Analysis,
    up: WideUp,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            bands: Bands::default(),
            synthesis: Synthesis::default(),
            concealment: Concealment::new(RATE),
            analysis: Analysis::default(),
            up: WideUp::default(),
        }
    }
}

impl Decoder {
    /// The next packet of the stream, however long.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Pcm, BadPacket> {
        if packet.is_empty() || packet.len() > MAX_PACKET {
            return Err(BadPacket);
        }
        if self.concealment.is_going_on() {
            self.bands.resume();
        }
        let bands: Vec<_> = packet.iter().map(|byte| self.bands.decode(*byte)).collect();
        let mut samples = self.synthesis.push(&bands);
        self.concealment.heard(&mut samples);
        let remembered = samples.len().saturating_sub(Analysis::MEMORY);
        self.analysis.push(samples.get(remembered..).unwrap_or_default());
        Ok(self.up.push(&samples))
    }

    /// A frame in place of one that was lost.
    pub fn conceal(&mut self) -> PcmFrame {
        let made_up = self.concealment.make_up();
        // What comes next was made by an encoder that heard something like it: the predictors go on by it.
        let bands = self.analysis.push(&made_up);
        for (low, high) in &bands {
            self.bands.encode(*low, *high);
        }
        self.synthesis.push(&bands);
        self.up.push(&made_up).try_into().unwrap_or([0; FRAME_SAMPLES])
    }
}

#[cfg(test)]
mod tests;
