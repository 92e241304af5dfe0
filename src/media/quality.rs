//! How a call's media went, each way.

use std::time::Duration;

/// What became of the packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    pub packets: u64,
    pub lost: u64,
    /// Interarrival jitter (RFC 3550, section 6.4.1).
    pub jitter: Duration,
    /// The longest time without a packet.
    pub longest_gap: Duration,
}

/// Both directions of a call, as we know of them: what we received ourselves, and what the other end reported of
/// what we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quality {
    pub received: Way,
    pub sent: Way,
}
