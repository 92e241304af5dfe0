//! How late this process gets round to its media: the one measure of load that callers hear.
//!
//! Every call's clock notes how late each of its ticks was. Whoever admits calls asks [`Lateness::is_late`]: a process
//! whose frames leave late has no room, however idle the machine looks, and one whose frames leave in time has room,
//! whatever else the machine does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::FRAME;

/// A frame this late is heard: it eats half of what a receiver's jitter buffer keeps for the network.
const LATE: Duration = Duration::from_millis(10);
/// Seconds that are looked back on, the one that runs among them.
const SECONDS: usize = 4;
/// Of a hundred frames: from here on the process is late, and until it falls below the other.
const BECOMES_LATE: u64 = 10;
const STAYS_LATE: u64 = 2;
/// One call's frames of a second: fewer say nothing.
const MEANINGFUL: u64 = 50;
/// A stall counts as so many frames at most.
const STALL_MAX: u64 = 500;

/// The share of frames that were late over the last seconds. Shared by all calls of a process; no lock.
#[derive(Debug)]
pub struct Lateness {
    epoch: Instant,
    seconds: [AtomicU64; SECONDS],
    late: AtomicBool,
}

/// One second's frames, packed into a word: which second it is, how many were late, how many there were.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    number: u64,
    late: u64,
    all: u64,
}

const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

impl Second {
    const fn unpack(word: u64) -> Self {
        Self {
            number: word >> (2 * COUNT_BITS),
            late: (word >> COUNT_BITS) & COUNT_MAX,
            all: word & COUNT_MAX,
        }
    }

    fn pack(self) -> u64 {
        self.number << (2 * COUNT_BITS) | self.late.min(COUNT_MAX) << COUNT_BITS | self.all.min(COUNT_MAX)
    }
}

impl Lateness {
    /// Nothing noted yet.
    pub fn new(now: Instant) -> Self {
        Self { epoch: now, seconds: Default::default(), late: AtomicBool::new(false) }
    }

    /// A tick of a call's clock came this `late`. The frames that a longer stall held up count too.
    pub fn note(&self, late: Duration, now: Instant) {
        let frames =
            1 + u64::try_from(late.as_millis() / FRAME.as_millis()).unwrap_or(STALL_MAX).min(STALL_MAX);
        let late = if late > LATE { frames } else { 0 };
        let number = self.second(now);
        let Some(slot) = self.slot(number) else { return };
        // Only the numbers matter, and they are all in the one word.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let second = Second::unpack(word);
            let second =
                if second.number == number { second } else { Second { number, ..Second::default() } };
            Some(Second { number, late: second.late + late, all: second.all + frames }.pack())
        });
    }

    /// Whether callers hear that this process has too much to do. It takes more to become late than to stay so, so
    /// that a process at its limit does not change its mind with every call. Without calls, never.
    pub fn is_late(&self, now: Instant) -> bool {
        let (late, all) = self.counted(now);
        let bound = if self.late.load(Ordering::Relaxed) { STAYS_LATE } else { BECOMES_LATE };
        let is_late = all >= MEANINGFUL && late * 100 >= all * bound;
        self.late.store(is_late, Ordering::Relaxed);
        is_late
    }

    /// The share of frames that were late over the last seconds, 0 to 1.
    pub fn share(&self, now: Instant) -> f64 {
        let (late, all) = self.counted(now);
        if all == 0 { 0.0 } else { late as f64 / all as f64 }
    }

    /// Late frames and all frames.
    fn counted(&self, now: Instant) -> (u64, u64) {
        let current = self.second(now);
        let recent = |second: &Second| current.saturating_sub(second.number) < SECONDS as u64;
        let seconds = self.seconds.iter().map(|slot| Second::unpack(slot.load(Ordering::Relaxed)));
        seconds.filter(recent).fold((0, 0), |(late, all), second| (late + second.late, all + second.all))
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_secs()
    }

    fn slot(&self, second: u64) -> Option<&AtomicU64> {
        self.seconds.get(usize::try_from(second % SECONDS as u64).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// `calls` tick through `span`, each tick as late as `late` says. Returns the end.
    fn run(
        lateness: &Lateness,
        from: Instant,
        span: Duration,
        calls: u32,
        late: impl Fn(u32) -> Duration,
    ) -> Instant {
        let ticks = u32::try_from(span.as_millis() / FRAME.as_millis()).expect("a short test");
        for tick in 0..ticks {
            for _ in 0..calls {
                lateness.note(late(tick), from + FRAME * tick);
            }
        }
        from + span
    }

    #[test]
    fn it_is_late_when_a_tenth_of_the_frames_are_and_until_hardly_any_is() {
        let start = Instant::now();
        let lateness = Lateness::new(start);
        assert!(!lateness.is_late(start), "nobody calls");
        let now = run(&lateness, start, ms(5000), 20, |_| ms(2));
        assert!(!lateness.is_late(now));
        let now = run(&lateness, now, ms(4000), 20, |tick| if tick % 11 == 0 { ms(12) } else { ms(1) });
        assert!(!lateness.is_late(now), "{}", lateness.share(now));
        let now = run(&lateness, now, ms(4000), 20, |tick| if tick % 9 == 0 { ms(12) } else { ms(1) });
        assert!(lateness.is_late(now), "{}", lateness.share(now));
        let now = run(&lateness, now, ms(4000), 20, |tick| if tick % 30 == 0 { ms(12) } else { ms(1) });
        assert!(lateness.is_late(now), "still, at {}", lateness.share(now));
        let now = run(&lateness, now, ms(4000), 20, |tick| if tick % 120 == 0 { ms(12) } else { ms(1) });
        assert!(!lateness.is_late(now), "{}", lateness.share(now));
    }

    #[test]
    fn a_stall_counts_as_long_as_it_lasted() {
        let start = Instant::now();
        let lateness = Lateness::new(start);
        let now = run(&lateness, start, ms(3000), 10, |_| ms(1));
        for _ in 0..10 {
            lateness.note(ms(200), now);
        }
        assert!(!lateness.is_late(now), "200 ms in three seconds: {}", lateness.share(now));
        for _ in 0..10 {
            lateness.note(ms(600), now);
        }
        assert!(lateness.is_late(now), "{}", lateness.share(now));
        assert!(lateness.is_late(now + ms(2900)), "it is remembered");
        assert!(!lateness.is_late(now + ms(4000)), "and forgotten");
    }

    #[test]
    fn no_number_of_calls_overflows_a_second() {
        let start = Instant::now();
        let lateness = Lateness::new(start);
        for _ in 0..5_000 {
            lateness.note(Duration::from_secs(3600), start);
        }
        assert!(lateness.is_late(start));
        assert!((lateness.share(start) - 1.0).abs() < 1e-9);
        assert!(!lateness.is_late(start + ms(4_000)));
    }
}
