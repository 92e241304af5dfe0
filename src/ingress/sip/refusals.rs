//! INVITEs that are refused before there is a call. They leave no record, as nobody's call was lost by a decision of a route
//! and a flood of them must not fill the disk: they are counted, and told in the log now and then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Method, Request};
use tokio::time::Instant;

use super::message::{call_id, to_tag};
use crate::dialplan::trunk::TrunkPlan;
use crate::telemetry::{Metrics, logs};

/// From one line in the log to the next of the same trunk and status.
const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Refusals {
    metrics: Metrics,
    /// There are few statuses, and no more trunks than the settings name.
    told: HashMap<(Option<Arc<str>>, u16), Told>,
}

struct Told {
    at: Instant,
    /// Refused since.
    untold: u64,
}

impl Refusals {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, told: HashMap::new() }
    }

    /// `request` was answered so, and is part of no call.
    pub(super) fn note(
        &mut self,
        request: &Request,
        status: u16,
        trunk: Option<&Arc<TrunkPlan>>,
        now: Instant,
    ) {
        if *request.method() != Method::Invite || to_tag(request).is_some() {
            return;
        }
        self.metrics.sip_refused(status);
        let trunk = trunk.map(|trunk| Arc::clone(&trunk.name));
        if let Some(times) = self.due(trunk.clone(), status, now) {
            let sip_call_id = call_id(request).map(logs::shortened);
            tracing::info!(status, trunk = trunk.as_deref(), times, sip_call_id, "INVITE refused");
        }
    }

    /// How many a line in the log is to tell of; `None` while the last is too fresh.
    fn due(&mut self, trunk: Option<Arc<str>>, status: u16, now: Instant) -> Option<u64> {
        let Some(told) = self.told.get_mut(&(trunk.clone(), status)) else {
            self.told.insert((trunk, status), Told { at: now, untold: 0 });
            return Some(1);
        };
        told.untold += 1;
        if now < told.at + EVERY {
            return None;
        }
        let times = told.untold;
        *told = Told { at: now, untold: 0 };
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, tag: &str) -> Request {
        Request::try_from(format!("{method} sip:us@b SIP/2.0\r\nTo: <sip:us@b>{tag}\r\n\r\n")).unwrap()
    }

    #[test]
    fn a_flood_is_counted_whole_and_told_once_in_a_while() {
        let (metrics, start) = (Metrics::new(), Instant::now());
        let mut refusals = Refusals::new(metrics.clone());
        let told: Vec<u64> = (0..2_500)
            .filter_map(|n| refusals.due(None, 503, start + Duration::from_millis(10 * n)))
            .collect();
        assert_eq!(told, [1, 1000, 1000]);
        let acme = || Some("acme".into());
        assert_eq!(refusals.due(acme(), 503, start), Some(1), "another trunk's");
        assert_eq!(refusals.due(acme(), 488, start), Some(1), "another status");

        for (method, tag) in [("INVITE", ""), ("INVITE", ";tag=ours"), ("OPTIONS", ""), ("INVITE", "")] {
            refusals.note(&request(method, tag), 488, None, start);
        }
        let text = metrics.render();
        assert!(text.contains(r#"dialplane_sip_refused_total{status="488"} 2"#), "{text}");
    }
}
