use std::collections::HashMap;

use tokio::time::Instant;

use super::rate::{Meter, Rate};
use crate::tenant::TenantId;

/// How many calls a tenant may have; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Caps {
    /// At once.
    pub calls: Option<u32>,
    pub per_second: Option<Rate>,
}

/// Which of a tenant's [`Caps`] a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    Calls,
    CallsPerSecond,
}

impl Limit {
    pub const ALL: [Self; 2] = [Self::Calls, Self::CallsPerSecond];

    /// The name in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CallsPerSecond => "calls-per-second",
        }
    }
}

/// Every tenant's calls. It knows the tenants with calls and those whose rate remembers one; of the others it forgets
/// so many that it never holds more than twice as many as it must, or [`Calls::FEW`].
#[derive(Debug, Default)]
pub struct Calls {
    tenants: HashMap<TenantId, Tenant>,
    /// How many to hold before it looks for some to forget.
    enough: usize,
}

#[derive(Debug, Default)]
struct Tenant {
    calls: u32,
    meter: Meter,
}

impl Calls {
    pub const FEW: usize = 64;

    /// Counts one more call of the tenant, if the caps, as they are now, let it in. One that is not let in counts for
    /// nothing.
    pub fn enter(&mut self, tenant: &TenantId, caps: Caps, now: Instant) -> Result<(), Limit> {
        self.forget_idle(now);
        let of = self.tenants.entry(tenant.clone()).or_default();
        if caps.calls.is_some_and(|most| of.calls >= most) {
            return Err(Limit::Calls);
        }
        if caps.per_second.is_some_and(|rate| !of.meter.admit(rate, now)) {
            return Err(Limit::CallsPerSecond);
        }
        of.calls += 1;
        Ok(())
    }

    /// A call that was let in is over.
    pub fn leave(&mut self, tenant: &TenantId) {
        if let Some(of) = self.tenants.get_mut(tenant) {
            of.calls = of.calls.saturating_sub(1);
        }
    }

    /// The tenant's calls now.
    pub fn of(&self, tenant: &TenantId) -> u32 {
        self.tenants.get(tenant).map_or(0, |of| of.calls)
    }

    fn forget_idle(&mut self, now: Instant) {
        if self.tenants.len() >= self.enough.max(Self::FEW) {
            self.tenants.retain(|_, of| of.calls > 0 || !of.meter.is_idle(now));
            self.enough = 2 * self.tenants.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn tenant(number: usize) -> TenantId {
        TenantId::parse(&format!("tenant-{number}")).expect("an id")
    }

    fn at_once(calls: u32) -> Caps {
        Caps { calls: Some(calls), per_second: None }
    }

    #[test]
    fn a_full_tenant_is_told_which_cap_and_others_are_not_touched() {
        let (now, mut calls) = (Instant::now(), Calls::default());
        let caps = Caps { calls: Some(2), per_second: Rate::per_second(2.0) };
        assert_eq!(calls.enter(&tenant(1), caps, now), Ok(()));
        assert_eq!(calls.enter(&tenant(1), caps, now), Ok(()));
        assert_eq!(calls.enter(&tenant(1), caps, now), Err(Limit::Calls));
        assert_eq!(calls.enter(&tenant(2), caps, now), Ok(()));
        calls.leave(&tenant(1));
        assert_eq!(calls.enter(&tenant(1), caps, now), Err(Limit::CallsPerSecond));
        assert_eq!(calls.enter(&tenant(1), caps, now + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn new_caps_hold_for_new_calls_and_end_none() {
        let (now, mut calls) = (Instant::now(), Calls::default());
        for _ in 0..3 {
            assert_eq!(calls.enter(&tenant(1), Caps::default(), now), Ok(()), "no limit");
        }
        assert_eq!(calls.enter(&tenant(1), at_once(2), now), Err(Limit::Calls));
        calls.leave(&tenant(1));
        assert_eq!((calls.of(&tenant(1)), calls.enter(&tenant(1), at_once(2), now)), (2, Err(Limit::Calls)));
        calls.leave(&tenant(1));
        assert_eq!(calls.enter(&tenant(1), at_once(2), now), Ok(()));
        assert_eq!(calls.enter(&tenant(1), at_once(0), now), Err(Limit::Calls), "a closed tenant");
    }

    #[test]
    fn tenants_without_calls_are_forgotten() {
        let (start, mut calls) = (Instant::now(), Calls::default());
        let caps = Caps { calls: Some(0), per_second: Rate::per_second(1.0) };
        for number in 0..10_000 {
            let now = start + Duration::from_millis(100) * u32::try_from(number).expect("few");
            let let_in = calls.enter(&tenant(number), Caps { calls: None, ..caps }, now);
            assert_eq!(let_in, Ok(()));
            calls.leave(&tenant(number));
            assert!(calls.enter(&tenant(number), caps, now).is_err());
            assert!(calls.tenants.len() <= Calls::FEW, "{}", calls.tenants.len());
        }
    }

    proptest! {
        /// Of any tenants, with any caps that change at any time, in any order.
        #[test]
        fn nobody_gets_more_than_the_cap_and_nothing_leaks(
            steps in prop::collection::vec((0usize..80, prop::option::of(0u32..4), any::<bool>(), 0u64..200), 1..400),
        ) {
            let (mut now, mut calls) = (Instant::now(), Calls::default());
            let mut up = vec![0u32; 80];
            for (number, most, leaves, pause) in steps {
                now += Duration::from_millis(pause);
                if leaves && up[number] > 0 {
                    calls.leave(&tenant(number));
                    up[number] -= 1;
                } else {
                    let caps = Caps { calls: most, per_second: None };
                    let full = most.is_some_and(|most| up[number] >= most);
                    prop_assert_eq!(calls.enter(&tenant(number), caps, now), if full { Err(Limit::Calls) } else { Ok(()) });
                    up[number] += u32::from(!full);
                }
                prop_assert_eq!(calls.of(&tenant(number)), up[number]);
            }
            for (number, calls_up) in up.iter().enumerate() {
                (0..*calls_up).for_each(|_| calls.leave(&tenant(number)));
            }
            calls.enough = 0;
            (0..=Calls::FEW).for_each(|number| _ = calls.enter(&tenant(100 + number), at_once(0), now));
            prop_assert!(calls.tenants.len() <= Calls::FEW, "only those just asked for");
        }
    }
}
