//! How much may come from each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use tokio::time::Instant;

use crate::fleet::rate::{Meter, Pace};

/// Addresses that are counted at once.
pub const COUNTED: usize = 10_000;

/// A pace for each address. Those of IPv6 count by their network of 64 bits, as that is what one sender has.
#[derive(Debug)]
pub struct Allowance {
    pace: Pace,
    spent: HashMap<IpAddr, Meter>,
}

impl Allowance {
    pub fn new(pace: Pace) -> Self {
        Self { pace, spent: HashMap::new() }
    }

    /// One more from this address, if it may come now. Of more addresses than are counted none may.
    pub fn spend(&mut self, address: IpAddr, now: Instant) -> bool {
        self.spend_leaving(0, address, now)
    }

    /// The same, if so many others could come beside it.
    pub fn spend_leaving(&mut self, others: u32, address: IpAddr, now: Instant) -> bool {
        let sender = sender(address);
        if self.spent.len() >= COUNTED && !self.spent.contains_key(&sender) {
            self.spent.retain(|_, meter| !meter.is_idle(now));
            if self.spent.len() >= COUNTED {
                return false;
            }
        }
        let meter = self.spent.entry(sender).or_default();
        let within = Pace { burst: self.pace.burst.saturating_sub(others), ..self.pace };
        meter.has_room(within, now) && meter.admit(self.pace, now)
    }

    /// Whether one more could come now from this address.
    pub fn has_room(&self, address: IpAddr, now: Instant) -> bool {
        self.spent.get(&sender(address)).is_none_or(|meter| meter.has_room(self.pace, now))
    }

    #[cfg(test)]
    pub fn counted(&self) -> usize {
        self.spent.len()
    }
}

/// Who sends from there, as far as can be told.
pub fn sender(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_bounded_and_so_is_what_follows_it() {
        let (start, address) = (Instant::now(), "203.0.113.5".parse().unwrap());
        let mut allowance = Allowance::new(Pace { interval: Duration::from_secs(30), burst: 3 });
        for (second, expected) in
            [(0, true), (0, true), (0, true), (0, false), (29, false), (30, true), (31, false), (120, true)]
        {
            let now = start + Duration::from_secs(second);
            assert_eq!(allowance.has_room(address, now), expected, "{second}");
            assert_eq!(allowance.spend(address, now), expected, "{second}");
        }
        assert!(allowance.has_room("203.0.113.6".parse().unwrap(), start));
    }

    #[test]
    fn what_is_left_for_others_is_theirs_and_costs_them_no_more() {
        let (now, address) = (Instant::now(), "203.0.113.5".parse().unwrap());
        let mut allowance = Allowance::new(Pace { interval: Duration::from_secs(1), burst: 5 });
        let spent = |leaving, allowance: &mut Allowance| allowance.spend_leaving(leaving, address, now);
        let mut leaving_two = 0;
        while spent(2, &mut allowance) {
            leaving_two += 1;
        }
        assert_eq!(leaving_two, 3);
        for expected in [true, true, false] {
            assert_eq!(spent(0, &mut allowance), expected);
            assert!(!spent(2, &mut allowance), "and it gives nothing back");
        }
    }

    #[test]
    fn one_sender_has_a_whole_network_of_ipv6() {
        let now = Instant::now();
        let mut allowance = Allowance::new(Pace { interval: Duration::from_secs(1), burst: 1 });
        for (address, expected) in [
            ("2001:db8::1", true),
            ("2001:db8::ffff:2", false),
            ("2001:db8:0:1::1", true),
            ("::ffff:203.0.113.5", true),
            ("203.0.113.5", false),
        ] {
            assert_eq!(allowance.spend(address.parse().unwrap(), now), expected, "{address}");
        }
    }
}
