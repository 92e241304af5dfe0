//! How the calls' media goes.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::labels::{Direction, Way};

/// From what nobody notices to what all do.
const PACE_BUCKETS: [f64; 9] = [0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.5];
/// Around what receivers' jitter buffers take, 20 to 100 ms.
const JITTER_BUCKETS: [f64; 8] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];
/// From the frames' own interval to a caller who asks whether we are there.
const GAP_BUCKETS: [f64; 9] = [0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

pub(super) struct Media {
    pace: Histogram,
    late: Gauge<f64, AtomicU64>,
    packets: Family<Way, Counter>,
    lost: Family<Way, Counter>,
    jitter: Family<Way, Histogram, fn() -> Histogram>,
    longest_gap: Family<Way, Histogram, fn() -> Histogram>,
    unsent: Counter,
}

impl Metrics {
    /// A frame of ours left, so much sooner or later than 20 ms after the one before.
    pub fn frame_sent(&self, off: Duration) {
        self.0.media.pace.observe(off.as_secs_f64());
    }

    /// The share of late frames over the last seconds, 0 to 1.
    pub fn late(&self, share: f64) {
        self.0.media.late.set(share);
    }

    /// How one direction of a call went, at its end; `None` where nobody has told.
    pub fn media(
        &self,
        direction: Direction,
        packets: u64,
        lost: Option<u64>,
        jitter: Option<Duration>,
        longest_gap: Duration,
    ) {
        let (way, media) = (Way { direction }, &self.0.media);
        media.packets.get_or_create(&way).inc_by(packets);
        media.lost.get_or_create(&way).inc_by(lost.unwrap_or_default());
        if let Some(jitter) = jitter {
            media.jitter.get_or_create(&way).observe(jitter.as_secs_f64());
        }
        media.longest_gap.get_or_create(&way).observe(longest_gap.as_secs_f64());
    }

    /// Of one call.
    pub fn frames_unsent(&self, count: u64) {
        self.0.media.unsent.inc_by(count);
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            pace: Histogram::new(PACE_BUCKETS),
            late: Gauge::default(),
            packets: Family::default(),
            lost: Family::default(),
            jitter: Family::new_with_constructor(|| Histogram::new(JITTER_BUCKETS)),
            longest_gap: Family::new_with_constructor(|| Histogram::new(GAP_BUCKETS)),
            unsent: Counter::default(),
        }
    }
}

impl Media {
    pub(super) fn register(&self, r: &mut Registry) {
        let help = "How far from 20 ms the time between two frames of ours was";
        r.register_with_unit("frame_jitter", help, Unit::Seconds, self.pace.clone());
        let help = "Of the frames of the last seconds, those over 10 ms late";
        r.register_with_unit("late_frames", help, Unit::Other("ratio".to_owned()), self.late.clone());
        r.register("media_packets", "Packets of calls that ended", self.packets.clone());
        let help = "Packets of calls that ended which did not arrive, where that is known";
        r.register("media_lost", help, self.lost.clone());
        let help = "A call's mean interarrival jitter";
        r.register_with_unit("media_jitter", help, Unit::Seconds, self.jitter.clone());
        let help = "A call's longest time without a packet";
        r.register_with_unit("media_longest_gap", help, Unit::Seconds, self.longest_gap.clone());
        r.register("frames_unsent", "Frames of ours that found no way out", self.unsent.clone());
    }
}
