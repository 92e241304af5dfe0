//! Calls from LiveKit: an agent worker per agent name takes jobs, and a leg per job joins the caller's room.
//!
//! ```text
//! worker (socket to /agent) ── Assignment ──> leg (socket to /rtc, UDP) <── LegCommand/LegEvent ──> session
//!        └── registration: decides                 └── leg::machine: decides
//! ```
//!
//! Beside them [`rescue`] looks for callers that nobody came for.

pub mod facts;
pub mod leg;
pub mod peer;
pub mod reports;
pub mod rescue;
pub mod room;
pub mod rpc;
pub mod signal;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::facts::Plan;
use self::rescue::served::Served;
use crate::admission::Slots;
use crate::ingress::leg::Incoming;
use crate::livekit::Project;
use crate::livekit::api::Api;
use crate::livekit::socket::Dialer;
use crate::telemetry::Metrics;

/// What the workers and legs of one project share.
pub struct Site {
    pub project: Project,
    pub api: Api,
    /// This router's own agent name, beside the project's.
    pub rescue_agent: Arc<str>,
    /// The rooms with a leg of ours.
    pub served: Served,
    /// The longest that a live agent takes from joining a room to the answer.
    pub overdue: Duration,
    pub dialer: Dialer,
    pub slots: Slots,
    /// What the settings say of a trunk, by its LiveKit id.
    pub plan: Box<dyn Fn(&str) -> Plan + Send + Sync>,
    pub metrics: Metrics,
    /// Where calls go. It takes as many as there are slots, and each call in it holds one: it is never full.
    pub calls: mpsc::Sender<Incoming>,
}
