use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::fleet::calls::{Admission, Calls, Caps};
use crate::tenant::TenantId;

/// What each tenant may have of this router, or each trunk. Clones share it.
#[derive(Debug)]
pub struct Permits<K = TenantId>(Arc<Mutex<Calls<K>>>);

/// One call, counted until this is dropped.
#[derive(Debug)]
pub struct Permit<K: Clone + Eq + Hash = TenantId> {
    whose: K,
    admission: Admission,
    of: Permits<K>,
}

/// A tenant's calls beyond its caps take no more of the router's slots than one in so many.
const BEYOND: usize = 10;

impl Permits<TenantId> {
    /// The tenants' of a router with so many slots.
    pub fn new(slots: usize) -> Self {
        let most_beyond = u32::try_from(slots / BEYOND).unwrap_or(u32::MAX).max(1);
        Self::with(most_beyond)
    }
}

impl<K: Clone + Eq + Hash> Permits<K> {
    /// Nobody gets more than the caps say.
    pub fn strict() -> Self {
        Self::with(0)
    }

    fn with(most_beyond: u32) -> Self {
        Self(Arc::new(Mutex::new(Calls::new(most_beyond))))
    }

    /// Counts one more call where the caps, as they are now, put it.
    pub fn take(&self, whose: &K, caps: Caps, now: Instant) -> Permit<K> {
        let admission = self.lock().enter(whose, caps, now);
        Permit { whose: whose.clone(), admission, of: self.clone() }
    }

    /// The calls within the caps now.
    pub fn taken(&self, whose: &K) -> u32 {
        self.lock().of(whose)
    }

    fn lock(&self) -> MutexGuard<'_, Calls<K>> {
        // No step of it can panic half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Clone for Permits<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Clone + Eq + Hash> Permit<K> {
    pub const fn admission(&self) -> Admission {
        self.admission
    }
}

impl<K: Clone + Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        self.of.lock().leave(&self.whose, self.admission);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::calls::Limit;

    #[test]
    fn what_is_counted_comes_back_when_it_is_dropped() {
        let tenant = TenantId::parse("acme").expect("an id");
        let (caps, now) = (Caps { calls: Some(1), per_second: None }, Instant::now());
        let permits = Permits::new(20);
        let take = || permits.take(&tenant, caps, now);
        let mut held: Vec<Permit> = (0..4).map(|_| take()).collect();
        let admissions: Vec<_> = held.iter().map(Permit::admission).collect();
        let (within, full) = (Admission::Within, Admission::Beyond(Limit::Calls));
        assert_eq!(admissions, [within, full, full, Admission::Crowded(Limit::Calls)], "a tenth of 20");
        assert_eq!(permits.taken(&tenant), 1);
        held.clear();
        assert_eq!(permits.taken(&tenant), 0);
        assert_eq!([take(), take()].map(|permit| permit.admission()), [within, full]);
    }

    #[test]
    fn a_trunk_has_nothing_beyond_its_caps() {
        let (caps, now) = (Caps { calls: Some(1), per_second: None }, Instant::now());
        let (permits, trunk) = (Permits::strict(), Arc::<str>::from("acme"));
        let held = permits.take(&trunk, caps, now);
        assert_eq!(held.admission(), Admission::Within);
        assert_eq!(permits.take(&trunk, caps, now).admission(), Admission::Crowded(Limit::Calls));
        drop(held);
        assert_eq!(permits.take(&trunk, caps, now).admission(), Admission::Within);
    }

    #[test]
    fn the_smallest_router_has_one_too() {
        let tenant = TenantId::parse("acme").expect("an id");
        let closed = Caps { calls: Some(0), per_second: None };
        let permit = Permits::new(1).take(&tenant, closed, Instant::now());
        assert_eq!(permit.admission(), Admission::Beyond(Limit::Calls));
    }
}
