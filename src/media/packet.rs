//! The caller's packets: what one is, and how they are put in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// As Opus always counts (RFC 7587); what counts slower is scaled.
pub const TICKS_A_SECOND: u64 = 48_000;

/// What is held behind a gap: a second.
const HELD_MAX: usize = 50;

/// One packet of the caller's RTP, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The synchronisation source (SSRC).
    pub source: u32,
    /// The sequence number, counted on beyond its 16 bits.
    pub sequence: u64,
    /// When it was spoken, by the sender's clock in ticks of 48 kHz, counted on beyond its 32 bits.
    pub time: u64,
    pub arrived: Instant,
    /// Empty where it is no audio.
    pub payload: Arc<[u8]>,
}

/// The span of so many ticks.
pub fn ticks(ticks: u64) -> Duration {
    Duration::from_micros(ticks.saturating_mul(1_000_000) / TICKS_A_SECOND)
}

/// Puts one source's packets in order. How long a missing one is waited for is its owner's business.
#[derive(Debug, Default)]
pub struct Reorder {
    /// The next sequence number in order; `None` before the first packet.
    next: Option<u64>,
    held: BTreeMap<u64, Arc<[u8]>>,
}

impl Reorder {
    /// Takes a packet, unless its turn has passed or it is here already. A full buffer takes none: see
    /// [`Reorder::is_full`].
    pub fn push(&mut self, sequence: u64, payload: Arc<[u8]>) {
        let next = *self.next.get_or_insert(sequence);
        if sequence >= next && !self.is_full() {
            self.held.entry(sequence).or_insert(payload);
        }
    }

    /// The next packet in order, if it is here.
    pub fn pop(&mut self) -> Option<Arc<[u8]>> {
        let payload = self.held.remove(&self.next?)?;
        self.next = self.next.map(|next| next + 1);
        Some(payload)
    }

    /// How many packets are missing before the first that is held; `None` while none is.
    pub fn missing(&self) -> Option<u64> {
        let (first, _) = self.held.first_key_value()?;
        Some(first - self.next.unwrap_or(*first))
    }

    /// Waits no longer for those that are missing: the first that is held is next.
    pub fn give_up(&mut self) {
        self.next = self.held.first_key_value().map(|(first, _)| *first).or(self.next);
    }

    /// No more is held: give up.
    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payload(sequence: u64) -> Arc<[u8]> {
        vec![sequence.to_le_bytes()[0]].into()
    }

    fn drain(reorder: &mut Reorder) -> Vec<u8> {
        std::iter::from_fn(|| reorder.pop()).map(|payload| payload[0]).collect()
    }

    #[test]
    fn packets_come_out_in_order_once_and_a_gap_holds_those_behind_it() {
        let mut reorder = Reorder::default();
        assert_eq!((reorder.pop(), reorder.missing()), (None, None));
        for (sequence, out, missing, why) in [
            (7, &[7][..], None, "the first"),
            (9, &[], Some(1), "behind a gap"),
            (9, &[], Some(1), "a second copy"),
            (6, &[], Some(1), "before the first"),
            (10, &[], Some(1), "more behind the gap"),
            (8, &[8, 9, 10], None, "the missing one"),
            (8, &[], None, "a copy of what has gone by"),
            (14, &[], Some(3), "a wider gap"),
        ] {
            reorder.push(sequence, payload(sequence));
            assert_eq!((drain(&mut reorder).as_slice(), reorder.missing()), (out, missing), "{why}");
        }
        reorder.give_up();
        assert_eq!((drain(&mut reorder).as_slice(), reorder.missing()), (&[14][..], None));
        reorder.push(12, payload(12));
        assert_eq!(drain(&mut reorder), [0; 0], "too late");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut reorder = Reorder::default();
        for sequence in (0..1000).filter(|sequence| *sequence != 1) {
            reorder.push(sequence, payload(sequence));
        }
        assert!(reorder.is_full());
        assert_eq!(drain(&mut reorder).len(), 1);
        reorder.give_up();
        assert_eq!(drain(&mut reorder).len(), HELD_MAX - 1);
    }

    proptest! {
        #[test]
        fn whatever_the_order_every_packet_comes_out_once_and_in_order(
            delays in prop::collection::vec(0u64..40, 1..200)
        ) {
            let mut order: Vec<(u64, u64)> = delays.iter().enumerate().map(|(n, delay)| (n as u64 + delay, n as u64)).collect();
            order.sort();
            // The first packet sets the start.
            order.retain(|(_, sequence)| *sequence > 0);
            let mut reorder = Reorder::default();
            let mut out = Vec::new();
            for sequence in std::iter::once(0).chain(order.into_iter().map(|(_, sequence)| sequence)) {
                reorder.push(sequence, payload(sequence));
                out.extend(drain(&mut reorder));
            }
            let expected: Vec<u8> = (0..delays.len() as u64).map(|sequence| sequence.to_le_bytes()[0]).collect();
            prop_assert_eq!(out, expected);
        }
    }
}
