//! What a phone says and hears, in packets of 20 ms (RFC 3550, RFC 4733).

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Codec;
use super::coder::{Decode, Encode};
use crate::kit::tone;

/// Samples a second.
pub const RATE: u32 = 8_000;
/// Of 20 ms.
pub(super) const FRAME_SAMPLES: usize = 160;

const KEYS: u8 = 101;
/// Packets of one key; the last three say that it is released.
const KEY_PACKETS: u16 = 12;
const SSRC: u32 = 0x0D1A_1B1A;

/// So many packets wait for one that is missing: 100 ms.
const MOST_EARLY: usize = 5;

/// Ten minutes: what a phone keeps of one call at most.
pub(super) const MOST_PACKETS: usize = 30_000;

/// What to say next; silence follows the last of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Say {
    Silence(Duration),
    Tone {
        hz: f32,
        length: Duration,
    },
    /// Speech at [`RATE`].
    Samples(Vec<i16>),
    /// Bytes as they go into packets of 160, whatever they are in the phone's codec; it is to be one of G.711.
    Bytes(Vec<u8>),
    /// A key, pressed for 180 ms: `0` to `9`, `*`, `#`, `A` to `D`.
    Key(char),
}

/// One packet of the other side's.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    arrived: Instant,
    timestamp: u32,
    source: u32,
    pub(super) payload: Vec<u8>,
    samples: Vec<i16>,
}

/// A packet of a key of the other side's.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPacket {
    arrived: Instant,
    timestamp: u32,
    marked: bool,
    code: u8,
    over: bool,
    duration: u16,
}

/// A key that the other side pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    pub key: char,
    pub began: Instant,
    /// How long it sounded, by its last packet.
    pub length: Duration,
    /// Packets that said that it is over.
    pub ends: usize,
    /// The first packet has the marker, and no other.
    pub marked: bool,
}

/// What a phone would have played: by the packets' timestamps, with silence where there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// When the first sample was heard.
    pub start: Option<Instant>,
    /// At [`RATE`].
    pub samples: Vec<i16>,
    /// The longest time between two packets.
    pub longest_gap: Duration,
}

impl Recording {
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.samples.len() as u64) / RATE
    }

    /// A WAV file of 16 bit PCM.
    pub fn write_wav(&self, path: &Path) -> io::Result<()> {
        let data: Vec<u8> = self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let length = u32::try_from(data.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut wav = Vec::with_capacity(44 + data.len());
        wav.extend(b"RIFF");
        wav.extend((36 + length).to_le_bytes());
        // 16 bytes of format: PCM, one channel, rate, bytes a second, bytes a sample, bits.
        wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        wav.extend(RATE.to_le_bytes());
        wav.extend((RATE * 2).to_le_bytes());
        wav.extend(b"\x02\0\x10\0data");
        wav.extend(length.to_le_bytes());
        wav.extend(data);
        std::fs::write(path, wav)
    }
}

/// What the other side says, decoded in the order in which it was said.
#[derive(Debug)]
pub(super) struct Ear {
    codec: Codec,
    decoder: Decode,
    source: Option<u32>,
    /// The number of the next packet.
    next: u16,
    early: Vec<Arrived>,
}

/// A packet that may have to wait for its turn.
#[derive(Debug)]
struct Arrived {
    at: Instant,
    sequence: u16,
    timestamp: u32,
    source: u32,
    /// Of audio.
    payload: Option<Vec<u8>>,
}

impl Ear {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, decoder: Decode::new(codec), source: None, next: 0, early: Vec::new() }
    }

    /// Takes a datagram of RTP; what is audio in it, or behind it, comes out once its turn has come.
    pub(super) fn hear(&mut self, datagram: &[u8], at: Instant) -> Vec<Packet> {
        let Some(arrived) = self.read(datagram, at) else { return Vec::new() };
        if self.source.replace(arrived.source) != Some(arrived.source) {
            (self.decoder, self.next) = (Decode::new(self.codec), arrived.sequence);
            self.early.clear();
        }
        if self.ahead(&arrived) >= 0 {
            self.early.push(arrived);
        }
        let mut heard = Vec::new();
        while let Some(arrived) = self.take_next() {
            heard.extend(self.decode(arrived));
        }
        heard
    }

    fn read(&self, datagram: &[u8], at: Instant) -> Option<Arrived> {
        let (header, payload) = datagram.split_first_chunk::<12>()?;
        let [0x80, kind, n0, n1, t0, t1, t2, t3, s0, s1, s2, s3] = *header else { return None };
        let is_audio = kind & 0x7F == self.codec.payload_type();
        (!matches!(kind, 200..=204)).then(|| Arrived {
            at,
            sequence: u16::from_be_bytes([n0, n1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            source: u32::from_be_bytes([s0, s1, s2, s3]),
            payload: is_audio.then(|| payload.to_vec()),
        })
    }

    /// The packet whose turn it is: the next one, or, once too many wait for that, the first of those.
    fn take_next(&mut self) -> Option<Arrived> {
        let first = (0..self.early.len()).min_by_key(|at| self.early.get(*at).map(|one| self.ahead(one)))?;
        let is_next = self.early.get(first).is_some_and(|one| self.ahead(one) == 0);
        if !is_next && self.early.len() <= MOST_EARLY {
            return None;
        }
        let arrived = self.early.swap_remove(first);
        self.next = arrived.sequence.wrapping_add(1);
        Some(arrived)
    }

    /// By how many packets.
    const fn ahead(&self, arrived: &Arrived) -> i16 {
        arrived.sequence.wrapping_sub(self.next).cast_signed()
    }

    fn decode(&mut self, arrived: Arrived) -> Option<Packet> {
        let Arrived { at, timestamp, source, payload, .. } = arrived;
        let payload = payload?;
        let samples = self.decoder.samples(&payload)?;
        Some(Packet { arrived: at, timestamp, source, payload, samples })
    }
}

/// Reads a packet of a key (RFC 4733).
pub(super) fn read_key(datagram: &[u8], arrived: Instant) -> Option<KeyPacket> {
    let (header, payload) = datagram.split_first_chunk::<12>()?;
    let [0x80, kind, _, _, t0, t1, t2, t3, ..] = *header else { return None };
    let [code @ 0..16, volume, high, low] = *payload else { return None };
    (kind & 0x7F == KEYS).then_some(KeyPacket {
        arrived,
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        marked: kind & 0x80 != 0,
        code,
        over: volume & 0x80 != 0,
        duration: u16::from_be_bytes([high, low]),
    })
}

/// Packets of one timestamp are of one key.
pub(super) fn presses(packets: &[KeyPacket], codec: Codec) -> Vec<Press> {
    let of_keys = packets.chunk_by(|a, b| (a.timestamp, a.code) == (b.timestamp, b.code));
    let press = |packets: &[KeyPacket]| {
        let (first, last) = (packets.first()?, packets.last()?);
        Some(Press {
            key: "0123456789*#ABCD".chars().nth(first.code.into())?,
            began: first.arrived,
            length: Duration::from_secs(last.duration.into()) / codec.clock_rate(),
            ends: packets.iter().filter(|packet| packet.over).count(),
            marked: first.marked && packets.iter().filter(|packet| packet.marked).count() == 1,
        })
    };
    of_keys.filter_map(press).collect()
}

/// Puts packets where a phone would play them: counted from the first of their source; one that comes later than the
/// jitter buffer lasts moves all that follow.
pub(super) fn recording(packets: &[Packet], codec: Codec, jitter_buffer: Duration) -> Recording {
    let Some(first) = packets.first() else { return Recording::default() };
    let in_samples =
        |time: Duration| i64::try_from(time.as_micros() * u128::from(RATE) / 1_000_000).unwrap_or(i64::MAX);
    let (mut source, mut origin, mut anchor) = (first.source, first.timestamp, 0);
    let mut samples: Vec<i16> = Vec::new();
    for packet in packets {
        let arrived = in_samples(packet.arrived.saturating_duration_since(first.arrived));
        let ticks = packet.timestamp.wrapping_sub(origin).cast_signed();
        let mut place = anchor + i64::from(ticks) * i64::from(RATE) / i64::from(codec.clock_rate());
        let is_late = arrived > place + in_samples(jitter_buffer);
        if packet.source != source || is_late || place > arrived + i64::from(RATE) {
            (source, origin, anchor, place) = (packet.source, packet.timestamp, arrived, arrived);
        }
        let place = usize::try_from(place).unwrap_or(0);
        samples.resize(samples.len().max(place + packet.samples.len()), 0);
        for (slot, sample) in samples.iter_mut().skip(place).zip(&packet.samples) {
            *slot = *sample;
        }
    }
    let gaps = packets
        .iter()
        .zip(packets.iter().skip(1))
        .map(|(a, b)| b.arrived.saturating_duration_since(a.arrived));
    Recording { start: Some(first.arrived), samples, longest_gap: gaps.max().unwrap_or_default() }
}

/// What is said, packet by packet.
#[derive(Debug)]
pub(super) struct Mouth {
    codec: Codec,
    encoder: Encode,
    sequence: u16,
    timestamp: u32,
    plan: VecDeque<Part>,
}

#[derive(Debug)]
enum Part {
    Samples(VecDeque<i16>),
    Bytes(VecDeque<u8>),
    Key { code: u8, sent: u16 },
}

impl Mouth {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, encoder: Encode::new(codec), sequence: 1, timestamp: 0, plan: VecDeque::new() }
    }

    /// Goes on in another codec.
    pub(super) fn change(&mut self, codec: Codec) {
        (self.codec, self.encoder) = (codec, Encode::new(codec));
    }

    pub(super) fn say(&mut self, plan: Vec<Say>) {
        self.plan = plan.into_iter().filter_map(Part::new).collect();
    }

    /// The next 20 ms.
    pub(super) fn packet(&mut self) -> Vec<u8> {
        let (payload_type, since, payload) = self.payload();
        let mut datagram = vec![0x80, payload_type];
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend(self.timestamp.wrapping_sub(since).to_be_bytes());
        datagram.extend(SSRC.to_be_bytes());
        datagram.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.ticks());
        datagram
    }

    /// Of 20 ms.
    const fn ticks(&self) -> u32 {
        self.codec.clock_rate() / 50
    }

    /// The payload type of the next 20 ms, how many ticks ago what it tells of began, and the payload.
    fn payload(&mut self) -> (u8, u32, Vec<u8>) {
        let mut frame: Vec<i16> = Vec::new();
        let ticks = self.ticks();
        match self.plan.front_mut() {
            Some(Part::Key { code, sent }) => {
                let (code, step) = (*code, *sent);
                *sent += 1;
                if *sent == KEY_PACKETS {
                    self.plan.pop_front();
                }
                let marker = if step == 0 { 0x80 } else { 0 };
                return (KEYS | marker, u32::from(step) * ticks, key(code, step, ticks));
            }
            Some(Part::Samples(samples)) => {
                frame.extend(samples.drain(..samples.len().min(FRAME_SAMPLES)));
                if samples.is_empty() {
                    self.plan.pop_front();
                }
            }
            Some(Part::Bytes(bytes)) => {
                let payload = bytes.drain(..bytes.len().min(FRAME_SAMPLES)).collect();
                if bytes.is_empty() {
                    self.plan.pop_front();
                }
                return (self.codec.payload_type(), 0, payload);
            }
            None => {}
        }
        frame.resize(FRAME_SAMPLES, 0);
        (self.codec.payload_type(), 0, self.encoder.payload(&frame))
    }
}

impl Part {
    fn new(say: Say) -> Option<Self> {
        let count = |length: Duration| length.as_millis() as u64 * u64::from(RATE) / 1_000;
        Some(match say {
            Say::Silence(length) => Self::Samples(std::iter::repeat_n(0, count(length) as usize).collect()),
            Say::Tone { hz, length } => Self::Samples(tone::sine(hz, 0.25, RATE, 0, count(length)).into()),
            Say::Samples(samples) => Self::Samples(samples.into()),
            Say::Bytes(bytes) => Self::Bytes(bytes.into()),
            Say::Key(key) => Self::Key { code: u8::try_from("0123456789*#ABCD".find(key)?).ok()?, sent: 0 },
        })
    }
}

/// The payload of a key's packet: code, released, volume, and how long it is held by then, in steps of so many ticks.
fn key(code: u8, step: u16, ticks: u32) -> Vec<u8> {
    let held = KEY_PACKETS - 3;
    let released = if step >= held { 0x80 } else { 0 };
    let duration = (step.min(held - 1) + 1) * ticks as u16;
    [&[code, released | 10], &duration.to_be_bytes()[..]].concat()
}
