//! Which addresses a URL that a tenant wrote may lead to: public ones, and what the operator allows beside them.
//!
//! The rule holds where the connection is made, for the addresses that the name has at that moment, so no answer of a
//! name server can lead a request into the operator's own network.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Where requests may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Wherever the URL leads: the operator wrote it.
    Anywhere,
    /// Public addresses, and these.
    Public(Vec<Allowed>),
}

/// An address beyond the public ones that is allowed all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    Network(Network),
    /// A host by its name in lower case, whatever its addresses are.
    Host(String),
}

impl Allowed {
    /// What [`Allowed::parse`] accepts, for error texts.
    pub const ACCEPTED: &str =
        "a network such as 10.20.0.0/16 or fd00::/8, an address, or a host's name such as backend.internal";

    pub fn parse(text: &str) -> Option<Self> {
        if let Some(network) = Network::parse(text) {
            return Some(Self::Network(network));
        }
        match Host::parse(text).ok()? {
            Host::Domain(name) if !name.contains(['*', '_']) => {
                Some(Self::Host(without_root(&name).to_owned()))
            }
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// `10.20.0.0/16`, or one address. The bits behind the prefix must be zero, as a slip of the pen would allow
    /// another network than it seems.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first.parse().ok()?, Some(parse_bits(bits)?)),
            None => (text.parse().ok()?, None),
        };
        let width = if matches!(first, IpAddr::V4(_)) { 32 } else { 128 };
        let network = Self { first, bits: bits.unwrap_or(width) };
        let clean = network.bits <= width && tail(first, network.bits) == 0;
        clean.then_some(network)
    }

    /// The length of what its addresses have in common.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => within_v4(address, first, self.bits),
            (IpAddr::V6(first), IpAddr::V6(address)) => within_v6(address, first, self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// No address of the host may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no public address")]
pub(super) struct NotPublic;

impl NotPublic {
    /// Whether it is why something failed.
    pub(super) fn caused(error: &(dyn Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// The names that DNS is asked for, under the rule. An address that stands in the URL itself never gets here.
pub(super) struct Filter {
    pub(super) allowed: Arc<[Allowed]>,
}

impl Resolve for Filter {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            // The port is the URL's.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let any = is_allowed_host(name.as_str(), &allowed);
            let good: Vec<SocketAddr> =
                found.filter(|address| any || is_allowed(address.ip(), &allowed)).collect();
            if good.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Checks the address that stands in a URL; a name is checked when it is resolved.
pub(super) fn check_literal(url: &Url, allowed: &[Allowed]) -> Result<(), NotPublic> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if is_allowed(address, allowed) { Ok(()) } else { Err(NotPublic) }
}

fn is_allowed(address: IpAddr, allowed: &[Allowed]) -> bool {
    let address = address.to_canonical();
    let listed =
        |allowed: &Allowed| matches!(allowed, Allowed::Network(network) if network.contains(address));
    is_public(address) || allowed.iter().any(listed)
}

fn is_allowed_host(name: &str, allowed: &[Allowed]) -> bool {
    let name = without_root(name);
    allowed.iter().any(|allowed| matches!(allowed, Allowed::Host(host) if host.eq_ignore_ascii_case(name)))
}

/// Whether everyone on the Internet means the same host by it: the registries of RFC 6890, as far as they go.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const SPECIAL: [([u8; 4], u8); 15] = [
        ([0, 0, 0, 0], 8),       // this network
        ([10, 0, 0, 0], 8),      // private
        ([100, 64, 0, 0], 10),   // carrier-grade NAT; clouds' metadata too
        ([127, 0, 0, 0], 8),     // loopback
        ([169, 254, 0, 0], 16),  // link-local; clouds' metadata
        ([172, 16, 0, 0], 12),   // private
        ([192, 0, 0, 0], 24),    // protocol assignments
        ([192, 0, 2, 0], 24),    // documentation
        ([192, 88, 99, 0], 24),  // 6to4 relays
        ([192, 168, 0, 0], 16),  // private
        ([198, 18, 0, 0], 15),   // benchmarks
        ([198, 51, 100, 0], 24), // documentation
        ([203, 0, 113, 0], 24),  // documentation
        ([224, 0, 0, 0], 4),     // multicast
        ([240, 0, 0, 0], 4),     // reserved, and the broadcast address
    ];
    !SPECIAL.into_iter().any(|(first, bits)| within_v4(address, first.into(), bits))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    const GLOBAL: (u128, u8) = (0x2000 << 112, 3);
    const SPECIAL: [(u128, u8); 3] = [
        (0x2001_0000 << 96, 23), // protocol assignments, Teredo, benchmarks, ORCHID
        (0x2001_0db8 << 96, 32), // documentation
        (0x3fff_0000 << 96, 20), // documentation
    ];
    // Both carry an IPv4 address, which is where the packets end.
    const NAT64: (u128, u8) = (0x0064_ff9b << 96, 96);
    const SIX_TO_FOUR: (u128, u8) = (0x2002 << 112, 16);
    let within = |(first, bits): (u128, u8)| within_v6(address, first.into(), bits);
    let [.., a, b, c, d] = address.octets();
    let [_, _, e, f, g, h, ..] = address.octets();
    if within(NAT64) {
        return is_public_v4([a, b, c, d].into());
    }
    if within(SIX_TO_FOUR) {
        return is_public_v4([e, f, g, h].into());
    }
    within(GLOBAL) && !SPECIAL.into_iter().any(within)
}

fn within_v4(address: Ipv4Addr, first: Ipv4Addr, bits: u8) -> bool {
    let differ = address.to_bits() ^ first.to_bits();
    differ.leading_zeros() >= u32::from(bits)
}

fn within_v6(address: Ipv6Addr, first: Ipv6Addr, bits: u8) -> bool {
    let differ = address.to_bits() ^ first.to_bits();
    differ.leading_zeros() >= u32::from(bits)
}

/// The bits of an address behind its first `bits`.
fn tail(address: IpAddr, bits: u8) -> u128 {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(address) => address.to_bits().checked_shl(bits).unwrap_or(0).into(),
        IpAddr::V6(address) => address.to_bits().checked_shl(bits).unwrap_or(0),
    }
}

/// No sign, no leading zero.
fn parse_bits(text: &str) -> Option<u8> {
    let plain = text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first));
    text.parse().ok().filter(|_| plain)
}

/// A name without the dot that stands for the root of DNS.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests;
