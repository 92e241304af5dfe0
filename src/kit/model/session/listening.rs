//! The caller's audio: the buffer, voice detection, turns.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Life, Session, ms};
use crate::kit::json::At as _;
use crate::kit::model::log::Note;
use crate::kit::model::response::Ending;
use crate::kit::model::script::{CALLER_WORDS, Fault, Transcript};
use crate::kit::model::vad::Heard;
use crate::kit::model::wire::Refusal;

/// An append may hold this many bytes of audio.
const MAX_APPEND: usize = 15 * 1024 * 1024;

/// A commit needs at least this much audio.
const MIN_COMMIT: Duration = Duration::from_millis(100);

impl Session {
    pub(super) fn append(&mut self, event: &Value, now: Instant) -> Result<(), Refusal> {
        let codec = self.config.input();
        let invalid = |message: &str| Refusal::new("invalid_value", "audio", message);
        let bytes = STANDARD
            .decode(event.text("/audio"))
            .map_err(|_| invalid("Expected base64-encoded audio bytes."))?;
        if bytes.len() > MAX_APPEND {
            return Err(invalid("Expected at most 15 MiB of audio."));
        }
        let samples = codec.decode(&bytes).ok_or_else(|| invalid("Expected whole 16-bit samples."))?;
        let length = codec.time_of(samples.len());
        self.buffered += length;
        self.note(Note::Audio { bytes: bytes.len() as u64, length });
        if let Some(turns) = self.config.turn_detection() {
            for heard in self.vad.hear(&samples, codec.rate(), turns.silence) {
                self.hear(heard, now);
            }
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard, now: Instant) {
        let Some(turns) = self.config.turn_detection() else { return };
        match heard {
            Heard::Started { at } => {
                if matches!(self.behaviour().fault, Fault::DeafAfterTurns(turns) if self.turns >= turns) {
                    self.life = Life::Silent;
                }
                let item = self.ids.next("item");
                let start = ms(at.saturating_sub(turns.prefix));
                self.send(
                    "input_audio_buffer.speech_started",
                    json!({"audio_start_ms": start, "item_id": item}),
                );
                self.note(Note::SpeechStarted { item: item.clone() });
                self.speaking = Some(item);
                if turns.interrupt_response {
                    self.end_response(&Ending::Cancelled("turn_detected"));
                }
            }
            Heard::Stopped { at, tone_hz, voiced, longest_pause } => {
                let Some(item) = self.speaking.take() else { return };
                let stopped = json!({"audio_end_ms": ms(at), "item_id": item});
                self.send("input_audio_buffer.speech_stopped", stopped);
                self.note(Note::SpeechStopped { tone_hz, voiced, longest_pause });
                self.commit(&item);
                if turns.create_response {
                    // The service has one response at a time: a turn that it speaks over, it does not answer.
                    let _ = self.answer_turn(now);
                }
            }
        }
    }

    pub(super) fn commit_by_client(&mut self) -> Result<(), Refusal> {
        if self.buffered < MIN_COMMIT {
            let message = "Error committing input audio buffer: the buffer is too small.";
            return Err(Refusal::whole("input_audio_buffer_commit_empty", message));
        }
        let item = self.speaking.take().unwrap_or_else(|| self.ids.next("item"));
        self.vad.reset();
        self.commit(&item);
        Ok(())
    }

    /// Makes an item of the caller's audio.
    fn commit(&mut self, item: &str) {
        self.turns += 1;
        if matches!(self.behaviour().fault, Fault::SilentAfterTurns(turns) if self.turns >= turns) {
            self.life = Life::Silent;
        }
        let length = std::mem::take(&mut self.buffered);
        self.committed += length;
        let previous = self.conversation.last_id().map(str::to_owned);
        let value = json!({
            "id": item, "object": "realtime.item", "type": "message", "status": "completed", "role": "user",
            "content": [{"type": "input_audio", "transcript": null}],
        });
        self.conversation.push(value.clone(), None);
        let body = json!({"previous_item_id": previous, "item": value});
        let committed = json!({"previous_item_id": previous, "item_id": item});
        self.send("input_audio_buffer.committed", committed);
        self.send("conversation.item.added", body.clone());
        self.send("conversation.item.done", body);
        if self.config.transcribes() {
            self.transcribe(item, length);
        }
    }

    fn transcribe(&mut self, item: &str, length: Duration) {
        let kind = "conversation.item.input_audio_transcription";
        let scripted = self.behaviour().transcripts.get(self.turns - 1).cloned();
        match scripted.unwrap_or_else(|| CALLER_WORDS.into()) {
            Transcript::Words(words) => {
                if !words.is_empty() {
                    let delta = json!({"item_id": item, "content_index": 0, "delta": words});
                    self.send(&format!("{kind}.delta"), delta);
                }
                let usage = json!({"type": "duration", "seconds": length.as_secs_f64()});
                let completed =
                    json!({"item_id": item, "content_index": 0, "transcript": words, "usage": usage});
                self.send(&format!("{kind}.completed"), completed);
            }
            Transcript::Failed => {
                let error = json!({"type": "transcription_error", "code": "audio_unintelligible",
                    "message": "The audio could not be transcribed.", "param": null});
                self.send(
                    &format!("{kind}.failed"),
                    json!({"item_id": item, "content_index": 0, "error": error}),
                );
            }
        }
    }
}
