//! What is refused, and what a response looks like.

use proptest::prelude::*;

use super::bench::*;
use super::*;
use crate::kit::tone::{dominant, tone_of};

/// The answer to one event in a configured session that has spoken a greeting.
fn error_of(event: &Value) -> Value {
    let mut bench = Bench::configured(json!({}));
    bench.send(json!({"type": "response.create"}));
    bench.pass(Duration::from_secs(5));
    let answer = bench.send(event);
    assert_eq!(kinds(&answer), ["error"], "{answer:?}");
    assert!(matches!(bench.notes.last(), Some(Note::Refused { .. })));
    answer[0]["error"].clone()
}

/// An event, and the code and param of its refusal.
type Row = (Value, &'static str, Value);

fn plain(kind: &str) -> Value {
    json!({"type": kind, "event_id": "c1"})
}

fn wrong_sessions() -> Vec<Row> {
    let update = |session: Value| json!({"type": "session.update", "event_id": "c1", "session": session});
    let input = |input: Value| update(json!({"type": "realtime", "audio": {"input": input}}));
    vec![
        (update(json!({})), "missing_required_parameter", json!("session.type")),
        (update(json!({"type": "transcription"})), "invalid_value", json!("session.type")),
        (
            update(json!({"type": "realtime", "temperature": 0.8})),
            "unknown_parameter",
            json!("session.temperature"),
        ),
        (update(json!({"type": "realtime", "voice": "marin"})), "unknown_parameter", json!("session.voice")),
        (update(json!({"type": "realtime", "model": "other"})), "invalid_value", json!("session.model")),
        (
            update(json!({"type": "realtime", "output_modalities": ["audio", "text"]})),
            "invalid_value",
            json!("session.output_modalities"),
        ),
        (
            update(json!({"type": "realtime", "audio": {"output": {"voice": "cedar"}}})),
            "cannot_update_voice",
            json!("session.audio.output.voice"),
        ),
        (
            update(json!({"type": "realtime", "max_output_tokens": 0})),
            "integer_below_min_value",
            json!("session.max_output_tokens"),
        ),
        (
            update(json!({"type": "realtime", "tools": [{"type": "function"}]})),
            "missing_required_parameter",
            json!("session.tools[0].name"),
        ),
        (
            input(json!({"format": {"type": "audio/pcmu", "rate": 8000}})),
            "unknown_parameter",
            json!("session.audio.input.format.rate"),
        ),
        (
            input(json!({"format": {"type": "audio/pcm", "rate": 16000}})),
            "invalid_value",
            json!("session.audio.input.format.rate"),
        ),
        (
            input(json!({"turn_detection": {"type": "semantic_vad", "threshold": 0.5}})),
            "unknown_parameter",
            json!("session.audio.input.turn_detection.threshold"),
        ),
    ]
}

fn wrong_events() -> Vec<Row> {
    let append = |audio| json!({"type": "input_audio_buffer.append", "event_id": "c1", "audio": audio});
    let create = |item: Value| json!({"type": "conversation.item.create", "event_id": "c1", "item": item});
    let respond =
        |response: Value| json!({"type": "response.create", "event_id": "c1", "response": response});
    vec![
        (json!({"event_id": "c1"}), "missing_required_parameter", json!("type")),
        (plain("session.start"), "invalid_value", json!("type")),
        (plain("output_audio_buffer.clear"), "invalid_value", json!("type")),
        (plain("input_audio_buffer.append"), "missing_required_parameter", json!("audio")),
        (append("no base64"), "invalid_value", json!("audio")),
        (append("AAAA"), "invalid_value", json!("audio")),
        (plain("input_audio_buffer.commit"), "input_audio_buffer_commit_empty", Value::Null),
        (plain("response.cancel"), "response_cancel_not_active", Value::Null),
        (respond(json!({"temperature": 1})), "unknown_parameter", json!("response.temperature")),
        (respond(json!({"metadata": {"a": 1}})), "invalid_type", json!("response.metadata.a")),
        (
            respond(json!({"audio": {"output": {"voice": "cedar"}}})),
            "cannot_update_voice",
            json!("response.audio.output.voice"),
        ),
        (
            create(
                json!({"type": "message", "role": "assistant", "content": [{"type": "input_text", "text": ""}]}),
            ),
            "invalid_value",
            json!("item.content[0].type"),
        ),
        (
            create(json!({"type": "message", "role": "user", "id": "i".repeat(33), "content": []})),
            "string_above_max_length",
            json!("item.id"),
        ),
        (
            create(json!({"type": "function_call_output", "call_id": "call_1", "output": "{}"})),
            "invalid_tool_call_id",
            json!("item.call_id"),
        ),
        (
            json!({"type": "conversation.item.delete", "item_id": "none", "event_id": "c1"}),
            "item_delete_invalid_item_id",
            json!("item_id"),
        ),
        (
            json!({"type": "conversation.item.truncate", "event_id": "c1", "item_id": "none", "content_index": 0}),
            "missing_required_parameter",
            json!("audio_end_ms"),
        ),
        (
            json!({"type": "conversation.item.truncate", "event_id": "c1", "item_id": "none", "content_index": 0,
                "audio_end_ms": 0}),
            "item_truncate_invalid_item_id",
            json!("item_id"),
        ),
    ]
}

#[test]
fn a_wrong_event_is_refused_by_code_and_param_with_its_event_id() {
    for (event, code, param) in wrong_sessions().into_iter().chain(wrong_events()) {
        let error = error_of(&event);
        let found = (error["code"].as_str(), &error["param"], &error["event_id"], &error["type"]);
        assert_eq!(found, (Some(code), &param, &json!("c1"), &json!("invalid_request_error")), "{event}");
    }
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut bench = Bench::configured(json!({"instructions": "a"}));
    let update = json!({"type": "realtime", "instructions": "b", "temperature": 0.8});
    bench.send(json!({"type": "session.update", "session": update}));
    assert_eq!(bench.session.config.value()["instructions"], "a");
}

#[test]
fn an_update_is_sparse_and_answered_with_the_whole_session() {
    let mut bench = Bench::configured(json!({"audio": {"output": {"voice": "cedar"}}}));
    let turns = json!({"type": "server_vad", "silence_duration_ms": 300});
    let update = json!({"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": turns}}});
    let answer = bench.send(json!({"type": "session.update", "session": update}));
    let session = &answer[0]["session"];
    assert_eq!(session["audio"]["output"]["voice"], "cedar");
    assert_eq!(session["audio"]["output"]["format"], json!({"type": "audio/pcm", "rate": 24000}));
    assert_eq!(session["audio"]["input"]["format"], json!({"type": "audio/pcmu"}));
    assert_eq!(session["audio"]["input"]["turn_detection"]["silence_duration_ms"], 300);
    assert_eq!(session["audio"]["input"]["turn_detection"]["create_response"], true);
    assert_eq!(session["model"], "gpt-realtime-2.1");
}

#[test]
fn a_greeting_comes_in_the_services_order_in_the_tone_of_its_voice() {
    for (format, codec) in [
        (json!({"type": "audio/pcm", "rate": 24000}), Codec::Pcm24k),
        (json!({"type": "audio/pcmu"}), Codec::Mulaw),
        (json!({"type": "audio/pcma"}), Codec::Alaw),
    ] {
        let mut bench = Bench::configured(json!({"audio": {"output": {"voice": "sage", "format": format}}}));
        let asked = json!({"instructions": "Say hello", "metadata": {"tag": "greeting"}});
        let mut events = bench.send(json!({"type": "response.create", "response": asked}));
        events.extend(bench.pass(Duration::from_secs(1)));
        let mut order = kinds(&events);
        order.dedup_by(|a, b| {
            let delta = |kind: &str| kind.starts_with("response.output_audio") && kind.ends_with("delta");
            delta(a) && delta(b)
        });
        assert_eq!(
            order,
            [
                "response.created",
                "rate_limits.updated",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "response.output_audio_transcript.delta",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "response.output_item.done",
                "conversation.item.done",
                "response.done",
            ]
        );
        let sound = audio_of(&events, codec);
        assert_eq!(sound.len(), usize::try_from(codec.rate() * 2).unwrap());
        let heard = dominant(&sound, codec.rate()).unwrap();
        assert!((heard - tone_of("sage")).abs() < 3.0, "{heard}");
        let deltas = of(&events, "response.output_audio_transcript.delta");
        let said: String = deltas.iter().map(|delta| delta.text("/delta")).collect();
        assert_eq!(said, Behaviour::default().words);
        let done = &events.last().unwrap()["response"];
        assert_eq!((&done["status"], &done["metadata"]["tag"]), (&json!("completed"), &json!("greeting")));
        assert_eq!(done["usage"]["output_token_details"]["audio_tokens"], 40);
        assert_eq!(done["output"][0]["content"][0]["transcript"], said);
    }
}

#[test]
fn a_text_response_has_no_audio_and_leaves_the_voice_open() {
    let mut bench = Bench::configured(json!({"output_modalities": ["text"]}));
    let mut events = bench.send(json!({"type": "response.create"}));
    events.extend(bench.pass(Duration::from_secs(1)));
    assert!(of(&events, "response.output_audio.delta").is_empty());
    assert_eq!(of(&events, "response.output_text.done")[0]["text"], Behaviour::default().words);
    let item = events.last().unwrap()["response"]["output"][0]["id"].clone();
    let cut =
        json!({"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": 0});
    assert_eq!(bench.send(cut)[0]["error"]["code"], "unsupported_content_type");
    let update = json!({"type": "realtime", "audio": {"output": {"voice": "cedar"}}});
    assert_eq!(kinds(&bench.send(json!({"type": "session.update", "session": update}))), ["session.updated"]);
}

#[test]
fn a_second_response_is_refused_while_one_is_active_and_cancelling_ends_it() {
    let mut bench = Bench::configured(json!({}));
    bench.send(json!({"type": "response.create"}));
    let second = bench.send(json!({"type": "response.create", "event_id": "c2"}));
    assert_eq!(second[0]["error"]["code"], "conversation_already_has_active_response");
    assert_eq!(second[0]["error"]["event_id"], "c2");
    let other = bench.send(json!({"type": "response.cancel", "response_id": "resp_other"}));
    assert_eq!(other[0]["error"]["code"], "response_cancel_not_active");
    let events = bench.send(json!({"type": "response.cancel"}));
    let done = &events.last().unwrap()["response"];
    assert_eq!(
        (&done["status"], &done["status_details"]["reason"]),
        (&json!("cancelled"), &json!("client_cancelled"))
    );
    assert_eq!(done["output"][0]["status"], "incomplete");
    assert!(bench.pass(Duration::from_secs(5)).is_empty());
}

#[test]
fn an_item_is_truncated_to_audio_that_was_sent_and_no_further() {
    let mut bench = Bench::configured(json!({}));
    let created = bench.send(json!({"type": "response.create"}));
    bench.pass(Duration::from_secs(1));
    let item = of(&created, "response.output_item.added")[0]["item"]["id"].clone();
    let cut = |ms: u64| json!({"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": ms});
    let error = &bench.send(cut(2_001))[0]["error"];
    assert_eq!((&error["code"], &error["param"]), (&json!("invalid_value"), &json!("audio_end_ms")));
    assert_eq!(error["message"], "Audio content of 2000ms is already shorter than 2001ms");
    assert_eq!(bench.send(cut(700))[0]["type"], "conversation.item.truncated");
    assert_eq!(bench.send(cut(701))[0]["error"]["code"], "invalid_value");
    let retrieved = bench.send(json!({"type": "conversation.item.retrieve", "item_id": item}));
    assert_eq!(retrieved[0]["item"]["content"][0]["transcript"], Value::Null);
    assert!(matches!(bench.notes[..], [.., Note::Truncated { audio_end, sent, .. }, Note::Refused { .. }]
        if (audio_end.as_millis(), sent.as_millis()) == (700, 2_000)));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z_./\\[\\]é]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("type|id|item|audio|format|role|content|[a-z_]{1,6}", inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_answered_and_the_session_goes_on(
        kind in prop::sample::select(vec![
            "session.update", "conversation.item.create", "conversation.item.truncate", "response.create",
            "input_audio_buffer.append", "response.cancel", "other",
        ]),
        key in prop::sample::select(vec!["session", "item", "item_id", "response", "audio", "event_id", "x"]),
        value in any_json(),
    ) {
        let mut bench = Bench::configured(json!({}));
        let answer = bench.send(json!({"type": kind, key: value}));
        prop_assert!(!answer.is_empty() || kind == "input_audio_buffer.append");
        bench.pass(Duration::from_secs(5));
        let after = bench.send(json!({"type": "input_audio_buffer.clear"}));
        prop_assert_eq!(kinds(&after), ["input_audio_buffer.cleared"]);
    }
}
