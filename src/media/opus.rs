//! Opus for one call: 24 kHz mono, 20 ms frames out, anything valid in.

use std::sync::Arc;

use opus::{Application, Bandwidth, Bitrate, Channels};

use super::{FRAME_SAMPLES, MODEL_RATE, Pcm, PcmFrame};

/// 20 ms of digital silence (RFC 6716: a CELT frame that says nothing), the same in any stream.
pub const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// Telephone speech is transparent at this rate.
const BITRATE: i32 = 32_000;
/// Of 10. See `benches/hot.rs`: above it costs CPU that nobody hears at this rate.
const COMPLEXITY: i32 = 5;
/// No frame of ours comes near: 20 ms at 32 kb/s is 80 bytes, and RFC 6716 ends at 1275.
const MAX_PACKET: usize = 1275;
/// 120 ms, the longest packet of RFC 6716.
const MAX_DECODED: usize = 6 * FRAME_SAMPLES;
/// Silence is encoded as it comes for this many frames, so that speech fades as the codec wants.
const FADE_FRAMES: u32 = 5;

/// One stream towards a caller.
#[derive(Debug)]
pub struct Encoder {
    codec: opus::Encoder,
    /// Frames of digital silence since the last sound.
    silent: u32,
    silence: Arc<[u8]>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    pub fn new() -> Self {
        let codec = configured(MODEL_RATE).expect("libopus takes 24 kHz mono and these settings");
        Self { codec, silent: 0, silence: SILENCE.into() }
    }

    /// Forgets what was encoded: the next frame stands at the beginning of a stream.
    pub fn restart(&mut self) {
        self.codec.reset_state().expect("a reset has nothing to refuse");
        self.silent = 0;
    }

    /// One frame, encoded. There is no DTX: every frame has its packet. Lasting silence costs nothing: it is
    /// [`SILENCE`] until a sound comes, and the codec starts anew with it, as the receiver's does.
    pub fn encode(&mut self, frame: &PcmFrame) -> Arc<[u8]> {
        if frame.iter().all(|sample| *sample == 0) {
            self.silent = self.silent.saturating_add(1);
        } else {
            if self.silent > FADE_FRAMES {
                self.restart();
            }
            self.silent = 0;
        }
        if self.silent > FADE_FRAMES {
            return Arc::clone(&self.silence);
        }
        encoded(&mut self.codec, frame)
    }
}

/// All of a recording, as one stream that begins with it. `rate` is 8, 16, 24 or 48 kHz. Silence follows its end, so
/// that what the codec holds back comes out and the last frame is whole.
pub(super) fn encode_recording(samples: &[i16], rate: u32) -> Vec<Arc<[u8]>> {
    let mut codec = configured(rate).expect("libopus takes this rate, mono, and these settings");
    let held_back = codec.get_lookahead().ok().and_then(|samples| usize::try_from(samples).ok());
    let mut samples = samples.to_vec();
    samples.resize(samples.len() + held_back.unwrap_or_default(), 0);
    let frame = rate as usize / 50;
    samples.resize(samples.len().next_multiple_of(frame), 0);
    samples.chunks_exact(frame).map(|frame| encoded(&mut codec, frame)).collect()
}

/// 20 ms.
fn encoded(codec: &mut opus::Encoder, frame: &[i16]) -> Arc<[u8]> {
    let mut packet = [0; MAX_PACKET];
    let length = codec.encode(frame, &mut packet).expect("libopus takes frames of 20 ms");
    packet.get(..length).map_or_else(|| SILENCE.into(), Arc::from)
}

fn configured(rate: u32) -> Result<opus::Encoder, opus::Error> {
    let mut codec = opus::Encoder::new(rate, Channels::Mono, Application::Voip)?;
    codec.set_bitrate(Bitrate::Bits(BITRATE))?;
    codec.set_complexity(COMPLEXITY)?;
    // What a carrier takes ends at 8 kHz of bandwidth (G.722); the band above would cost bits and CPU.
    codec.set_max_bandwidth(Bandwidth::Wideband)?;
    // No redundancy for lost packets (FEC): livekit-sip's decoder makes no use of it, so it would only take bits from
    // what is heard.
    codec.set_inband_fec(false)?;
    codec.set_dtx(false)?;
    Ok(codec)
}

/// Not an Opus packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Opus packet")]
pub struct BadPacket;

/// One stream from a caller.
#[derive(Debug)]
pub struct Decoder {
    codec: opus::Decoder,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    pub fn new() -> Self {
        let codec = opus::Decoder::new(MODEL_RATE, Channels::Mono).expect("libopus takes 24 kHz mono");
        Self { codec }
    }

    /// The next packet of the stream, whatever its rate, channels and length (2.5 to 120 ms).
    pub fn decode(&mut self, packet: &[u8]) -> Result<Pcm, BadPacket> {
        // An empty input would mean a lost frame to libopus.
        if packet.is_empty() {
            return Err(BadPacket);
        }
        let samples = self.codec.get_nb_samples(packet).map_err(|_| BadPacket)?;
        if samples > MAX_DECODED {
            return Err(BadPacket);
        }
        let mut pcm = vec![0; samples];
        let decoded = self.codec.decode(packet, &mut pcm, false).map_err(|_| BadPacket)?;
        pcm.truncate(decoded);
        Ok(pcm)
    }

    /// A frame in place of one that was lost, continued from what came before it.
    pub fn conceal(&mut self) -> PcmFrame {
        let mut frame = [0; FRAME_SAMPLES];
        // Concealment has no input that could be wrong; where libopus declines, a lost frame is silent.
        if self.codec.decode(&[], &mut frame, false).is_err() {
            return [0; FRAME_SAMPLES];
        }
        frame
    }

    /// A frame in place of one that was lost, out of the redundancy (FEC) in the packet after it; where that
    /// has none, as [`Self::conceal`]. Decode `next` itself afterwards.
    pub fn recover(&mut self, next: &[u8]) -> Result<PcmFrame, BadPacket> {
        if next.is_empty() {
            return Err(BadPacket);
        }
        let mut frame = [0; FRAME_SAMPLES];
        self.codec.decode(next, &mut frame, true).map_err(|_| BadPacket)?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
