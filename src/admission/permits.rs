use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::fleet::calls::{Calls, Caps, Limit};
use crate::tenant::TenantId;

/// What tenants may have of this router. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Permits(Arc<Mutex<Calls>>);

/// One call of a tenant, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    tenant: TenantId,
    of: Permits,
}

impl Permits {
    /// A permit for one more call of the tenant, unless the caps, as they are now, forbid it.
    pub fn take(&self, tenant: &TenantId, caps: Caps, now: Instant) -> Result<Permit, Limit> {
        self.lock().enter(tenant, caps, now)?;
        Ok(Permit { tenant: tenant.clone(), of: self.clone() })
    }

    /// The tenant's calls now.
    pub fn taken(&self, tenant: &TenantId) -> u32 {
        self.lock().of(tenant)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // No step of it can panic half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.of.lock().leave(&self.tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_comes_back_when_it_is_dropped() {
        let (permits, tenant) = (Permits::default(), TenantId::parse("acme").expect("an id"));
        let (caps, now) = (Caps { calls: Some(1), per_second: None }, Instant::now());
        let permit = permits.take(&tenant, caps, now).expect("a permit");
        assert_eq!(permits.take(&tenant, caps, now).expect_err("it is taken"), Limit::Calls);
        assert_eq!(permits.taken(&tenant), 1, "a refusal takes nothing");
        drop(permit);
        assert_eq!(permits.taken(&tenant), 0);
        permits.take(&tenant, caps, now).expect("it came back");
    }
}
