//! Our client events as JSON.

use base64::engine::Engine as _;
use serde_json::{Map, Value, json};

use super::BASE64;
use crate::media::audio::Format;
use crate::media::g711::Law;
use crate::realtime::openai::setup::Setup;
use crate::realtime::openai::turns::Request;
use crate::realtime::{ItemId, Opening, ResponseId, Said, Speaker, Tool, ToolCallId};
use crate::tenant::TurnDetection;

/// The key in the metadata of a response under which our name of the request stands.
pub(in crate::realtime::openai) const REQUEST: &str = "request";

/// What the flat shape takes for a temperature.
const TEMPERATURES: (f64, f64) = (0.6, 1.2);

/// The shapes of the dialect. What they share is written once, and read by one reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::realtime::openai) enum Shape {
    /// The generally available one: the session's audio in an object of its own.
    Ga,
    /// The one before it: flat, with a temperature, and other names for the assistant's parts.
    Flat,
}

/// Our configuration of the session. `model` is given by the address and can't change.
pub(in crate::realtime::openai) fn session_update(shape: Shape, opening: &Opening, setup: &Setup) -> String {
    let session = match shape {
        Shape::Ga => ga_session(opening, setup),
        Shape::Flat => flat_session(opening, setup),
    };
    json!({"type": "session.update", "event_id": setup.event_id(), "session": session}).to_string()
}

/// Changes that alone of the configuration. The detection is given whole: what is left out of it falls back to the
/// server's default.
pub(in crate::realtime::openai) fn let_interrupt(
    shape: Shape,
    event_id: &str,
    detection: TurnDetection,
) -> String {
    let turns = turn_detection(detection, true);
    let session = match shape {
        Shape::Ga => json!({"type": "realtime", "audio": {"input": {"turn_detection": turns}}}),
        Shape::Flat => json!({"turn_detection": turns}),
    };
    json!({"type": "session.update", "event_id": event_id, "session": session}).to_string()
}

/// A configuration that changes nothing: all that it leaves out stays as it is. The server says that it took it.
pub(in crate::realtime::openai) fn nothing_new(shape: Shape, event_id: &str) -> String {
    let session = match shape {
        Shape::Ga => json!({"type": "realtime"}),
        Shape::Flat => json!({}),
    };
    json!({"type": "session.update", "event_id": event_id, "session": session}).to_string()
}

/// What was said before this session, as an item of its conversation. A model's own audio can't be created.
pub(in crate::realtime::openai) fn said(shape: Shape, said: &Said) -> String {
    let (role, part) = match (said.by, shape) {
        (Speaker::Caller, _) => ("user", "input_text"),
        (Speaker::Agent, Shape::Ga) => ("assistant", "output_text"),
        (Speaker::Agent, Shape::Flat) => ("assistant", "text"),
    };
    let content = json!([{"type": part, "text": said.text.reveal()}]);
    let item = json!({"type": "message", "role": role, "content": content});
    json!({"type": "conversation.item.create", "item": item}).to_string()
}

/// Something of the caller that was not spoken.
pub(in crate::realtime::openai) fn told(id: &str, text: &str) -> String {
    let content = json!([{"type": "input_text", "text": text}]);
    let item = json!({"id": id, "type": "message", "role": "user", "content": content});
    json!({"type": "conversation.item.create", "item": item}).to_string()
}

pub(in crate::realtime::openai) fn tool_output(id: &str, call: &ToolCallId, output: &str) -> String {
    let item = json!({"id": id, "type": "function_call_output", "call_id": call.0, "output": output});
    json!({"type": "conversation.item.create", "item": item}).to_string()
}

/// The request for a response. Its name goes with it twice: an error gives back the event's id, and what the server
/// makes of it the metadata.
pub(in crate::realtime::openai) fn response_create(id: &str, request: &Request) -> String {
    let purpose = request.purpose();
    let metadata = json!({"purpose": purpose, REQUEST: id});
    let response = match request {
        Request::Greet(words) | Request::Say(words) => json!({
            // In place of the session's instructions, for this response only.
            "instructions": format!(
                "Say exactly the following to the caller, word for word, and nothing else:\n\n{}",
                words.reveal()
            ),
            "tool_choice": "none",
            "metadata": metadata,
        }),
        Request::Respond => json!({"metadata": metadata}),
    };
    json!({"type": "response.create", "event_id": id, "response": response}).to_string()
}

/// Names the response, so that a cancel that comes too late can't hit the next one.
pub(in crate::realtime::openai) fn response_cancel(response: &ResponseId) -> String {
    json!({"type": "response.cancel", "response_id": response.0}).to_string()
}

pub(in crate::realtime::openai) fn item_truncate(item: &ItemId, audio_end_ms: u64) -> String {
    let event = json!({
        "type": "conversation.item.truncate",
        "item_id": *item.0,
        "content_index": 0,
        "audio_end_ms": audio_end_ms,
    });
    event.to_string()
}

/// The caller's audio. Fifty of these a second and call: written by hand into one allocation.
pub(in crate::realtime::openai) fn audio_append(bytes: &[u8]) -> String {
    const HEAD: &str = r#"{"type":"input_audio_buffer.append","audio":""#;
    const TAIL: &str = r#""}"#;
    let encoded = bytes.len().div_ceil(3) * 4;
    let mut event = String::with_capacity(HEAD.len() + encoded + TAIL.len());
    event.push_str(HEAD);
    BASE64.encode_string(bytes, &mut event);
    event.push_str(TAIL);
    event
}

/// It has no `temperature`: the server would refuse the whole update.
fn ga_session(opening: &Opening, setup: &Setup) -> Value {
    let format = match setup.audio {
        Format::Pcm => json!({"type": "audio/pcm", "rate": Format::Pcm.rate()}),
        // These have no rate: the server would refuse the whole update.
        Format::G711(Law::Mu) => json!({"type": "audio/pcmu"}),
        Format::G711(Law::A) => json!({"type": "audio/pcma"}),
    };
    let mut input = Map::new();
    input.insert("format".to_owned(), format.clone());
    let turns = turn_detection(opening.turn_detection, opening.interruptible);
    input.insert("turn_detection".to_owned(), turns);
    if let Some(model) = &setup.transcription {
        input.insert("transcription".to_owned(), transcription(model, opening.language.as_deref()));
    }
    let output = match &setup.voice {
        Some(voice) => json!({"format": format, "voice": voice}),
        None => json!({"format": format}),
    };
    json!({
        "type": "realtime",
        "instructions": instructions(opening),
        "output_modalities": ["audio"],
        "audio": {"input": input, "output": output},
        "max_output_tokens": opening.max_output_tokens,
        "tools": opening.tools.iter().map(tool).collect::<Vec<_>>(),
        "tool_choice": "auto",
    })
}

fn flat_session(opening: &Opening, setup: &Setup) -> Value {
    let format = match setup.audio {
        Format::Pcm => "pcm16",
        Format::G711(Law::Mu) => "g711_ulaw",
        Format::G711(Law::A) => "g711_alaw",
    };
    let mut session = Map::new();
    let mut set = |key: &str, value: Value| session.insert(key.to_owned(), value);
    set("instructions", json!(instructions(opening)));
    set("modalities", json!(["text", "audio"]));
    set("input_audio_format", json!(format));
    set("output_audio_format", json!(format));
    set("turn_detection", turn_detection(opening.turn_detection, opening.interruptible));
    set("max_response_output_tokens", json!(opening.max_output_tokens));
    set("tools", opening.tools.iter().map(tool).collect());
    set("tool_choice", json!("auto"));
    if let Some(temperature) = opening.temperature {
        let (coldest, hottest) = TEMPERATURES;
        set("temperature", json!(temperature.clamp(coldest, hottest)));
    }
    if let Some(voice) = &setup.voice {
        set("voice", json!(voice));
    }
    if let Some(model) = &setup.transcription {
        set("input_audio_transcription", transcription(model, opening.language.as_deref()));
    }
    Value::Object(session)
}

/// Empty on purpose where there is no prompt: the server has a default of its own.
fn instructions(opening: &Opening) -> &str {
    opening.instructions.as_ref().map_or("", |prompt| prompt.reveal())
}

fn turn_detection(detection: TurnDetection, interruptible: bool) -> Value {
    match detection {
        TurnDetection::Silence => {
            json!({"type": "server_vad", "create_response": true, "interrupt_response": interruptible})
        }
        TurnDetection::Semantic(eagerness) => json!({
            "type": "semantic_vad",
            "eagerness": eagerness.name(),
            "create_response": true,
            "interrupt_response": interruptible,
        }),
    }
}

/// The models take a language of ISO 639, without its region.
fn transcription(model: &str, language: Option<&str>) -> Value {
    let code = |language: &&str| matches!(language.len(), 2 | 3);
    match language.and_then(|tag| tag.split('-').next()).filter(code) {
        Some(language) => json!({"model": model, "language": language.to_ascii_lowercase()}),
        None => json!({"model": model}),
    }
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    })
}
