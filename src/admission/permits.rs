use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::fleet::calls::{Admission, Calls, Caps};
use crate::tenant::TenantId;

/// What tenants may have of this router. Clones share it.
#[derive(Debug, Clone)]
pub struct Permits(Arc<Mutex<Calls>>);

/// One call of a tenant, counted until this is dropped.
#[derive(Debug)]
pub struct Permit {
    tenant: TenantId,
    admission: Admission,
    of: Permits,
}

/// A tenant's calls beyond its caps take no more of the router's slots than one in so many.
const BEYOND: usize = 10;

impl Permits {
    /// Of a router with so many slots.
    pub fn new(slots: usize) -> Self {
        let most_beyond = u32::try_from(slots / BEYOND).unwrap_or(u32::MAX).max(1);
        Self(Arc::new(Mutex::new(Calls::new(most_beyond))))
    }

    /// Counts one more call of the tenant where the caps, as they are now, put it.
    pub fn take(&self, tenant: &TenantId, caps: Caps, now: Instant) -> Permit {
        let admission = self.lock().enter(tenant, caps, now);
        Permit { tenant: tenant.clone(), admission, of: self.clone() }
    }

    /// The tenant's calls within its caps now.
    pub fn taken(&self, tenant: &TenantId) -> u32 {
        self.lock().of(tenant)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // No step of it can panic half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    pub const fn admission(&self) -> Admission {
        self.admission
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.lock().leave(&self.tenant, self.admission);
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
    fn the_smallest_router_has_one_too() {
        let tenant = TenantId::parse("acme").expect("an id");
        let closed = Caps { calls: Some(0), per_second: None };
        let permit = Permits::new(1).take(&tenant, closed, Instant::now());
        assert_eq!(permit.admission(), Admission::Beyond(Limit::Calls));
    }
}
