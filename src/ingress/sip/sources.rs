//! Who may send to our SIP port, and how much.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::dialplan::trunk::{TrunkPlan, Trunks};

/// Messages a second from one address, and how many may come at once: a carrier's busiest hour, and no flood.
const RATE: u32 = 2_000;
const BURST: u32 = 4_000;
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / RATE as u64);

/// Addresses that are counted at once. More are strangers in a network that is allowed whole.
const COUNTED: usize = 10_000;

/// The trunks by where they call from. While none of them says so, only this machine may call.
#[derive(Debug)]
pub struct Sources {
    trunks: Arc<Trunks>,
    /// When each address will have used up what it sent, were it to send at the rate alone.
    spent: HashMap<IpAddr, Instant>,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, PartialEq)]
pub enum Admitted {
    /// On this trunk, or on none from this machine itself.
    From(Option<Arc<TrunkPlan>>),
    /// Not a word to a stranger.
    Stranger,
    /// More than may come from there.
    TooMuch,
}

impl Sources {
    pub fn new(trunks: Arc<Trunks>) -> Self {
        Self { trunks, spent: HashMap::new() }
    }

    pub fn admit(&mut self, address: IpAddr, now: Instant) -> Admitted {
        let address = address.to_canonical();
        let trunk = self.trunks.at(address).cloned();
        let may_call = trunk.is_some() || (!self.trunks.have_addresses() && address.is_loopback());
        if !may_call {
            return Admitted::Stranger;
        }
        if self.is_within_rate(address, now) { Admitted::From(trunk) } else { Admitted::TooMuch }
    }

    /// The generic cell rate algorithm (ITU-T I.371).
    fn is_within_rate(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.spent.len() >= COUNTED && !self.spent.contains_key(&address) {
            self.spent.retain(|_, until| *until > now);
            if self.spent.len() >= COUNTED {
                return false;
            }
        }
        let until = self.spent.entry(address).or_insert(now);
        let next = (*until).max(now) + INTERVAL;
        let fits = next <= now + INTERVAL * BURST;
        if fits {
            *until = next;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn sources(trunks: &[(&str, &str)]) -> Sources {
        Sources::new(Arc::new(Trunks::calling_from(trunks)))
    }

    #[test]
    fn a_source_is_a_trunk_or_a_stranger_and_without_trunks_this_machine_may_call() {
        let now = Instant::now();
        let trunk = &[("acme", "203.0.113.0/24")][..];
        for (trunks, address, expected) in [
            (trunk, "203.0.113.9", Some(Some("acme"))),
            (trunk, "::ffff:203.0.113.9", Some(Some("acme"))),
            (trunk, "198.51.100.1", None),
            (trunk, "127.0.0.1", None),
            (&[], "127.0.0.1", Some(None)),
            (&[], "::1", Some(None)),
            (&[], "192.168.1.7", None),
        ] {
            let admitted = sources(trunks).admit(address.parse().unwrap(), now);
            let found = match &admitted {
                Admitted::From(trunk) => Some(trunk.as_ref().map(|trunk| &*trunk.name)),
                Admitted::Stranger | Admitted::TooMuch => None,
            };
            assert_eq!(found, expected, "{address} with {trunks:?}");
        }
    }

    #[test]
    fn a_burst_is_bounded_and_the_rate_after_it_too() {
        let mut sources = sources(&[]);
        let (address, start) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Instant::now());
        let taken = |sources: &mut Sources, now| {
            (0..2 * BURST).filter(|_| sources.admit(address, now) == Admitted::From(None)).count()
        };
        assert_eq!(taken(&mut sources, start), BURST as usize);
        assert_eq!(taken(&mut sources, start + Duration::from_secs(1)), RATE as usize);
        assert_eq!(taken(&mut sources, start + Duration::from_secs(60)), BURST as usize);
    }

    #[test]
    fn a_network_of_strangers_fills_no_memory() {
        let mut sources = sources(&[("all", "0.0.0.0/0")]);
        let now = Instant::now();
        for n in 0..20_000 {
            sources.admit(IpAddr::V4(Ipv4Addr::from_bits(n)), now);
        }
        assert_eq!(sources.spent.len(), COUNTED);
        let later = now + Duration::from_secs(1);
        assert!(matches!(sources.admit(IpAddr::V4(Ipv4Addr::from_bits(50_000)), later), Admitted::From(_)));
    }
}
