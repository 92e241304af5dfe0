use tokio::time::Instant;

use crate::ingress::sip::timer::{Refresher, Timer};

/// A session timer that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) timer: Timer,
    /// The last refresh.
    pub(super) since: Instant,
    /// Our own refresh is on its way.
    pub(super) asked: bool,
}

impl Running {
    /// When our refresh is due, or the end.
    pub(super) fn due(self) -> Instant {
        let ours = self.timer.refresher == Refresher::Us && !self.asked;
        self.since + if ours { self.timer.half() } else { self.timer.whole() }
    }
}
