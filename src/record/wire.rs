//! A record as one JSON line: snake_case, times in RFC 3339 UTC with milliseconds, durations in milliseconds.
//! The contract is `docs/call-record.schema.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{CallRecord, ModelSession, ModelUse, Opening, RouteTaken, Timing, ToolCall, ToolOutcome};
use crate::call::{Call, Number};
use crate::fleet::calls::Limit;
use crate::lookup::{ConfigSource, Report};
use crate::media::audio::Format;
use crate::media::quality::{Quality, Way};
use crate::tenant::ToolName;

/// The record of a call that is over, without a line feed.
pub fn line(record: &CallRecord) -> String {
    to_line(&Line {
        ended_at: Some(time(record.ended_at)),
        limit: record.limit.map(Limit::name),
        config_source: record.config.as_ref().map(|report| report.source).map(ConfigSource::name),
        config: record.config.as_ref().map(config),
        model: record.model.as_ref().and_then(model),
        timing_ms: timing(&record.timing),
        barge_ins: record.barge_ins,
        digits: record.digits,
        tool_calls: record.tool_calls.iter().map(tool_call).collect(),
        failed_transfers: record.failed_transfers,
        media: record.media.as_ref().map(media),
        metadata: Some(&record.metadata),
        ending: ending(record),
        ..opened(&record.opening())
    })
}

/// The record of a call whose end nobody saw, because its router died: what was known when it was opened.
pub fn interrupted(opening: &Opening<'_>) -> String {
    to_line(&opened(opening))
}

fn to_line(line: &Line<'_>) -> String {
    serde_json::to_string(line).expect("a line is strings, numbers and maps with string keys")
}

#[derive(Serialize)]
struct Line<'a> {
    version: u8,
    id: String,
    offered_at: String,
    ended_at: Option<String>,
    ending: EndingLine,
    tenant: Option<&'a str>,
    route: Option<RouteLine<'a>>,
    limit: Option<&'static str>,
    call: Option<CallLine<'a>>,
    config_source: Option<&'static str>,
    config: Option<ConfigLine<'a>>,
    model: Option<ModelLine<'a>>,
    resumed_from: Option<String>,
    timing_ms: TimingLine,
    barge_ins: u32,
    digits: u32,
    tool_calls: Vec<ToolCallLine>,
    failed_transfers: u32,
    media: Option<MediaLine>,
    metadata: Option<&'a BTreeMap<String, Value>>,
}

#[derive(Serialize)]
struct EndingLine {
    by: &'static str,
    how: &'static str,
    detail: Option<&'static str>,
}

#[derive(Serialize)]
struct RouteLine<'a> {
    id: &'a str,
    r#match: &'static str,
}

#[derive(Serialize)]
struct CallLine<'a> {
    ingress: &'static str,
    project: Option<&'a str>,
    room: &'a str,
    received_at: String,
    caller: Option<NumberLine<'a>>,
    caller_name: Option<&'a str>,
    called: NumberLine<'a>,
    diverted_from: Option<NumberLine<'a>>,
    trunk: Option<TrunkLine<'a>>,
    rule_id: Option<&'a str>,
    sip_call_id: Option<&'a str>,
    sip_call_id_full: Option<&'a str>,
    headers: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct NumberLine<'a> {
    number: Option<&'a str>,
    raw: &'a str,
}

#[derive(Serialize)]
struct TrunkLine<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct ConfigLine<'a> {
    why: Option<&'static str>,
    status: Option<u16>,
    ms: u64,
    attempts: u8,
    coalesced: bool,
    age_seconds: Option<u64>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ModelLine<'a> {
    provider: &'a str,
    model: &'a str,
    voice: Option<&'a str>,
    session: Option<&'a str>,
    failovers: u32,
    sessions: Vec<SessionLine<'a>>,
    temperature_applied: Option<bool>,
    responses: u32,
    usage: UsageLine,
    rate_limits: Option<LimitsLine>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct SessionLine<'a> {
    provider: &'a str,
    model: &'a str,
    voice: Option<&'a str>,
    audio: Option<&'static str>,
    session: Option<&'a str>,
    served: bool,
    ended: Option<&'static str>,
}

/// Percent that are left.
#[derive(Serialize)]
struct LimitsLine {
    requests: Option<u8>,
    tokens: Option<u8>,
}

/// Tokens.
#[derive(Serialize)]
struct UsageLine {
    input_text: u64,
    input_audio: u64,
    cached: u64,
    output_text: u64,
    output_audio: u64,
}

#[derive(Serialize, Default)]
struct TimingLine {
    arrived: Option<u64>,
    configured: Option<u64>,
    model_ready: Option<u64>,
    gate: Option<u64>,
    active: Option<u64>,
    first_speech: Option<u64>,
    ended: Option<u64>,
}

#[derive(Serialize)]
struct ToolCallLine {
    tool: Option<&'static str>,
    at_ms: u64,
    outcome: Option<&'static str>,
}

/// How the media went.
#[derive(Serialize)]
struct MediaLine {
    received: WayLine,
    sent: WayLine,
    unsent: u64,
}

#[derive(Serialize)]
struct WayLine {
    packets: u64,
    lost: Option<u64>,
    jitter_ms: Option<f64>,
    longest_gap_ms: u64,
}

/// What is known of a call from its opening on; it ends as interrupted.
fn opened<'a>(opening: &Opening<'a>) -> Line<'a> {
    Line {
        version: 1,
        id: opening.id.to_string(),
        offered_at: time(opening.offered_at),
        ended_at: None,
        ending: EndingLine { by: "router", how: "interrupted", detail: None },
        tenant: opening.tenant.map(|tenant| tenant.as_str()),
        route: opening.route.map(route),
        limit: None,
        call: opening.call.map(call),
        config_source: None,
        config: None,
        model: None,
        resumed_from: opening.call.and_then(|call| call.resumed_from).map(|id| id.to_string()),
        timing_ms: TimingLine::default(),
        barge_ins: 0,
        digits: 0,
        tool_calls: Vec::new(),
        failed_transfers: 0,
        media: None,
        metadata: None,
    }
}

fn ending(record: &CallRecord) -> EndingLine {
    let ending = record.ending;
    EndingLine { by: record.ended_by().name(), how: ending.name(), detail: ending.detail() }
}

fn route(route: &RouteTaken) -> RouteLine<'_> {
    RouteLine { id: &route.id, r#match: route.matched.name() }
}

fn call(call: &Call) -> CallLine<'_> {
    CallLine {
        ingress: call.origin.ingress(),
        project: call.origin.project(),
        room: call.room.reveal(),
        received_at: time(call.received_at),
        caller: call.caller.number().map(number),
        caller_name: call.caller_name.as_ref().map(|name| name.reveal().as_str()),
        called: number(&call.called),
        diverted_from: call.told_diverted_from().map(number),
        trunk: call.trunk.as_ref().map(|trunk| TrunkLine { id: &trunk.id, name: trunk.name.as_deref() }),
        rule_id: call.rule_id.as_deref(),
        sip_call_id: call.sip_call_id.as_deref(),
        sip_call_id_full: call.sip_call_id_full.as_deref(),
        headers: call.headers.iter().map(|(k, v)| (k.as_str(), v.reveal().as_str())).collect(),
    }
}

fn number(number: &Number) -> NumberLine<'_> {
    NumberLine { number: number.e164.as_ref().map(|e164| e164.reveal()), raw: number.raw.reveal() }
}

fn config(report: &Report) -> ConfigLine<'_> {
    ConfigLine {
        why: report.why.map(|why| why.name()),
        status: report.why.and_then(|why| why.status()),
        ms: millis(report.took),
        attempts: report.attempts,
        coalesced: report.coalesced,
        age_seconds: report.age.map(|age| age.as_secs()),
        warnings: &report.warnings,
    }
}

fn model(model: &ModelUse) -> Option<ModelLine<'_>> {
    let (usage, last) = (model.usage, session(model.last()?));
    Some(ModelLine {
        provider: last.provider,
        model: last.model,
        voice: last.voice,
        session: last.session,
        failovers: model.failovers,
        sessions: model.sessions.iter().map(session).collect(),
        temperature_applied: model.temperature_applied,
        responses: model.responses,
        usage: UsageLine {
            input_text: usage.input_text,
            input_audio: usage.input_audio,
            cached: usage.cached,
            output_text: usage.output_text,
            output_audio: usage.output_audio,
        },
        rate_limits: model.limits.map(|left| LimitsLine { requests: left.requests, tokens: left.tokens }),
        warnings: &model.warnings,
    })
}

fn session(session: &ModelSession) -> SessionLine<'_> {
    SessionLine {
        provider: &session.provider,
        model: &session.model,
        voice: session.voice.as_deref(),
        audio: session.audio.map(Format::name),
        session: session.id.as_deref(),
        served: session.served,
        ended: session.ended,
    }
}

fn tool_call(call: &ToolCall) -> ToolCallLine {
    ToolCallLine {
        tool: call.tool.map(ToolName::name),
        at_ms: millis(call.at),
        outcome: call.outcome.map(ToolOutcome::name),
    }
}

fn media(quality: &Quality) -> MediaLine {
    let way = |way: &Way| WayLine {
        packets: way.packets,
        lost: way.lost,
        // To a tenth: a clean network's is below one.
        jitter_ms: way.jitter.map(|jitter| (jitter.as_secs_f64() * 10_000.0).round() / 10.0),
        longest_gap_ms: millis(way.longest_gap),
    };
    MediaLine { received: way(&quality.received), sent: way(&quality.sent), unsent: quality.unsent }
}

fn timing(timing: &Timing) -> TimingLine {
    TimingLine {
        arrived: timing.arrived.map(millis),
        configured: timing.configured.map(millis),
        model_ready: timing.model_ready.map(millis),
        gate: timing.gate.map(millis),
        active: timing.active.map(millis),
        first_speech: timing.first_speech.map(millis),
        ended: Some(millis(timing.ended)),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
