//! Where a session's frames leave for the caller, who may by now speak another codec than they are for.

use std::sync::Arc;

use super::codec::{Codec, Decoder, Encoder};
use super::g711::Law;
use super::{FRAME_SAMPLES, PcmFrame, g722};

/// Frames of one codec in, payloads of one codec out, as one stream.
#[derive(Debug)]
pub enum Outlet {
    /// A frame is a payload.
    Unchanged,
    /// One law of G.711 into the other, byte by byte.
    Law {
        from: Law,
        to: Law,
    },
    Encoded(Box<Stage>),
}

#[derive(Debug)]
pub struct Stage {
    /// `None` where frames are linear.
    decoder: Option<Decoder>,
    encoder: Payloads,
}

#[derive(Debug)]
enum Payloads {
    G722(Box<g722::Encoder>),
    Others(Encoder),
}

impl Outlet {
    /// For frames of an [`Encoder`] of `from`.
    pub fn new(from: Codec, to: Codec) -> Self {
        match (from.law(), to.law()) {
            (Some(from), Some(to)) if from != to => return Self::Law { from, to },
            _ if from == to && to != Codec::G722 => return Self::Unchanged,
            _ => {}
        }
        let decoder = (from != Codec::G722).then(|| Decoder::new(from));
        let encoder = if to == Codec::G722 {
            Payloads::G722(Box::default())
        } else {
            Payloads::Others(Encoder::new(to))
        };
        Self::Encoded(Box::new(Stage { decoder, encoder }))
    }

    pub fn payload(&mut self, frame: &Arc<[u8]>) -> Arc<[u8]> {
        match self {
            Self::Unchanged => Arc::clone(frame),
            Self::Law { from, to } => from.transcode(frame, *to).into(),
            Self::Encoded(stage) => {
                let pcm = stage.pcm(frame);
                match &mut stage.encoder {
                    Payloads::G722(encoder) => encoder.encode(&pcm),
                    Payloads::Others(encoder) => encoder.encode(&pcm),
                }
            }
        }
    }
}

impl Stage {
    fn pcm(&mut self, frame: &[u8]) -> PcmFrame {
        let linear = || frame.as_chunks::<2>().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect();
        let pcm: Vec<i16> = self.decoder.as_mut().map_or_else(linear, |decoder| decoder.decode(frame));
        pcm.try_into().unwrap_or([0; FRAME_SAMPLES])
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::media::MODEL_RATE;

    #[test]
    fn a_frame_of_any_codec_is_heard_in_any_other() {
        let sample = |n: usize| ((TAU * 500.0 * n as f64 / f64::from(MODEL_RATE)).sin() * 8_000.0) as i16;
        for from in Codec::ALL {
            for to in Codec::ALL {
                let (mut encoder, mut outlet, mut decoder) =
                    (Encoder::new(from), Outlet::new(from, to), Decoder::new(to));
                let frames = (0..30).map(|frame| std::array::from_fn(|n| sample(frame * FRAME_SAMPLES + n)));
                let heard: Vec<i16> = frames
                    .flat_map(|frame: PcmFrame| decoder.decode(&outlet.payload(&encoder.encode(&frame))))
                    .collect();
                assert_eq!(heard.len(), 30 * FRAME_SAMPLES);
                let heard = &heard[10 * FRAME_SAMPLES..];
                let power = heard.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / heard.len() as f64;
                let level = 10.0 * (power * 2.0 / 8_000.0_f64.powi(2)).log10();
                let ups = heard.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
                assert!(
                    level.abs() < 0.6 && (198..=202).contains(&ups),
                    "{from:?} {to:?}: {level:.2} dB, {ups}"
                );
                let silence = outlet.payload(&from.silence());
                assert_eq!(decoder.decode(&silence).len(), FRAME_SAMPLES, "{from:?} {to:?}");
            }
        }
    }
}
