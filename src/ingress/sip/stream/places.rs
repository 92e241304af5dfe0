//! How many connections there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// In all, and from one address: a carrier has a few, and a hundred phones behind one address have one each.
pub const IN_ALL: usize = 2_000;
pub const EACH: usize = 200;

/// The connections that are taken, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    each: HashMap<IpAddr, usize>,
}

/// One connection's, until it is dropped.
#[derive(Debug)]
pub struct Place {
    address: IpAddr,
    places: Places,
}

impl Places {
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        self.with(|taken| {
            let each = taken.each.get(&address).copied().unwrap_or_default();
            if taken.in_all >= IN_ALL || each >= EACH {
                return None;
            }
            taken.in_all += 1;
            taken.each.insert(address, each + 1);
            Some(Place { address, places: self.clone() })
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Taken) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|taken| {
            taken.in_all -= 1;
            match taken.each.get_mut(&self.address) {
                Some(each) if *each > 1 => *each -= 1,
                _ => {
                    taken.each.remove(&self.address);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn take(places: &Places, source: u32, number: usize) -> Vec<Place> {
        let address = IpAddr::V4(Ipv4Addr::from_bits(source));
        (0..number).map_while(|_| places.take(address)).collect()
    }

    #[test]
    fn one_address_and_all_together_have_a_bound_and_a_place_is_given_back() {
        let places = Places::default();
        let mut held: Vec<Vec<Place>> = (1..=10).map(|source| take(&places, source, EACH + 1)).collect();
        assert!(held.iter().all(|of_one| of_one.len() == EACH));
        assert_eq!(take(&places, 11, 1).len(), 0, "{IN_ALL} are taken");
        held[0].truncate(EACH - 2);
        assert_eq!(take(&places, 11, 9).len(), 2);
        drop(held);
        assert_eq!(places.with(|taken| (taken.in_all, taken.each.len())), (0, 0));
    }
}
