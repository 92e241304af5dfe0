//! RTCP (RFC 3550, section 6): what each side tells the other of the packets that it sent and received.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::wire::Rtp;
use crate::media::quality::Report;

const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// Seconds from NTP's epoch, 1900, to that of Unix.
const NTP: i64 = 2_208_988_800;
/// Report blocks of one packet that are looked at.
const MOST_BLOCKS: usize = 31;

/// What a datagram of the caller's says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Of what it received from us: packets lost, and jitter in ticks of the stream's clock.
    pub lost: Option<(u64, u32)>,
    /// By whom and when it was sent: the middle of an NTP timestamp.
    sent: Option<(u32, u32)>,
}

impl Told {
    /// What is said of our stream, whose clock ticks at `rate`.
    pub fn report(&self, rate: u32) -> Option<Report> {
        let (lost, jitter) = self.lost?;
        let jitter = Duration::from_secs(jitter.into()) / rate;
        Some(Report { lost, jitter })
    }
}

/// Reads a datagram of one or more RTCP packets; what is none says nothing.
pub fn read(datagram: &[u8], ours: u32) -> Told {
    let mut told = Told::default();
    let mut rest = datagram;
    while let Some(([first, kind, length @ ..], body)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes(*length)) * 4;
        let Some((packet, next)) = body.split_at_checked(length) else { break };
        if first >> 6 != 2 {
            break;
        }
        let blocks = match *kind {
            SENDER => {
                told.sent = word(packet, 0)
                    .zip(word(packet, 1))
                    .zip(word(packet, 2))
                    .map(|((ssrc, high), low)| (ssrc, high << 16 | low >> 16));
                packet.get(24..)
            }
            RECEIVER => packet.get(4..),
            _ => None,
        };
        for block in blocks.unwrap_or_default().chunks_exact(24).take(MOST_BLOCKS) {
            if word(block, 0) == Some(ours) {
                // 24 bits with a sign: copies may outnumber what was lost.
                let lost = word(block, 1).map(|word| (word << 8).cast_signed() >> 8);
                let lost = lost.map(|lost| u64::try_from(lost).unwrap_or(0));
                told.lost = lost.zip(word(block, 3));
            }
        }
        rest = next;
    }
    told
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at * 4..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// What we have to tell.
#[derive(Debug, Default)]
pub struct Reports {
    packets: u32,
    bytes: u32,
    heard: Option<Heard>,
}

/// One source of the caller's.
#[derive(Debug)]
struct Heard {
    ssrc: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// At the last report.
    expected_before: u64,
    received_before: u64,
    /// In ticks, times 16, as the RFC's own code has it (A.8).
    jitter: u32,
    transit: u32,
    /// The last report that the source sent, and when it came.
    told: Option<(u32, Instant)>,
}

impl Reports {
    /// Another stream of ours begins.
    pub fn begin(&mut self) {
        (self.packets, self.bytes) = (0, 0);
    }

    pub fn sent(&mut self, bytes: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(u32::try_from(bytes).unwrap_or_default());
    }

    /// A packet arrived that is no second copy, `since` the call's start. Its number is counted on.
    pub fn received(&mut self, rtp: &Rtp<'_>, sequence: u64, rate: u32, since: Duration) {
        let ticks = since.as_micros() * u128::from(rate) / 1_000_000;
        let transit = (ticks as u32).wrapping_sub(rtp.timestamp);
        let same = self.heard.take_if(|heard| heard.ssrc == rtp.ssrc && sequence + 65_536 > heard.first);
        let heard = self.heard.insert(same.unwrap_or(Heard {
            ssrc: rtp.ssrc,
            first: sequence,
            highest: sequence,
            received: 0,
            expected_before: 0,
            received_before: 0,
            jitter: 0,
            transit,
            told: None,
        }));
        heard.received += 1;
        heard.first = heard.first.min(sequence);
        heard.highest = heard.highest.max(sequence);
        let difference = transit.wrapping_sub(heard.transit).cast_signed().unsigned_abs();
        heard.transit = transit;
        let faded = heard.jitter - (heard.jitter.saturating_add(8) >> 4);
        heard.jitter = faded.saturating_add(difference);
    }

    pub fn told(&mut self, told: &Told, now: Instant) {
        if let (Some((ssrc, middle)), Some(heard)) = (told.sent, &mut self.heard)
            && heard.ssrc == ssrc
        {
            heard.told = Some((middle, now));
        }
    }

    /// The next report, of what was sent under `ours` up to `timestamp`.
    pub fn write(&mut self, ours: u32, timestamp: u32, wall: Timestamp, now: Instant) -> Vec<u8> {
        let block = self.heard.as_mut().map(|heard| heard.block(now)).unwrap_or_default();
        let count = u8::from(!block.is_empty());
        let mut body = ours.to_be_bytes().to_vec();
        let kind = if self.packets > 0 { SENDER } else { RECEIVER };
        if kind == SENDER {
            let seconds = (wall.as_second() + NTP) as u32;
            let fraction = (u64::try_from(wall.subsec_nanosecond()).unwrap_or(0) << 32) / 1_000_000_000;
            for word in [seconds, fraction as u32, timestamp, self.packets, self.bytes] {
                body.extend(word.to_be_bytes());
            }
        }
        body.extend(block);
        let mut datagram = packet(0x80 | count, kind, &body);
        // A name for the source must go with it; this one says nothing of anybody.
        let name = [&ours.to_be_bytes()[..], &[1, 9], b"dialplane", &[0]].concat();
        datagram.extend(packet(0x81, DESCRIPTION, &name));
        datagram
    }

    /// The same, and that nothing follows under `ours`.
    pub fn write_last(&mut self, ours: u32, timestamp: u32, wall: Timestamp, now: Instant) -> Vec<u8> {
        let mut datagram = self.write(ours, timestamp, wall, now);
        datagram.extend(packet(0x81, BYE, &ours.to_be_bytes()));
        datagram
    }
}

impl Heard {
    fn block(&mut self, now: Instant) -> Vec<u8> {
        let expected = self.highest - self.first + 1;
        let lost = expected.saturating_sub(self.received);
        let (new, came) = (expected - self.expected_before, self.received - self.received_before);
        (self.expected_before, self.received_before) = (expected, self.received);
        let fraction = (new.saturating_sub(came) * 256).checked_div(new).unwrap_or(0).min(255);
        let (middle, delay) = self.told.map_or((0, 0), |(middle, at)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (middle, delay as u32)
        });
        let counts = (fraction as u32) << 24 | (lost as u32).min(0x7F_FFFF);
        let words = [self.ssrc, counts, self.highest as u32, self.jitter >> 4, middle, delay];
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }
}

/// One packet; its body is padded to whole words, of which it says how many there are.
fn packet(first: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let words = body.len().div_ceil(4);
    let mut bytes = vec![first, kind];
    bytes.extend(u16::try_from(words).expect("a report is short").to_be_bytes());
    bytes.extend(body);
    bytes.resize(4 + words * 4, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: u32 = 7;

    fn rtp(sequence: u16) -> Rtp<'static> {
        Rtp {
            payload_type: 0,
            marker: false,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 99,
            payload: &[],
        }
    }

    #[test]
    fn what_one_side_says_the_other_reads() {
        let now = Instant::now();
        let mut reports = Reports::default();
        let nothing_sent = reports.write(OURS, 0, Timestamp::UNIX_EPOCH, now);
        assert_eq!(nothing_sent[..8], [0x80, RECEIVER, 0, 1, 0, 0, 0, 7]);
        // Every tenth packet is lost, and each is 4 ms earlier or later than the one before.
        for n in (0..200u16).filter(|n| n % 10 != 5) {
            let at = Duration::from_millis(u64::from(n) * 20 + u64::from(n % 2) * 4);
            reports.received(&rtp(n), 65_536 + u64::from(n), 8_000, at);
            reports.sent(160);
        }
        let wall = Timestamp::new(1_700_000_000, 500_000_000).unwrap();
        let datagram = reports.write(OURS, 32_000, wall, now);
        assert_eq!(datagram[..4], [0x81, SENDER, 0, 12]);
        let words: Vec<u32> = (0..13).filter_map(|at| word(&datagram[4..], at)).collect();
        assert_eq!(
            words[..6],
            [OURS, 1_700_000_000u32.wrapping_add(NTP as u32), 1 << 31, 32_000, 180, 28_800]
        );
        // The caller whose source is 99 is told of its packets, in 4 ms steps of jitter.
        let told = read(&datagram, 99);
        assert_eq!(told.lost.map(|(lost, _)| lost), Some(20));
        let jitter = told.report(8_000).expect("a block").jitter;
        assert!((3..=5).contains(&jitter.as_millis()), "{jitter:?}");
        assert_eq!(words[7] >> 24, 25, "a tenth of 256");
        assert_eq!(told.sent, Some((OURS, (1_700_000_000u32.wrapping_add(NTP as u32)) << 16 | 1 << 15)));
        assert_eq!(read(&datagram, 98).lost, None, "of another source");
    }

    #[test]
    fn the_time_between_their_report_and_ours_is_told() {
        let now = Instant::now();
        let mut theirs = Reports::default();
        theirs.sent(160);
        let told = read(&theirs.write(99, 0, Timestamp::UNIX_EPOCH, now), OURS);
        let mut ours = Reports::default();
        ours.received(&rtp(1), 65_537, 8_000, Duration::ZERO);
        ours.told(&told, now);
        let datagram = ours.write(OURS, 0, Timestamp::UNIX_EPOCH, now + Duration::from_millis(1_500));
        // A receiver's report: a word of ours, then the block.
        assert_eq!(word(&datagram[4..], 5), told.sent.map(|(_, middle)| middle));
        assert_eq!(word(&datagram[4..], 6), Some(65_536 * 3 / 2));
    }

    #[test]
    fn jitter_beyond_measure_is_as_much_as_can_be_told() {
        let mut reports = Reports::default();
        for n in 0..200 {
            let rtp = Rtp { timestamp: u32::from(n % 2) << 31, ..rtp(n) };
            reports.received(&rtp, 65_536 + u64::from(n), 8_000, Duration::ZERO);
        }
        let told = read(&reports.write(OURS, 0, Timestamp::UNIX_EPOCH, Instant::now()), 99);
        assert_eq!(told.lost, Some((0, u32::MAX >> 4)));
    }

    #[test]
    fn copies_that_outnumber_the_lost_are_no_loss() {
        let block = [&OURS.to_be_bytes()[..], &[0, 0xFF, 0xFF, 0xFE], &[0; 16]].concat();
        let datagram = packet(0x81, RECEIVER, &[&[0, 0, 0, 9], &block[..]].concat());
        assert_eq!(read(&datagram, OURS).lost, Some((0, 0)));
    }

    proptest! {
        #[test]
        fn any_datagram_is_read(datagram in prop::collection::vec(any::<u8>(), 0..200), kind in 200u8..203) {
            let _told = read(&datagram, OURS);
            let _told = read(&packet(0x81, kind, &datagram), OURS);
        }
    }
}
