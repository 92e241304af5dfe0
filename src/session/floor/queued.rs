use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ingress::leg::Frame;
use crate::media::clip::Clip;
use crate::realtime::ItemId;

#[derive(Debug)]
pub(super) enum Queued {
    Speech(ItemId, Frame),
    /// All of the item has been queued.
    End(ItemId),
    /// All of the greeting has been queued.
    Greeted,
    /// Of a speaker that is gone.
    Left(Frame),
    Comfort(Frame),
    Clip(Frame),
    /// A recording that is not encoded yet, and since when it is asked for.
    Recording(Arc<Clip>, Option<Instant>),
}

/// An item that the caller broke into.
#[derive(Debug, PartialEq, Eq)]
pub struct Interrupted {
    pub item: ItemId,
    pub heard: Duration,
    /// How long it is, as far as it had been made.
    pub whole: Duration,
}

#[derive(Debug)]
pub(super) struct Playing {
    pub(super) item: ItemId,
    pub(super) sent: u32,
}
