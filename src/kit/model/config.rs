//! A session's effective configuration.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::Refusal;
use crate::kit::codec::Codec;
use crate::kit::json::{At as _, merge};

/// The whole `session` object, as `session.created` and `session.updated` carry it.
#[derive(Debug, Clone)]
pub(super) struct Config(Value);

/// Voice detection, with the service's defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnDetection {
    pub(super) silence: Duration,
    pub(super) prefix: Duration,
    pub(super) create_response: bool,
    pub(super) interrupt_response: bool,
}

impl Config {
    /// `expires_at` is in seconds since 1970.
    pub(super) fn new(id: &str, model: &str, expires_at: i64) -> Self {
        Self(json!({
            "type": "realtime",
            "object": "realtime.session",
            "id": id,
            "model": model,
            "expires_at": expires_at,
            "output_modalities": ["audio"],
            "instructions": "You are a helpful assistant.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": null,
            "truncation": "auto",
            "prompt": null,
            "include": null,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": null,
                    "noise_reduction": null,
                    "turn_detection": with_defaults(&json!({"type": "server_vad"})),
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "voice": "alloy",
                    "speed": 1.0,
                },
            },
        }))
    }

    pub(super) const fn value(&self) -> &Value {
        &self.0
    }

    /// What the configuration becomes by a sparse update. `spoken` locks the voice. The update has passed the
    /// schema.
    pub(super) fn updated(&self, update: &Value, spoken: bool) -> Result<Self, Refusal> {
        let mut next = self.clone();
        for (key, value) in update.as_object().into_iter().flatten() {
            match key.as_str() {
                "model" if value != self.0.at("/model") => {
                    let message = "The model of a session can't be changed.";
                    return Err(Refusal::new("invalid_value", "session.model", message));
                }
                "output_modalities" => check_modalities(value, "session.output_modalities")?,
                "reasoning" | "parallel_tool_calls" => self.check_reasons(key, value)?,
                _ => {}
            }
            if key == "audio" {
                next.merge_audio(value);
            } else {
                merge(&mut next.0, &json!({ key: value }));
            }
        }
        if spoken && next.voice() != self.voice() {
            let message = "The voice can't be changed once the assistant has spoken.";
            return Err(Refusal::new("cannot_update_voice", "session.audio.output.voice", message));
        }
        Ok(next)
    }

    pub(super) fn voice(&self) -> String {
        voice_name(self.0.at("/audio/output/voice"))
    }

    pub(super) fn input(&self) -> Codec {
        codec(self.0.at("/audio/input/format"))
    }

    pub(super) fn output(&self) -> Codec {
        codec(self.0.at("/audio/output/format"))
    }

    pub(super) fn speaks(&self) -> bool {
        self.0.at("/output_modalities/0") != "text"
    }

    pub(super) fn transcribes(&self) -> bool {
        !self.0.at("/audio/input/transcription").is_null()
    }

    /// `None` where the client cuts the turns itself.
    pub(super) fn turn_detection(&self) -> Option<TurnDetection> {
        let found = self.0.at("/audio/input/turn_detection");
        let ms = |key: &str, default| Duration::from_millis(found.at(key).as_u64().unwrap_or(default));
        found.is_object().then(|| TurnDetection {
            silence: ms("/silence_duration_ms", 500),
            prefix: ms("/prefix_padding_ms", 300),
            create_response: found.at("/create_response").as_bool().unwrap_or(true),
            interrupt_response: found.at("/interrupt_response").as_bool().unwrap_or(true),
        })
    }

    fn merge_audio(&mut self, update: &Value) {
        for side in ["/input", "/output"] {
            let Some(into) = self.0.pointer_mut(&format!("/audio{side}")) else { continue };
            for (key, value) in update.at(side).as_object().into_iter().flatten() {
                let value = match key.as_str() {
                    "turn_detection" => with_defaults(value),
                    "format" if value.at("/type") == "audio/pcm" => {
                        json!({"type": "audio/pcm", "rate": 24000})
                    }
                    _ => value.clone(),
                };
                merge(into, &json!({ key: value }));
            }
        }
    }

    /// Models before 2 don't reason.
    fn check_reasons(&self, key: &str, value: &Value) -> Result<(), Refusal> {
        let model = self.0.text("/model");
        let plain = ["gpt-realtime", "gpt-realtime-mini", "gpt-realtime-1.5"].contains(&model)
            || ["gpt-realtime-2025", "gpt-realtime-mini-2025"].iter().any(|name| model.starts_with(name));
        if plain && !value.is_null() {
            let message = "This model does not support the parameter.";
            return Err(Refusal::new("unsupported_parameter", format!("session.{key}"), message));
        }
        Ok(())
    }
}

/// One of the two: the service never answers in both.
pub(super) fn check_modalities(value: &Value, path: &str) -> Result<(), Refusal> {
    match value.as_array().map(Vec::len) {
        Some(1) => Ok(()),
        _ => Err(Refusal::new("invalid_value", path, "Expected ['audio'] or ['text'].")),
    }
}

/// A voice is a word or `{"id": "voice_..."}`.
pub(super) fn voice_name(voice: &Value) -> String {
    voice.as_str().or_else(|| voice.at("/id").as_str()).unwrap_or_default().to_owned()
}

pub(super) fn codec(format: &Value) -> Codec {
    Codec::named(format.text("/type"))
}

fn with_defaults(turn_detection: &Value) -> Value {
    let mut all = match turn_detection.at("/type").as_str() {
        Some("server_vad") => json!({
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": null,
            "create_response": true,
            "interrupt_response": true,
        }),
        Some(_) => json!({"eagerness": "auto", "create_response": true, "interrupt_response": true}),
        None => return Value::Null,
    };
    merge(&mut all, turn_detection);
    all
}
