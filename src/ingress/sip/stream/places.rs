//! How many connections there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The most that there may be for another to be taken: in all, and from its address.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub in_all: usize,
    pub each: usize,
}

/// Connections, and handshakes of TLS under way.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub connections: Most,
    pub handshakes: Most,
}

/// A carrier has a few, and a hundred phones behind one address have one each.
pub const OF_TRUNKS: Share =
    Share { connections: Most { in_all: 2_000, each: 200 }, handshakes: Most { in_all: 64, each: 32 } };
/// Those who have not said yet who they are leave most of the places to those who have.
pub const OF_STRANGERS: Share =
    Share { connections: Most { in_all: 500, each: 20 }, handshakes: Most { in_all: 32, each: 16 } };

/// The connections, or handshakes, that are taken, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    each: HashMap<IpAddr, usize>,
}

/// One's, until it is dropped.
#[derive(Debug)]
pub struct Place {
    address: IpAddr,
    places: Places,
}

impl Places {
    pub fn take(&self, address: IpAddr, most: Most) -> Option<Place> {
        self.with(|taken| {
            let each = taken.each.get(&address).copied().unwrap_or_default();
            if taken.in_all >= most.in_all || each >= most.each {
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
        (0..number).map_while(|_| places.take(address, OF_TRUNKS.connections)).collect()
    }

    #[test]
    fn one_address_and_all_together_have_a_bound_and_a_place_is_given_back() {
        let places = Places::default();
        let mut held: Vec<Vec<Place>> =
            (1..=10).map(|source| take(&places, source, OF_TRUNKS.connections.each + 1)).collect();
        assert!(held.iter().all(|of_one| of_one.len() == OF_TRUNKS.connections.each));
        assert_eq!(take(&places, 11, 1).len(), 0, "all are taken");
        held[0].truncate(OF_TRUNKS.connections.each - 2);
        assert_eq!(take(&places, 11, 9).len(), 2);
        drop(held);
        assert_eq!(places.with(|taken| (taken.in_all, taken.each.len())), (0, 0));
    }

    #[test]
    fn strangers_leave_places_to_others() {
        let places = Places::default();
        let most = OF_STRANGERS.connections;
        let stranger = |source: u32| places.take(IpAddr::V4(Ipv4Addr::from_bits(source)), most);
        let of_one: Vec<Place> = (0..=most.each).map_while(|_| stranger(1)).collect();
        assert_eq!(of_one.len(), most.each);
        let all: Vec<Place> = (2..1_000).map_while(stranger).collect();
        assert_eq!(of_one.len() + all.len(), most.in_all);
        assert_eq!(take(&places, 2_000, 9).len(), 9);
    }
}
