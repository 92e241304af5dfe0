use std::time::Duration;

use tokio::time::Instant;

use super::keying::KeyPacket;
use super::wire::Rtp;
use crate::ingress::sip::sdp::Stream;
use crate::media::FRAME;

/// A longer pause in what we send moves the timestamps on, as it does the caller's clock.
const PAUSE: Duration = Duration::from_millis(100);

/// Our own stream.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) ssrc: u32,
    sequence: u16,
    pub(super) timestamp: u32,
    last: Option<Instant>,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self {
            ssrc: rand::random(),
            // The first round of numbers lasts for a while, so that SRTP's receiver is sure to see it (RFC 3711, section 3.3.1).
            sequence: rand::random::<u16>() >> 1,
            timestamp: rand::random(),
            last: None,
        }
    }

    /// A key's packet takes the place of 20 ms of audio. Its timestamp is that of the key's first.
    pub(super) fn key(
        &mut self,
        packet: &KeyPacket,
        payload_type: u8,
        stream: &Stream,
        now: Instant,
    ) -> Vec<u8> {
        let ticks = stream.codec.clock_rate() / 50;
        let Self { ssrc, sequence, timestamp, .. } = *self;
        let timestamp = timestamp.wrapping_sub(ticks * u32::from(packet.since));
        let (marker, payload) = (packet.since == 0, &packet.payload);
        let rtp = Rtp { payload_type, marker, sequence, timestamp, ssrc, payload };
        self.sequence = sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(ticks);
        self.last = Some(now);
        rtp.write()
    }

    pub(super) fn packet(&mut self, payload: &[u8], stream: &Stream, now: Instant) -> Vec<u8> {
        let ticks = stream.codec.clock_rate() / 50;
        let pause = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let goes_on = self.last.is_some() && pause < PAUSE;
        if pause >= PAUSE {
            let frames = u32::try_from(pause.as_millis() / FRAME.as_millis()).unwrap_or(u32::MAX);
            self.timestamp = self.timestamp.wrapping_add(ticks.wrapping_mul(frames.saturating_sub(1)));
        }
        self.last = Some(now);
        let Self { ssrc, sequence, timestamp, .. } = *self;
        // The marker is set where speech begins, so that the receiver may adjust.
        let rtp =
            Rtp { payload_type: stream.payload_type, marker: !goes_on, sequence, timestamp, ssrc, payload };
        self.sequence = sequence.wrapping_add(1);
        self.timestamp = timestamp.wrapping_add(ticks);
        rtp.write()
    }
}
