use tokio::time::Instant;

use super::renewal::Renewal;
use crate::session::SessionNo;

/// Speech that must be here before the answer, for a model that speaks faster than real time: 200 ms.
const GREETING_FRAMES: u32 = 10;

/// A session that is being opened.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) session: SessionNo,
    pub(super) candidate: usize,
    pub(super) stage: Stage,
    pub(super) until: Instant,
    /// Whether it serves only when its greeting has begun.
    pub(super) greeting: bool,
    pub(super) frames: u32,
    pub(super) renewal: Renewal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Opening,
    Configuring,
    Greeting,
}

impl Attempt {
    pub(super) fn enter(&mut self, stage: Stage, until: Instant) {
        self.stage = stage;
        self.until = until;
    }

    /// Whether it may serve.
    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Greeting && (!self.greeting || self.frames >= GREETING_FRAMES)
    }
}
