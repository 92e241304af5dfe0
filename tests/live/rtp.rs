//! An RTP endpoint that a test owns: it says what it is told in real time, and keeps what it hears with arrival times.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::ear::{self, RATE};
use crate::g711::Law;

pub const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: usize = RATE / 50;

/// Ten minutes: what a phone keeps of one call at most.
const MOST_PACKETS: usize = 30_000;

/// What to say next; silence follows the last of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Say {
    Silence(Duration),
    Tone {
        hz: u32,
        length: Duration,
    },
    /// A key held for 220 ms, by its event code (RFC 4733); no audio is sent meanwhile.
    Key(u8),
    /// A tone that is no silence to a codec, and too quiet to be taken for speech.
    Murmur {
        hz: u32,
        length: Duration,
    },
}

/// The payload type of keys, as the phone offers it.
const TELEPHONE_EVENT: u8 = 101;
/// Packets of one key; the last three say that it is released. A livekit-sip that is short of processor time drops what
/// it has ten packets of: it must not lose a whole key.
const KEY_PACKETS: u16 = 14;

/// How loud the phone speaks, in dBFS.
pub const LEVEL: f64 = -12.0;
const MURMUR: f64 = -40.0;

/// One received packet of G.711.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub arrived: Instant,
    pub sequence: u16,
    pub timestamp: u32,
    pub source: u32,
    pub samples: Vec<i16>,
}

/// A packet of a key of the other side's: when its key began, by the other side's clock, which key, and whether it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    began: u32,
    code: u8,
    over: bool,
}

/// What was heard, as a phone would have played it.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// When the first sample was heard.
    pub start: Instant,
    pub samples: Vec<i16>,
}

impl Timeline {
    /// The place of a moment in the timeline; zero for all before its start.
    pub fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }
}

/// How evenly packets came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    pub packets: usize,
    /// Sequence numbers that never came.
    pub lost: usize,
    /// The longest time between two packets.
    pub longest_gap: Duration,
}

#[derive(Default)]
struct Shared {
    packets: Mutex<Vec<Packet>>,
    keys: Mutex<Vec<Key>>,
    /// When each part of a plan began to leave.
    said: Mutex<Vec<(Instant, Say)>>,
    target: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
}

/// The endpoint; its two threads end with it.
pub struct Endpoint {
    port: u16,
    plan: mpsc::Sender<Vec<Say>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Endpoint {
    /// Binds a loopback port. Nothing is sent before [`Endpoint::aim`].
    pub fn open(law: Law) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (plan, plans) = mpsc::channel();
        let receiver = {
            let (socket, shared) = (socket.try_clone().unwrap(), Arc::clone(&shared));
            thread::spawn(move || receive(&socket, &shared))
        };
        let speaker = Speaker { socket, law, shared: Arc::clone(&shared), plans };
        let sender = thread::spawn(move || speaker.run());
        Self { port, plan, shared, threads: vec![receiver, sender] }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Begins to send there, every 20 ms until the endpoint is dropped.
    pub fn aim(&self, target: SocketAddr) {
        *lock(&self.shared.target) = Some(target);
    }

    /// Sends nothing more until it is aimed again; where it sent to.
    pub fn pause(&self) -> Option<SocketAddr> {
        lock(&self.shared.target).take()
    }

    /// Says this from the next packet on, instead of what is left of the last plan.
    pub fn say(&self, plan: Vec<Say>) {
        self.plan.send(plan).expect("the sender lives as long as the endpoint");
    }

    /// When each part of every plan so far began to leave.
    pub fn said(&self) -> Vec<(Instant, Say)> {
        lock(&self.shared.said).clone()
    }

    pub fn packets(&self) -> Vec<Packet> {
        lock(&self.shared.packets).clone()
    }

    /// Keys that the other side has pressed and let go, in their order and by their codes.
    pub fn keys(&self) -> Vec<u8> {
        let keys = lock(&self.shared.keys);
        let presses = keys.chunk_by(|a, b| (a.began, a.code) == (b.began, b.code));
        presses.filter(|press| press.iter().any(|key| key.over)).map(|press| press[0].code).collect()
    }

    pub fn timeline(&self) -> Option<Timeline> {
        timeline(&lock(&self.shared.packets))
    }

    pub fn delivery(&self) -> Delivery {
        delivery(&lock(&self.shared.packets))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of an endpoint panics")
}

fn receive(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(packet) = parse(&buffer[..length], Instant::now()) {
            let mut packets = lock(&shared.packets);
            if packets.len() < MOST_PACKETS {
                packets.push(packet);
            }
        } else if let Some(key) = parse_key(&buffer[..length]) {
            lock(&shared.keys).push(key);
        }
    }
}

/// Reads an RTP packet (RFC 3550) of G.711; anything else, RTCP and telephone events among it, is none.
fn parse(bytes: &[u8], arrived: Instant) -> Option<Packet> {
    let (header, rest) = bytes.split_first_chunk::<12>()?;
    let (version, extended, contributors) = (header[0] >> 6, header[0] & 0x10 != 0, header[0] & 0x0F);
    let law = Law::of_payload_type(header[1] & 0x7F).filter(|_| version == 2)?;
    let mut payload = rest.get(usize::from(contributors) * 4..)?;
    if extended {
        let (head, rest) = payload.split_first_chunk::<4>()?;
        payload = rest.get(usize::from(u16::from_be_bytes([head[2], head[3]])) * 4..)?;
    }
    Some(Packet {
        arrived,
        sequence: u16::from_be_bytes([header[2], header[3]]),
        timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        source: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        samples: payload.iter().map(|byte| law.decode(*byte)).collect(),
    })
}

/// Reads a packet of a key (RFC 4733).
fn parse_key(bytes: &[u8]) -> Option<Key> {
    let (header, payload) = bytes.split_first_chunk::<12>()?;
    let [code @ 0..16, volume, _, _] = *payload else { return None };
    (header[0] == 0x80 && header[1] & 0x7F == TELEPHONE_EVENT).then_some(Key {
        began: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        code,
        over: volume & 0x80 != 0,
    })
}

struct Speaker {
    socket: UdpSocket,
    law: Law,
    shared: Arc<Shared>,
    plans: mpsc::Receiver<Vec<Say>>,
}

impl Speaker {
    fn run(&self) {
        let (mut sequence, mut timestamp) = (1u16, 0u32);
        let mut speech: Vec<Part> = Vec::new();
        let mut due = Instant::now();
        while !self.shared.stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += FRAME;
            if let Some(plan) = self.plans.try_iter().last() {
                speech = plan.into_iter().rev().map(Part::new).collect();
            }
            let Some(target) = *lock(&self.shared.target) else { continue };
            let (payload_type, since, payload) = self.payload(&mut speech);
            let mut packet = vec![0x80, payload_type];
            packet.extend(sequence.to_be_bytes());
            packet.extend(timestamp.wrapping_sub(since).to_be_bytes());
            packet.extend(0x0D1A_1B1Au32.to_be_bytes());
            packet.extend(payload);
            // The far end may be gone already; what matters is what was heard.
            let _sent = self.socket.send_to(&packet, target);
            (sequence, timestamp) = (sequence.wrapping_add(1), timestamp.wrapping_add(FRAME_SAMPLES as u32));
        }
    }

    /// The payload type of the next 20 ms, how many ticks ago it began, and the payload. Every part of a plan begins on a
    /// packet; its last one is filled up with silence.
    fn payload(&self, speech: &mut Vec<Part>) -> (u8, u32, Vec<u8>) {
        let silence = || vec![self.law.encode(0); FRAME_SAMPLES];
        let Some(part) = speech.last_mut() else { return (self.law as u8, 0, silence()) };
        if part.sent == 0 {
            lock(&self.shared.said).push((Instant::now(), part.say));
        }
        let sent = part.sent;
        part.sent += 1;
        let (is_over, payload) = match part.say {
            Say::Key(code) => {
                let is_first = if sent == 0 { 0x80 } else { 0 };
                let payload = key(code, sent);
                (
                    sent + 1 == KEY_PACKETS,
                    (TELEPHONE_EVENT | is_first, u32::from(sent) * FRAME_SAMPLES as u32, payload),
                )
            }
            Say::Silence(_) | Say::Tone { .. } | Say::Murmur { .. } => {
                let left = &mut part.left;
                let mut frame: Vec<i16> = left.drain(..left.len().min(FRAME_SAMPLES)).collect();
                frame.resize(FRAME_SAMPLES, 0);
                let payload = frame.iter().map(|sample| self.law.encode(*sample)).collect();
                (left.is_empty(), (self.law as u8, 0, payload))
            }
        };
        if is_over {
            speech.pop();
        }
        payload
    }
}

/// One part of a plan, as far as it is sent.
struct Part {
    say: Say,
    sent: u16,
    left: Vec<i16>,
}

impl Part {
    fn new(say: Say) -> Self {
        Self { say, sent: 0, left: samples(say) }
    }
}

/// The payload of a key's packet: code, released, volume, and how long it is held by then.
fn key(code: u8, sent: u16) -> Vec<u8> {
    let held = KEY_PACKETS - 3;
    let released = if sent >= held { 0x80 } else { 0 };
    let duration = (sent.min(held - 1) + 1) * FRAME_SAMPLES as u16;
    [&[code, released | 10], &duration.to_be_bytes()[..]].concat()
}

fn samples(say: Say) -> Vec<i16> {
    match say {
        Say::Silence(length) => vec![0; (length.as_secs_f64() * RATE as f64) as usize],
        Say::Tone { hz, length } => ear::tone(hz, length, LEVEL),
        Say::Key(_) => Vec::new(),
        Say::Murmur { hz, length } => ear::tone(hz, length, MURMUR),
    }
}

/// How late a packet may be against its timestamp before a phone has run dry and plays it when it comes.
const PATIENCE: Duration = Duration::from_millis(60);

/// Puts packets where a phone would play them: by their timestamps, counted from the first packet of their source; a
/// packet that comes later than the patience of a jitter buffer moves all that follow.
fn timeline(packets: &[Packet]) -> Option<Timeline> {
    let first = packets.first()?;
    let (start, mut source) = (first.arrived, first.source);
    let (mut origin, mut anchor) = (first.timestamp, 0i64);
    let mut samples: Vec<i16> = Vec::new();
    for packet in packets {
        let arrived = (packet.arrived - start).as_micros() as i64 * RATE as i64 / 1_000_000;
        let mut place = anchor + i64::from(packet.timestamp.wrapping_sub(origin) as i32);
        let patience = (PATIENCE.as_millis() as usize * RATE / 1000) as i64;
        let is_far_ahead = place > arrived + RATE as i64;
        if packet.source != source || arrived > place + patience || is_far_ahead {
            (source, origin, anchor, place) = (packet.source, packet.timestamp, arrived, arrived);
        }
        let place = usize::try_from(place).unwrap_or(0);
        samples.resize(samples.len().max(place + packet.samples.len()), 0);
        samples[place..place + packet.samples.len()].copy_from_slice(&packet.samples);
    }
    Some(Timeline { start, samples })
}

fn delivery(packets: &[Packet]) -> Delivery {
    let gaps = packets.windows(2).map(|pair| pair[1].arrived - pair[0].arrived);
    let steps = packets.windows(2).filter(|pair| pair[0].source == pair[1].source);
    let skipped = steps.map(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence) as i16 as isize - 1);
    Delivery {
        packets: packets.len(),
        // A packet that comes late first counts as lost and then takes that back.
        lost: usize::try_from(skipped.sum::<isize>()).unwrap_or(0),
        longest_gap: gaps.max().unwrap_or_default(),
    }
}

#[cfg(test)]
#[path = "rtp/tests.rs"]
mod tests;
