//! Keys that we press (RFC 4733): each sounds for 100 ms, is told to be over three times, and then there is a pause.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::call::{Digit, Digits};
use crate::media::FRAME;

/// Packets of one key: this many while it sounds, the end thrice, and with it 60 ms of pause.
const SOUNDING: u8 = 5;
const PACKETS: u8 = SOUNDING + 3;
/// In dBm0, without its sign.
const VOLUME: u8 = 10;
const OVER: u8 = 0x80;

/// Keys on their way, a packet every 20 ms.
#[derive(Debug)]
pub(super) struct Keying {
    keys: VecDeque<Digit>,
    /// Packets of the first key that were sent.
    sent: u8,
    due: Instant,
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyPacket {
    /// How many packets ago its key began: all of a key have one timestamp.
    pub(super) since: u8,
    pub(super) payload: [u8; 4],
}

impl Keying {
    pub(super) fn new(digits: &Digits, now: Instant) -> Self {
        Self { keys: digits.iter().collect(), sent: 0, due: now }
    }

    /// When the next packet leaves; after the last one, when the pause is over.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// The packet that is due. `None`: all keys are pressed. `rate`: ticks a second of the durations.
    pub(super) fn next(&mut self, rate: u32) -> Option<KeyPacket> {
        let key = *self.keys.front()?;
        let since = self.sent;
        let sounding = (since + 1).min(SOUNDING);
        let duration = u16::try_from(u32::from(sounding) * (rate / 50)).unwrap_or(u16::MAX);
        let over = if since >= SOUNDING { OVER } else { 0 };
        let [high, low] = duration.to_be_bytes();
        self.sent += 1;
        self.due += FRAME;
        if self.sent == PACKETS {
            self.keys.pop_front();
            self.sent = 0;
        }
        Some(KeyPacket { since, payload: [key.code(), over | VOLUME, high, low] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_grows_for_100_ms_and_its_end_is_told_thrice() {
        let now = Instant::now();
        let mut keying = Keying::new(&Digits::parse("5#").expect("keys"), now);
        let mut packets = Vec::new();
        while let Some(packet) = keying.next(8_000) {
            packets.push(packet);
            assert_eq!(keying.due(), now + FRAME * u32::try_from(packets.len()).expect("few"));
        }
        for (of_key, code) in packets.chunks(8).zip([5, 11]) {
            let expected =
                [(0, 160), (0, 320), (0, 480), (0, 640), (0, 800), (0x80, 800), (0x80, 800), (0x80, 800)];
            let expected = expected.map(|(over, duration): (u8, u16)| {
                let [high, low] = duration.to_be_bytes();
                [code, over | 10, high, low]
            });
            assert_eq!(of_key.iter().map(|packet| packet.payload).collect::<Vec<_>>(), expected);
            assert!(of_key.iter().zip(0..).all(|(packet, since)| packet.since == since));
        }
        assert_eq!(packets.len(), 16);
        let opus = Keying::new(&Digits::parse("1").expect("a key"), now).next(48_000).expect("a packet");
        assert_eq!(opus.payload, [1, 10, 3, 0xC0], "960 ticks");
    }
}
