use std::time::Duration;

use tokio::time::Instant;

use super::SessionNo;
use crate::realtime::ToolCallId;

/// For as many keys as there can be, pressed as slowly as any leg does. The leg tells of its own accord.
const MOST: Duration = Duration::from_secs(20);

/// The model presses keys, until the leg tells that all are pressed.
#[derive(Debug)]
pub struct Keying {
    /// Which model asked for it, by which call of its tool.
    pub asked: (SessionNo, ToolCallId),
    pub until: Instant,
}

impl Keying {
    pub fn new(asked: (SessionNo, ToolCallId), now: Instant) -> Self {
        Self { asked, until: now + MOST }
    }
}
