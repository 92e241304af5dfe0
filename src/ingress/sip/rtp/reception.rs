//! The caller's packets, as the rest of the call takes them: no second copies, numbers counted on, keys told once.

use tokio::time::Instant;

use super::wire::Rtp;
use crate::call::Digit;
use crate::ingress::sip::sdp::Stream;
use crate::media::packet::{Packet, TICKS_A_SECOND};

/// A sender whose numbers jump further than this began anew (RFC 3550, A.1), if the next packet goes on from there.
const DROPOUT: u64 = 3_000;
const MISORDER: u64 = 100;

/// What a packet comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    /// Without a payload where it is no audio: it only has its place in the order.
    pub packet: Packet,
    /// A key that was not told before.
    pub key: Option<Digit>,
}

#[derive(Debug, Default)]
pub struct Reception {
    /// Streams so far: another source, or one that began anew, is another stream.
    streams: u32,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    ssrc: u32,
    highest: u64,
    /// Which of the 128 up to the highest are here; the lowest bit is the highest's.
    seen: u128,
    time: u64,
    /// Where a sender that began anew would go on.
    anew: Option<u16>,
    key: Option<Key>,
}

/// The last that was told.
#[derive(Debug, Clone, Copy)]
struct Key {
    /// When it was pressed. All packets of one press have it.
    pressed: u32,
    code: u8,
}

impl Reception {
    pub fn receive(&mut self, now: Instant, rtp: &Rtp<'_>, stream: &Stream) -> Option<Received> {
        let streams = &mut self.streams;
        let mut begin = || {
            *streams = streams.wrapping_add(1);
            Current::new(rtp)
        };
        let same = self.current.take_if(|current| current.ssrc == rtp.ssrc);
        let current = self.current.insert(same.unwrap_or_else(&mut begin));
        let sequence = match current.place(rtp.sequence) {
            Place::Next(sequence) => sequence,
            Place::Copy => return None,
            Place::Anew => {
                *current = begin();
                current.seen = 1;
                current.highest
            }
        };
        current.time = extended(current.time, rtp.timestamp.into(), 32);
        let is_key = stream.keys.is_some_and(|keys| keys.payload_type == rtp.payload_type);
        let key = if is_key { current.key(rtp) } else { None };
        let is_audio = rtp.payload_type == stream.payload_type;
        let held = if is_key { u64::from(duration(rtp.payload)) } else { 0 };
        let scale = TICKS_A_SECOND / u64::from(stream.codec.clock_rate());
        let packet = Packet {
            source: self.streams,
            sequence,
            time: (current.time + held) * scale,
            arrived: now,
            payload: if is_audio { rtp.payload.into() } else { [].into() },
        };
        Some(Received { packet, key })
    }
}

enum Place {
    Next(u64),
    /// A second copy of one, or it is too far from the others for now.
    Copy,
    Anew,
}

impl Current {
    fn new(rtp: &Rtp<'_>) -> Self {
        // One round of numbers up, so that those before the first have a place too.
        let highest = u64::from(rtp.sequence) + (1 << 16);
        let time = u64::from(rtp.timestamp) + (1 << 32);
        Self { ssrc: rtp.ssrc, highest, seen: 0, time, anew: None, key: None }
    }

    fn place(&mut self, number: u16) -> Place {
        let sequence = extended(self.highest, number.into(), 16);
        if sequence > self.highest + DROPOUT || sequence + MISORDER < self.highest {
            let goes_on = self.anew == Some(number);
            self.anew = Some(number.wrapping_add(1));
            return if goes_on { Place::Anew } else { Place::Copy };
        }
        self.anew = None;
        if sequence > self.highest {
            let ahead = u32::try_from(sequence - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0);
            self.highest = sequence;
        }
        let bit = 1u128 << (self.highest - sequence);
        let is_copy = self.seen & bit != 0;
        self.seen |= bit;
        if is_copy { Place::Copy } else { Place::Next(sequence) }
    }

    /// The key of a packet of its own kind (RFC 4733), if it is a new one: many packets tell of one press, and any of
    /// them may be lost.
    fn key(&mut self, rtp: &Rtp<'_>) -> Option<Digit> {
        let [code, _, _, _, ..] = *rtp.payload else { return None };
        let digit = Digit::from_code(code.into())?;
        if let Some(last) = self.key {
            let later = rtp.timestamp.wrapping_sub(last.pressed);
            // Beyond the longest that a packet can tell of, a press goes on as another.
            let goes_on = code == last.code && !rtp.marker && later == u32::from(u16::MAX);
            if goes_on {
                self.key = Some(Key { pressed: rtp.timestamp, code });
            }
            if goes_on || later == 0 || later > u32::MAX / 2 {
                return None;
            }
        }
        self.key = Some(Key { pressed: rtp.timestamp, code });
        Some(digit)
    }
}

/// For how long the key has been pressed.
const fn duration(payload: &[u8]) -> u16 {
    match *payload {
        [_, _, high, low, ..] => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}

/// The number whose lowest `bits` are `low`, and that is nearest to `reference`.
const fn extended(reference: u64, low: u64, bits: u32) -> u64 {
    let round = 1 << bits;
    let ahead = low.wrapping_sub(reference) & (round - 1);
    if ahead < round / 2 { reference + ahead } else { (reference + ahead).saturating_sub(round) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingress::sip::sdp::{KeyEvents, Rtcp};
    use crate::media::codec::Codec;

    const STREAM: Stream = Stream {
        codec: Codec::Pcma,
        payload_type: 8,
        keys: Some(KeyEvents { payload_type: 101, rate: 8_000 }),
        comfort: None,
        rtp: None,
        rtcp: Rtcp::Together,
        sends: true,
        receives: true,
    };

    fn audio(sequence: u16) -> Rtp<'static> {
        let timestamp = u32::from(sequence).wrapping_mul(160);
        Rtp { payload_type: 8, marker: false, sequence, timestamp, ssrc: 1, payload: &[0xD5; 160] }
    }

    fn sequences(
        reception: &mut Reception,
        packets: impl IntoIterator<Item = Rtp<'static>>,
    ) -> Vec<(u32, u64)> {
        let now = Instant::now();
        let received = packets.into_iter().filter_map(|rtp| reception.receive(now, &rtp, &STREAM));
        received.map(|received| (received.packet.source, received.packet.sequence & 0xFF_FFFF)).collect()
    }

    #[test]
    fn numbers_are_counted_on_and_second_copies_dropped() {
        let numbers = [65_534, 65_535, 65_534, 0, 2, 1, 2, 65_533];
        let found = sequences(&mut Reception::default(), numbers.map(audio));
        let expected = [65_534, 65_535, 65_536, 65_538, 65_537, 65_533].map(|n| (1, n + 65_536));
        assert_eq!(found, expected);
    }

    #[test]
    fn another_source_or_one_that_begins_anew_is_another_stream() {
        let mut reception = Reception::default();
        let other = Rtp { ssrc: 2, ..audio(3) };
        // A packet of long ago is none; two that go on from there are a sender that began anew.
        let packets = [
            audio(10_000),
            other,
            Rtp { ssrc: 2, ..audio(20_000) },
            Rtp { ssrc: 2, ..audio(4) },
            Rtp { ssrc: 2, ..audio(40_000) },
            Rtp { ssrc: 2, ..audio(40_001) },
        ];
        let found = sequences(&mut reception, packets);
        assert_eq!(found, [(1, 75_536), (2, 65_539), (2, 65_540), (3, 105_537)]);
    }

    #[test]
    fn time_counts_at_48_khz() {
        let (mut reception, now) = (Reception::default(), Instant::now());
        let mut time = |rtp| reception.receive(now, &rtp, &STREAM).expect("it is new").packet.time;
        let first = time(Rtp { timestamp: u32::MAX - 159, ..audio(1) });
        assert_eq!(time(Rtp { timestamp: 0, ..audio(2) }) - first, 960);
    }

    /// Packets of one press: `held` for so many steps of 20 ms, and the end thrice.
    fn press(code: u8, first: u16, pressed: u32, held: u16) -> Vec<(u16, u32, Vec<u8>)> {
        let packet = |step: u16, end: u8| vec![code, end | 10, ((step * 160) >> 8) as u8, (step * 160) as u8];
        let steps = (1..=held).map(|step| packet(step, 0)).chain((0..3).map(|_| packet(held, 0x80)));
        steps.enumerate().map(|(n, payload)| (first + n as u16, pressed, payload)).collect()
    }

    fn keys(packets: &[(u16, u32, Vec<u8>)]) -> String {
        let (mut reception, now) = (Reception::default(), Instant::now());
        let key = |(sequence, timestamp, payload): &(u16, u32, Vec<u8>)| {
            let rtp = Rtp {
                payload_type: 101,
                marker: false,
                sequence: *sequence,
                timestamp: *timestamp,
                ssrc: 1,
                payload,
            };
            let received = reception.receive(now, &rtp, &STREAM)?;
            assert!(received.packet.payload.is_empty(), "a key is no audio");
            received.key.map(Digit::reveal)
        };
        packets.iter().filter_map(key).collect()
    }

    #[test]
    fn each_press_is_told_once_whatever_is_lost_of_it() {
        let pressed: Vec<Vec<_>> = [1u8, 1, 11, 15, 0]
            .iter()
            .zip(0u16..)
            .map(|(code, n)| press(*code, n * 20, u32::from(n) * 3_200, 5))
            .collect();
        assert_eq!(keys(&pressed.concat()), "11#D0");
        let only_ends: Vec<_> = pressed.iter().map(|press| press[7].clone()).collect();
        assert_eq!(keys(&only_ends), "11#D0");
        let mut late = pressed.concat();
        let straggler = late.remove(3);
        late.insert(10, straggler);
        assert_eq!(keys(&late), "11#D0", "a packet of the last press that the next overtook");
        let beyond = [press(3, 0, 0, 2), press(3, 10, 65_535, 2)].concat();
        assert_eq!(keys(&beyond), "3", "a key held for more than 8 s");
        assert_eq!(keys(&[(0, 0, vec![16, 0, 0, 0]), (1, 9, vec![1, 0]), (2, 9, Vec::new())]), "", "no keys");
    }

    proptest! {
        #[test]
        fn every_packet_counts_once_through_any_disorder(delays in prop::collection::vec(0u64..60, 1..300), start in any::<u16>()) {
            let mut order: Vec<(u64, u16)> = delays.iter().zip(0u16..).flat_map(|(delay, n)| [(u64::from(n) + delay, n), (u64::from(n) + delay + 3, n)]).collect();
            order.sort_unstable();
            let found = sequences(&mut Reception::default(), order.iter().map(|(_, n)| audio(start.wrapping_add(*n))));
            let mut numbers: Vec<u64> = found.iter().map(|(_, sequence)| *sequence).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers.len(), delays.len());
            prop_assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        }
    }
}
