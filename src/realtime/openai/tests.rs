#![expect(clippy::needless_pass_by_value, reason = "an event is written where it is heard")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::realtime::{Dialect, ItemId, Usage};
use crate::tenant::{Greeting, TurnDetection};

mod any_order;
mod asking;
mod flat;
mod g711;

const NOTHING: [String; 0] = [];

fn opening(greeting: Greeting) -> Opening {
    Opening {
        model: "gpt-realtime-2.1".into(),
        voice: Some("marin".into()),
        audio: Format::Pcm,
        instructions: Some("You answer the phone.".into()),
        temperature: Some(0.7),
        greeting,
        language: Some("en-US".into()),
        max_output_tokens: 4096,
        turn_detection: TurnDetection::default(),
        interruptible: true,
        tools: Vec::new(),
        history: Vec::new(),
    }
}

fn dialect(opening: Opening) -> OpenAi {
    OpenAi::new(&provider(), opening)
}

fn provider() -> Provider {
    Provider {
        name: "test".into(),
        dialect: Dialect::OpenAiRealtime,
        url: "http://127.0.0.1/v1".parse().unwrap(),
        api_key: "".into(),
        model: "m".into(),
        fallback: Vec::new(),
        transcription: None,
        g711: false,
    }
}

fn created() -> Value {
    json!({"type": "session.created", "event_id": "e1", "session": {
        "type": "realtime", "object": "realtime.session", "id": "sess_1", "expires_at": 1_800_000_000}})
}

/// A dialect whose session is configured, without a greeting.
fn configured() -> OpenAi {
    let mut dialect = self::dialect(opening(Greeting::None));
    hear(&mut dialect, created());
    let reaction = hear(&mut dialect, json!({"type": "session.updated", "session": {}}));
    assert_eq!(
        reaction,
        Reaction { events: vec![ModelEvent::Configured { audio: Format::Pcm }], send: Vec::new() }
    );
    dialect
}

fn hear(dialect: &mut OpenAi, event: Value) -> Reaction {
    dialect.on_server(&event.to_string())
}

fn events(dialect: &mut OpenAi, event: Value) -> Vec<ModelEvent> {
    let reaction = hear(dialect, event);
    assert_eq!(reaction.send, Vec::<String>::new());
    reaction.events
}

/// The one frame.
fn sent(frames: Vec<String>) -> Value {
    let [frame] = frames.as_slice() else { panic!("{frames:?}") };
    serde_json::from_str(frame).unwrap()
}

fn all_sent(frames: Vec<String>) -> Vec<Value> {
    frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect()
}

fn begin(response: &str) -> Value {
    json!({"type": "response.created", "response": {"id": response, "status": "in_progress", "metadata": null}})
}

fn delta(response: &str, item: &str, bytes: &[u8]) -> Value {
    json!({"type": "response.output_audio.delta", "event_id": "e", "response_id": response, "item_id": item,
        "output_index": 0, "content_index": 0, "delta": STANDARD.encode(bytes)})
}

fn audio_done(response: &str, item: &str) -> Value {
    json!({"type": "response.output_audio.done", "response_id": response, "item_id": item})
}

fn done(response: &str, status: &str) -> Value {
    json!({"type": "response.done", "response": {"id": response, "status": status}})
}

fn error(code: Value, kind: &str, param: Value, event_id: Value) -> Value {
    json!({"type": "error", "event_id": "e9", "error": {
        "type": kind, "code": code, "message": "secret words", "param": param, "event_id": event_id}})
}

fn started(response: &str) -> ModelEvent {
    ModelEvent::AgentStarted { response: ResponseId(response.into()) }
}

fn audio(response: &str, item: &str, pcm: &[i16]) -> ModelEvent {
    let (response, item) = (ResponseId(response.into()), ItemId(item.into()));
    ModelEvent::AgentAudio { response, item, audio: Audio::Pcm(pcm.to_vec()) }
}

fn item_done(item: &str) -> ModelEvent {
    ModelEvent::AgentAudioDone { item: ItemId(item.into()) }
}

fn ended(response: &str, outcome: ResponseOutcome) -> ModelEvent {
    ModelEvent::AgentDone { response: ResponseId(response.into()), outcome, usage: Usage::default() }
}

fn refused(code: &str) -> ModelEvent {
    ModelEvent::Closed(Closed::Refused { code: code.into() })
}

fn warned(code: &str) -> ModelEvent {
    ModelEvent::Warning { code: code.into() }
}

fn heard(item: &str, millis: u64) -> ModelCommand {
    ModelCommand::Heard { item: ItemId(item.into()), heard: Duration::from_millis(millis) }
}

#[test]
fn the_session_is_configured_when_the_server_speaks_and_has_no_temperature() {
    let mut dialect = self::dialect(opening(Greeting::None));
    let reaction = hear(&mut dialect, created());
    let expires_at = Some(Timestamp::from_second(1_800_000_000).unwrap());
    assert_eq!(reaction.events, [ModelEvent::Ready { session: "sess_1".into(), expires_at }]);
    let format = json!({"type": "audio/pcm", "rate": 24000});
    let expected = json!({"type": "session.update", "event_id": "setup-0", "session": {
        "type": "realtime",
        "instructions": "You answer the phone.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": format, "turn_detection":
                {"type": "server_vad", "create_response": true, "interrupt_response": true}},
            "output": {"format": format, "voice": "marin"},
        },
        "max_output_tokens": 4096,
        "tools": [],
        "tool_choice": "auto",
    }});
    assert_eq!(sent(reaction.send), expected);
    assert_eq!(hear(&mut dialect, created()), Reaction::default(), "once");
}

#[test]
fn without_prompt_and_voice_the_prompt_is_empty_and_the_voice_the_servers() {
    let opening = Opening { voice: None, instructions: None, ..opening(Greeting::None) };
    let update = sent(hear(&mut dialect(opening), created()).send);
    assert_eq!(update["session"]["instructions"], "");
    assert_eq!(update["session"]["audio"]["output"].get("voice"), None);
}

#[test]
fn the_greeting_is_asked_for_as_soon_as_the_session_is_configured() {
    let mut say = dialect(opening(Greeting::Say("Thank you for calling.".into())));
    hear(&mut say, created());
    let reaction = hear(&mut say, json!({"type": "session.updated"}));
    assert_eq!(reaction.events, [ModelEvent::Configured { audio: Format::Pcm }]);
    let expected = json!({"type": "response.create", "event_id": "greeting-1", "response": {
        "instructions": "Say exactly the following to the caller, word for word, and nothing else:\n\n\
            Thank you for calling.",
        "tool_choice": "none",
        "metadata": {"purpose": "greeting", "request": "greeting-1"}}});
    assert_eq!(sent(reaction.send), expected);

    let mut from_prompt = dialect(opening(Greeting::FromPrompt));
    hear(&mut from_prompt, created());
    let reaction = hear(&mut from_prompt, json!({"type": "session.updated"}));
    let metadata = json!({"purpose": "respond", "request": "respond-1"});
    let expected =
        json!({"type": "response.create", "event_id": "respond-1", "response": {"metadata": metadata}});
    assert_eq!(sent(reaction.send), expected, "instructions here would replace the prompt");
    let again = Reaction { events: vec![ModelEvent::Alive], send: Vec::new() };
    assert_eq!(hear(&mut from_prompt, json!({"type": "session.updated"})), again, "once");
}

#[test]
fn the_callers_audio_goes_out_as_little_endian_base64_once_the_session_is_configured() {
    let command = ModelCommand::Audio(Audio::Pcm(vec![1, -2, 0x1234]));
    assert_eq!(dialect(opening(Greeting::None)).on_command(&command), NOTHING);
    let append = sent(configured().on_command(&command));
    let expected =
        json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode([1, 0, 254, 255, 0x34, 0x12])});
    assert_eq!(append, expected);
}

#[test]
fn a_response_is_heard_from_its_beginning_to_its_end() {
    let mut dialect = configured();
    assert_eq!(events(&mut dialect, begin("r1")), [started("r1")]);
    assert_eq!(events(&mut dialect, begin("r1")), [], "announced twice");
    assert_eq!(events(&mut dialect, delta("r1", "a", &[1, 0, 2, 0])), [audio("r1", "a", &[1, 2])]);
    assert_eq!(events(&mut dialect, delta("r1", "a", &[])), []);
    // The second item begins before the first has ended.
    assert_eq!(events(&mut dialect, delta("r1", "b", &[3, 0])), [audio("r1", "b", &[3])]);
    assert_eq!(events(&mut dialect, audio_done("r1", "a")), [item_done("a")]);
    assert_eq!(events(&mut dialect, audio_done("r1", "a")), [], "ended twice");
    assert_eq!(events(&mut dialect, delta("r1", "a", &[1, 0])), [], "after its end");
    let usage = json!({"total_tokens": 100, "input_tokens": 60, "output_tokens": 40,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 50, "cached_tokens": 7, "image_tokens": 0},
        "output_token_details": {"text_tokens": 11, "audio_tokens": 29}});
    let end = json!({"type": "response.done", "response": {
        "id": "r1", "status": "completed", "status_details": null, "output": [], "usage": usage}});
    let usage = Usage { input_text: 10, input_audio: 50, cached: 7, output_text: 11, output_audio: 29 };
    let over = ModelEvent::AgentDone {
        response: ResponseId("r1".into()),
        outcome: ResponseOutcome::Completed,
        usage,
    };
    assert_eq!(events(&mut dialect, end.clone()), [item_done("b"), over]);
    assert_eq!(events(&mut dialect, end), [], "over twice");
    assert_eq!(events(&mut dialect, delta("r1", "b", &[1, 0])), [], "late");
}

#[test]
fn a_sample_cut_in_two_by_deltas_is_put_together_per_item() {
    let mut dialect = configured();
    assert_eq!(events(&mut dialect, delta("r", "a", &[1, 0, 2])), [started("r"), audio("r", "a", &[1])]);
    assert_eq!(events(&mut dialect, delta("r", "b", &[9])), []);
    assert_eq!(events(&mut dialect, delta("r", "a", &[1])), [audio("r", "a", &[258])]);
    assert_eq!(events(&mut dialect, delta("r", "b", &[0, 5, 0])), [audio("r", "b", &[9, 5])]);
}

#[test]
fn how_a_response_ended_is_told_with_the_servers_reason() {
    let with = |status: &str, details: Value| json!({"type": "response.done", "response": {"id": "r", "status": status, "status_details": details}});
    let failed = |code: &str| ResponseOutcome::Failed { code: code.into() };
    let incomplete = |reason: &str| ResponseOutcome::Incomplete { reason: reason.into() };
    let table = [
        (done("r", "completed"), ResponseOutcome::Completed),
        (
            json!({"type": "response.done", "response": {"id": "r", "usage": "much"}}),
            ResponseOutcome::Completed,
        ),
        (
            with("cancelled", json!({"type": "cancelled", "reason": "turn_detected"})),
            ResponseOutcome::Cancelled,
        ),
        (with("failed", json!({"error": {"type": "server_error", "code": null}})), failed("server_error")),
        (
            with("failed", json!({"error": {"type": "t", "code": "rate_limit_exceeded"}})),
            failed("rate_limit_exceeded"),
        ),
        (with("failed", Value::Null), failed("unknown")),
        (with("incomplete", json!({"reason": "max_output_tokens"})), incomplete("max_output_tokens")),
        (with("incomplete", json!(3)), incomplete("unknown")),
    ];
    for (event, outcome) in table {
        let mut dialect = configured();
        // Nobody announced it: it begins and ends at once.
        assert_eq!(events(&mut dialect, event), [started("r"), ended("r", outcome)]);
    }
    let mut dialect = configured();
    let event =
        with("failed", json!({"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}));
    let over = [started("r"), ended("r", failed("insufficient_quota")), refused("insufficient_quota")];
    assert_eq!(events(&mut dialect, event), over);
}

#[test]
fn when_the_caller_breaks_in_nothing_more_of_the_response_is_heard_and_what_was_heard_is_told() {
    let mut dialect = configured();
    events(&mut dialect, begin("r1"));
    events(&mut dialect, delta("r1", "a", &[0; 48 * 500]));
    let start = json!({"type": "input_audio_buffer.speech_started", "audio_start_ms": 1200, "item_id": "u"});
    assert_eq!(events(&mut dialect, start), [ModelEvent::CallerStarted]);
    assert_eq!(dialect.on_command(&ModelCommand::StopSpeaking), NOTHING, "the server stops by itself");
    assert_eq!(events(&mut dialect, delta("r1", "a", &[0; 96])), []);
    let cut = |ms: u64| json!({"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": ms});
    for (played, told) in [(320, 320), (500, 500), (501, 500), (100_000, 500), (0, 0)] {
        assert_eq!(sent(dialect.on_command(&heard("a", played))), cut(told));
    }
    assert_eq!(dialect.on_command(&heard("u", 20)), NOTHING, "not an item that was spoken");
    assert_eq!(
        events(&mut dialect, done("r1", "cancelled")),
        [item_done("a"), ended("r1", ResponseOutcome::Cancelled)]
    );
    let stop = json!({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2000, "item_id": "u"});
    assert_eq!(events(&mut dialect, stop), [ModelEvent::CallerStopped { item: Some(ItemId("u".into())) }]);
    assert_eq!(events(&mut dialect, begin("r2")), [started("r2")]);
    assert_eq!(events(&mut dialect, delta("r2", "b", &[1, 0])), [audio("r2", "b", &[1])]);
}

#[test]
fn stop_speaking_cancels_the_active_response_and_only_that() {
    let mut dialect = configured();
    assert_eq!(dialect.on_command(&ModelCommand::StopSpeaking), NOTHING, "nothing is being said");
    events(&mut dialect, begin("r1"));
    let cancel = sent(dialect.on_command(&ModelCommand::StopSpeaking));
    assert_eq!(cancel, json!({"type": "response.cancel", "response_id": "r1"}));
    assert_eq!(dialect.on_command(&ModelCommand::StopSpeaking), NOTHING, "once");
    assert_eq!(events(&mut dialect, delta("r1", "a", &[1, 0])), []);
    assert_eq!(events(&mut dialect, done("r1", "cancelled")), [ended("r1", ResponseOutcome::Cancelled)]);
    assert_eq!(dialect.on_command(&ModelCommand::StopSpeaking), NOTHING);
}

#[test]
fn a_server_that_never_ends_interrupted_responses_has_them_ended_for_it() {
    let mut dialect = configured();
    for response in ["r1", "r2", "r3", "r4"] {
        assert_eq!(events(&mut dialect, begin(response)), [started(response)]);
    }
    assert_eq!(events(&mut dialect, begin("r5")), [ended("r1", ResponseOutcome::Cancelled), started("r5")]);
}

#[test]
fn an_error_is_fatal_by_code_or_type_or_before_the_session_and_else_a_warning() {
    let table = [
        (
            error(json!("session_expired"), "invalid_request_error", json!(null), json!(null)),
            refused("session_expired"),
        ),
        (error(json!(null), "insufficient_quota", json!(null), json!(null)), refused("insufficient_quota")),
        (error(json!("odd"), "invalid_api_key", json!(null), json!(null)), refused("invalid_api_key")),
        (
            error(json!("invalid_value"), "invalid_request_error", json!("type"), json!("x")),
            warned("invalid_value"),
        ),
        (error(json!(null), "server_error", json!(null), json!(null)), warned("server_error")),
        (error(json!(42), "t", json!(null), json!(null)), warned("42")),
        (error(json!("with spaces\nand more"), "t", json!(1), json!({})), warned("withspacesandmore")),
        (json!({"type": "error"}), warned("unknown")),
        (json!({"type": "error", "error": "text"}), warned("unknown")),
    ];
    for (event, expected) in table {
        assert_eq!(events(&mut configured(), event.clone()), [expected], "{event}");
    }
    let mut unopened = dialect(opening(Greeting::None));
    let early = error(json!("model_not_found"), "invalid_request_error", json!(null), json!(null));
    assert_eq!(events(&mut unopened, early), [refused("model_not_found")]);
    assert_eq!(hear(&mut unopened, created()), Reaction::default(), "the session is over");
}

#[test]
fn a_refused_voice_is_left_out_once_and_any_other_refused_setup_ends_the_session() {
    let code = || json!("invalid_value");
    let voice = || json!("session.audio.output.voice");
    let asked = |opening: Opening| {
        let mut dialect = self::dialect(opening);
        hear(&mut dialect, created());
        dialect
    };
    for event_id in [json!("setup-0"), Value::Null] {
        let mut dialect = asked(opening(Greeting::FromPrompt));
        let Reaction { events: told, send } =
            hear(&mut dialect, error(code(), "invalid_request_error", voice(), event_id));
        assert_eq!(told, [warned(VOICE_REFUSED)]);
        let again = sent(send);
        assert_eq!(again["event_id"], "setup-1");
        assert_eq!(again["session"]["audio"]["output"].get("voice"), None);
        assert_eq!(again["session"]["instructions"], "You answer the phone.");
        let late = error(code(), "invalid_request_error", voice(), json!("setup-0"));
        assert_eq!(events(&mut dialect, late), [warned("invalid_value")], "an answer to the first");
        let twice = error(code(), "invalid_request_error", voice(), json!("setup-1"));
        assert_eq!(events(&mut dialect, twice), [refused("invalid_value")]);
    }
    let other = error(json!("unknown_parameter"), "t", json!("session.tools"), json!("setup-0"));
    assert_eq!(events(&mut asked(opening(Greeting::None)), other), [refused("unknown_parameter")]);
    let voiceless = Opening { voice: None, ..opening(Greeting::None) };
    let odd = error(code(), "t", voice(), json!("setup-0"));
    assert_eq!(events(&mut asked(voiceless), odd), [refused("invalid_value")]);
}

#[test]
fn what_is_no_event_is_named_once_and_the_session_goes_on() {
    let mut dialect = configured();
    assert_eq!(dialect.on_server("<html>").events, [warned(UNREADABLE)]);
    assert_eq!(dialect.on_server("[]").events, []);
    let odd =
        json!({"type": "response.output_audio.delta", "response_id": "r", "item_id": "a", "delta": "*"});
    assert_eq!(events(&mut dialect, odd), [started("r")]);
    assert_eq!(events(&mut dialect, json!({"type": "x_vendor.event", "delta": 1})), []);
    assert_eq!(events(&mut dialect, delta("r", "a", &[1, 0])), [audio("r", "a", &[1])]);
}
