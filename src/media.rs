//! Audio as the call carries it: 20 ms frames, mono.

use std::time::Duration;

pub mod audio;
pub mod clip;
pub mod clock;
pub mod codec;
mod conceal;
pub mod framer;
pub mod g711;
pub mod g722;
pub mod hearing;
pub mod lateness;
pub mod opus;
pub mod outlet;
pub mod pacer;
pub mod packet;
pub mod quality;
pub mod resample;
#[cfg(test)]
pub(crate) mod tone;

/// What every frame lasts. livekit-sip's decoder takes exactly this much (960 samples at 48 kHz).
pub const FRAME: Duration = Duration::from_millis(20);

/// The rate at which models hear and speak, in Hz.
pub const MODEL_RATE: u32 = 24_000;

/// Samples of one 20 ms frame at [`MODEL_RATE`].
pub const FRAME_SAMPLES: usize = 480;

/// Any length of 24 kHz mono PCM, as it comes from a model or goes to one.
pub type Pcm = Vec<i16>;

/// Exactly one 20 ms frame of 24 kHz mono PCM.
pub type PcmFrame = [i16; FRAME_SAMPLES];
