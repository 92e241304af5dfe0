//! One response: its events in OpenAI's order, its speech a tone in pieces.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::script::ToolCue;
use super::wire::{Ids, event};
use crate::kit::codec::Codec;
use crate::kit::json::{At as _, merge};
use crate::kit::tone::{sine, tone_of};

/// A quarter of full scale: well above comfort noise, far from clipping.
const AMPLITUDE: f32 = 0.25;

/// What a response is to be.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The `response` object of the client; null when voice detection asked.
    pub(super) asked: Value,
    pub(super) voice: String,
    pub(super) codec: Codec,
    /// In audio, or in text alone.
    pub(super) speaks: bool,
    pub(super) words: String,
    /// Speech at 24 kHz in place of the tone.
    pub(super) recorded: Option<Arc<[i16]>>,
    /// In place of any sound.
    pub(super) bytes: Option<Arc<[u8]>>,
    pub(super) length: Duration,
    pub(super) first_audio: Duration,
    pub(super) delta: Duration,
    pub(super) gap: Duration,
    /// Tokens of the caller's audio so far.
    pub(super) input_audio_tokens: u64,
}

/// A response that is being made.
#[derive(Debug)]
pub(super) struct Response {
    plan: Plan,
    pub(super) id: String,
    pub(super) item: String,
    previous: Option<String>,
    pub(super) hz: f32,
    /// When the next piece is due.
    pub(super) due: Instant,
    pub(super) sent: Duration,
    said: String,
}

/// How a response ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Completed,
    /// `turn_detected` or `client_cancelled`.
    Cancelled(&'static str),
    Failed(String),
}

impl Ending {
    pub(super) const fn status(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled(_) => "cancelled",
            Self::Failed(_) => "failed",
        }
    }

    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Completed => None,
            Self::Cancelled(reason) => Some((*reason).to_owned()),
            Self::Failed(code) => Some(code.clone()),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Completed => Value::Null,
            Self::Cancelled(reason) => json!({"type": "cancelled", "reason": reason}),
            Self::Failed(code) => {
                let error = json!({"type": "server_error", "code": code, "message": "The response failed."});
                json!({"type": "failed", "error": error})
            }
        }
    }
}

impl Response {
    pub(super) fn new(plan: Plan, ids: &mut Ids, previous: Option<String>, now: Instant) -> Self {
        Self {
            id: ids.next("resp"),
            item: ids.next("item"),
            previous,
            hz: tone_of(&plan.voice),
            due: now + plan.first_audio,
            sent: Duration::ZERO,
            said: String::new(),
            plan,
        }
    }

    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn is_spoken_out(&self) -> bool {
        self.sent >= self.plan.length
    }

    /// `response.created` and the rate limits: all there is of a response that fails at once.
    pub(super) fn created(&self, ids: &mut Ids) -> [Value; 2] {
        let limits = json!([
            {"name": "requests", "limit": 5000, "remaining": 4999, "reset_seconds": 0.012},
            {"name": "tokens", "limit": 800_000, "remaining": 795_000, "reset_seconds": 0.375},
        ]);
        let response = self.object("in_progress", &Value::Null, &json!([]), &Value::Null);
        [
            event(ids, "response.created", json!({ "response": response })),
            event(ids, "rate_limits.updated", json!({ "rate_limits": limits })),
        ]
    }

    /// The item and its one part, before any speech.
    pub(super) fn opened(&self, ids: &mut Ids) -> Vec<Value> {
        let item = self.begun_item();
        let part = if self.plan.speaks {
            json!({"type": "audio", "transcript": ""})
        } else {
            json!({"type": "text", "text": ""})
        };
        let added = json!({"response_id": self.id, "output_index": 0, "item": item});
        let mut events = vec![event(ids, "response.output_item.added", added)];
        events.extend(self.in_conversation(ids, "conversation.item.added", &item));
        events.push(event(ids, "response.content_part.added", self.at_part(json!({ "part": part }))));
        events
    }

    /// The next piece of speech and of its transcript; it is counted as sent.
    pub(super) fn piece(&mut self, ids: &mut Ids) -> Vec<Value> {
        let from = self.sent;
        self.sent = (from + self.plan.delta.max(Duration::from_millis(1))).min(self.plan.length);
        self.due += self.plan.gap;
        let kind = if self.plan.speaks {
            "response.output_audio_transcript.delta"
        } else {
            "response.output_text.delta"
        };
        let mut events = Vec::new();
        let words = self.next_words();
        if !words.is_empty() {
            self.said.push_str(&words);
            events.push(event(ids, kind, self.at_part(json!({ "delta": words }))));
        }
        if self.plan.speaks {
            let audio = STANDARD.encode(self.audio(from, self.sent));
            events.push(event(ids, "response.output_audio.delta", self.at_part(json!({ "delta": audio }))));
        }
        events
    }

    fn audio(&self, from: Duration, to: Duration) -> Vec<u8> {
        let codec = self.plan.codec;
        let Some(bytes) = &self.plan.bytes else { return codec.encode(&self.sound(from, to)) };
        let place = |time| codec.bytes_in(time).min(bytes.len());
        bytes.get(place(from)..place(to)).unwrap_or_default().to_vec()
    }

    fn sound(&self, from: Duration, to: Duration) -> Vec<i16> {
        let codec = self.plan.codec;
        let Some(recorded) = &self.plan.recorded else {
            return sine(self.hz, AMPLITUDE, codec.rate(), codec.samples_in(from), codec.samples_in(to));
        };
        let place = |time| usize::try_from(Codec::Pcm24k.samples_in(time)).unwrap_or(usize::MAX);
        let step = (Codec::Pcm24k.rate() / codec.rate()) as usize;
        let said = recorded.iter().skip(place(from)).take(place(to) - place(from));
        said.step_by(step).copied().collect()
    }

    /// Every `done` there is to say, up to `response.done`. An item that was cut is `incomplete`.
    pub(super) fn done(&self, ids: &mut Ids, ending: &Ending) -> Vec<Value> {
        let item = self.finished_item(ending);
        let said = &self.said;
        let part = if self.plan.speaks {
            json!({"type": "audio", "transcript": said})
        } else {
            json!({"type": "text", "text": said})
        };
        let mut events = Vec::new();
        if self.plan.speaks {
            let transcript = json!({ "transcript": said });
            events.push(event(ids, "response.output_audio.done", self.at_part(json!({}))));
            events.push(event(ids, "response.output_audio_transcript.done", self.at_part(transcript)));
        } else {
            events.push(event(ids, "response.output_text.done", self.at_part(json!({ "text": said }))));
        }
        events.push(event(ids, "response.content_part.done", self.at_part(json!({ "part": part }))));
        let done = json!({"response_id": self.id, "output_index": 0, "item": item});
        events.push(event(ids, "response.output_item.done", done));
        events.extend(self.in_conversation(ids, "conversation.item.done", &item));
        events.push(self.ended(ids, ending, &json!([item])));
        events
    }

    /// A call of a tool, whole and at once, as the item at this place of the response: the item, and its events.
    pub(super) fn tool_call(
        &self,
        ids: &mut Ids,
        place: usize,
        call: &str,
        cue: &ToolCue,
    ) -> (Value, Vec<Value>) {
        let id = ids.next("item");
        let item = |status: &str, arguments: &str| {
            json!({
                "id": id, "object": "realtime.item", "type": "function_call", "status": status,
                "call_id": call, "name": cue.name, "arguments": arguments,
            })
        };
        let (begun, done) = (item("in_progress", ""), item("completed", &cue.arguments));
        let at = |mut body: Value| {
            merge(&mut body, &json!({"response_id": self.id, "output_index": place}));
            body
        };
        let arguments = |key: &str| at(json!({"item_id": id, "call_id": call, key: cue.arguments}));
        let mut finished = arguments("arguments");
        merge(&mut finished, &json!({"name": cue.name}));
        let mut events = vec![event(ids, "response.output_item.added", at(json!({ "item": begun })))];
        events.extend(self.in_conversation(ids, "conversation.item.added", &begun));
        events.push(event(ids, "response.function_call_arguments.delta", arguments("delta")));
        events.push(event(ids, "response.function_call_arguments.done", finished));
        events.push(event(ids, "response.output_item.done", at(json!({ "item": done }))));
        events.extend(self.in_conversation(ids, "conversation.item.done", &done));
        (done, events)
    }

    /// `response.done` alone.
    pub(super) fn ended(&self, ids: &mut Ids, ending: &Ending, output: &Value) -> Value {
        let response = self.object(ending.status(), &ending.details(), output, &self.usage());
        event(ids, "response.done", json!({ "response": response }))
    }

    /// The item as it stands before any speech.
    pub(super) fn begun_item(&self) -> Value {
        self.item_object("in_progress")
    }

    /// The item as it stands when the response has ended.
    pub(super) fn finished_item(&self, ending: &Ending) -> Value {
        self.item_object(if *ending == Ending::Completed { "completed" } else { "incomplete" })
    }

    /// Whether its items belong to the conversation, or stand apart from it.
    pub(super) fn is_in_conversation(&self) -> bool {
        self.plan.asked.at("/conversation") != "none"
    }

    fn in_conversation(&self, ids: &mut Ids, kind: &str, item: &Value) -> Option<Value> {
        let body = json!({"previous_item_id": self.previous, "item": item});
        self.is_in_conversation().then(|| event(ids, kind, body))
    }

    /// A word for every share of the audio, so that the transcript ends with the speech.
    fn next_words(&self) -> String {
        let words: Vec<&str> = self.plan.words.split_whitespace().collect();
        let share = self.sent.as_secs_f64() / self.plan.length.as_secs_f64().max(f64::MIN_POSITIVE);
        let spoken = self.said.split_whitespace().count();
        let upto = words.iter().enumerate().filter(|(place, _)| {
            let place = f64::from(u32::try_from(*place).unwrap_or(u32::MAX));
            let count = f64::from(u32::try_from(words.len()).unwrap_or(u32::MAX));
            place < share * count
        });
        let new: Vec<&str> = upto.skip(spoken).map(|(_, word)| *word).collect();
        match (new.is_empty(), spoken) {
            (true, _) => String::new(),
            (false, 0) => new.join(" "),
            (false, _) => format!(" {}", new.join(" ")),
        }
    }

    fn at_part(&self, mut body: Value) -> Value {
        let place = json!({
            "response_id": self.id, "item_id": self.item, "output_index": 0, "content_index": 0,
        });
        merge(&mut body, &place);
        body
    }

    fn item_object(&self, status: &str) -> Value {
        let content = match (status, self.plan.speaks) {
            ("in_progress", _) => json!([]),
            (_, true) => json!([{"type": "output_audio", "transcript": self.said}]),
            (_, false) => json!([{"type": "output_text", "text": self.said}]),
        };
        json!({
            "id": self.item, "object": "realtime.item", "type": "message", "status": status,
            "role": "assistant", "content": content,
        })
    }

    fn object(&self, status: &str, details: &Value, output: &Value, usage: &Value) -> Value {
        let format = match self.plan.codec {
            Codec::Pcm24k => json!({"type": "audio/pcm", "rate": 24000}),
            Codec::Mulaw => json!({"type": "audio/pcmu"}),
            Codec::Alaw => json!({"type": "audio/pcma"}),
        };
        let or = |key: &str, default: Value| match self.plan.asked.at(key) {
            Value::Null => default,
            asked => asked.clone(),
        };
        json!({
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": self.is_in_conversation().then(|| format!("conv_{}", self.id)),
            "output_modalities": [if self.plan.speaks { "audio" } else { "text" }],
            "max_output_tokens": or("/max_output_tokens", json!("inf")),
            "audio": {"output": {"format": format, "voice": self.plan.voice}},
            "usage": usage,
            "metadata": or("/metadata", Value::Null),
        })
    }

    /// A token is 100 ms of the caller's audio or 50 ms of the model's, as OpenAI counts.
    fn usage(&self) -> Value {
        let audio = if self.plan.speaks { self.sent.as_millis() / 50 } else { 0 };
        let audio = u64::try_from(audio).unwrap_or(u64::MAX);
        let text = self.said.split_whitespace().count() as u64;
        let input_text = 100;
        let input_audio = self.plan.input_audio_tokens;
        json!({
            "total_tokens": input_text + input_audio + text + audio,
            "input_tokens": input_text + input_audio,
            "output_tokens": text + audio,
            "input_token_details": {
                "text_tokens": input_text, "audio_tokens": input_audio, "image_tokens": 0, "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        })
    }
}
