//! The events of OpenAI Realtime as JSON, and nothing of what they mean for a call.
//!
//! Source: OpenAI's API reference, "Realtime client events" and "Realtime server events". Reading is tolerant:
//! unknown events and unknown fields are nothing, and a value that we only report may be missing or odd.

use std::borrow::Cow;

use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::realtime::{ItemId, Opening, ResponseId, ResponseOutcome, Usage};
use crate::tenant::Greeting;

/// Padded as RFC 4648 says when written; read with or without, as servers differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Names of errors and reasons are the server's text: cut to what a record or a metric can hold.
const MAX_NAME: usize = 64;

/// What a server event says, as far as it concerns us.
#[derive(Debug, PartialEq)]
pub(super) enum ServerEvent<'a> {
    SessionCreated { session: String, expires_at: Option<Timestamp> },
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ResponseCreated { response: ResponseId },
    AudioDelta { response: ResponseId, item: ItemId, base64: Cow<'a, str> },
    AudioDone { item: ItemId },
    ResponseDone { response: ResponseId, outcome: ResponseOutcome, usage: Usage },
    Error(ServerError),
    Other,
}

/// An `error` event, without its text: that may quote what we sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    /// The code, or the type of an error without one.
    pub(super) code: String,
    pub(super) fatal: bool,
    /// Which parameter of the client event is meant: `session.audio.output.voice`.
    pub(super) param: Option<String>,
    /// The client event that it answers.
    pub(super) event_id: Option<String>,
}

/// Not JSON, or a known event without what makes it up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event of this dialect")]
pub(super) struct Unreadable;

/// Errors after which no session can be had with this key and model: by code or by type.
const FATAL: [&str; 8] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "invalid_api_key",
    "account_deactivated",
    "billing_hard_limit_reached",
    "session_expired",
    "invalid_model",
    "beta_api_shape_disabled",
];

pub(super) fn is_fatal(name: &str) -> bool {
    FATAL.contains(&name)
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SessionCreated {
    session: Session,
}

#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    expires_at: Value,
}

#[derive(Deserialize)]
struct AudioDelta<'a> {
    response_id: String,
    item_id: String,
    #[serde(borrow)]
    delta: Cow<'a, str>,
}

#[derive(Deserialize)]
struct AudioDone {
    item_id: String,
}

#[derive(Deserialize)]
struct ResponseEvent {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    status_details: Value,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct ErrorEvent {
    #[serde(default)]
    error: Value,
}

/// Reads one text frame. Two passes, so that an event we don't know costs no more than finding its type.
pub(super) fn read(frame: &str) -> Result<ServerEvent<'_>, Unreadable> {
    let Kind { kind } = parse(frame)?;
    match kind.as_ref() {
        "session.created" => {
            let Session { id, expires_at } = parse::<SessionCreated>(frame)?.session;
            Ok(ServerEvent::SessionCreated {
                session: name(&id).unwrap_or_default(),
                expires_at: expires_at.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok()),
            })
        }
        "session.updated" => known(frame, ServerEvent::SessionUpdated),
        "input_audio_buffer.speech_started" => known(frame, ServerEvent::SpeechStarted),
        "input_audio_buffer.speech_stopped" => known(frame, ServerEvent::SpeechStopped),
        "response.created" => {
            let Response { id, .. } = parse::<ResponseEvent>(frame)?.response;
            Ok(ServerEvent::ResponseCreated { response: ResponseId(id) })
        }
        "response.output_audio.delta" => {
            let AudioDelta { response_id, item_id, delta } = parse(frame)?;
            let (response, item) = (ResponseId(response_id), ItemId(item_id));
            Ok(ServerEvent::AudioDelta { response, item, base64: delta })
        }
        "response.output_audio.done" => {
            Ok(ServerEvent::AudioDone { item: ItemId(parse::<AudioDone>(frame)?.item_id) })
        }
        "response.done" => {
            let response = parse::<ResponseEvent>(frame)?.response;
            let (outcome, usage) = (outcome(&response), usage(&response.usage));
            Ok(ServerEvent::ResponseDone { response: ResponseId(response.id), outcome, usage })
        }
        "error" => Ok(ServerEvent::Error(error(&parse::<ErrorEvent>(frame)?.error))),
        _ => Ok(ServerEvent::Other),
    }
}

fn parse<'a, T: Deserialize<'a>>(frame: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(frame).map_err(|_| Unreadable)
}

/// An event whose type says all.
fn known<'a>(frame: &str, event: ServerEvent<'a>) -> Result<ServerEvent<'a>, Unreadable> {
    parse::<IgnoredAny>(frame).map(|_| event)
}

/// A name the server gave, fit for a record: a few plain characters. `None` for nothing and for no name.
fn name(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name: String = text.chars().filter(plain).take(MAX_NAME).collect();
    (!name.is_empty()).then_some(name)
}

fn outcome(response: &Response) -> ResponseOutcome {
    let detail = |pointer: &str| response.status_details.pointer(pointer).and_then(name);
    match response.status.as_str() {
        Some("cancelled") => ResponseOutcome::Cancelled,
        Some("failed") => {
            let code = detail("/error/code").or_else(|| detail("/error/type"));
            ResponseOutcome::Failed { code: code.unwrap_or_else(|| "unknown".to_owned()) }
        }
        Some("incomplete") => {
            ResponseOutcome::Incomplete { reason: detail("/reason").unwrap_or_else(|| "unknown".to_owned()) }
        }
        // Servers that copy the dialect leave the status out.
        Some(_) | None => ResponseOutcome::Completed,
    }
}

fn usage(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input_text: count("/input_token_details/text_tokens"),
        input_audio: count("/input_token_details/audio_tokens"),
        cached: count("/input_token_details/cached_tokens"),
        output_text: count("/output_token_details/text_tokens"),
        output_audio: count("/output_token_details/audio_tokens"),
    }
}

fn error(error: &Value) -> ServerError {
    let field = |key: &str| error.get(key).and_then(name);
    let (code, kind) = (field("code"), field("type"));
    let fatal = [&code, &kind].into_iter().flatten().any(|name| is_fatal(name));
    ServerError {
        // Of a code and a type of which one is fatal, that one says why the session is over.
        code: match (code, kind) {
            (Some(code), Some(kind)) if is_fatal(&kind) && !is_fatal(&code) => kind,
            (Some(code), _) => code,
            (None, kind) => kind.unwrap_or_else(|| "unknown".to_owned()),
        },
        fatal,
        param: field("param"),
        event_id: field("event_id"),
    }
}

/// Our configuration of the session. GA has no `temperature`: it would refuse the whole update. `model` is
/// given by the address and can't change.
pub(super) fn session_update(event_id: &str, opening: &Opening, voice: Option<&str>) -> String {
    let format = json!({"type": "audio/pcm", "rate": crate::media::MODEL_RATE});
    let output = match voice {
        Some(voice) => json!({"format": format, "voice": voice}),
        None => json!({"format": format}),
    };
    let vad = json!({"type": "server_vad", "create_response": true, "interrupt_response": true});
    let event = json!({
        "type": "session.update",
        "event_id": event_id,
        "session": {
            "type": "realtime",
            // Empty on purpose where there is no prompt: the server has a default of its own.
            "instructions": opening.instructions.as_ref().map_or("", |prompt| prompt.reveal()),
            "output_modalities": ["audio"],
            "audio": {
                "input": {"format": format, "turn_detection": vad},
                "output": output,
            },
            "max_output_tokens": opening.max_output_tokens,
            "tools": [],
            "tool_choice": "auto",
        },
    });
    event.to_string()
}

/// The request for the first words; `None` where the caller speaks first.
pub(super) fn greeting(event_id: &str, greeting: &Greeting) -> Option<String> {
    let event = match greeting {
        Greeting::Say(words) => json!({
            "type": "response.create",
            "event_id": event_id,
            "response": {
                // In place of the session's instructions, for this response only.
                "instructions": format!(
                    "Say exactly the following to the caller, word for word, and nothing else:\n\n{}",
                    words.reveal()
                ),
                "tool_choice": "none",
                "metadata": {"purpose": "greeting"},
            },
        }),
        Greeting::FromPrompt => json!({"type": "response.create", "event_id": event_id}),
        Greeting::None => return None,
    };
    Some(event.to_string())
}

/// Names the response, so that a cancel that comes too late can't hit the next one.
pub(super) fn response_cancel(response: &ResponseId) -> String {
    json!({"type": "response.cancel", "response_id": response.0}).to_string()
}

pub(super) fn item_truncate(item: &ItemId, audio_end_ms: u64) -> String {
    let event = json!({
        "type": "conversation.item.truncate",
        "item_id": item.0,
        "content_index": 0,
        "audio_end_ms": audio_end_ms,
    });
    event.to_string()
}

/// The caller's audio. Fifty of these a second and call: written by hand into one allocation.
pub(super) fn audio_append(pcm: &[i16], bytes: &mut Vec<u8>) -> String {
    const HEAD: &str = r#"{"type":"input_audio_buffer.append","audio":""#;
    const TAIL: &str = r#""}"#;
    bytes.clear();
    bytes.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
    let encoded = bytes.len().div_ceil(3) * 4;
    let mut event = String::with_capacity(HEAD.len() + encoded + TAIL.len());
    event.push_str(HEAD);
    BASE64.encode_string(&bytes[..], &mut event);
    event.push_str(TAIL);
    event
}

/// Appends the bytes of a delta.
pub(super) fn decode_audio(base64: &str, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    BASE64.decode_vec(base64, bytes).map_err(|_| Unreadable)
}
