//! OpenAI Realtime, in the generally available shape and in the flat one before it: our commands and events to and from
//! its own.
//!
//! A pure core: text frames in, [`Reaction`]s out; no socket, no clock. The server speaks first
//! (`session.created`), we configure it (`session.update`), and with its consent (`session.updated`) the call
//! begins: it is told what was said before, and a greeting is asked for at once. The server detects the caller's voice,
//! answers by itself and stops itself when the caller breaks in; we tell it what was heard of the item that was playing.

use std::collections::VecDeque;

use crate::media::audio::{Audio, Converter, Format};
use crate::pii::Redacted;
use crate::realtime::{
    Closed, Dialect, ItemId, ModelCommand, ModelEvent, Opening, Provider, ResponseId, ResponseOutcome,
    ToolCallId,
};
use crate::tenant::Greeting;

mod errands;
mod setup;
mod speech;
mod turns;
mod wire;

use errands::{Called, Errands};
use setup::Setup;
pub use setup::{G711_REFUSED, TRANSCRIPTION_REFUSED, VOICE_REFUSED};
use speech::Speech;
use turns::{Begun, Request, Step, Turns};
use wire::client::{self, Shape};
use wire::{ServerError, ServerEvent, Unreadable};

/// The code of the [`ModelEvent::Warning`] when the server sent something that no event of this dialect is.
/// Once a session.
pub const UNREADABLE: &str = "unreadable-event";

/// The code of the [`ModelEvent::Warning`] when a turn of the caller could not be written down. Once a session.
pub const TRANSCRIPTION_FAILED: &str = "transcription-failed";

/// The event that lets the caller interrupt.
const LET_INTERRUPT: &str = "let-interrupt";
/// The event that asks for a sign of life.
const PROBE: &str = "probe";
/// The result of a tool call that is not carried out.
const TOO_MANY_CALLS: &str = r#"{"error":"too many calls at once"}"#;
/// Transcribed items remembered, for some servers tell of one twice.
const MAX_TRANSCRIBED: usize = 16;

/// One session in this dialect.
#[derive(Debug)]
pub struct OpenAi {
    shape: Shape,
    opening: Opening,
    setup: Setup,
    stage: Stage,
    interruption: Interruption,
    speech: Speech,
    turns: Turns,
    errands: Errands,
    transcribed: VecDeque<ItemId>,
    transcription_failed: bool,
    unreadable_told: bool,
    /// The caller's audio on its way to the server.
    converter: Converter,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not spoken.
    Connected,
    /// Our configuration is on its way, without what was refused of it before.
    Configuring,
    Configured,
    Over,
}

/// Whether the server stops itself when the caller breaks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    Off,
    /// It was asked to, and has not said that it will.
    Asked,
    On,
}

/// What follows from a server's frame.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    pub events: Vec<ModelEvent>,
    /// Text frames to send, in order.
    pub send: Vec<String>,
}

impl OpenAi {
    pub fn new(provider: &Provider, opening: Opening) -> Self {
        Self {
            shape: match provider.dialect {
                Dialect::OpenAiRealtime => Shape::Ga,
                Dialect::OpenAiRealtimeBeta => Shape::Flat,
            },
            setup: Setup::new(opening.voice.clone(), provider.transcription.clone(), opening.audio),
            stage: Stage::Connected,
            interruption: if opening.interruptible { Interruption::On } else { Interruption::Off },
            speech: Speech::default(),
            turns: Turns::default(),
            errands: Errands::default(),
            transcribed: VecDeque::new(),
            transcription_failed: false,
            unreadable_told: false,
            converter: Converter::default(),
            bytes: Vec::new(),
            opening,
        }
    }

    /// A text frame of the server. After [`ModelEvent::Closed`] nothing follows from any.
    pub fn on_server(&mut self, frame: &str) -> Reaction {
        let mut reaction = Reaction::default();
        if self.stage != Stage::Over {
            let applied = wire::read(frame).and_then(|event| self.apply(event, &mut reaction));
            if applied.is_err() && !std::mem::replace(&mut self.unreadable_told, true) {
                reaction.events.push(warning(UNREADABLE));
            }
            self.go_on(&mut reaction.send);
        }
        reaction
    }

    /// The text frames that carry out a command. Before the session is configured there are none: the server would
    /// judge the caller's audio by its own defaults.
    pub fn on_command(&mut self, command: &ModelCommand) -> Vec<String> {
        let mut send = Vec::new();
        if self.stage == Stage::Configured {
            self.obey(command, &mut send);
            self.go_on(&mut send);
        }
        send
    }

    /// Whether a response is being made: its end, with what it cost, is yet to come.
    pub fn is_responding(&self) -> bool {
        self.stage == Stage::Configured && self.speech.is_open()
    }

    fn obey(&mut self, command: &ModelCommand, send: &mut Vec<String>) {
        match command {
            ModelCommand::Audio(audio) => send.push(self.append(audio)),
            ModelCommand::StopSpeaking => {
                self.turns.stop();
                self.stop_speaking(send);
            }
            // Nothing heard is a truncation to zero, not a deletion: it takes away audio and transcript alike,
            // and it is valid while the item is still being made, when a deletion is not.
            ModelCommand::Heard { item, heard } => {
                send.extend(self.speech.heard(item, *heard).map(|ms| client::item_truncate(item, ms)));
            }
            ModelCommand::LetInterrupt => {
                if self.interruption == Interruption::Off {
                    self.interruption = Interruption::Asked;
                    send.push(client::let_interrupt(self.shape, LET_INTERRUPT, self.opening.turn_detection));
                }
            }
            ModelCommand::Say(words) => self.turns.say(Request::Say(words.clone())),
            ModelCommand::Tell(text) => send.push(client::told(&self.turns.next_item(), text.reveal())),
            ModelCommand::Respond => self.turns.owe_answer(),
            ModelCommand::ToolResult { call, output } => {
                if self.errands.settle(call) {
                    self.tell_result(call, output, send);
                }
            }
            ModelCommand::Probe => send.push(client::nothing_new(self.shape, PROBE)),
            // The dialect has no word for a close: the socket is closed.
            ModelCommand::Close => {}
        }
    }

    fn apply(&mut self, event: ServerEvent<'_>, reaction: &mut Reaction) -> Result<(), Unreadable> {
        let Reaction { events, send } = reaction;
        match event {
            ServerEvent::SessionCreated { session, expires_at } => {
                if self.stage == Stage::Connected {
                    events.push(ModelEvent::Ready { session, expires_at });
                    send.push(self.configure());
                }
            }
            ServerEvent::SessionUpdated { interrupts } => self.updated(interrupts, reaction),
            ServerEvent::SpeechStarted => {
                self.turns.caller_started();
                if self.interruption == Interruption::On {
                    self.speech.interrupt();
                }
                events.push(ModelEvent::CallerStarted);
            }
            ServerEvent::SpeechStopped { item } => {
                self.turns.caller_stopped(self.speech.is_heard());
                events.push(ModelEvent::CallerStopped { item });
            }
            ServerEvent::ItemAdded { item } => self.turns.item_added(&item),
            ServerEvent::ResponseCreated { response, request } => {
                self.begin(&response, request.as_deref(), reaction)
            }
            ServerEvent::AudioDelta { response, item, base64 } => {
                self.begin(&response, None, reaction);
                self.speech.audio(response, item, &base64, &mut reaction.events)?;
            }
            ServerEvent::AudioDone { item } => self.speech.audio_done(&item, events),
            ServerEvent::CallerText { item, text } => self.caller_text(item, text, events),
            ServerEvent::AgentText { item, text } => {
                events.push(ModelEvent::AgentText { item, text: text.into() })
            }
            ServerEvent::ToolCalled { call, name, arguments } => self.call(call, name, arguments, reaction),
            ServerEvent::ResponseDone { response, request, outcome, usage } => {
                self.begin(&response, request.as_deref(), reaction);
                let fatal = match &outcome {
                    ResponseOutcome::Failed { code } if wire::is_fatal(code) => Some(code.clone()),
                    ResponseOutcome::Failed { .. }
                    | ResponseOutcome::Completed
                    | ResponseOutcome::Cancelled
                    | ResponseOutcome::Incomplete { .. } => None,
                };
                self.speech.end(&response, outcome, usage, &mut reaction.events);
                self.turns.ended();
                if let Some(code) = fatal {
                    self.refused(code, &mut reaction.events);
                }
            }
            ServerEvent::Limits(limits) => events.push(ModelEvent::Limits(limits)),
            ServerEvent::Error(error) => self.fail(error, reaction),
            ServerEvent::Other => {}
        }
        Ok(())
    }

    /// Asks for what is to be said next, if it may be now.
    fn go_on(&mut self, send: &mut Vec<String>) {
        if self.stage != Stage::Configured {
            return;
        }
        match self.turns.step(self.speech.is_open(), self.errands.are_settled()) {
            Step::Wait => {}
            Step::Stop => self.stop_speaking(send),
            Step::Ask(id, request) => send.push(client::response_create(&id, &request)),
        }
    }

    fn stop_speaking(&mut self, send: &mut Vec<String>) {
        send.extend(self.speech.stop().map(|response| client::response_cancel(&response)));
    }

    fn append(&mut self, audio: &Audio) -> String {
        match self.setup.audio {
            Format::Pcm => {
                let pcm = self.converter.pcm(audio);
                self.bytes.clear();
                self.bytes.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
                client::audio_append(&self.bytes)
            }
            Format::G711(law) => client::audio_append(&self.converter.g711(law, audio)),
        }
    }

    fn configure(&mut self) -> String {
        self.stage = Stage::Configuring;
        self.speech.change_format(self.setup.audio);
        client::session_update(self.shape, &self.opening, &self.setup)
    }

    /// The server has taken our configuration, or a change of it.
    fn updated(&mut self, interrupts: Option<bool>, reaction: &mut Reaction) {
        if self.stage == Stage::Configuring {
            self.stage = Stage::Configured;
            reaction.events.push(ModelEvent::Configured { audio: self.setup.audio });
            reaction.send.extend(self.opening.history.iter().map(|said| client::said(self.shape, said)));
            match &self.opening.greeting {
                Greeting::Say(words) => self.turns.say(Request::Greet(words.clone())),
                Greeting::FromPrompt => self.turns.owe_answer(),
                Greeting::None => {}
            }
            return;
        }
        if self.interruption == Interruption::Asked && interrupts != Some(false) {
            self.interruption = Interruption::On;
        }
        reaction.events.push(ModelEvent::Alive);
    }

    /// A response has begun, unless it is known already.
    fn begin(&mut self, response: &ResponseId, request: Option<&str>, reaction: &mut Reaction) {
        if self.speech.knows(response) {
            return;
        }
        self.speech.begin(response, &mut reaction.events);
        match self.turns.begun(request) {
            Begun::Other => {}
            Begun::Words => reaction.events.push(ModelEvent::Saying { response: response.clone() }),
            Begun::Unwanted => self.stop_speaking(&mut reaction.send),
        }
    }

    fn caller_text(&mut self, item: ItemId, text: Option<String>, events: &mut Vec<ModelEvent>) {
        if self.transcribed.contains(&item) {
            return;
        }
        push_bounded(&mut self.transcribed, item.clone(), MAX_TRANSCRIBED);
        if text.is_none() && !std::mem::replace(&mut self.transcription_failed, true) {
            events.push(warning(TRANSCRIPTION_FAILED));
        }
        events.push(ModelEvent::CallerText { item, text: text.unwrap_or_default().into() });
    }

    fn call(&mut self, call: ToolCallId, name: String, arguments: String, reaction: &mut Reaction) {
        match self.errands.called(&call) {
            Called::New => {
                let arguments = Redacted::new(arguments);
                reaction.events.push(ModelEvent::ToolCalled { call, name, arguments });
            }
            Called::Known => {}
            Called::TooMany => self.tell_result(&call, TOO_MANY_CALLS, &mut reaction.send),
        }
    }

    fn tell_result(&mut self, call: &ToolCallId, output: &str, send: &mut Vec<String>) {
        send.push(client::tool_output(&self.turns.next_item(), call, output));
        self.turns.owe_answer();
    }

    fn fail(&mut self, error: ServerError, reaction: &mut Reaction) {
        if error.fatal {
            return self.refused(error.code, &mut reaction.events);
        }
        match self.stage {
            // Nothing of ours can be meant but the connection itself.
            Stage::Connected => self.refused(error.code, &mut reaction.events),
            Stage::Configuring if self.setup.is_meant_by(&error) => self.fail_setup(error, reaction),
            Stage::Configured if self.turns.refused(&error) => {}
            Stage::Configured if error.event_id.as_deref() == Some(PROBE) => {
                reaction.events.push(ModelEvent::Alive);
            }
            Stage::Configuring | Stage::Configured => {
                if error.code == wire::NOT_RESPONDING {
                    self.speech.end_stopped(&mut reaction.events);
                }
                reaction.events.push(ModelEvent::Warning { code: error.code });
            }
            Stage::Over => {}
        }
    }

    /// Leaves out what was refused, if the call can do without it.
    fn fail_setup(&mut self, error: ServerError, reaction: &mut Reaction) {
        match self.setup.leave_out(&error) {
            Some(left_out) => {
                reaction.events.push(warning(left_out));
                reaction.send.push(self.configure());
            }
            None => self.refused(error.code, &mut reaction.events),
        }
    }

    fn refused(&mut self, code: String, events: &mut Vec<ModelEvent>) {
        self.stage = Stage::Over;
        events.push(ModelEvent::Closed(Closed::by_code(code)));
    }
}

fn warning(code: &str) -> ModelEvent {
    ModelEvent::Warning { code: code.to_owned() }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, value: T, bound: usize) {
    if queue.len() == bound {
        queue.pop_front();
    }
    queue.push_back(value);
}

#[cfg(test)]
mod tests;
