//! Pieces of speech of any length in, whole frames out.

use std::collections::VecDeque;

use super::{FRAME_SAMPLES, PcmFrame};

/// Cuts a stream of PCM into frames. What it holds is bounded by what its owner pushes before taking.
#[derive(Debug, Default)]
pub struct Framer {
    held: VecDeque<i16>,
}

impl Framer {
    pub fn push(&mut self, pcm: &[i16]) {
        self.held.extend(pcm);
    }

    pub fn has_frame(&self) -> bool {
        self.held.len() >= FRAME_SAMPLES
    }

    /// The next whole frame; `None` while less than one is held.
    pub fn next_frame(&mut self) -> Option<PcmFrame> {
        self.has_frame().then(|| self.take_padded())
    }

    /// The stream has ended: what is left of it, with silence up to a whole frame. `None` where it ended with
    /// a frame. Take the whole frames first.
    pub fn finish(&mut self) -> Option<PcmFrame> {
        (!self.held.is_empty()).then(|| self.take_padded())
    }

    /// Forgets what is held: nobody will hear it.
    pub fn clear(&mut self) {
        self.held.clear();
    }

    fn take_padded(&mut self) -> PcmFrame {
        let mut frame = [0; FRAME_SAMPLES];
        let taken = self.held.len().min(FRAME_SAMPLES);
        for (slot, sample) in frame.iter_mut().zip(self.held.drain(..taken)) {
            *slot = sample;
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_sample_comes_out_once_in_order_whatever_the_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..1500), 0..12)
        ) {
            let mut framer = Framer::default();
            let mut out = Vec::new();
            for piece in &pieces {
                framer.push(piece);
                while let Some(frame) = framer.next_frame() {
                    out.extend(frame);
                }
            }
            out.extend(framer.finish().into_iter().flatten());
            let input = pieces.concat();
            prop_assert_eq!(out.len(), input.len().next_multiple_of(FRAME_SAMPLES));
            let (speech, padding) = out.split_at(input.len());
            prop_assert_eq!(speech, &input[..]);
            prop_assert!(padding.iter().all(|sample| *sample == 0));
            prop_assert_eq!(framer.finish(), None);
        }
    }

    #[test]
    fn held_speech_is_forgotten_on_request() {
        let mut framer = Framer::default();
        framer.push(&[1; 1200]);
        framer.clear();
        assert_eq!(framer.finish(), None);
    }
}
