//! The caller's packets as the model hears them: decoded, gaps filled, at the pace of the clock.

use tokio::time::Instant;

use crate::ingress::leg::Frame;
use crate::media::clock::CallerClock;
use crate::media::framer::Framer;
use crate::media::opus::Decoder;
use crate::media::{FRAME_SAMPLES, Pcm};

/// A longer loss is a pause: what concealment makes up beyond it is noise.
const CONCEALED_MAX: u64 = 3;

#[derive(Debug)]
pub struct Hearing {
    decoder: Decoder,
    framer: Framer,
    clock: CallerClock,
}

impl Hearing {
    /// Hears the caller from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { decoder: Decoder::new(), framer: Framer::default(), clock: CallerClock::new(now) }
    }

    /// A packet arrived and `lost` ones before it did not. Returns the frames to pass on, in order.
    pub fn packet(&mut self, now: Instant, packet: &Frame, lost: u64) -> Vec<Pcm> {
        let concealed = lost.min(CONCEALED_MAX);
        for missing in (1..=concealed).rev() {
            let frame = match missing {
                1 => self.decoder.recover(packet).unwrap_or_else(|_| self.decoder.conceal()),
                _ => self.decoder.conceal(),
            };
            self.framer.push(&frame);
        }
        match self.decoder.decode(packet) {
            Ok(pcm) => self.framer.push(&pcm),
            Err(_) => self.framer.push(&self.decoder.conceal()),
        }
        let mut frames = Vec::new();
        while let Some(frame) = self.framer.next_frame() {
            let feed = self.clock.on_frame(now);
            frames.extend((0..feed.silence).map(|_| silence()));
            if feed.frame {
                frames.push(frame.to_vec());
            }
        }
        frames
    }

    /// The silence that is due because nothing arrived.
    pub fn silence(&mut self, now: Instant) -> Vec<Pcm> {
        (0..self.clock.on_time(now)).map(|_| silence()).collect()
    }

    /// When to ask for silence.
    pub fn deadline(&self) -> Instant {
        self.clock.deadline()
    }
}

fn silence() -> Pcm {
    vec![0; FRAME_SAMPLES]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::FRAME;
    use crate::media::opus::Encoder;

    /// A frame of a 500 Hz tone, and its packet.
    fn packets(count: usize) -> Vec<Frame> {
        let mut encoder = Encoder::new();
        let tone: Vec<i16> =
            (0..count * FRAME_SAMPLES).map(|i| if (i / 24) % 2 == 0 { 8000 } else { -8000 }).collect();
        tone.chunks_exact(FRAME_SAMPLES)
            .map(|chunk| encoder.encode(chunk.try_into().expect("a whole frame")))
            .collect()
    }

    fn is_loud(frame: &Pcm) -> bool {
        frame.iter().any(|sample| sample.abs() > 1000)
    }

    #[test]
    fn lost_packets_are_replaced_by_as_many_frames() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        let packets = packets(10);
        let mut heard = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let now = start + FRAME * u32::try_from(index).expect("few");
            match index {
                5 | 6 => {}
                7 => heard.extend(hearing.packet(now, packet, 2)),
                _ => heard.extend(hearing.packet(now, packet, 0)),
            }
        }
        assert_eq!(heard.len(), 10);
        assert!(heard.iter().skip(2).all(is_loud), "no silence inside speech");
    }

    #[test]
    fn a_silent_network_is_heard_as_silence() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start);
        let mut heard = Vec::new();
        while hearing.deadline() < start + Duration::from_secs(1) {
            let at = hearing.deadline();
            heard.extend(hearing.silence(at));
        }
        assert!((46..=50).contains(&heard.len()), "{} frames in a second", heard.len());
        assert!(!heard.iter().any(is_loud));
    }

    #[test]
    fn a_packet_that_is_not_opus_is_concealed() {
        let now = Instant::now();
        let empty: Frame = Vec::new().into();
        assert_eq!(Hearing::new(now).packet(now, &empty, 0).len(), 1);
    }
}
