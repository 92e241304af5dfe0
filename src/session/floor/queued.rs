use std::time::Duration;

use crate::ingress::leg::Frame;
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
