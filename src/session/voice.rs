use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::ingress::leg::Frame;
use crate::media::codec::{Codec, Encoder};
use crate::media::framer::Framer;
use crate::realtime::ItemId;

/// The model's audio on its way to the leg: pieces of any length in, encoded 20 ms frames out.
///
/// Frames are encoded as they arrive, not as they leave, so that the queue in the floor stays compact; and one by one,
/// so that a long piece holds up nobody's next frame. What leaves between two items is silence that this encoder never
/// saw, so each item begins with a fresh one, as it does for the decoder.
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

    /// Take the whole frames before the next piece: what is held is bounded by one.
    pub fn push(&mut self, item: ItemId, pcm: &[i16]) {
        if self.item.as_ref() != Some(&item) {
            self.framer.clear();
            self.encoder.restart();
            self.item = Some(item);
        }
        self.framer.push(pcm);
    }

    /// Whether there is work for an encoder.
    pub fn has_frame(&self) -> bool {
        self.framer.has_frame()
    }

    /// The next whole frame of what was pushed.
    pub fn next_frame(&mut self) -> Option<(ItemId, Frame)> {
        let frame = self.framer.next_frame()?;
        let item = self.item.clone()?;
        Some((item, self.encoder.encode(&frame)))
    }

    /// The item is over: what is left of it, filled up with silence.
    pub fn finish(&mut self, item: &ItemId) -> Option<Frame> {
        self.item.take_if(|current| current == item)?;
        self.framer.finish().map(|frame| self.encoder.encode(&frame))
    }
}

/// Whose turn it is to encode. Models send seconds of speech at once, and several do so at the same time; were every
/// thread of the runtime to encode, frames that are due would wait for all of them. Half of the threads stay free.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores.div_ceil(2))))
    }
}

impl Turns {
    /// Waits for a turn: of one frame.
    pub async fn take(&self) -> SemaphorePermit<'_> {
        self.0.acquire().await.expect("it is never closed")
    }
}
