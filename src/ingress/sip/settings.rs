//! What the operator decides of the router's own SIP port.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use crate::tls::Identity;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipSettings {
    /// Where SIP is received over UDP and TCP. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What Contact and SDP name, where it is not the address that the caller's packets come to.
    pub public: Option<IpAddr>,
    /// Where the callers' audio is received: two ports a call.
    pub rtp_ports: RangeInclusive<u16>,
    /// SIP over TLS beside it.
    pub tls: Option<TlsSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub listen: SocketAddr,
    pub identity: Identity,
}

impl SipSettings {
    pub const RTP_PORTS: RangeInclusive<u16> = 20_000..=29_999;
}
