use std::collections::HashMap;
use std::hash::Hash;

use tokio::time::Instant;

use super::rate::{Meter, Rate};

/// How many calls a tenant or a trunk may have; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Caps {
    /// At once.
    pub calls: Option<u32>,
    pub per_second: Option<Rate>,
}

/// Which of the [`Caps`] a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    Calls,
    CallsPerSecond,
}

/// What comes of a call's asking for the leave of its tenant or its trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Within,
    /// Beyond a cap. It may be played something or handed on: few enough others are.
    Beyond(Limit),
    /// Beyond a cap, with as many there as may be: it can only be refused.
    Crowded(Limit),
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

/// The calls of every tenant, or of every trunk, by its name. It knows those with calls and those whose rate remembers one;
/// of the others it forgets so many that it never holds more than twice as many as it must, or [`Calls::FEW`].
#[derive(Debug)]
pub struct Calls<K> {
    /// How many calls of each may be beyond its caps at once.
    most_beyond: u32,
    each: HashMap<K, Count>,
    /// How many to hold before it looks for some to forget.
    enough: usize,
}

#[derive(Debug, Default)]
struct Count {
    within: u32,
    beyond: u32,
    meter: Meter,
}

impl<K: Clone + Eq + Hash> Calls<K> {
    pub const FEW: usize = 64;

    pub fn new(most_beyond: u32) -> Self {
        Self { most_beyond, each: HashMap::new(), enough: 0 }
    }

    /// Counts one more call where the caps, as they are now, put it.
    pub fn enter(&mut self, whose: &K, caps: Caps, now: Instant) -> Admission {
        self.forget_idle(now);
        let of = self.each.entry(whose.clone()).or_default();
        match of.met(caps, now) {
            None => {
                of.within += 1;
                Admission::Within
            }
            Some(limit) if of.beyond < self.most_beyond => {
                of.beyond += 1;
                Admission::Beyond(limit)
            }
            Some(limit) => Admission::Crowded(limit),
        }
    }

    /// A call that was counted is over.
    pub fn leave(&mut self, whose: &K, admission: Admission) {
        let Some(of) = self.each.get_mut(whose) else { return };
        match admission {
            Admission::Within => of.within = of.within.saturating_sub(1),
            Admission::Beyond(_) => of.beyond = of.beyond.saturating_sub(1),
            Admission::Crowded(_) => {}
        }
    }

    /// The calls within the caps now.
    pub fn of(&self, whose: &K) -> u32 {
        self.each.get(whose).map_or(0, |of| of.within)
    }

    fn forget_idle(&mut self, now: Instant) {
        if self.each.len() >= self.enough.max(Self::FEW) {
            self.each.retain(|_, of| of.within + of.beyond > 0 || !of.meter.is_idle(now));
            self.enough = 2 * self.each.len();
        }
    }
}

impl Count {
    /// The cap that one more call meets. A call that meets one counts for nothing towards the rate.
    fn met(&mut self, caps: Caps, now: Instant) -> Option<Limit> {
        if caps.calls.is_some_and(|most| self.within >= most) {
            return Some(Limit::Calls);
        }
        let keeps_rate = caps.per_second.is_none_or(|rate| self.meter.admit(rate, now));
        (!keeps_rate).then_some(Limit::CallsPerSecond)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Admission::{Beyond, Crowded, Within};
    use super::*;
    use crate::tenant::TenantId;

    const MOST_BEYOND: u32 = 2;

    fn tenant(number: usize) -> TenantId {
        TenantId::parse(&format!("tenant-{number}")).expect("an id")
    }

    fn at_once(calls: u32) -> Caps {
        Caps { calls: Some(calls), per_second: None }
    }

    #[test]
    fn a_full_tenant_is_told_which_cap_and_others_are_not_touched() {
        let (now, mut calls) = (Instant::now(), Calls::new(MOST_BEYOND));
        let caps = Caps { calls: Some(2), per_second: Rate::per_second(2.0) };
        assert_eq!(calls.enter(&tenant(1), caps, now), Within);
        assert_eq!(calls.enter(&tenant(1), caps, now), Within);
        assert_eq!(calls.enter(&tenant(1), caps, now), Beyond(Limit::Calls));
        assert_eq!(calls.enter(&tenant(2), caps, now), Within);
        calls.leave(&tenant(1), Within);
        assert_eq!(calls.enter(&tenant(1), caps, now), Beyond(Limit::CallsPerSecond));
        assert_eq!(calls.enter(&tenant(1), caps, now + Duration::from_millis(500)), Within);
    }

    #[test]
    fn few_calls_may_be_beyond_and_they_take_nothing_from_those_within() {
        let (now, mut calls) = (Instant::now(), Calls::new(MOST_BEYOND));
        let enter = |calls: &mut Calls<TenantId>| calls.enter(&tenant(1), at_once(1), now);
        assert_eq!(enter(&mut calls), Within);
        for _ in 0..MOST_BEYOND {
            assert_eq!(enter(&mut calls), Beyond(Limit::Calls));
        }
        assert_eq!(enter(&mut calls), Crowded(Limit::Calls));
        calls.leave(&tenant(1), Crowded(Limit::Calls));
        assert_eq!(enter(&mut calls), Crowded(Limit::Calls), "who was not counted takes no one off");
        calls.leave(&tenant(1), Within);
        assert_eq!(enter(&mut calls), Within);
        calls.leave(&tenant(1), Beyond(Limit::Calls));
        assert_eq!(enter(&mut calls), Beyond(Limit::Calls));
    }

    #[test]
    fn new_caps_hold_for_new_calls_and_end_none() {
        let (now, mut calls) = (Instant::now(), Calls::new(MOST_BEYOND));
        for _ in 0..3 {
            assert_eq!(calls.enter(&tenant(1), Caps::default(), now), Within, "no limit");
        }
        let full = Beyond(Limit::Calls);
        assert_eq!(calls.enter(&tenant(1), at_once(2), now), full);
        calls.leave(&tenant(1), full);
        calls.leave(&tenant(1), Within);
        assert_eq!((calls.of(&tenant(1)), calls.enter(&tenant(1), at_once(2), now)), (2, full));
        calls.leave(&tenant(1), Within);
        assert_eq!(calls.enter(&tenant(1), at_once(2), now), Within);
        assert_eq!(calls.enter(&tenant(1), at_once(0), now), full, "a closed tenant");
    }

    #[test]
    fn tenants_without_calls_are_forgotten() {
        let (start, mut calls) = (Instant::now(), Calls::new(MOST_BEYOND));
        let caps = Caps { calls: Some(0), per_second: Rate::per_second(1.0) };
        for number in 0..10_000 {
            let now = start + Duration::from_millis(100) * u32::try_from(number).expect("few");
            for caps in [Caps { calls: None, ..caps }, caps] {
                let admission = calls.enter(&tenant(number), caps, now);
                calls.leave(&tenant(number), admission);
            }
            assert!(calls.each.len() <= Calls::<TenantId>::FEW, "{}", calls.each.len());
        }
    }

    proptest! {
        /// Of any tenants, with any caps that change at any time, in any order.
        #[test]
        fn nobody_gets_more_than_the_cap_and_nothing_leaks(
            steps in prop::collection::vec((0usize..80, prop::option::of(0u32..4), any::<bool>(), 0u64..200), 1..400),
        ) {
            let (mut now, mut calls) = (Instant::now(), Calls::new(MOST_BEYOND));
            let mut up: Vec<Vec<Admission>> = vec![Vec::new(); 80];
            let counted = |up: &[Admission], beyond: bool| {
                let count = up.iter().filter(|one| if beyond { matches!(one, Beyond(_)) } else { **one == Within });
                u32::try_from(count.count()).expect("few")
            };
            for (number, most, leaves, pause) in steps {
                now += Duration::from_millis(pause);
                if let Some(admission) = up[number].pop_if(|_| leaves) {
                    calls.leave(&tenant(number), admission);
                } else {
                    let caps = Caps { calls: most, per_second: None };
                    let full = most.is_some_and(|most| counted(&up[number], false) >= most);
                    let crowded = counted(&up[number], true) >= MOST_BEYOND;
                    let expected = match (full, crowded) {
                        (false, _) => Within,
                        (true, false) => Beyond(Limit::Calls),
                        (true, true) => Crowded(Limit::Calls),
                    };
                    prop_assert_eq!(calls.enter(&tenant(number), caps, now), expected);
                    up[number].push(expected);
                }
                prop_assert_eq!(calls.of(&tenant(number)), counted(&up[number], false));
            }
            for (number, up) in up.into_iter().enumerate() {
                up.into_iter().for_each(|admission| calls.leave(&tenant(number), admission));
            }
            calls.enough = 0;
            for number in 0..=Calls::<TenantId>::FEW {
                let admission = calls.enter(&tenant(100 + number), at_once(0), now);
                calls.leave(&tenant(100 + number), admission);
            }
            prop_assert!(calls.each.len() <= Calls::<TenantId>::FEW, "only those just asked for");
        }
    }
}
