//! The realtime voice model: one session per call, whatever dialect the provider speaks.
//!
//! A dialect is a file that turns [`ModelCommand`]s into its own wire events and its wire events into
//! [`ModelEvent`]s. Nothing above this module knows a wire name.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::media::audio::{Audio, Format};
use crate::media::codec::Codec;
use crate::pii::Redacted;
use crate::tenant::{Greeting, TurnDetection};

mod closed;
pub mod connect;
pub mod openai;
mod pump;
pub mod session;

pub use closed::{Closed, Verdict};

/// A model server, as the settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub name: Arc<str>,
    pub dialect: Dialect,
    /// The base address as OpenAI's own clients read it: `https://api.openai.com/v1`. `http` leads to `ws`,
    /// `https` to `wss`.
    pub url: url::Url,
    pub api_key: Redacted<String>,
    /// The model of calls whose configuration names none.
    pub model: String,
    /// Its other models, in order of preference, for calls whose own is refused.
    pub fallback: Vec<String>,
    /// The model that writes down what callers say; `None`: nothing does.
    pub transcription: Option<String>,
    /// Whether its models hear and speak G.711 as they do PCM.
    pub g711: bool,
}

impl Provider {
    /// What a session's audio is best written in for a caller of that codec: in the caller's own where that can be.
    pub fn audio(&self, codec: Codec) -> Format {
        codec.law().filter(|_| self.g711).map_or(Format::Pcm, Format::G711)
    }
}

/// A wire dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI Realtime, generally available shape.
    OpenAiRealtime,
    /// The shape before it, which other servers speak: flat, and with a temperature.
    OpenAiRealtimeBeta,
}

impl Dialect {
    pub const fn capabilities(self) -> Capabilities {
        let temperature = match self {
            Self::OpenAiRealtime => false,
            Self::OpenAiRealtimeBeta => true,
        };
        Capabilities { truncate: true, paced_output: false, temperature }
    }
}

/// What a dialect can do; where one can't, the session does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The model is told how much of an item was heard ([`ModelCommand::Heard`]).
    pub truncate: bool,
    /// Output arrives at the pace of speech, so the answer does not wait for the greeting's audio.
    pub paced_output: bool,
    /// A session may set `temperature`.
    pub temperature: bool,
}

/// How a session is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    pub model: String,
    pub voice: Option<String>,
    /// What both sides' audio is to be written in; where the server refuses that, it is PCM.
    pub audio: Format,
    pub instructions: Option<Redacted<String>>,
    pub temperature: Option<f64>,
    /// What the model says before the caller has said anything.
    pub greeting: Greeting,
    /// BCP 47, for the transcription of the caller.
    pub language: Option<String>,
    pub max_output_tokens: u32,
    /// How the model finds the end of the caller's turn.
    pub turn_detection: TurnDetection,
    /// Whether the caller's voice stops the model's from the start; else from [`ModelCommand::LetInterrupt`] on.
    pub interruptible: bool,
    pub tools: Vec<Tool>,
    /// What was said before this session, oldest first.
    pub history: Vec<Said>,
}

impl Opening {
    /// What a response may cost at the most, where nothing else is said: about 3 minutes of speech.
    pub const MAX_OUTPUT_TOKENS: u32 = 4096;
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: &'static str,
    /// For the model: when to call it.
    pub description: String,
    /// The arguments' JSON Schema, an object.
    pub parameters: serde_json::Value,
}

/// The model's id of one tool call, to be named with its result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolCallId(pub String);

/// Something that was said in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub by: Speaker,
    pub text: Redacted<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    Caller,
    Agent,
}

/// The model's id of one spoken item: what barge-in truncates. Every frame that waits has it, so its clones share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemId(pub Arc<str>);

/// The model's id of one response.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResponseId(pub String);

/// What the session asks of the model.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelCommand {
    /// The caller's voice, in whatever format it came.
    Audio(Audio),
    /// Stop the response that is being made, if there is one.
    StopSpeaking,
    /// The caller heard this much of the item and no more.
    Heard { item: ItemId, heard: Duration },
    /// From now on the caller's voice stops the model's.
    LetInterrupt,
    /// Speak these words, whatever the conversation: what is being said is stopped for them, and so are words that
    /// were to be said before. [`ModelEvent::Saying`] tells when they begin.
    Say(Redacted<String>),
    /// Something the caller did without speaking, or that the model should know as if they had said it.
    Tell(Redacted<String>),
    /// Speak: answer what was said last, once neither the model nor the caller is speaking.
    Respond,
    /// The outcome of a tool call. When every call has one, the model goes on by itself.
    ToolResult { call: ToolCallId, output: String },
    /// Show that the server itself is there, not its socket alone. [`ModelEvent::Alive`] follows, or any other event.
    Probe,
    /// End the session: the socket is closed and [`ModelEvent::Closed`] follows.
    Close,
}

/// What the model tells the session.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The socket is open and the server has named the session.
    Ready { session: String, expires_at: Option<Timestamp> },
    /// The session has our prompt, voice and format; with a greeting, it has been asked for.
    Configured { audio: Format },
    /// The server's voice detection heard the caller begin.
    CallerStarted,
    /// Their turn is over. `item`: what it becomes in the conversation, if the server says.
    CallerStopped { item: Option<ItemId> },
    /// A response begins. The greeting is the first one.
    AgentStarted { response: ResponseId },
    /// The response that has just begun is the one that speaks the words of the last [`ModelCommand::Say`].
    Saying { response: ResponseId },
    /// A piece of speech, any length, faster than real time.
    AgentAudio { response: ResponseId, item: ItemId, audio: Audio },
    /// No more audio of this item will come.
    AgentAudioDone { item: ItemId },
    /// What the caller said in a turn, once it was transcribed: often after the answer to it has begun. Empty where
    /// no word was heard, or none could be written down.
    CallerText { item: ItemId, text: Redacted<String> },
    /// What an item says, whole, however much of it is heard.
    AgentText { item: ItemId, text: Redacted<String> },
    /// The model calls a tool; the session owes it a [`ModelCommand::ToolResult`].
    ToolCalled {
        call: ToolCallId,
        name: String,
        /// JSON as the model wrote it.
        arguments: Redacted<String>,
    },
    /// The response is over, whatever became of it.
    AgentDone { response: ResponseId, outcome: ResponseOutcome, usage: Usage },
    /// The answer to [`ModelCommand::Probe`].
    Alive,
    /// What is left of the rate limits of our account.
    Limits(Limits),
    /// A recoverable error: named in the record, the session goes on.
    Warning { code: String },
    /// The last event: the session is over.
    Closed(Closed),
}

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseOutcome {
    Completed,
    /// By the caller's voice or by [`ModelCommand::StopSpeaking`].
    Cancelled,
    /// By the server; the code says why.
    Failed {
        code: String,
    },
    /// Cut short: the token limit or the content filter.
    Incomplete {
        reason: String,
    },
}

/// What is left of an account's rate limits, in percent; `None` where the server does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub requests: Option<u8>,
    pub tokens: Option<u8>,
}

/// Tokens of one response or of a whole call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub input_text: u64,
    pub input_audio: u64,
    pub cached: u64,
    pub output_text: u64,
    pub output_audio: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_text += other.input_text;
        self.input_audio += other.input_audio;
        self.cached += other.cached;
        self.output_text += other.output_text;
        self.output_audio += other.output_audio;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::g711::Law;

    #[test]
    fn only_callers_in_g711_meet_a_model_in_it_and_only_where_it_takes_it() {
        let provider = |g711| Provider {
            name: "p".into(),
            dialect: Dialect::OpenAiRealtime,
            url: "https://api.openai.com/v1".parse().expect("a URL"),
            api_key: "".into(),
            model: "m".into(),
            fallback: Vec::new(),
            transcription: None,
            g711,
        };
        for (codec, expected) in [
            (Codec::Opus, Format::Pcm),
            (Codec::Pcmu, Format::G711(Law::Mu)),
            (Codec::Pcma, Format::G711(Law::A)),
            (Codec::G722, Format::Pcm),
        ] {
            assert_eq!(provider(true).audio(codec), expected);
            assert_eq!(provider(false).audio(codec), Format::Pcm);
        }
    }
}
