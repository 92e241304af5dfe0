use crate::media::audio::Audio;
use crate::media::codec::{Codec, Decoder};
use crate::media::framer::{G711Framer, PcmFramer};
use crate::media::g711::{FRAME_BYTES, Mending};
use crate::media::{FRAME_SAMPLES, Pcm};

/// One stream of payloads as frames of audio, what was lost made up. G.711 stays what it is, for models that take it.
#[derive(Debug)]
pub(super) enum Stream {
    G711 { mending: Mending, framer: G711Framer },
    Decoded { decoder: Decoder, framer: PcmFramer },
}

impl Stream {
    pub(super) fn new(codec: Codec) -> Self {
        match codec.law() {
            Some(law) => Self::G711 { mending: Mending::new(law), framer: law.into() },
            None => Self::Decoded { decoder: Decoder::new(codec), framer: PcmFramer::default() },
        }
    }

    /// The next payload, after so many that are to be made up.
    pub(super) fn push(&mut self, payload: &[u8], lost: u64) {
        match self {
            Self::G711 { mending, framer } => {
                (0..lost).for_each(|_| framer.push(&mending.conceal()));
                framer.push(&mending.packet(payload).unwrap_or_else(|_| mending.conceal().to_vec()));
            }
            Self::Decoded { decoder, framer } => {
                for missing in (1..=lost).rev() {
                    let frame = match missing {
                        1 => decoder.recover(payload),
                        _ => decoder.conceal(),
                    };
                    framer.push(&frame);
                }
                framer.push(&decoder.decode(payload));
            }
        }
    }

    /// The next whole frame of what was pushed.
    pub(super) fn next_frame(&mut self) -> Option<Audio> {
        match self {
            Self::G711 { mending, framer } => {
                framer.next_frame().map(|frame| Audio::G711(mending.law(), frame.to_vec()))
            }
            Self::Decoded { framer, .. } => framer.next_frame().map(|frame| Audio::Pcm(frame.to_vec())),
        }
    }

    /// A frame that is made up of the last sound.
    pub(super) fn conceal(&mut self) -> Audio {
        match self {
            Self::G711 { mending, .. } => Audio::G711(mending.law(), mending.conceal().to_vec()),
            Self::Decoded { decoder, .. } => Audio::Pcm(decoder.conceal().to_vec()),
        }
    }

    /// A frame of silence.
    pub(super) fn silence(&self) -> Audio {
        match self {
            Self::G711 { mending, .. } => {
                let law = mending.law();
                Audio::G711(law, vec![law.silence(); FRAME_BYTES])
            }
            Self::Decoded { .. } => Audio::Pcm(Pcm::from([0; FRAME_SAMPLES])),
        }
    }
}
