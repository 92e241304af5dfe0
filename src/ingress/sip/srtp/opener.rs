//! What one key of the caller's opens: each packet once, of each of its sources.

use std::collections::HashMap;

use super::cipher::{Cipher, Protocol};
use super::key::Key;
use super::{RTCP_CLEAR, Refused, rtcp_ssrc, rtp_header};

/// A call has one source, and another after a transfer or for music. They are remembered as long as the key.
const MOST_SOURCES: usize = 256;

#[derive(Debug)]
pub(super) struct Opener {
    rtp: Way,
    rtcp: Way,
}

/// One protocol of it.
#[derive(Debug)]
struct Way {
    cipher: Cipher,
    sources: HashMap<u32, Window>,
    /// How many packets the key is still good for.
    left: u64,
}

/// Which packets of a source have come.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u64,
    /// Of the 64 up to the highest; the lowest bit is the highest's.
    seen: u64,
}

impl Opener {
    pub(super) fn new(key: &Key, lifetime: u64) -> Self {
        let way =
            |protocol| Way { cipher: Cipher::derive(key, protocol), sources: HashMap::new(), left: lifetime };
        Self { rtp: way(Protocol::Rtp), rtcp: way(Protocol::Rtcp) }
    }

    /// Opens a packet. Of a source that went on from the key `before`, some senders count the rounds on, as they should, and
    /// some begin anew: its first packet shows which.
    pub(super) fn rtp(&mut self, datagram: &[u8], before: Option<&Self>) -> Result<Vec<u8>, Refused> {
        let (clear, ssrc, sequence) = rtp_header(datagram).ok_or(Refused::Unauthentic)?;
        if let Some(window) = self.rtp.sources.get(&ssrc) {
            return self.rtp.open(datagram, clear, ssrc, nearest(window.highest, sequence));
        }
        let before = before.and_then(|before| before.rtp.sources.get(&ssrc));
        let counted_on = before.map(|window| nearest(window.highest, sequence));
        let first_round = u64::from(sequence);
        match counted_on.filter(|index| *index != first_round) {
            Some(index) => self
                .rtp
                .open(datagram, clear, ssrc, index)
                .or_else(|_| self.rtp.open(datagram, clear, ssrc, first_round)),
            None => self.rtp.open(datagram, clear, ssrc, first_round),
        }
    }

    pub(super) fn rtcp(&mut self, datagram: &[u8]) -> Result<Vec<u8>, Refused> {
        let number = self.rtcp.cipher.number(datagram);
        let (ssrc, number) = rtcp_ssrc(datagram).zip(number).ok_or(Refused::Unauthentic)?;
        self.rtcp.open(datagram, RTCP_CLEAR, ssrc, number.into())
    }
}

impl Way {
    fn open(&mut self, datagram: &[u8], clear: usize, ssrc: u32, index: u64) -> Result<Vec<u8>, Refused> {
        let known = self.sources.get(&ssrc);
        if known.is_some_and(|window| window.has(index)) {
            return Err(Refused::Replayed);
        }
        if self.left == 0 || (known.is_none() && self.sources.len() == MOST_SOURCES) {
            return Err(Refused::Spent);
        }
        let opened = self.cipher.open(datagram, clear, ssrc, index).ok_or(Refused::Unauthentic)?;
        self.left -= 1;
        self.sources.entry(ssrc).or_insert(Window { highest: index, seen: 0 }).mark(index);
        Ok(opened)
    }
}

impl Window {
    /// Whether it has come, or is too old to tell.
    fn has(&self, index: u64) -> bool {
        let behind = self.highest.checked_sub(index);
        behind.is_some_and(|behind| behind >= 64 || self.seen >> behind & 1 == 1)
    }

    fn mark(&mut self, index: u64) {
        if index > self.highest {
            let ahead = u32::try_from(index - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0);
            self.highest = index;
        }
        self.seen |= 1 << (self.highest - index);
    }
}

/// The place whose lowest 16 bits are `sequence`, and that is nearest to `reference` (RFC 3711, section 3.3.1).
pub(super) const fn nearest(reference: u64, sequence: u16) -> u64 {
    let ahead = sequence.wrapping_sub(reference as u16);
    let later = reference + ahead as u64;
    // There is no round before the first.
    if ahead < 1 << 15 || later < 1 << 16 { later } else { later - (1 << 16) }
}
