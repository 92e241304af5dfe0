//! What an operator sees: metrics, logs, and the span that ties a call's log lines together.

pub mod logs;
mod metrics;
mod readiness;

pub use metrics::{
    Authenticated, Direction, Dropped, JournalWrite, Metrics, Posted, RateOf, Reload, Rescued, TurnedAway,
};
pub use readiness::{Readiness, Ready};

use std::fmt::Display;

use tracing::Span;

/// The span of one call. Its id is the only thing about the call in it.
pub fn call_span(id: &impl Display) -> Span {
    tracing::info_span!("call", %id)
}
