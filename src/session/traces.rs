//! What a call leaves in the log and in the metrics.

use crate::call::Ending;
use crate::lookup::Why;
use crate::media::quality::Quality;
use crate::record::{CallRecord, ModelUse};
use crate::telemetry::{Direction, Metrics, logs};
use crate::tenant::TenantId;

/// A call whose facts are known, by the ids that its carrier knows it by.
pub(super) fn arrived(record: &CallRecord, metrics: &Metrics) {
    let call = record.call.as_ref();
    let sip_call_id = call.and_then(|call| call.sip_call_id_full.as_deref()).map(logs::shortened);
    let sip_call = call.and_then(|call| call.sip_call_id.as_deref());
    let trunk =
        call.and_then(|call| call.trunk.as_ref()).map(|trunk| trunk.name.as_deref().unwrap_or(&trunk.id));
    tracing::info!(sip_call_id, sip_call, trunk, "call arrived");
    if call.is_some_and(|call| call.answered) {
        metrics.resumed();
    }
}

/// What became of it: a warning where something failed, be it that another model took over.
pub(super) fn ended(record: &CallRecord, metrics: &Metrics) {
    let (ending, detail) = (record.ending.name(), record.ending.detail());
    let by = record.ended_by().name();
    let seconds = record.timing.ended.as_secs_f64();
    let tenant = record.tenant.as_ref().map(TenantId::as_str);
    let route = record.route.as_ref().map(|route| &*route.id);
    let config = record.config.as_ref().map(|config| config.source.name());
    let model_failed = record.model.as_ref().and_then(failures);
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(ending, detail, by, tenant, route, config, seconds, model_failed, "call ended")
        };
    }
    if model_failed.is_some() || matches!(record.ending, Ending::Failed(_)) {
        log!(warn);
    } else {
        log!(info);
    }
    metrics.call_ended(ending, detail);
    if let Some(limit) = record.limit {
        metrics.call_limited(limit.name());
    }
    if let Some(config) = &record.config {
        metrics.config_found(config.source.name(), config.why.map(Why::name), config.took);
    }
    if let Some(active) = record.timing.active {
        metrics.call_answered(active);
    }
    if let Some(first_speech) = record.timing.first_speech {
        metrics.greeting_started(first_speech);
    }
    metrics.barge_ins(record.barge_ins);
    if let Some(media) = &record.media {
        note_media(media, metrics);
    }
    for ended in record.model.iter().flat_map(|model| &model.sessions).filter_map(|session| session.ended) {
        metrics.model_given_up(ended);
    }
}

/// Which models failed the call, and how: each once, however often it was tried.
fn failures(model: &ModelUse) -> Option<String> {
    let mut failures: Vec<String> = Vec::new();
    for session in model.sessions.iter().filter(|session| session.failed) {
        let (why, detail) = (session.ended.unwrap_or_default(), session.detail.as_deref());
        let detail = detail.map(|detail| format!(" ({})", logs::shortened(detail))).unwrap_or_default();
        let failure = format!("{}/{}: {why}{detail}", session.provider, session.model);
        if !failures.contains(&failure) {
            failures.push(failure);
        }
    }
    (!failures.is_empty()).then(|| failures.join(", "))
}

fn note_media(media: &Quality, metrics: &Metrics) {
    for (direction, way) in [(Direction::Received, media.received), (Direction::Sent, media.sent)] {
        metrics.media(direction, way.packets, way.lost, way.jitter, way.longest_gap);
    }
    metrics.frames_unsent(media.unsent);
}
