//! The codecs that a leg may speak.

use std::sync::Arc;

use super::g711::{self, Law};
use super::{FRAME_SAMPLES, Pcm, PcmFrame, g722, opus};

/// What a caller and we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// RFC 6716.
    #[default]
    Opus,
    /// G.711, µ-law.
    Pcmu,
    /// G.711, A-law.
    Pcma,
    /// ITU-T G.722, mode 1: wideband.
    G722,
}

/// One codec or more, by preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codecs {
    first: Codec,
    others: [Option<Codec>; Codec::ALL.len() - 1],
}

impl Default for Codecs {
    fn default() -> Self {
        Self::ALL
    }
}

impl Codecs {
    /// Those first that every phone has.
    pub const ALL: Self =
        Self { first: Codec::Pcmu, others: [Some(Codec::Pcma), Some(Codec::G722), Some(Codec::Opus)] };

    /// Each where it is named first; `None` of none.
    pub fn new(codecs: &[Codec]) -> Option<Self> {
        let mut all = Self { first: *codecs.first()?, others: [None; Codec::ALL.len() - 1] };
        for codec in codecs {
            if !all.contains(*codec)
                && let Some(free) = all.others.iter_mut().find(|slot| slot.is_none())
            {
                *free = Some(*codec);
            }
        }
        Some(all)
    }

    pub const fn first(&self) -> Codec {
        self.first
    }

    pub fn iter(&self) -> impl Iterator<Item = Codec> {
        std::iter::once(self.first).chain(self.others.iter().flatten().copied())
    }

    pub fn contains(&self, codec: Codec) -> bool {
        self.iter().any(|one| one == codec)
    }
}

impl Codec {
    pub const ALL: [Self; 4] = [Self::Opus, Self::Pcmu, Self::Pcma, Self::G722];

    /// As SDP names it, in any case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// How fast its RTP timestamps count, in Hz (RFC 3551, RFC 7587). That of G.722, which samples at 16 kHz, was
    /// once printed as 8 kHz by mistake, and stayed so (RFC 3551, section 4.5.2).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
        }
    }

    /// Which law of G.711 it is, if it is.
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Opus | Self::G722 => None,
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
        }
    }

    /// A frame of digital silence.
    pub fn silence(self) -> Arc<[u8]> {
        match self {
            Self::Opus => opus::SILENCE.into(),
            Self::Pcmu => [Law::Mu.silence(); g711::FRAME_BYTES].into(),
            Self::Pcma => [Law::A.silence(); g711::FRAME_BYTES].into(),
            Self::G722 => linear(&[0; FRAME_SAMPLES]),
        }
    }
}

/// One piece of speech towards a caller, as frames that can wait, be left out, and follow any other's.
///
/// In G.722 a frame that follows another than it was encoded after is heard wrong for 80 ms. So its frames are the
/// samples themselves, and [`Outlet`](super::outlet::Outlet) encodes what leaves, as it leaves.
#[derive(Debug)]
pub enum Encoder {
    Opus(opus::Encoder),
    G711(g711::Encoder),
    Linear,
}

impl Encoder {
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Opus => Self::Opus(opus::Encoder::new()),
            Codec::Pcmu => Self::G711(g711::Encoder::new(Law::Mu)),
            Codec::Pcma => Self::G711(g711::Encoder::new(Law::A)),
            Codec::G722 => Self::Linear,
        }
    }

    /// Forgets what was encoded: the next frame stands at the beginning of a stream.
    pub fn restart(&mut self) {
        match self {
            Self::Opus(encoder) => encoder.restart(),
            Self::G711(encoder) => encoder.restart(),
            Self::Linear => {}
        }
    }

    pub fn encode(&mut self, frame: &PcmFrame) -> Arc<[u8]> {
        match self {
            Self::Opus(encoder) => encoder.encode(frame),
            Self::G711(encoder) => encoder.encode(frame),
            Self::Linear => linear(frame),
        }
    }
}

fn linear(frame: &PcmFrame) -> Arc<[u8]> {
    frame.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// One stream from a caller.
#[derive(Debug)]
pub enum Decoder {
    Opus(opus::Decoder),
    G711(g711::Decoder),
    G722(Box<g722::Decoder>),
}

impl Decoder {
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Opus => Self::Opus(opus::Decoder::new()),
            Codec::Pcmu => Self::G711(g711::Decoder::new(Law::Mu)),
            Codec::Pcma => Self::G711(g711::Decoder::new(Law::A)),
            Codec::G722 => Self::G722(Box::default()),
        }
    }

    /// The next packet of the stream; one that is none of the codec's is concealed.
    pub fn decode(&mut self, packet: &[u8]) -> Pcm {
        let decoded = match self {
            Self::Opus(decoder) => decoder.decode(packet).ok(),
            Self::G711(decoder) => decoder.decode(packet).ok(),
            Self::G722(decoder) => decoder.decode(packet).ok(),
        };
        decoded.unwrap_or_else(|| self.conceal().to_vec())
    }

    /// A frame in place of one that was lost, continued from what came before it.
    pub fn conceal(&mut self) -> PcmFrame {
        match self {
            Self::Opus(decoder) => decoder.conceal(),
            Self::G711(decoder) => decoder.conceal(),
            Self::G722(decoder) => decoder.conceal(),
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
