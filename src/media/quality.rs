//! How a call's media went, each way.

use std::time::Duration;

use tokio::time::Instant;

use super::packet::{Packet, ticks};

/// A sender that stops for longer may go on with its clock where it stopped; that is no jitter.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of the packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    pub packets: u64,
    /// `None` where nobody has told.
    pub lost: Option<u64>,
    /// Interarrival jitter (RFC 3550, section 6.4.1), its mean over the call; `None` where nobody has told.
    pub jitter: Option<Duration>,
    /// The longest time without a packet.
    pub longest_gap: Duration,
}

/// Both directions of a call, as we know of them: what we received ourselves, and what the other end reported of
/// what we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality {
    pub received: Way,
    /// Packets and the gap are our own count; loss and jitter are what the next hop told us (RTCP), every few
    /// seconds, so a short call's are not known.
    pub sent: Way,
    /// Frames of ours that found no way out.
    pub unsent: u64,
}

/// What the other end says of a stream of ours (an RTCP report block).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Of the stream since its start.
    pub lost: u64,
    pub jitter: Duration,
}

/// Keeps count of a call's media.
#[derive(Debug, Default)]
pub struct Meter {
    received: Received,
    sent: Sent,
    unsent: u64,
}

impl Meter {
    /// A packet of the caller's arrived; not a second copy of one.
    pub fn received(&mut self, packet: &Packet) {
        self.received.note(packet);
    }

    /// A frame of ours left. Returns how long after the one before it.
    pub fn sent(&mut self, now: Instant) -> Option<Duration> {
        self.sent.packets += 1;
        let before = self.sent.gap.last;
        self.sent.gap.note(now);
        before.map(|before| now.saturating_duration_since(before))
    }

    /// A frame of ours could not leave. Before the first that could, there was nothing to say.
    pub fn unsent(&mut self) {
        self.unsent += u64::from(self.sent.packets > 0);
    }

    /// The way to the caller is lost: until it is found again nothing is sent, and then it is a new stream.
    pub fn interrupted(&mut self) {
        self.sent.interrupted();
    }

    pub fn reported(&mut self, report: Report) {
        self.sent.reported(report);
    }

    /// The sum of it, at the call's end; `None` when no media flowed.
    pub fn quality(&self, now: Instant) -> Option<Quality> {
        let (received, sent) = (self.received.way(now), self.sent.way());
        let quality = Quality { received, sent, unsent: self.unsent };
        (quality.received.packets + quality.sent.packets > 0).then_some(quality)
    }
}

#[derive(Debug, Default)]
struct Received {
    packets: u64,
    /// Of streams before this one.
    lost_before: u64,
    stream: Option<Stream>,
    gap: Gap,
    jitter: Mean,
}

/// The caller's packets of one synchronisation source.
#[derive(Debug)]
struct Stream {
    source: u32,
    first: u64,
    highest: u64,
    packets: u64,
    arrived: Instant,
    time: u64,
}

impl Received {
    fn note(&mut self, packet: &Packet) {
        self.packets += 1;
        self.gap.note(packet.arrived);
        match &mut self.stream {
            Some(stream) if stream.source == packet.source => {
                let difference = stream.note(packet);
                if difference < PAUSE {
                    self.jitter.note(difference);
                }
            }
            _ => {
                self.lost_before += self.stream.as_ref().map_or(0, Stream::lost);
                self.stream = Some(Stream::begun(packet));
            }
        }
    }

    fn way(&self, now: Instant) -> Way {
        Way {
            packets: self.packets,
            lost: self.stream.as_ref().map(|stream| self.lost_before + stream.lost()),
            jitter: self.jitter.mean(),
            longest_gap: self.gap.longest_until(now),
        }
    }
}

impl Stream {
    const fn begun(packet: &Packet) -> Self {
        let Packet { source, sequence, time, arrived, .. } = *packet;
        Self { source, first: sequence, highest: sequence, packets: 1, arrived, time }
    }

    /// Returns how much longer or shorter than the last one this packet was under way (RFC 3550, A.8).
    fn note(&mut self, packet: &Packet) -> Duration {
        self.packets += 1;
        self.first = self.first.min(packet.sequence);
        self.highest = self.highest.max(packet.sequence);
        let arrived = packet.arrived.saturating_duration_since(self.arrived);
        let spoken = ticks(packet.time.abs_diff(self.time));
        let difference = if packet.time < self.time { arrived + spoken } else { arrived.abs_diff(spoken) };
        (self.arrived, self.time) = (packet.arrived, packet.time);
        difference
    }

    /// Sequence numbers that never came (RFC 3550, A.3).
    const fn lost(&self) -> u64 {
        (self.highest - self.first + 1).saturating_sub(self.packets)
    }
}

#[derive(Debug, Default)]
struct Sent {
    packets: u64,
    gap: Gap,
    /// Of streams before this one.
    lost_before: Option<u64>,
    lost: Option<u64>,
    jitter: Mean,
}

impl Sent {
    fn interrupted(&mut self) {
        self.gap.last = None;
        self.lost_before = self.lost_so_far();
        self.lost = None;
    }

    fn reported(&mut self, report: Report) {
        self.lost = Some(report.lost);
        self.jitter.note(report.jitter);
    }

    fn lost_so_far(&self) -> Option<u64> {
        [self.lost_before, self.lost].into_iter().flatten().reduce(|before, now| before + now)
    }

    fn way(&self) -> Way {
        Way {
            packets: self.packets,
            lost: self.lost_so_far(),
            jitter: self.jitter.mean(),
            longest_gap: self.gap.longest,
        }
    }
}

#[derive(Debug, Default)]
struct Gap {
    last: Option<Instant>,
    longest: Duration,
}

impl Gap {
    fn note(&mut self, now: Instant) {
        self.longest = self.longest_until(now);
        self.last = Some(now);
    }

    fn longest_until(&self, now: Instant) -> Duration {
        self.longest.max(self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last)))
    }
}

#[derive(Debug, Default)]
struct Mean {
    sum: Duration,
    count: u32,
}

impl Mean {
    fn note(&mut self, value: Duration) {
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }

    fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

#[cfg(test)]
mod tests;
