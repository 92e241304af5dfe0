//! Call records against their schema.

use std::collections::BTreeMap;
use std::time::Duration;

use dialplane::call::{CallId, Ending, Fault, Refusal};
use dialplane::dialplan::Match;
use dialplane::fleet::calls::Limit;
use dialplane::lookup::{ConfigSource, Report, Why};
use dialplane::media::audio::Format;
use dialplane::media::g711::Law;
use dialplane::media::quality::{Quality, Way};
use dialplane::realtime::{Limits, Usage};
use dialplane::record::{
    CallRecord, ModelSession, ModelUse, RouteTaken, Timing, ToolCall, ToolOutcome, wire,
};
use dialplane::tenant::{TenantId, ToolName};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{assert_valid, fixture};
use crate::lookup::call;

const SCHEMA: &str = "call-record.schema.json";

/// A record that says everything.
pub fn whole() -> CallRecord {
    let ms = |ms| Some(Duration::from_millis(ms));
    CallRecord {
        id: CallId::from_u128(1),
        offered_at: "2026-03-01T12:00:00Z".parse().unwrap(),
        call: Some(Box::new(call())),
        tenant: TenantId::parse("acme"),
        route: Some(RouteTaken { id: "front-desk".into(), matched: Match::Exact }),
        limit: None,
        config: Some(Report {
            source: ConfigSource::Dialplan,
            why: Some(Why::Status(503)),
            took: Duration::from_millis(41),
            attempts: 1,
            coalesced: true,
            age: Some(Duration::from_millis(90_500)),
            warnings: vec!["voice: expected a string".into()],
        }),
        model: Some(ModelUse {
            sessions: vec![
                ModelSession {
                    number: 1,
                    provider: "openai".into(),
                    model: "gpt-realtime-2.1".into(),
                    voice: Some("marin".into()),
                    audio: Some(Format::G711(Law::Mu)),
                    id: Some("sess_1".into()),
                    served: true,
                    ended: Some("lost"),
                    failed: true,
                    detail: Some("connection failed".into()),
                },
                ModelSession {
                    number: 2,
                    provider: "other".into(),
                    model: "gpt-realtime-2.1".into(),
                    voice: Some("marin".into()),
                    audio: None,
                    id: None,
                    served: false,
                    ended: Some("refused"),
                    failed: true,
                    detail: Some("http-401".into()),
                },
            ],
            failovers: 1,
            temperature_applied: Some(false),
            responses: 2,
            usage: Usage { input_text: 1, input_audio: 2, cached: 3, output_text: 4, output_audio: 5 },
            limits: Some(Limits { requests: Some(98), tokens: None }),
            warnings: vec!["unknown_parameter".into()],
        }),
        timing: Timing {
            arrived: ms(90),
            configured: ms(131),
            model_ready: ms(160),
            gate: ms(180),
            active: ms(250),
            first_speech: ms(251),
            ended: Duration::from_secs(60),
        },
        barge_ins: 1,
        digits: 3,
        tool_calls: vec![
            ToolCall {
                tool: Some(ToolName::TransferCall),
                at: Duration::from_millis(41_300),
                outcome: Some(ToolOutcome::Failed),
            },
            ToolCall { tool: None, at: Duration::from_secs(52), outcome: Some(ToolOutcome::Rejected) },
        ],
        failed_transfers: 1,
        media: Some(Quality {
            received: Way {
                packets: 2_940,
                lost: Some(12),
                jitter: Some(Duration::from_micros(1_340)),
                longest_gap: Duration::from_millis(83),
            },
            sent: Way { packets: 2_985, lost: None, jitter: None, longest_gap: Duration::from_millis(22) },
            unsent: 4,
        }),
        metadata: BTreeMap::from([("crm".to_owned(), json!(7))]),
        ending: Ending::CallerHungUp,
        ended_at: "2026-03-01T12:01:00.000999Z".parse().unwrap(),
    }
}

fn read(line: &str) -> Value {
    assert!(!line.contains('\n'), "one line");
    serde_json::from_str(line).unwrap()
}

/// Each way in which a call can end.
pub fn every_ending() -> impl Iterator<Item = Ending> {
    let plain = [
        Ending::CallerHungUp,
        Ending::CallerCancelled,
        Ending::Played,
        Ending::Transferred,
        Ending::AgentHungUp,
        Ending::TimeLimit,
        Ending::TurnLimit,
        Ending::SilenceLimit,
        Ending::Drained,
    ];
    let faults = [
        Fault::Join,
        Fault::NotAnswered,
        Fault::Room,
        Fault::ModelUnavailable,
        Fault::ModelLost,
        Fault::Transfer,
        Fault::Internal,
    ];
    let refused = Refusal::ALL.into_iter().map(Ending::Refused);
    plain.into_iter().chain(refused).chain(faults.into_iter().map(Ending::Failed))
}

#[test]
fn records_of_every_ending_are_valid() {
    for ending in every_ending() {
        let begun = CallRecord::begun(CallId::from_u128(1), Timestamp::UNIX_EPOCH);
        for record in [whole(), begun] {
            let line = read(&wire::line(&CallRecord { ending, ..record }));
            assert_valid(SCHEMA, &line);
            assert_eq!(line["ending"]["how"], ending.name());
            assert_eq!(line["ending"]["detail"], json!(ending.detail()));
        }
    }
}

#[test]
fn records_of_calls_beyond_a_limit_name_it() {
    for limit in Limit::ALL {
        let line = read(&wire::line(&CallRecord { limit: Some(limit), ..whole() }));
        assert_valid(SCHEMA, &line);
        assert_eq!(line["limit"], limit.name());
    }
}

#[test]
fn records_of_every_kind_of_route_are_valid() {
    for matched in Match::ALL {
        let route = whole().route.map(|route| RouteTaken { matched, ..route });
        let line = read(&wire::line(&CallRecord { route, ..whole() }));
        assert_valid(SCHEMA, &line);
        assert_eq!(line["route"]["match"], matched.name());
    }
}

#[test]
fn records_of_every_config_outcome_are_valid() {
    for why in Why::ALL.map(Some).into_iter().chain([None]) {
        let config = whole().config.map(|report| Report { why, ..report });
        assert_valid(SCHEMA, &read(&wire::line(&CallRecord { config, ..whole() })));
    }
    for source in [
        ConfigSource::Cache,
        ConfigSource::Backend,
        ConfigSource::Stale,
        ConfigSource::Dialplan,
        ConfigSource::Default,
    ] {
        let config = whole().config.map(|report| Report { source, age: None, ..report });
        assert_valid(SCHEMA, &read(&wire::line(&CallRecord { config, ..whole() })));
    }
}

#[test]
fn an_interrupted_call_keeps_what_was_known_at_its_permit() {
    let record = whole();
    let line = read(&wire::interrupted(&record.opening()));
    assert_valid(SCHEMA, &line);
    assert_eq!(line["ending"], json!({"by": "router", "how": "interrupted", "detail": null}));
    assert_eq!((&line["ended_at"], &line["tenant"]), (&json!(null), &json!("acme")));
    assert_eq!(line["call"]["called"]["number"], "+15557770001");
}

#[test]
fn a_record_says_what_happened() {
    assert_eq!(read(&wire::line(&whole())), fixture("records/whole.json"));
}
