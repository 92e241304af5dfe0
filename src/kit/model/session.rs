//! One session as a machine: client events and time in, frames and facts out. No socket, no clock.

#[cfg(test)]
mod bench;
mod listening;
mod speaking;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::config::Config;
use super::conversation::Conversation;
use super::log::Note;
use super::response::Response;
use super::script::{Behaviour, Fault, Script};
use super::vad::Vad;
use super::wire::{Ids, Refusal, event};
use crate::kit::json::At as _;

/// What the socket is to do, and what the log is to know, in order.
#[derive(Debug)]
pub(super) enum Out {
    Event(Value),
    /// A text frame that is no event.
    Text(&'static str),
    Note(Note),
    Close(u16),
    /// End TCP without a close frame.
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Talking,
    /// Hears, and sends nothing, by script.
    Silent,
    /// The socket is to end.
    Over,
}

/// A session from `session.created` to its end.
#[derive(Debug)]
pub(super) struct Session {
    script: Arc<Script>,
    number: usize,
    model: String,
    config: Config,
    conversation: Conversation,
    ids: Ids,
    opened: Instant,
    vad: Vad,
    /// The item that the speech going on will become.
    speaking: Option<String>,
    /// Audio since the last commit or clear.
    buffered: Duration,
    committed: Duration,
    /// The caller's turns so far.
    turns: usize,
    response: Option<Response>,
    /// The voice is locked: audio has been sent.
    spoken: bool,
    /// `session.updated` and when to send it.
    update: Option<(Instant, Value)>,
    asked_voice: bool,
    life: Life,
    out: Vec<Out>,
}

impl Session {
    /// The `number` keeps this session's ids apart; `expires_at` is in seconds since 1970.
    pub(super) fn open(
        script: Arc<Script>,
        number: usize,
        model: &str,
        expires_at: i64,
        now: Instant,
    ) -> Self {
        let mut ids = Ids::new(number);
        let config = Config::new(&ids.next("sess"), model, expires_at);
        let mut session = Self {
            script,
            number,
            model: model.to_owned(),
            config,
            conversation: Conversation::default(),
            ids,
            opened: now,
            vad: Vad::default(),
            speaking: None,
            buffered: Duration::ZERO,
            committed: Duration::ZERO,
            turns: 0,
            response: None,
            spoken: false,
            update: None,
            asked_voice: false,
            life: Life::Talking,
            out: Vec::new(),
        };
        if session.behaviour().fault == Fault::Mute {
            session.life = Life::Silent;
        }
        session.send("session.created", json!({ "session": session.config.value() }));
        session
    }

    pub(super) fn id(&self) -> &str {
        self.config.value().text("/id")
    }

    /// Everything to be done since the last call.
    pub(super) fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.out)
    }

    /// While an update is being made, nothing is read.
    pub(super) const fn reads(&self) -> bool {
        self.update.is_none()
    }

    /// When [`Self::tick`] is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let update = self.update.as_ref().map(|(due, _)| *due);
        let response = self.response.as_ref().map(|response| response.due);
        [update, response, self.end_of_life()].into_iter().flatten().min().filter(|_| self.life != Life::Over)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.end_of_life().is_some_and(|end| end <= now) {
            return self.end_life();
        }
        if let Some((_, session)) = self.update.take_if(|(due, _)| *due <= now) {
            self.send("session.updated", json!({ "session": session }));
            match self.behaviour().fault {
                Fault::Garbage => self.out.push(Out::Text("{\"type\": \"session.upd")),
                Fault::SilentAfterUpdate => self.life = Life::Silent,
                _ => {}
            }
        }
        while self.life != Life::Over && self.response.as_ref().is_some_and(|response| response.due <= now) {
            self.speak();
        }
    }

    /// Takes one client event.
    pub(super) fn handle(&mut self, event: &Value, now: Instant) {
        if self.life == Life::Over {
            return;
        }
        let dialect = self.script.dialect;
        let taken = dialect.client_event().check(event).map_err(Refusal::from);
        let placed = |refusal: Refusal| refusal.placed(|path| dialect.place(path));
        let taken = taken.and_then(|()| self.obey(&dialect.read(event), now).map_err(placed));
        if let Err(refusal) = taken {
            self.refuse(event, &refusal);
        }
        // What is due at once leaves at once.
        self.tick(now);
    }

    /// A frame that is not JSON, or not text.
    pub(super) fn handle_garbage(&mut self) {
        let refusal = Refusal::whole("invalid_event", "Expected a JSON object in a text frame.");
        self.refuse(&Value::Null, &refusal);
    }

    /// The client's header asks for the shape of the wire that is not spoken here.
    pub(super) fn refuse_shape(&mut self, code: &str) {
        let message = "This shape of the API is not supported here: mind the OpenAI-Beta header.";
        self.out.clear();
        self.refuse(&Value::Null, &Refusal::whole(code, message));
        self.close(4000);
    }

    fn obey(&mut self, event: &Value, now: Instant) -> Result<(), Refusal> {
        let id = event.text("/item_id");
        match event.text("/type") {
            "session.update" => self.update(event.at("/session"), now)?,
            "input_audio_buffer.append" => self.append(event, now)?,
            "input_audio_buffer.commit" => self.commit_by_client()?,
            "input_audio_buffer.clear" => {
                self.buffered = Duration::ZERO;
                self.speaking = None;
                self.vad.reset();
                self.send("input_audio_buffer.cleared", json!({}));
            }
            "conversation.item.create" => {
                let fresh = self.ids.next("item");
                let (item, previous) = self.conversation.create(event, fresh)?;
                if item.at("/type") == "function_call_output" {
                    let (call, output) = (item.text("/call_id").to_owned(), item.text("/output").to_owned());
                    self.note(Note::ToolAnswered { call, output });
                }
                let body = json!({"previous_item_id": previous, "item": item});
                self.send("conversation.item.added", body.clone());
                self.send("conversation.item.done", body);
            }
            "conversation.item.retrieve" => {
                let item = self.conversation.retrieve(id)?.clone();
                self.send("conversation.item.retrieved", json!({ "item": item }));
            }
            "conversation.item.delete" => {
                self.conversation.delete(id)?;
                self.send("conversation.item.deleted", json!({ "item_id": id }));
            }
            "conversation.item.truncate" => {
                self.truncate(id, event.at("/audio_end_ms").as_u64().unwrap_or(0))?
            }
            "response.create" => self.respond_to_client(event.at("/response"), now)?,
            "response.cancel" => self.cancel(event.at("/response_id").as_str())?,
            other => unreachable!("{other} is not in the schema"),
        }
        Ok(())
    }

    fn update(&mut self, update: &Value, now: Instant) -> Result<(), Refusal> {
        self.config = self.config.updated(update, self.spoken)?;
        self.asked_voice = true;
        if self.config.turn_detection().is_none() {
            self.vad.reset();
            self.speaking = None;
        }
        let behaviour = self.behaviour();
        let due = now + behaviour.update_delay;
        if let Fault::FailSession { code } = &behaviour.fault {
            let refusal = Refusal::whole(code, "The session can't be served.");
            self.refuse(&json!({"type": "session.update", "session": update}), &refusal);
            self.close(1000);
            return Ok(());
        }
        self.note(Note::Configured(self.config.value().clone()));
        self.update = Some((due, self.config.value().clone()));
        Ok(())
    }

    fn truncate(&mut self, id: &str, audio_end_ms: u64) -> Result<(), Refusal> {
        let audio_end = Duration::from_millis(audio_end_ms);
        let sent = self.conversation.truncate(id, audio_end)?;
        self.note(Note::Truncated { item: id.to_owned(), audio_end, sent });
        let body = json!({"item_id": id, "content_index": 0, "audio_end_ms": audio_end_ms});
        self.send("conversation.item.truncated", body);
        Ok(())
    }

    /// The behaviour towards this session: by its model, and by its voice once the client has named one.
    fn behaviour(&self) -> &Behaviour {
        let voice = self.config.voice();
        self.script.behaviour(self.number, &self.model, self.asked_voice.then_some(voice.as_str()))
    }

    fn end_of_life(&self) -> Option<Instant> {
        match self.behaviour().fault {
            Fault::DropAfter(life) | Fault::ExpireAfter(life) if self.life != Life::Over => {
                Some(self.opened + life)
            }
            _ => None,
        }
    }

    fn end_life(&mut self) {
        if matches!(self.behaviour().fault, Fault::ExpireAfter(_)) {
            let message = "Your session hit the maximum duration.";
            self.send_error(&Refusal::whole("session_expired", message).error(None));
            self.close(1001);
        } else {
            self.life = Life::Over;
            self.out.push(Out::Drop);
        }
    }

    fn close(&mut self, code: u16) {
        self.life = Life::Over;
        self.out.push(Out::Close(code));
    }

    fn refuse(&mut self, event: &Value, refusal: &Refusal) {
        let error = refusal.error(event.at("/event_id").as_str());
        self.note(Note::Refused { event: event.clone(), error: error.clone() });
        self.send_error(&error);
    }

    fn send_error(&mut self, error: &Value) {
        self.send("error", json!({ "error": error }));
    }

    fn send(&mut self, kind: &str, body: Value) {
        let event = event(&mut self.ids, kind, body);
        self.push(event);
    }

    fn push(&mut self, event: Value) {
        if self.life != Life::Silent {
            self.out.extend(self.script.dialect.write(event).map(Out::Event));
        }
    }

    fn note(&mut self, note: Note) {
        self.out.push(Out::Note(note));
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
