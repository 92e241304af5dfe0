//! Pieces of speech of any length in, whole frames out.

use std::collections::VecDeque;

use super::FRAME_SAMPLES;
use super::g711::{FRAME_BYTES, Law};

/// Cuts a stream of samples into frames of so many. What it holds is bounded by what its owner pushes before taking.
#[derive(Debug)]
pub struct Framer<T, const LENGTH: usize> {
    silence: T,
    held: VecDeque<T>,
}

/// Of linear samples at 24 kHz.
pub type PcmFramer = Framer<i16, FRAME_SAMPLES>;
/// Of G.711.
pub type G711Framer = Framer<u8, FRAME_BYTES>;

impl Default for PcmFramer {
    fn default() -> Self {
        Self { silence: 0, held: VecDeque::new() }
    }
}

impl From<Law> for G711Framer {
    fn from(law: Law) -> Self {
        Self { silence: law.silence(), held: VecDeque::new() }
    }
}

impl<T: Copy, const LENGTH: usize> Framer<T, LENGTH> {
    pub fn push(&mut self, samples: &[T]) {
        self.held.extend(samples);
    }

    pub fn has_frame(&self) -> bool {
        self.held.len() >= LENGTH
    }

    /// The next whole frame; `None` while less than one is held.
    pub fn next_frame(&mut self) -> Option<[T; LENGTH]> {
        self.has_frame().then(|| self.take_padded())
    }

    /// The stream has ended: what is left of it, with silence up to a whole frame. `None` where it ended with
    /// a frame. Take the whole frames first.
    pub fn finish(&mut self) -> Option<[T; LENGTH]> {
        (!self.held.is_empty()).then(|| self.take_padded())
    }

    /// Forgets what is held: nobody will hear it.
    pub fn clear(&mut self) {
        self.held.clear();
    }

    fn take_padded(&mut self) -> [T; LENGTH] {
        let mut frame = [self.silence; LENGTH];
        let taken = self.held.len().min(LENGTH);
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
            let mut framer = PcmFramer::default();
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
        let mut framer = PcmFramer::default();
        framer.push(&[1; 1200]);
        framer.clear();
        assert_eq!(framer.finish(), None);
    }

    #[test]
    fn a_last_frame_of_g711_ends_in_its_silence() {
        for law in [Law::Mu, Law::A] {
            let mut framer = G711Framer::from(law);
            framer.push(&[0x7F; FRAME_BYTES + 2]);
            assert_eq!(framer.next_frame(), Some([0x7F; FRAME_BYTES]));
            let last = framer.finish().expect("two bytes");
            assert_eq!(last.split_at(2), (&[0x7F; 2][..], &[law.silence(); FRAME_BYTES - 2][..]));
        }
    }
}
