//! OpenAI Realtime, the generally available shape: our commands and events to and from its own.
//!
//! A pure core: text frames in, [`Reaction`]s out; no socket, no clock. The server speaks first
//! (`session.created`), we configure it (`session.update`), and with its consent (`session.updated`) the call
//! begins: a greeting is asked for at once. The server detects the caller's voice, answers by itself and stops
//! itself when the caller breaks in; we tell it what was heard of the item that was playing.

use crate::realtime::{Capabilities, Closed, ModelCommand, ModelEvent, Opening, ResponseOutcome};

mod speech;
mod wire;

use speech::Speech;
use wire::{ServerError, ServerEvent, Unreadable};

/// The code of the [`ModelEvent::Warning`] when the server does not know the voice: its own is heard instead.
pub const VOICE_REFUSED: &str = "voice-refused";
/// The code of the [`ModelEvent::Warning`] when the server sent something that no event of this dialect is.
/// Once a session.
pub const UNREADABLE: &str = "unreadable-event";

/// Our client events that a server may answer with an error.
const SETUP: &str = "setup";
const SETUP_WITHOUT_VOICE: &str = "setup-without-voice";
const GREETING: &str = "greeting";

/// One session in this dialect.
#[derive(Debug)]
pub struct OpenAi {
    opening: Opening,
    stage: Stage,
    speech: Speech,
    unreadable_told: bool,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not spoken.
    Connected,
    /// Our configuration is on its way.
    Configuring {
        with_voice: bool,
    },
    Configured,
    Over,
}

/// What follows from a server's frame.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    pub events: Vec<ModelEvent>,
    /// A text frame to send.
    pub send: Option<String>,
}

impl OpenAi {
    pub const CAPABILITIES: Capabilities =
        Capabilities { truncate: true, paced_output: false, temperature: false };

    pub fn new(opening: Opening) -> Self {
        Self {
            opening,
            stage: Stage::Connected,
            speech: Speech::default(),
            unreadable_told: false,
            bytes: Vec::new(),
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
        }
        reaction
    }

    /// The text frame that carries out a command; `None` where there is nothing to do. Audio before the
    /// session is configured is not sent: the server would judge it by its own defaults.
    pub fn on_command(&mut self, command: &ModelCommand) -> Option<String> {
        if self.stage != Stage::Configured {
            return None;
        }
        match command {
            ModelCommand::Audio(pcm) => Some(wire::audio_append(pcm, &mut self.bytes)),
            ModelCommand::StopSpeaking => self.speech.stop().map(|response| wire::response_cancel(&response)),
            // Nothing heard is a truncation to zero, not a deletion: it takes away audio and transcript alike,
            // and it is valid while the item is still being made, when a deletion is not.
            ModelCommand::Heard { item, heard } => {
                self.speech.heard(item, *heard).map(|ms| wire::item_truncate(item, ms))
            }
            // The dialect has no word for a close: the socket is closed.
            ModelCommand::LetInterrupt
            | ModelCommand::Say(_)
            | ModelCommand::Tell(_)
            | ModelCommand::Respond
            | ModelCommand::ToolResult { .. }
            | ModelCommand::Close => None,
        }
    }

    /// Whether a response is being made: its end, with what it cost, is yet to come.
    pub fn is_responding(&self) -> bool {
        self.stage == Stage::Configured && self.speech.is_open()
    }

    fn apply(&mut self, event: ServerEvent<'_>, reaction: &mut Reaction) -> Result<(), Unreadable> {
        let events = &mut reaction.events;
        match event {
            ServerEvent::SessionCreated { session, expires_at } => {
                if self.stage == Stage::Connected {
                    events.push(ModelEvent::Ready { session, expires_at });
                    reaction.send = Some(self.configure(true));
                }
            }
            ServerEvent::SessionUpdated => {
                if let Stage::Configuring { .. } = self.stage {
                    self.stage = Stage::Configured;
                    events.push(ModelEvent::Configured);
                    reaction.send = wire::greeting(GREETING, &self.opening.greeting);
                }
            }
            ServerEvent::SpeechStarted => {
                self.speech.interrupt();
                events.push(ModelEvent::CallerStarted);
            }
            ServerEvent::SpeechStopped => events.push(ModelEvent::CallerStopped),
            ServerEvent::ResponseCreated { response } => self.speech.begin(&response, events),
            ServerEvent::AudioDelta { response, item, base64 } => {
                self.speech.audio(response, item, &base64, events)?;
            }
            ServerEvent::AudioDone { item } => self.speech.audio_done(&item, events),
            ServerEvent::ResponseDone { response, outcome, usage } => {
                let fatal = match &outcome {
                    ResponseOutcome::Failed { code } if wire::is_fatal(code) => Some(code.clone()),
                    ResponseOutcome::Failed { .. }
                    | ResponseOutcome::Completed
                    | ResponseOutcome::Cancelled
                    | ResponseOutcome::Incomplete { .. } => None,
                };
                self.speech.end(&response, outcome, usage, events);
                if let Some(code) = fatal {
                    self.refused(code, events);
                }
            }
            ServerEvent::Error(error) => self.fail(error, reaction),
            ServerEvent::Other => {}
        }
        Ok(())
    }

    fn configure(&mut self, with_voice: bool) -> String {
        self.stage = Stage::Configuring { with_voice };
        let voice = self.opening.voice.as_deref().filter(|_| with_voice);
        let event_id = if with_voice { SETUP } else { SETUP_WITHOUT_VOICE };
        wire::session_update(event_id, &self.opening, voice)
    }

    fn fail(&mut self, error: ServerError, reaction: &mut Reaction) {
        if error.fatal {
            return self.refused(error.code, &mut reaction.events);
        }
        match self.stage {
            // Nothing of ours can be meant but the connection itself.
            Stage::Connected => self.refused(error.code, &mut reaction.events),
            Stage::Configuring { with_voice } if answers_setup(&error, with_voice) => {
                let voice_meant = error.param.as_deref().is_some_and(|param| param.contains("voice"));
                if voice_meant && with_voice && self.opening.voice.is_some() {
                    reaction.events.push(warning(VOICE_REFUSED));
                    reaction.send = Some(self.configure(false));
                } else {
                    // A server refuses an update as a whole: without it the call would have no prompt.
                    self.refused(error.code, &mut reaction.events);
                }
            }
            Stage::Configuring { .. } | Stage::Configured => {
                reaction.events.push(ModelEvent::Warning { code: error.code });
            }
            Stage::Over => {}
        }
    }

    fn refused(&mut self, code: String, events: &mut Vec<ModelEvent>) {
        self.stage = Stage::Over;
        events.push(ModelEvent::Closed(Closed::Refused { code }));
    }
}

/// Until the session is configured we have sent nothing else, so an error that names no event means this one.
fn answers_setup(error: &ServerError, with_voice: bool) -> bool {
    let ours = if with_voice { SETUP } else { SETUP_WITHOUT_VOICE };
    error.event_id.as_deref().is_none_or(|event_id| event_id == ours)
}

fn warning(code: &str) -> ModelEvent {
    ModelEvent::Warning { code: code.to_owned() }
}

#[cfg(test)]
mod tests;
