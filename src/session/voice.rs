use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::ingress::leg::Frame;
use crate::media::audio::{Audio, Converter};
use crate::media::codec::{Codec, Encoder};
use crate::media::framer::{G711Framer, PcmFramer};
use crate::media::g711::Law;
use crate::realtime::ItemId;

/// The model's audio on its way to the leg: pieces of any length in, 20 ms frames out in the leg's codec. What comes in that
/// codec is cut and nothing else.
///
/// Frames are encoded as they arrive, not as they leave, so that the queue in the floor stays compact; and one by one,
/// so that a long piece holds up nobody's next frame. What leaves between two items is silence that this encoder never
/// saw, so each item begins with a fresh one, as it does for the decoder.
#[derive(Debug)]
pub struct Voice {
    encoded: Encoded,
    /// Of a leg in G.711, what the model speaks in it.
    unchanged: Option<Unchanged>,
    item: Option<ItemId>,
}

#[derive(Debug)]
struct Encoded {
    converter: Converter,
    framer: PcmFramer,
    encoder: Encoder,
}

#[derive(Debug)]
struct Unchanged {
    law: Law,
    framer: G711Framer,
}

impl Voice {
    pub fn new(codec: Codec) -> Self {
        let (converter, framer) = (Converter::default(), PcmFramer::default());
        Self {
            encoded: Encoded { converter, framer, encoder: Encoder::new(codec) },
            unchanged: codec.law().map(|law| Unchanged { law, framer: law.into() }),
            item: None,
        }
    }

    /// Take the whole frames before the next piece: what is held is bounded by one.
    pub fn push(&mut self, item: ItemId, audio: &Audio) {
        if self.item.as_ref() != Some(&item) {
            self.begin(item);
        }
        match (&mut self.unchanged, audio) {
            (Some(unchanged), Audio::G711(law, bytes)) if unchanged.law == *law => {
                unchanged.framer.push(bytes)
            }
            _ => self.encoded.framer.push(&self.encoded.converter.pcm(audio)),
        }
    }

    pub fn has_frame(&self) -> bool {
        self.has_unchanged() || self.encoded.framer.has_frame()
    }

    /// Whether the next frame is one that no encoder has to make.
    pub fn has_unchanged(&self) -> bool {
        self.unchanged.as_ref().is_some_and(|unchanged| unchanged.framer.has_frame())
    }

    /// The next whole frame of what was pushed.
    pub fn next_frame(&mut self) -> Option<(ItemId, Frame)> {
        let unchanged = self.unchanged.as_mut().and_then(|unchanged| unchanged.framer.next_frame());
        let frame = unchanged.map(Frame::from).or_else(|| self.encoded.next_frame())?;
        Some((self.item.clone()?, frame))
    }

    /// The item is over: what is left of it, filled up with silence.
    pub fn finish(&mut self, item: &ItemId) -> Option<Frame> {
        self.item.take_if(|current| current == item)?;
        let unchanged = self.unchanged.as_mut().and_then(|unchanged| unchanged.framer.finish());
        unchanged.map(Frame::from).or_else(|| self.encoded.finish())
    }

    fn begin(&mut self, item: ItemId) {
        self.encoded.framer.clear();
        self.encoded.encoder.restart();
        if let Some(unchanged) = &mut self.unchanged {
            unchanged.framer.clear();
        }
        self.item = Some(item);
    }
}

impl Encoded {
    fn next_frame(&mut self) -> Option<Frame> {
        self.framer.next_frame().map(|frame| self.encoder.encode(&frame))
    }

    fn finish(&mut self) -> Option<Frame> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MODEL_RATE;
    use crate::media::codec::Decoder;
    use crate::media::tone::measure;

    fn item(name: &str) -> ItemId {
        ItemId(name.into())
    }

    fn frames(voice: &mut Voice) -> Vec<Frame> {
        std::iter::from_fn(|| voice.next_frame()).map(|(_, frame)| frame).collect()
    }

    #[test]
    fn what_the_model_speaks_in_the_callers_law_is_cut_and_nothing_else() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1_000).collect();
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let law = codec.law().expect("it is G.711");
            let mut voice = Voice::new(codec);
            let mut left = Vec::new();
            for piece in bytes.chunks(333) {
                voice.push(item("a"), &Audio::G711(law, piece.to_vec()));
                left.extend(frames(&mut voice).concat());
            }
            assert_eq!(left, bytes[..960]);
            let last = voice.finish(&item("a")).expect("40 bytes are left");
            assert_eq!((&last[..40], &last[40..]), (&bytes[960..], &[law.silence(); 120][..]));
            // What is left of one item is none of the next.
            voice.push(item("b"), &Audio::G711(law, vec![1; 80]));
            voice.push(item("c"), &Audio::G711(law, vec![2; 160]));
            assert_eq!(frames(&mut voice).concat(), [2; 160]);
            assert_eq!((voice.finish(&item("b")), voice.finish(&item("c"))), (None, None));
        }
    }

    #[test]
    fn what_the_model_speaks_in_any_format_is_heard_in_any_codec() {
        let tone = |rate: u32| {
            move |n: u32| {
                ((std::f64::consts::TAU * 440.0 * f64::from(n) / f64::from(rate)).sin() * 8_000.0) as i16
            }
        };
        for codec in Codec::ALL {
            let pcm: Vec<i16> = (0..MODEL_RATE).map(tone(MODEL_RATE)).collect();
            let of = |law: Law| (0..8_000).map(tone(8_000)).map(|sample| law.encode(sample)).collect();
            for audio in [Audio::Pcm(pcm), Audio::G711(Law::Mu, of(Law::Mu)), Audio::G711(Law::A, of(Law::A))]
            {
                let (mut voice, mut decoder) = (Voice::new(codec), Decoder::new(codec));
                voice.push(item("a"), &audio);
                let mut outlet = crate::media::outlet::Outlet::new(codec, codec);
                let heard: Vec<i16> = frames(&mut voice)
                    .iter()
                    .flat_map(|frame| decoder.decode(&outlet.payload(frame)))
                    .collect();
                assert_eq!(heard.len(), MODEL_RATE as usize);
                let (level, _) = measure(&heard[12_000..], 440.0, f64::from(MODEL_RATE), 8_000.0);
                assert!(level.abs() < 0.6, "{codec:?}: {level:.2} dB");
            }
        }
    }
}
