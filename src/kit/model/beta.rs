//! The older, flat shape of the dialect, to and from the generally available one that the session is written in.

use serde_json::{Map, Value, json};

use super::schema;
use super::script::Dialect;
use crate::kit::json::At as _;
use crate::kit::shape::Shape;

/// What a session and a response have under other names: the flat one, and where it stands in the other shape.
const KEYS: [(&str, &str); 9] = [
    ("modalities", "/output_modalities"),
    ("voice", "/audio/output/voice"),
    ("speed", "/audio/output/speed"),
    ("input_audio_format", "/audio/input/format"),
    ("output_audio_format", "/audio/output/format"),
    ("input_audio_transcription", "/audio/input/transcription"),
    ("input_audio_noise_reduction", "/audio/input/noise_reduction"),
    ("turn_detection", "/audio/input/turn_detection"),
    ("max_response_output_tokens", "/max_output_tokens"),
];

const FORMATS: [(&str, &str); 3] =
    [("pcm16", "audio/pcm"), ("g711_ulaw", "audio/pcmu"), ("g711_alaw", "audio/pcma")];

/// What the flat shape has not, or not in this place.
const NOT_FLAT: [&str; 7] =
    ["type", "audio", "output_modalities", "max_output_tokens", "truncation", "prompt", "include"];

const KINDS: [(&str, &str); 4] = [
    ("response.output_audio_transcript.", "response.audio_transcript."),
    ("response.output_audio.", "response.audio."),
    ("response.output_text.", "response.text."),
    ("conversation.item.added", "conversation.item.created"),
];

impl Dialect {
    pub(super) const fn client_event(self) -> &'static Shape {
        match self {
            Self::Ga => &schema::CLIENT_EVENT,
            Self::Beta => &schema::beta::CLIENT_EVENT,
        }
    }

    /// A client event that fits the schema, in the shape that the session reads.
    pub(super) fn read(self, event: &Value) -> Value {
        let mut event = event.clone();
        if self == Self::Beta {
            if let Some(session) = event.get_mut("session") {
                *session = nested(session);
                put(session, "/type", json!("realtime"));
            }
            if let Some(response) = event.get_mut("response") {
                *response = nested(response);
            }
            rename_parts(event.pointer_mut("/item"), "text", "output_text");
        }
        event
    }

    /// A server event in the shape that the client reads; `None`: it has none there.
    pub(super) fn write(self, mut event: Value) -> Option<Value> {
        if self == Self::Ga {
            return Some(event);
        }
        let kind = event.text("/type").to_owned();
        if kind == "conversation.item.done" {
            return None;
        }
        if let Some((name, flat_name)) = KINDS.iter().find(|(name, _)| kind.starts_with(name)) {
            put(&mut event, "/type", json!(kind.replacen(name, flat_name, 1)));
        }
        for whole in ["session", "response"] {
            if let Some(object) = event.get_mut(whole) {
                *object = flat(object);
            }
        }
        write_parts(event.pointer_mut("/item"));
        for item in event.pointer_mut("/response/output").and_then(Value::as_array_mut).into_iter().flatten()
        {
            write_parts(Some(item));
        }
        Some(event)
    }

    /// Where a refusal by the session is, as the client wrote it: `session.audio.output.voice` is `session.voice`.
    pub(super) fn place(self, path: String) -> String {
        match self {
            Self::Ga => path,
            Self::Beta => flat_path(&path),
        }
    }
}

/// A flat session or response in the nested shape.
fn nested(flat: &Value) -> Value {
    let mut all = json!({});
    for (key, value) in flat.as_object().into_iter().flatten() {
        match KEYS.iter().find(|(name, _)| name == key) {
            Some((_, place)) => put(&mut all, place, nested_value(key, value)),
            None => put(&mut all, &format!("/{key}"), value.clone()),
        }
    }
    all
}

fn nested_value(key: &str, value: &Value) -> Value {
    match key {
        "modalities" => json!([if value == &json!(["text"]) { "text" } else { "audio" }]),
        "input_audio_format" | "output_audio_format" => {
            let format = FORMATS.iter().find(|(flat, _)| value == flat).map(|(_, name)| *name);
            json!({ "type": format })
        }
        _ => value.clone(),
    }
}

fn flat(nested: &Value) -> Value {
    let own = nested.as_object().into_iter().flatten().filter(|(key, _)| !NOT_FLAT.contains(&key.as_str()));
    let mut all: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, place) in KEYS {
        if let Some(value) = nested.pointer(place) {
            all.insert(key.to_owned(), flat_value(key, value));
        }
    }
    Value::Object(all)
}

fn flat_value(key: &str, value: &Value) -> Value {
    match key {
        "modalities" if value == &json!(["audio"]) => json!(["text", "audio"]),
        "input_audio_format" | "output_audio_format" => {
            let name = value.text("/type");
            json!(FORMATS.iter().find(|(_, of)| *of == name).map(|(flat, _)| *flat))
        }
        _ => value.clone(),
    }
}

fn flat_path(path: &str) -> String {
    let place = |place: &str| place.replace('/', ".");
    let known = KEYS.iter().find(|(_, of)| path.ends_with(&place(of)));
    known.map_or_else(|| path.to_owned(), |(key, of)| path.replace(&place(of), &format!(".{key}")))
}

fn write_parts(mut item: Option<&mut Value>) {
    rename_parts(item.as_deref_mut(), "output_text", "text");
    rename_parts(item, "output_audio", "audio");
}

fn rename_parts(item: Option<&mut Value>, from: &str, to: &str) {
    let parts = item.and_then(|item| item.pointer_mut("/content")).and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        if part.text("/type") == from {
            put(part, "/type", json!(to));
        }
    }
}

/// Sets the value at a pointer, with the objects on the way to it.
fn put(into: &mut Value, place: &str, value: Value) {
    let Some(object) = into.as_object_mut() else { return };
    let place = place.trim_start_matches('/');
    match place.split_once('/') {
        Some((first, rest)) => put(object.entry(first).or_insert_with(|| json!({})), rest, value),
        None => {
            object.insert(place.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_event_is_read_and_a_server_event_written_flat() {
        let session = json!({"voice": "sage", "input_audio_format": "pcm16", "temperature": 0.8,
            "turn_detection": {"type": "server_vad"}, "modalities": ["text", "audio"]});
        let read = Dialect::Beta.read(&json!({"type": "session.update", "session": session}));
        let audio = json!({
            "input": {"format": {"type": "audio/pcm"}, "turn_detection": {"type": "server_vad"}},
            "output": {"voice": "sage"},
        });
        let nested =
            json!({"type": "realtime", "audio": audio, "temperature": 0.8, "output_modalities": ["audio"]});
        assert_eq!(read["session"], nested);
        let written = Dialect::Beta.write(json!({"type": "session.updated", "session": nested})).unwrap();
        assert_eq!(written["session"], session);
        assert_eq!(Dialect::Ga.read(&written), written);

        let write = |event: Value| Dialect::Beta.write(event);
        assert_eq!(write(json!({"type": "conversation.item.done", "item": {}})), None);
        for (kind, expected) in [
            ("conversation.item.added", "conversation.item.created"),
            ("response.output_audio.delta", "response.audio.delta"),
            ("response.output_audio_transcript.done", "response.audio_transcript.done"),
            ("response.output_text.delta", "response.text.delta"),
            ("response.output_item.done", "response.output_item.done"),
        ] {
            assert_eq!(write(json!({ "type": kind })).unwrap()["type"], expected);
        }
        let spoken = json!({"type": "message", "content": [{"type": "output_audio", "transcript": "x"}]});
        let done = write(json!({"type": "response.done", "response": {"output": [spoken]}})).unwrap();
        assert_eq!(done["response"]["output"][0]["content"][0]["type"], "audio");
        assert_eq!(Dialect::Beta.place("session.audio.output.voice".into()), "session.voice");
        assert_eq!(Dialect::Beta.place("item_id".into()), "item_id");
    }
}
