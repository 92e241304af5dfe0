use crate::ingress::leg::Frame;
use crate::media::codec::{Codec, Encoder};
use crate::media::framer::Framer;
use crate::realtime::ItemId;

/// The model's audio on its way to the leg: pieces of any length in, encoded 20 ms frames out.
///
/// Frames are encoded as they arrive, not as they leave, so that the queue in the floor stays compact. What leaves
/// between two items is silence that this encoder never saw, so each item begins with a fresh one, as it does for
/// the decoder.
#[derive(Debug)]
pub struct Voice {
    framer: Framer,
    encoder: Encoder,
    item: Option<ItemId>,
}

impl Voice {
    pub fn new(codec: Codec) -> Self {
        Self { framer: Framer::default(), encoder: Encoder::new(codec), item: None }
    }

    pub fn push(&mut self, item: &ItemId, pcm: &[i16]) -> Vec<Frame> {
        if self.item.as_ref() != Some(item) {
            self.framer.clear();
            self.encoder.restart();
            self.item = Some(item.clone());
        }
        self.framer.push(pcm);
        std::iter::from_fn(|| self.framer.next_frame()).map(|frame| self.encoder.encode(&frame)).collect()
    }

    /// The item is over: what is left of it, filled up with silence.
    pub fn finish(&mut self, item: &ItemId) -> Option<Frame> {
        self.item.take_if(|current| current == item)?;
        self.framer.finish().map(|frame| self.encoder.encode(&frame))
    }
}
