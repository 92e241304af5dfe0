//! 20 ms of telephone speech as a codec has them, and back.

use super::Codec;
use crate::kit::codec::Codec as Law;
use crate::media::resample::{Down, Up};
use crate::media::{FRAME_SAMPLES, PcmFrame, g722, opus};

/// One stream of the phone's.
#[derive(Debug)]
pub(super) enum Encode {
    G711(Law),
    G722(Box<(Up, g722::Encoder)>),
    Opus(Box<(Up, opus::Encoder)>),
}

impl Encode {
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::G711(Law::Mulaw),
            Codec::Pcma => Self::G711(Law::Alaw),
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::default()),
        }
    }

    pub(super) fn payload(&mut self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::G711(law) => law.encode(samples),
            Self::G722(stages) => {
                let (up, encoder) = &mut **stages;
                encoder.encode(&raised(up, samples)).to_vec()
            }
            Self::Opus(stages) => {
                let (up, encoder) = &mut **stages;
                encoder.encode(&raised(up, samples)).to_vec()
            }
        }
    }
}

/// One stream of the other side's.
#[derive(Debug)]
pub(super) enum Decode {
    G711(Law),
    G722(Box<(g722::Decoder, Down)>),
    Opus(Box<(opus::Decoder, Down)>),
}

impl Decode {
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::G711(Law::Mulaw),
            Codec::Pcma => Self::G711(Law::Alaw),
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::default()),
        }
    }

    pub(super) fn samples(&mut self, payload: &[u8]) -> Option<Vec<i16>> {
        match self {
            Self::G711(law) => law.decode(payload),
            Self::G722(stages) => {
                let (decoder, down) = &mut **stages;
                decoder.decode(payload).ok().map(|pcm| down.push(&pcm))
            }
            Self::Opus(stages) => {
                let (decoder, down) = &mut **stages;
                decoder.decode(payload).ok().map(|pcm| down.push(&pcm))
            }
        }
    }
}

/// At the rate that the encoders take.
fn raised(up: &mut Up, samples: &[i16]) -> PcmFrame {
    up.push(samples).try_into().unwrap_or([0; FRAME_SAMPLES])
}
