//! What the model is fed while the caller's packets come late, not at all, or all at once.
//!
//! livekit-sip sends nothing while the caller sends nothing, and a model's voice detection counts audio, not
//! time: without silence in place of missing packets a pause would never end a turn.

use std::time::Duration;

use tokio::time::Instant;

use super::FRAME;

/// A frame this late is taken for lost. Less is jitter, and silence in its place would only be in the way. A packet that
/// three others overtook is still in time.
const LATE: Duration = Duration::from_millis(70);

/// How far the model's input may run ahead of real time: a burst after a gap is passed on up to here.
const AHEAD: Duration = Duration::from_millis(200);

/// Silence that is fed at once after we ourselves stalled; the rest is given up.
const CATCH_UP: u32 = 10;

/// How much of a drift each frame takes back: 0.1 %, ten times what a sender's crystal may be off.
const SLEW: Duration = Duration::from_micros(20);

/// Keeps the caller's audio at the pace of real time: what was fed by any moment is the time since the start,
/// at most 220 ms more and at most 110 ms less, but for 0.1 % of drift.
#[derive(Debug, Clone)]
pub struct CallerClock {
    /// What was fed lasts until here.
    covered: Instant,
    /// When silence begins unless a frame arrives.
    patience: Instant,
}

impl CallerClock {
    /// The clock of a caller who is heard from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { covered: now, patience: now + LATE + FRAME }
    }

    /// A frame of 20 ms is here: whether to feed it. `false`: it belongs to a burst beyond the bound; drop it.
    ///
    /// What is missing before it is not made up here: while frames wait to be fed, they are not missing.
    pub fn on_frame(&mut self, now: Instant) -> bool {
        self.patience = now + LATE + FRAME;
        let feed = self.covered <= now + AHEAD;
        if feed {
            self.covered += FRAME;
        }
        self.follow_drift(now);
        feed
    }

    /// Frames that are to be made up by `now`, because nothing arrived.
    pub fn on_time(&mut self, now: Instant) -> u32 {
        let mut missing = 0;
        while now >= self.deadline() {
            if missing == CATCH_UP {
                self.covered = now;
                break;
            }
            missing += 1;
            self.covered += FRAME;
        }
        missing
    }

    /// When silence is due unless a frame arrives: when one is late, and, for a sender that is merely slow,
    /// when its audio has fallen too far behind.
    pub fn deadline(&self) -> Instant {
        self.patience.max(self.covered + FRAME).min(self.covered + LATE + 2 * FRAME)
    }

    /// The sender's clock is not ours: over minutes its frames come earlier or later than we count. The count
    /// follows slowly, so that jitter, which goes both ways, moves nothing.
    fn follow_drift(&mut self, now: Instant) {
        let expected = now + FRAME;
        if self.covered > expected {
            self.covered -= SLEW.min(self.covered - expected);
        } else {
            self.covered += SLEW.min(expected - self.covered);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Feeds the arrivals (sorted, from the start) and asks at every deadline up to `end`. Returns the moments
    /// at which frames were fed, and how many of them were silence.
    fn run(
        clock: &mut CallerClock,
        start: Instant,
        arrivals: &[Duration],
        end: Duration,
    ) -> (Vec<Duration>, u32) {
        let (mut fed, mut silent) = (Vec::new(), 0);
        let mut feed = |at: Duration, silence: u32, frame: bool| {
            silent += silence;
            fed.extend(std::iter::repeat_n(at, usize::try_from(silence).unwrap() + usize::from(frame)));
        };
        for arrival in arrivals.iter().copied().chain([end]) {
            while clock.deadline() < start + arrival {
                let at = clock.deadline();
                let silence = clock.on_time(at);
                assert!(silence > 0, "a deadline without work would be a busy loop");
                feed(at - start, silence, false);
            }
            if arrival < end {
                feed(arrival, 0, clock.on_frame(start + arrival));
            }
        }
        (fed, silent)
    }

    proptest! {
        #[test]
        fn what_is_fed_keeps_pace_with_the_wall_clock_whatever_arrives(
            gaps in prop::collection::vec(prop_oneof![6 => 0u64..45, 1 => 0u64..1, 1 => 60u64..900], 1..400)
        ) {
            let start = Instant::now();
            let arrivals: Vec<Duration> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(ms(*at)) }).collect();
            let end = *arrivals.last().unwrap() + ms(200);
            let (fed, _) = run(&mut CallerClock::new(start), start, &arrivals, end);
            let slack = |at: Duration| at / 1000;
            let mut total = Duration::ZERO;
            for (index, at) in fed.iter().enumerate() {
                let next = fed.get(index + 1).copied().unwrap_or(end);
                total += FRAME;
                prop_assert!(total <= *at + AHEAD + FRAME + slack(*at), "{total:?} fed at {at:?}");
                prop_assert!(total + LATE + 2 * FRAME + slack(next) >= next, "only {total:?} fed at {next:?}");
            }
        }

        #[test]
        fn jitter_under_70_ms_feeds_every_frame_and_no_silence(
            delays in prop::collection::vec(0u64..70, 1..500), phase in 0u64..20
        ) {
            let start = Instant::now();
            // Frames arrive in order: none overtakes the one before.
            let mut latest = Duration::ZERO;
            let arrivals: Vec<Duration> = delays.iter().enumerate().map(|(index, delay)| {
                latest = latest.max(FRAME * u32::try_from(index).unwrap() + ms(phase + delay));
                latest
            }).collect();
            let (fed, silent) = run(&mut CallerClock::new(start), start, &arrivals, latest + ms(1));
            prop_assert_eq!(silent, 0);
            prop_assert_eq!(fed.len(), arrivals.len());
        }
    }

    #[test]
    fn a_gap_is_filled_by_the_clock_and_the_burst_after_it_is_bounded() {
        let start = Instant::now();
        let mut clock = CallerClock::new(start);
        assert!(clock.on_frame(start));
        assert_eq!(clock.on_time(start + ms(89)), 0, "not yet lost");
        assert_eq!(clock.deadline(), start + ms(90));
        assert_eq!(clock.on_time(start + ms(90)), 3, "the three frames that are missing by now");
        assert_eq!(clock.on_time(start + ms(100)), 1, "and then by the clock");
        assert_eq!(clock.on_time(start + ms(1100)), CATCH_UP, "200 ms, and the rest is given up");
        let frames = (0..50).filter(|_| clock.on_frame(start + ms(1100))).count();
        assert_eq!(frames, 11, "200 ms of the burst");
    }

    #[test]
    fn a_sender_whose_crystal_is_off_by_100_ppm_is_followed_without_loss_for_hours() {
        for period in [Duration::from_nanos(20_002_000), Duration::from_nanos(19_998_000)] {
            let start = Instant::now();
            let mut clock = CallerClock::new(start);
            for index in 0..720_000 {
                let now = start + period * index;
                assert_eq!(clock.on_time(now), 0);
                assert!(clock.on_frame(now));
            }
            let last = start + period * 719_999;
            assert_eq!(clock.on_time(last + ms(90)), 3, "no backlog has gathered");
        }
    }
}
