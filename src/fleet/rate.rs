use std::time::Duration;

use tokio::time::Instant;

/// How many a second, on average: from [`Rate::LEAST`] to [`Rate::MOST`].
///
/// A burst is what one second may bring, and at least one: at 5 a second, five may come at once after a second of
/// quiet, and the sixth is due 200 ms after them; at 0.1 a second, one every ten seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

impl Rate {
    pub const LEAST: f64 = 0.01;
    pub const MOST: f64 = 1e6;

    pub fn per_second(rate: f64) -> Option<Self> {
        (Self::LEAST..=Self::MOST).contains(&rate).then_some(Self(rate))
    }

    pub const fn get(self) -> f64 {
        self.0
    }
}

/// So many at once, and then one in every interval.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub interval: Duration,
    pub burst: u32,
}

impl Pace {
    pub const fn per_second(rate: u32, burst: u32) -> Self {
        Self { interval: Duration::from_nanos(1_000_000_000 / rate as u64), burst }
    }

    /// The time that a whole burst is worth.
    fn worth(self) -> Duration {
        self.interval * self.burst
    }
}

impl From<Rate> for Pace {
    fn from(Rate(rate): Rate) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / rate), burst: rate.max(1.0) as u32 }
    }
}

/// Keeps a pace: the generic cell rate algorithm (ITU-T I.371), which remembers one moment and counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    /// When the next one would come if all came evenly. In the future while bursts are being paid for.
    due: Option<Instant>,
}

impl Meter {
    /// Whether one more may come now. One that may not counts for nothing. The pace may be another each time.
    pub fn admit(&mut self, pace: impl Into<Pace>, now: Instant) -> bool {
        let pace = pace.into();
        let (due, may) = (self.due(pace, now), self.has_room(pace, now));
        self.due = Some(if may { due + pace.interval } else { due });
        may
    }

    /// Whether one more could come now.
    pub fn has_room(&self, pace: Pace, now: Instant) -> bool {
        self.due(pace, now) + pace.interval <= now + pace.worth()
    }

    /// What a slower pace made of the past is no debt under this one.
    fn due(&self, pace: Pace, now: Instant) -> Instant {
        self.due.map_or(now, |due| due.clamp(now, now + pace.worth()))
    }

    /// Whether the past makes no difference any more.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).expect("a rate")
    }

    #[test]
    fn a_burst_is_a_second_s_worth_and_at_least_one() {
        for (per_second, attempts_ms, admitted) in [
            (2.0, &[0, 0, 0, 400, 500, 500, 2000, 2000, 2000][..], &[0, 0, 500, 2000, 2000][..]),
            (2.5, &[0, 0, 0, 399, 400, 400, 800], &[0, 0, 400, 800]),
            (1.0, &[0, 0, 999, 1000, 1000], &[0, 1000]),
            (0.1, &[0, 0, 9_999, 10_000, 10_000, 40_000, 40_000], &[0, 10_000, 40_000]),
        ] {
            let (start, mut meter) = (Instant::now(), Meter::default());
            let may = |at: &&u64| meter.admit(rate(per_second), start + Duration::from_millis(**at));
            let found: Vec<u64> = attempts_ms.iter().filter(may).copied().collect();
            assert_eq!(found, admitted, "{per_second} a second");
        }
    }

    #[test]
    fn another_rate_owes_nothing_for_the_first_and_gains_nothing_by_it() {
        let (start, mut meter) = (Instant::now(), Meter::default());
        assert!(meter.admit(rate(0.01), start));
        assert!(!meter.admit(rate(0.01), start + Duration::from_secs(99)));
        let now = start + Duration::from_secs(1);
        assert!(!meter.admit(rate(10.0), now), "a whole burst is owed, and no more");
        assert!(meter.admit(rate(10.0), now + Duration::from_secs(1)), "which is one second's worth");
        assert!(!meter.is_idle(now + Duration::from_secs(1)));
        assert!(meter.is_idle(now + Duration::from_secs(3)));
    }

    #[test]
    fn a_rate_is_a_number_in_bounds() {
        for wrong in [f64::NAN, f64::INFINITY, -1.0, 0.0, 0.009, 1.1e6] {
            assert_eq!(Rate::per_second(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_holds_more_than_its_share_and_a_burst(
            per_second in 0.01..50.0f64,
            gaps in prop::collection::vec(0u64..3_000, 1..200),
        ) {
            let (start, mut meter) = (Instant::now(), Meter::default());
            let (mut at, mut admitted) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                at += Duration::from_millis(gap);
                if meter.admit(rate(per_second), start + at) {
                    admitted.push(at.as_secs_f64());
                }
            }
            let burst = per_second.floor().max(1.0);
            for (n, first) in admitted.iter().enumerate() {
                for (m, last) in admitted.iter().enumerate().skip(n) {
                    let most = burst + per_second * (last - first);
                    prop_assert!((m - n + 1) as f64 <= most + 1e-3, "{} in {} s", m - n + 1, last - first);
                }
            }
        }

        #[test]
        fn who_keeps_the_rate_is_never_held_back(per_second in 0.01..1000.0f64, count in 1u32..200) {
            let (start, mut meter) = (Instant::now(), Meter::default());
            for n in 0..count {
                prop_assert!(meter.admit(rate(per_second), start + Pace::from(rate(per_second)).interval * n));
            }
        }
    }
}
