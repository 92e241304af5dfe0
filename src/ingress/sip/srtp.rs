//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): packets sealed under a key of ours and opened under one of the caller's.
//!
//! A packet's place in its stream, 48 bits, is not sent whole: the receiver counts the rounds of the 16 that are. A key is
//! for all of its sender's sources, and each is counted apart. What is not authentic changes nothing here.

mod cipher;
mod key;
mod opener;

use cipher::{Cipher, Protocol};
use opener::{Opener, nearest};

pub use key::{Key, Suite};

use super::rtp::wire;

/// A key's lifetime where none is said, in packets (RFC 3711, section 9.2).
pub const LIFETIME: u64 = 1 << 48;

/// Of RTCP, before what is encrypted: its header and its sender's SSRC.
const RTCP_CLEAR: usize = 8;
/// The bits of an SRTCP packet's number; the one above says that it is encrypted.
const RTCP_NUMBER: u32 = 0x7FFF_FFFF;

/// What both sides of a stream seal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    pub ours: Key,
    pub theirs: Key,
    /// Of theirs, in packets.
    pub lifetime: u64,
}

/// Why a datagram is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no packet that the key's holder sealed")]
    Unauthentic,
    #[error("a second copy, or one too old to tell")]
    Replayed,
    #[error("more packets, or sources, than the key is for")]
    Spent,
}

impl Refused {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthentic => "unauthentic",
            Self::Replayed => "replayed",
            Self::Spent => "spent",
        }
    }
}

/// A sealed stream, both ways.
#[derive(Debug)]
pub struct Srtp {
    keys: Keys,
    pub outgoing: Outgoing,
    pub incoming: Incoming,
}

impl Srtp {
    pub fn new(keys: Keys) -> Self {
        let (outgoing, incoming) = (Outgoing::new(&keys.ours), Incoming::new(&keys.theirs, keys.lifetime));
        Self { keys, outgoing, incoming }
    }

    /// Whether we seal with another key from now on.
    pub fn is_ours_changed(&self, keys: &Keys) -> bool {
        self.keys.ours != keys.ours
    }

    /// Both sides agreed anew. A key that stays goes on where it is.
    pub fn change(&mut self, keys: Keys) {
        if self.is_ours_changed(&keys) {
            self.outgoing = Outgoing::new(&keys.ours);
        }
        if self.keys.theirs != keys.theirs {
            self.incoming.change(&keys.theirs, keys.lifetime);
        }
        self.keys = keys;
    }
}

/// One stream of ours, from its first packet on.
#[derive(Debug)]
pub struct Outgoing {
    rtp: Cipher,
    rtcp: Cipher,
    /// Of the last packet.
    index: Option<u64>,
    next_report: u32,
}

impl Outgoing {
    pub fn new(key: &Key) -> Self {
        let [rtp, rtcp] = [Protocol::Rtp, Protocol::Rtcp].map(|protocol| Cipher::derive(key, protocol));
        Self { rtp, rtcp, index: None, next_report: 0 }
    }

    /// Seals one of our RTP packets, which are of one source and in order.
    pub fn rtp(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let (clear, ssrc, sequence) = rtp_header(&packet).expect("our own packet is RTP");
        let index = self.index.map_or(sequence.into(), |last| nearest(last, sequence));
        self.index = Some(index);
        self.rtp.seal(&mut packet, clear, ssrc, index);
        packet
    }

    pub fn rtcp(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let ssrc = rtcp_ssrc(&packet).expect("our own report is RTCP");
        let number = self.next_report;
        // 31 bits are enough for three hundred years of reports.
        self.next_report = (number + 1) & RTCP_NUMBER;
        self.rtcp.seal(&mut packet, RTCP_CLEAR, ssrc, number.into());
        packet
    }
}

/// What comes from the caller.
#[derive(Debug)]
pub struct Incoming {
    now: Opener,
    /// The key before, until the first packet under the new one.
    before: Option<Opener>,
}

impl Incoming {
    pub fn new(key: &Key, lifetime: u64) -> Self {
        Self { now: Opener::new(key, lifetime), before: None }
    }

    /// The caller has another key from now on. What is still under way is sealed with the old one.
    pub fn change(&mut self, key: &Key, lifetime: u64) {
        let before = std::mem::replace(&mut self.now, Opener::new(key, lifetime));
        self.before = Some(before);
    }

    pub fn rtp(&mut self, datagram: &[u8]) -> Result<Vec<u8>, Refused> {
        let opened = self.now.rtp(datagram, self.before.as_ref());
        match &mut self.before {
            Some(before) if opened.is_err() => before.rtp(datagram, None),
            _ => {
                self.before = None;
                opened
            }
        }
    }

    pub fn rtcp(&mut self, datagram: &[u8]) -> Result<Vec<u8>, Refused> {
        let opened = self.now.rtcp(datagram);
        match &mut self.before {
            Some(before) if opened.is_err() => before.rtcp(datagram),
            _ => opened,
        }
    }
}

/// The length of the header, which stays clear, the source, and the packet's number.
fn rtp_header(datagram: &[u8]) -> Option<(usize, u32, u16)> {
    let length = wire::header_length(datagram)?;
    let [_, _, s0, s1, _, _, _, _, ssrc @ ..] = datagram.first_chunk::<12>()?;
    Some((length, u32::from_be_bytes(*ssrc), u16::from_be_bytes([*s0, *s1])))
}

fn rtcp_ssrc(datagram: &[u8]) -> Option<u32> {
    let [_, _, _, _, ssrc @ ..] = datagram.first_chunk::<RTCP_CLEAR>()?;
    wire::is_rtcp(datagram).then_some(u32::from_be_bytes(*ssrc))
}

#[cfg(test)]
mod tests;
