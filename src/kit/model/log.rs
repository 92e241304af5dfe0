//! What the server saw of each session.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::kit::json::At as _;

/// Client events kept per session; later ones are only counted.
const MAX_EVENTS: usize = 20_000;

/// How much of an append's base64 is kept: 20 ms of G.711 whole, and too little to fill memory.
const AUDIO_KEPT: usize = 216;

/// One session, from its upgrade request on.
#[derive(Debug, Clone)]
pub struct SessionLog {
    /// `sess_...`
    pub id: String,
    pub model: String,
    /// By lower-case name. Holds the key.
    pub headers: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    pub opened: Instant,
    /// When and how the socket ended.
    pub closed: Option<(Instant, Closing)>,
    /// What the client sent, in order.
    pub events: Vec<ClientEvent>,
    /// Events beyond the bound of 20 000.
    pub events_dropped: u64,
    /// What was refused, in order.
    pub refused: Vec<Refused>,
    /// The effective configuration after the last `session.update` that was taken.
    pub session: Value,
    pub audio: AudioHeard,
    pub speech_started: Vec<Instant>,
    /// What the caller said, as voice detection cut it.
    pub utterances: Vec<Utterance>,
    pub responses: Vec<ResponseLog>,
    pub tool_calls: Vec<ToolCallLog>,
    pub truncations: Vec<Truncation>,
}

/// Who ended the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// A close frame of the client, with its code if it gave one.
    Client { code: Option<u16> },
    /// The client's TCP ended without a close frame.
    ClientLost,
    /// This server: by script, or because it was stopped.
    Server,
}

/// An event of the client. The audio of an append is cut to its first 216 base64 characters.
#[derive(Debug, Clone)]
pub struct ClientEvent {
    pub at: Instant,
    pub value: Value,
}

/// An event that was answered by an `error`.
#[derive(Debug, Clone)]
pub struct Refused {
    pub at: Instant,
    /// As it came, or null if it was no JSON.
    pub event: Value,
    /// The `error` object of the answer.
    pub error: Value,
}

/// The caller's audio as it arrived.
#[derive(Debug, Clone, Default)]
pub struct AudioHeard {
    pub appends: u64,
    pub bytes: u64,
    /// By the number of samples.
    pub length: Duration,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
}

/// A stretch of the caller's speech.
#[derive(Debug, Clone)]
pub struct Utterance {
    pub item: String,
    /// When its beginning was detected, by the clock; 60 ms of sound are needed for that.
    pub started: Instant,
    /// When its end was detected, by the clock; `None` while it lasts.
    pub stopped: Option<Instant>,
    /// The strongest frequency, if one stands out.
    pub tone_hz: Option<f32>,
    /// Sound in it, silence not counted.
    pub voiced: Duration,
    /// The longest silence in it.
    pub longest_pause: Duration,
}

/// A response.
#[derive(Debug, Clone)]
pub struct ResponseLog {
    pub id: String,
    /// The item that holds its speech, once there is one.
    pub item: String,
    /// The `response` object that asked for it; null when voice detection did.
    pub asked: Value,
    pub voice: String,
    pub tone_hz: f32,
    pub created: Instant,
    pub first_audio: Option<Instant>,
    /// Audio sent so far.
    pub sent: Duration,
    /// `response.done`: when, its status, and the reason of one that was not completed.
    pub done: Option<(Instant, String, Option<String>)>,
}

/// A tool call by script.
#[derive(Debug, Clone)]
pub struct ToolCallLog {
    pub at: Instant,
    /// Its id.
    pub call: String,
    pub name: String,
    /// What the client answered.
    pub output: Option<String>,
}

/// The client told how much of an item was heard.
#[derive(Debug, Clone)]
pub struct Truncation {
    pub at: Instant,
    pub item: String,
    pub audio_end: Duration,
    /// Audio of the item that had been sent by then.
    pub sent: Duration,
}

/// A fact that the session's machine reports to its log.
#[derive(Debug, Clone)]
pub(super) enum Note {
    Configured(Value),
    Refused { event: Value, error: Value },
    Audio { bytes: u64, length: Duration },
    SpeechStarted { item: String },
    SpeechStopped { tone_hz: Option<f32>, voiced: Duration, longest_pause: Duration },
    ResponseCreated(Box<ResponseLog>),
    ResponseAudio { sent: Duration },
    ResponseDone { id: String, status: String, reason: Option<String> },
    Truncated { item: String, audio_end: Duration, sent: Duration },
    ToolCalled(ToolCallLog),
    ToolAnswered { call: String, output: String },
}

impl SessionLog {
    /// What was refused through the client's own fault: a response may end by itself while its cancellation is on the way.
    pub fn faults(&self) -> Vec<&Refused> {
        let crossed = |refused: &Refused| refused.error.text("/code") == "response_cancel_not_active";
        self.refused.iter().filter(|refused| !crossed(refused)).collect()
    }

    pub(super) fn new(
        id: String,
        model: String,
        headers: BTreeMap<String, String>,
        query: BTreeMap<String, String>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            model,
            headers,
            query,
            opened: now,
            closed: None,
            events: Vec::new(),
            events_dropped: 0,
            refused: Vec::new(),
            session: Value::Null,
            audio: AudioHeard::default(),
            speech_started: Vec::new(),
            utterances: Vec::new(),
            responses: Vec::new(),
            tool_calls: Vec::new(),
            truncations: Vec::new(),
        }
    }

    /// The effective voice, once the session is configured.
    pub fn voice(&self) -> &str {
        self.session.text("/audio/output/voice")
    }

    /// The effective instructions, once the session is configured.
    pub fn instructions(&self) -> &str {
        self.session.text("/instructions")
    }

    /// The client events of one type.
    pub fn events_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a ClientEvent> {
        self.events.iter().filter(move |event| event.value.at("/type") == kind)
    }

    /// The messages that the client put into the conversation, in order: who said them, and what.
    pub fn told(&self) -> Vec<(&str, &str)> {
        let items = self.events_of("conversation.item.create").map(|event| event.value.at("/item"));
        let messages = items.filter(|item| item.at("/type") == "message");
        messages.map(|item| (item.text("/role"), item.text("/content/0/text"))).collect()
    }

    pub(super) fn received(&mut self, value: Value, now: Instant) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(ClientEvent { at: now, value: without_audio(value) });
        } else {
            self.events_dropped += 1;
        }
    }

    pub(super) fn note(&mut self, note: Note, now: Instant) {
        match note {
            Note::Configured(session) => self.session = session,
            Note::Refused { event, error } => {
                self.refused.push(Refused { at: now, event: without_audio(event), error });
            }
            Note::Audio { bytes, length } => {
                self.audio.appends += 1;
                self.audio.bytes += bytes;
                self.audio.length += length;
                self.audio.first.get_or_insert(now);
                self.audio.last = Some(now);
            }
            Note::SpeechStarted { item } => {
                self.speech_started.push(now);
                self.utterances.push(Utterance {
                    item,
                    started: now,
                    stopped: None,
                    tone_hz: None,
                    voiced: Duration::ZERO,
                    longest_pause: Duration::ZERO,
                });
            }
            Note::SpeechStopped { tone_hz, voiced, longest_pause } => {
                if let Some(utterance) = self.utterances.last_mut() {
                    utterance.stopped = Some(now);
                    utterance.tone_hz = tone_hz;
                    utterance.voiced = voiced;
                    utterance.longest_pause = longest_pause;
                }
            }
            Note::ResponseCreated(response) => self.responses.push(*response),
            Note::ResponseAudio { sent } => {
                if let Some(response) = self.responses.last_mut() {
                    response.first_audio.get_or_insert(now);
                    response.sent = sent;
                }
            }
            Note::ResponseDone { id, status, reason } => {
                if let Some(response) = self.responses.iter_mut().rfind(|response| response.id == id) {
                    response.done = Some((now, status, reason));
                }
            }
            Note::ToolCalled(call) => self.tool_calls.push(call),
            Note::ToolAnswered { call, output } => {
                if let Some(called) = self.tool_calls.iter_mut().find(|called| called.call == call) {
                    called.output = Some(output);
                }
            }
            Note::Truncated { item, audio_end, sent } => {
                self.truncations.push(Truncation { at: now, item, audio_end, sent });
            }
        }
    }
}

/// Cuts the audio of an append at a whole group of base64, so that what is left still decodes.
fn without_audio(mut event: Value) -> Value {
    if let Some(Value::String(audio)) = event.get_mut("audio")
        && audio.is_char_boundary(AUDIO_KEPT)
    {
        audio.truncate(AUDIO_KEPT);
    }
    event
}
