//! The codecs that a leg may speak.

use std::sync::Arc;

use super::g711::{self, Law};
use super::{FRAME_SAMPLES, Pcm, PcmFrame, opus};

/// What a leg's frames are encoded in, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// RFC 6716.
    #[default]
    Opus,
    /// G.711, µ-law.
    Pcmu,
    /// G.711, A-law.
    Pcma,
}

impl Codec {
    pub const ALL: [Self; 3] = [Self::Opus, Self::Pcmu, Self::Pcma];

    /// As SDP names it, in any case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// How fast its RTP timestamps count, in Hz (RFC 3551, RFC 7587).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Which law of G.711 it is, if it is.
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Opus => None,
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
        }
    }

    /// 20 ms of digital silence.
    pub fn silence(self) -> Arc<[u8]> {
        match self.law() {
            None => opus::SILENCE.into(),
            Some(law) => [law.silence(); g711::FRAME_BYTES].into(),
        }
    }
}

/// One stream towards a caller.
#[derive(Debug)]
pub enum Encoder {
    Opus(opus::Encoder),
    G711(g711::Encoder),
}

impl Encoder {
    pub fn new(codec: Codec) -> Self {
        match codec.law() {
            None => Self::Opus(opus::Encoder::new()),
            Some(law) => Self::G711(g711::Encoder::new(law)),
        }
    }

    /// Forgets what was encoded: the next frame stands at the beginning of a stream.
    pub fn restart(&mut self) {
        match self {
            Self::Opus(encoder) => encoder.restart(),
            Self::G711(encoder) => encoder.restart(),
        }
    }

    pub fn encode(&mut self, frame: &PcmFrame) -> Arc<[u8]> {
        match self {
            Self::Opus(encoder) => encoder.encode(frame),
            Self::G711(encoder) => encoder.encode(frame),
        }
    }
}

/// One stream from a caller.
#[derive(Debug)]
pub enum Decoder {
    Opus(opus::Decoder),
    G711(g711::Decoder),
}

impl Decoder {
    pub fn new(codec: Codec) -> Self {
        match codec.law() {
            None => Self::Opus(opus::Decoder::new()),
            Some(law) => Self::G711(g711::Decoder::new(law)),
        }
    }

    /// The next packet of the stream; one that is none of the codec's is concealed.
    pub fn decode(&mut self, packet: &[u8]) -> Pcm {
        let decoded = match self {
            Self::Opus(decoder) => decoder.decode(packet).ok(),
            Self::G711(decoder) => decoder.decode(packet).ok(),
        };
        decoded.unwrap_or_else(|| self.conceal().to_vec())
    }

    /// A frame in place of one that was lost, continued from what came before it.
    pub fn conceal(&mut self) -> PcmFrame {
        match self {
            Self::Opus(decoder) => decoder.conceal(),
            Self::G711(decoder) => decoder.conceal(),
        }
    }

    /// A frame in place of the one before `next`, out of what that says of it. Decode `next` itself afterwards.
    pub fn recover(&mut self, next: &[u8]) -> PcmFrame {
        if let Self::Opus(decoder) = self
            && let Ok(frame) = decoder.recover(next)
        {
            return frame;
        }
        self.conceal()
    }
}

/// What a recording in Opus is in `codec`.
pub(super) fn transcode(frames: &[Arc<[u8]>], codec: Codec) -> Box<[Arc<[u8]>]> {
    let (mut decoder, mut encoder) = (opus::Decoder::new(), Encoder::new(codec));
    let pcm: Vec<i16> = frames.iter().flat_map(|frame| decoder.decode(frame).unwrap_or_default()).collect();
    let (whole, _rest) = pcm.as_chunks::<FRAME_SAMPLES>();
    whole.iter().map(|frame| encoder.encode(frame)).collect()
}
