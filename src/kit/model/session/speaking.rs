//! Responses: asked for by the client or by voice detection, spoken piece by piece, ended in any way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Life, Session, ms};
use crate::kit::codec::Codec;
use crate::kit::json::At as _;
use crate::kit::model::config::{check_modalities, codec, voice_name};
use crate::kit::model::log::{Note, ResponseLog, ToolCallLog};
use crate::kit::model::response::{Ending, Plan, Response};
use crate::kit::model::script::{Fault, ToolCue};
use crate::kit::model::session::Out;
use crate::kit::model::wire::Refusal;

impl Session {
    /// Stricter than the service: a client that asks for an answer while the model waits for results has lost count. It
    /// may have words said meanwhile.
    pub(super) fn respond_to_client(&mut self, asked: &Value, now: Instant) -> Result<(), Refusal> {
        if asked.at("/instructions").is_null() && self.conversation.has_open_calls() {
            let message = "Tool calls have no output yet.";
            return Err(Refusal::whole("tool_results_missing", message));
        }
        let response = self.begin_response(asked, now)?;
        self.speak_response(response);
        Ok(())
    }

    /// The answer to the caller's last turn: tool calls where the script has a cue for it, else speech.
    pub(super) fn answer_turn(&mut self, now: Instant) -> Result<(), Refusal> {
        let cues = self.behaviour().tool_calls.iter().filter(|cue| cue.turn == self.turns);
        let cues: Vec<ToolCue> = cues.cloned().collect();
        let response = self.begin_response(&Value::Null, now)?;
        if cues.is_empty() {
            self.speak_response(response)
        } else {
            self.call_tools(&response, &cues, now)
        }
        Ok(())
    }

    fn begin_response(&mut self, asked: &Value, now: Instant) -> Result<Response, Refusal> {
        if self.response.is_some() {
            let message = "Conversation already has an active response in progress.";
            return Err(Refusal::whole("conversation_already_has_active_response", message));
        }
        let plan = self.plan(asked)?;
        let previous = self.conversation.last_id().map(str::to_owned);
        let response = Response::new(plan, &mut self.ids, previous, now);
        self.note(Note::ResponseCreated(Box::new(log_of(&response, now))));
        let created = response.created(&mut self.ids);
        created.into_iter().for_each(|event| self.push(event));
        Ok(response)
    }

    fn call_tools(&mut self, response: &Response, cues: &[ToolCue], now: Instant) {
        let mut output = Vec::new();
        for (place, cue) in cues.iter().enumerate() {
            let call = self.ids.next("call");
            let (item, events) = response.tool_call(&mut self.ids, place, &call, cue);
            events.into_iter().for_each(|event| self.push(event));
            self.conversation.push(item.clone(), None);
            output.push(item);
            let log = ToolCallLog { at: now, call, name: cue.name.clone(), output: None };
            self.note(Note::ToolCalled(log));
        }
        let ended = response.ended(&mut self.ids, &Ending::Completed, &Value::from(output));
        self.push(ended);
        self.note_done(response, &Ending::Completed);
    }

    fn speak_response(&mut self, response: Response) {
        if let Fault::FailResponses { code } = self.behaviour().fault.clone() {
            let ending = Ending::Failed(code);
            let ended = response.ended(&mut self.ids, &ending, &json!([]));
            self.push(ended);
            self.note_done(&response, &ending);
            return;
        }
        let opened = response.opened(&mut self.ids);
        opened.into_iter().for_each(|event| self.push(event));
        if response.is_in_conversation() {
            let audio = response.plan().speaks.then_some(Duration::ZERO);
            self.conversation.push(response.begun_item(), audio);
        }
        self.response = Some(response);
    }

    fn plan(&self, asked: &Value) -> Result<Plan, Refusal> {
        let modalities = asked.at("/output_modalities");
        let output = asked.at("/audio/output");
        if !modalities.is_null() {
            check_modalities(modalities, "response.output_modalities")?;
        }
        let voice = match output.at("/voice") {
            Value::Null => self.config.voice(),
            voice => voice_name(voice),
        };
        if self.spoken && voice != self.config.voice() {
            let message = "The voice can't be changed once the assistant has spoken.";
            return Err(Refusal::new("cannot_update_voice", "response.audio.output.voice", message));
        }
        let behaviour = self.behaviour();
        let greets = !self.conversation.has_user();
        let recorded = behaviour.recorded.as_ref();
        let recorded = recorded.map(|said| Arc::clone(if greets { &said.greeting } else { &said.reply }));
        let length = if greets { behaviour.greeting } else { behaviour.reply };
        let format = output.at("/format");
        let codec = if format.is_null() { self.config.output() } else { codec(format) };
        let recorded_for = recorded.as_ref().map(|said| Codec::Pcm24k.time_of(said.len()));
        let written_for = behaviour.bytes.as_ref().map(|bytes| codec.time_of_bytes(bytes.len()));
        Ok(Plan {
            codec,
            speaks: if modalities.is_null() { self.config.speaks() } else { modalities.at("/0") != "text" },
            words: behaviour.words.clone(),
            length: written_for.or(recorded_for).unwrap_or(length),
            recorded,
            bytes: behaviour.bytes.clone(),
            first_audio: behaviour.first_audio,
            delta: behaviour.delta,
            gap: behaviour.delta_gap,
            input_audio_tokens: ms(self.committed) / 100,
            asked: asked.clone(),
            voice,
        })
    }

    /// The next piece of the response, or its end.
    pub(super) fn speak(&mut self) {
        let Some(mut response) = self.response.take() else { return };
        if response.is_spoken_out() {
            self.response = Some(response);
            return self.end_response(&Ending::Completed);
        }
        let events = response.piece(&mut self.ids);
        events.into_iter().for_each(|event| self.push(event));
        if response.plan().speaks {
            self.spoken = true;
            self.note(Note::ResponseAudio { sent: response.sent });
        }
        self.conversation.spoken(&response.item, None, response.sent);
        match self.behaviour().fault {
            Fault::DropAfterAudio(most) if response.sent >= most => {
                self.life = Life::Over;
                self.out.push(Out::Drop);
            }
            Fault::SilentAfterAudio(most) if response.sent >= most => self.life = Life::Silent,
            _ => {}
        }
        self.response = Some(response);
    }

    pub(super) fn cancel(&mut self, id: Option<&str>) -> Result<(), Refusal> {
        let active = self.response.as_ref().is_some_and(|response| id.is_none_or(|id| id == response.id));
        if !active {
            let message = "Cancellation failed: no active response found";
            return Err(Refusal::whole("response_cancel_not_active", message));
        }
        self.end_response(&Ending::Cancelled("client_cancelled"));
        Ok(())
    }

    /// Ends the response, if there is one.
    pub(super) fn end_response(&mut self, ending: &Ending) {
        let Some(response) = self.response.take() else { return };
        let item = response.finished_item(ending);
        self.conversation.spoken(&response.item, Some(&item), response.sent);
        let events = response.done(&mut self.ids, ending);
        events.into_iter().for_each(|event| self.push(event));
        self.note_done(&response, ending);
    }

    fn note_done(&mut self, response: &Response, ending: &Ending) {
        let (status, reason) = (ending.status().to_owned(), ending.reason());
        self.note(Note::ResponseDone { id: response.id.clone(), status, reason });
    }
}

fn log_of(response: &Response, now: Instant) -> ResponseLog {
    let plan = response.plan();
    ResponseLog {
        id: response.id.clone(),
        item: response.item.clone(),
        asked: plan.asked.clone(),
        voice: plan.voice.clone(),
        tone_hz: response.hz,
        created: now,
        first_audio: None,
        sent: Duration::ZERO,
        done: None,
    }
}
