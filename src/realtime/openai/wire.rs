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
use serde_json::Value;

use crate::realtime::{ItemId, Limits, ResponseId, ResponseOutcome, ToolCallId, Usage};

pub(super) mod client;

/// Padded as RFC 4648 says when written; read with or without, as servers differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Names of errors and reasons are the server's text: cut to what a record or a metric can hold.
const MAX_NAME: usize = 64;
/// What is kept of a transcript, or of a tool call's arguments, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// The code of the error when we ask for a response while another is being made.
pub(super) const ALREADY_RESPONDING: &str = "conversation_already_has_active_response";
/// The code of the error when we cancel a response that is not being made.
pub(super) const NOT_RESPONDING: &str = "response_cancel_not_active";

/// What a server event says, as far as it concerns us.
#[derive(Debug, PartialEq)]
pub(super) enum ServerEvent<'a> {
    SessionCreated {
        session: String,
        expires_at: Option<Timestamp>,
    },
    /// `interrupts`: whether the caller's voice stops the model's from now on, if the server says.
    SessionUpdated {
        interrupts: Option<bool>,
    },
    SpeechStarted,
    /// `item`: what the turn becomes, if the server says.
    SpeechStopped {
        item: Option<ItemId>,
    },
    /// An item is in the conversation.
    ItemAdded {
        item: String,
    },
    /// `request`: what [`client::REQUEST`] says of it, if the server gives that back.
    ResponseCreated {
        response: ResponseId,
        request: Option<String>,
    },
    AudioDelta {
        response: ResponseId,
        item: ItemId,
        base64: Cow<'a, str>,
    },
    AudioDone {
        item: ItemId,
    },
    /// `None`: the turn could not be written down.
    CallerText {
        item: ItemId,
        text: Option<String>,
    },
    AgentText {
        item: ItemId,
        text: String,
    },
    ToolCalled {
        call: ToolCallId,
        name: String,
        arguments: String,
    },
    ResponseDone {
        response: ResponseId,
        request: Option<String>,
        outcome: ResponseOutcome,
        usage: Usage,
    },
    Limits(Limits),
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
const FATAL: [&str; 9] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "invalid_api_key",
    "account_deactivated",
    "billing_hard_limit_reached",
    "session_expired",
    "invalid_model",
    "model_not_found",
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
struct SessionUpdated {
    #[serde(default)]
    session: Value,
}

#[derive(Deserialize)]
struct ItemEvent {
    item: Value,
}

#[derive(Deserialize)]
struct Transcript {
    item_id: String,
    transcript: String,
}

#[derive(Deserialize)]
struct RateLimits {
    rate_limits: Vec<Value>,
}

#[derive(Deserialize)]
struct AudioDelta<'a> {
    response_id: String,
    item_id: String,
    #[serde(borrow)]
    delta: Cow<'a, str>,
}

/// An event of which no more is read than whose it is.
#[derive(Deserialize)]
struct OfItem {
    item_id: String,
}

#[derive(Deserialize)]
struct SpeechStopped {
    #[serde(default)]
    item_id: Value,
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
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct ErrorEvent {
    #[serde(default)]
    error: Value,
}

/// Reads one text frame, in either shape of the dialect: what has two names is told apart by them, and nothing has one
/// name and two meanings. Two passes, so that an event we don't know costs no more than finding its type.
pub(super) fn read(frame: &str) -> Result<ServerEvent<'_>, Unreadable> {
    let Kind { kind } = parse(frame)?;
    match kind.as_ref() {
        "session.created" => session_created(frame),
        "session.updated" => session_updated(frame),
        "input_audio_buffer.speech_started" => known(frame, ServerEvent::SpeechStarted),
        "input_audio_buffer.speech_stopped" => {
            let SpeechStopped { item_id } = parse(frame)?;
            Ok(ServerEvent::SpeechStopped { item: item_id.as_str().map(|id| ItemId(id.into())) })
        }
        "conversation.item.added" | "conversation.item.created" => item_added(frame),
        "response.created" => {
            let Response { id, metadata, .. } = parse::<ResponseEvent>(frame)?.response;
            Ok(ServerEvent::ResponseCreated { response: ResponseId(id), request: request(&metadata) })
        }
        "response.output_audio.delta" | "response.audio.delta" => {
            let AudioDelta { response_id, item_id, delta } = parse(frame)?;
            let (response, item) = (ResponseId(response_id), ItemId(item_id.into()));
            Ok(ServerEvent::AudioDelta { response, item, base64: delta })
        }
        "response.output_audio.done" | "response.audio.done" => {
            Ok(ServerEvent::AudioDone { item: ItemId(parse::<OfItem>(frame)?.item_id.into()) })
        }
        "response.output_audio_transcript.done" | "response.audio_transcript.done" => {
            let Transcript { item_id, transcript } = parse(frame)?;
            Ok(ServerEvent::AgentText { item: ItemId(item_id.into()), text: bounded(transcript) })
        }
        "conversation.item.input_audio_transcription.completed" => {
            let Transcript { item_id, transcript } = parse(frame)?;
            Ok(ServerEvent::CallerText { item: ItemId(item_id.into()), text: Some(bounded(transcript)) })
        }
        "conversation.item.input_audio_transcription.failed" => {
            Ok(ServerEvent::CallerText { item: ItemId(parse::<OfItem>(frame)?.item_id.into()), text: None })
        }
        "response.output_item.done" => tool_call(frame),
        "response.done" => {
            let response = parse::<ResponseEvent>(frame)?.response;
            let (outcome, usage) = (outcome(&response), usage(&response.usage));
            let request = request(&response.metadata);
            Ok(ServerEvent::ResponseDone { response: ResponseId(response.id), request, outcome, usage })
        }
        "rate_limits.updated" => Ok(ServerEvent::Limits(limits(&parse::<RateLimits>(frame)?.rate_limits))),
        "error" => Ok(ServerEvent::Error(error(&parse::<ErrorEvent>(frame)?.error))),
        _ => Ok(ServerEvent::Other),
    }
}

fn session_created(frame: &str) -> Result<ServerEvent<'_>, Unreadable> {
    let Session { id, expires_at } = parse::<SessionCreated>(frame)?.session;
    Ok(ServerEvent::SessionCreated {
        session: name(&id).unwrap_or_default(),
        expires_at: expires_at.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok()),
    })
}

fn session_updated(frame: &str) -> Result<ServerEvent<'_>, Unreadable> {
    let SessionUpdated { session } = parse(frame)?;
    let turns = ["/audio/input/turn_detection", "/turn_detection"];
    let turns = turns.iter().find_map(|place| session.pointer(place));
    let interrupts = turns.and_then(|turns| turns.get("interrupt_response")?.as_bool());
    Ok(ServerEvent::SessionUpdated { interrupts })
}

fn item_added(frame: &str) -> Result<ServerEvent<'_>, Unreadable> {
    let ItemEvent { item } = parse(frame)?;
    let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
    Ok(ServerEvent::ItemAdded { item: id.to_owned() })
}

/// A finished item, if it is a tool call. One that was cut off is none: its arguments are in pieces.
fn tool_call(frame: &str) -> Result<ServerEvent<'_>, Unreadable> {
    let ItemEvent { item } = parse(frame)?;
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    if text("type") != Some("function_call") || text("status") == Some("incomplete") {
        return Ok(ServerEvent::Other);
    }
    let call = text("call_id").filter(|id| !id.is_empty()).ok_or(Unreadable)?;
    Ok(ServerEvent::ToolCalled {
        call: ToolCallId(call.to_owned()),
        name: item.get("name").and_then(name).ok_or(Unreadable)?,
        arguments: bounded(text("arguments").unwrap_or_default().to_owned()),
    })
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

/// A text of the server, cut to what is kept of one.
fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

fn request(metadata: &Value) -> Option<String> {
    metadata.get(client::REQUEST).and_then(name)
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

fn limits(limits: &[Value]) -> Limits {
    let left = |kind: &str| {
        let of_kind = limits.iter().find(|limit| limit.get("name").and_then(Value::as_str) == Some(kind))?;
        let number = |key: &str| of_kind.get(key).and_then(Value::as_u64);
        let percent = number("remaining")?.saturating_mul(100).checked_div(number("limit")?)?;
        Some(u8::try_from(percent.min(100)).unwrap_or(100))
    };
    Limits { requests: left("requests"), tokens: left("tokens") }
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

/// Appends the bytes of a delta.
pub(super) fn decode_audio(base64: &str, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    BASE64.decode_vec(base64, bytes).map_err(|_| Unreadable)
}
