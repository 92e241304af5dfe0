//! When the next frame to the caller is due.

use tokio::time::Instant;

use super::FRAME;

/// What may be made up at once after a stall. More would only move the receiver's jitter buffer.
const CATCH_UP: u32 = 3;

/// Ticks every 20 ms from its start on, without drift: a late tick does not move the next.
#[derive(Debug, Clone)]
pub struct Pacer {
    next: Instant,
}

impl Pacer {
    /// The first frame is due at `first`; calls that start apart tick apart.
    pub const fn new(first: Instant) -> Self {
        Self { next: first }
    }

    /// When to ask again.
    pub const fn deadline(&self) -> Instant {
        self.next
    }

    /// How many frames are due, at most three. After a longer stall the rest is given up; the phase stays, or a stall of
    /// the whole process would have all calls tick at once from then on.
    pub fn due(&mut self, now: Instant) -> u32 {
        let Some(behind) = now.checked_duration_since(self.next) else { return 0 };
        let missed = u32::try_from(behind.as_nanos() / FRAME.as_nanos()).unwrap_or(u32::MAX - 1);
        self.next += FRAME * (missed + 1);
        CATCH_UP.min(missed + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn frames_come_due_every_20_ms_late_ones_are_made_up_and_no_stall_moves_the_phase() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start + ms(7));
        let table = [
            (0, 0, 7, "before the start"),
            (7, 1, 27, "at the start"),
            (8, 0, 27, "just after"),
            (29, 1, 47, "a late tick keeps the phase of the next"),
            (48, 1, 67, "and the next"),
            (108, 3, 127, "two were missed: made up"),
            (188, 3, 207, "three missed and one due: one is given up"),
            (207, 1, 227, "in step as before"),
            (5000, 3, 5007, "after a long stall no more than the bound"),
            (5006, 0, 5007, "and then nothing until the next is due"),
        ];
        for (at, due, next, why) in table {
            assert_eq!(pacer.due(start + ms(at)), due, "{why}");
            assert_eq!(pacer.deadline(), start + ms(next), "{why}");
        }
    }
}
