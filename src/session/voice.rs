use crate::ingress::leg::Frame;
use crate::media::framer::Framer;
use crate::media::opus::{Encoder, OpusError};

/// The model's audio on its way to the leg: pieces of any length in, encoded 20 ms frames out.
///
/// Frames are encoded as they arrive, not as they leave, so that the queue in the floor stays compact.
#[derive(Debug)]
pub struct Voice {
    framer: Framer,
    encoder: Encoder,
}

impl Voice {
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self { framer: Framer::default(), encoder: Encoder::new()? })
    }

    pub fn push(&mut self, pcm: &[i16]) -> Vec<Frame> {
        let Self { framer, encoder } = self;
        framer.push(pcm).iter().filter_map(|frame| encoder.encode(frame).ok()).collect()
    }

    /// The item is over: what is left of it, filled up with silence.
    pub fn finish(&mut self) -> Option<Frame> {
        self.framer.finish().and_then(|frame| self.encoder.encode(&frame).ok())
    }
}
