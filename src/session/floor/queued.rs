use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::ingress::leg::Frame;
use crate::media::clip::Clip;
use crate::realtime::{ItemId, ResponseId};

#[derive(Debug)]
pub(super) enum Queued {
    Speech(ItemId, Frame),
    /// All of the item has been queued.
    End(ItemId),
    /// All of the greeting has been queued.
    Greeted,
    /// All that was queued before is whole responses.
    Whole,
    /// Of a speaker that is gone, and whole.
    Left(Frame),
    /// Of a speaker that went in the middle of it.
    Broken(Frame),
    Comfort(Frame),
    Clip(Frame),
    /// A recording that is not encoded yet, and since when it is asked for.
    Recording(Arc<Clip>, Option<Instant>),
}

/// A response that is being made, and is to pay what is owed.
#[derive(Debug)]
pub(super) struct Payer {
    pub(super) response: ResponseId,
    /// It has said anything.
    pub(super) spoke: bool,
    /// It has used a tool.
    pub(super) acted: bool,
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
