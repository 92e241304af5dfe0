use crate::ingress::leg::Frame;
use crate::media::framer::Framer;
use crate::media::opus::Encoder;

/// The model's audio on its way to the leg: pieces of any length in, encoded 20 ms frames out.
///
/// Frames are encoded as they arrive, not as they leave, so that the queue in the floor stays compact.
#[derive(Debug, Default)]
pub struct Voice {
    framer: Framer,
    encoder: Encoder,
}

impl Voice {
    pub fn push(&mut self, pcm: &[i16]) -> Vec<Frame> {
        self.framer.push(pcm);
        std::iter::from_fn(|| self.framer.next_frame()).map(|frame| self.encoder.encode(&frame)).collect()
    }

    /// The item is over: what is left of it, filled up with silence.
    pub fn finish(&mut self) -> Option<Frame> {
        self.framer.finish().map(|frame| self.encoder.encode(&frame))
    }
}
