//! What the session's tests share.

use std::borrow::Borrow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
pub(super) use crate::kit::codec::Codec;
use crate::kit::json::merge;
use crate::kit::tone::sine;

/// A session and its clock.
pub(super) struct Bench {
    pub(super) session: Session,
    now: Instant,
    pub(super) notes: Vec<Note>,
}

impl Bench {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let now = Instant::now();
        let script = Arc::new(Script::always(behaviour));
        let mut bench = Self {
            session: Session::open(script, 1, "gpt-realtime-2.1", 2_000_000_000, now),
            now,
            notes: Vec::new(),
        };
        assert_eq!(kinds(&bench.events()), ["session.created"]);
        bench
    }

    pub(super) fn configured(session: Value) -> Self {
        Self::configured_with(Behaviour::default(), session)
    }

    pub(super) fn configured_with(behaviour: Behaviour, mut session: Value) -> Self {
        let mut bench = Self::new(behaviour);
        merge(&mut session, &json!({"type": "realtime"}));
        assert_eq!(
            kinds(&bench.send(json!({"type": "session.update", "session": session}))),
            ["session.updated"]
        );
        bench
    }

    pub(super) fn send(&mut self, event: impl Borrow<Value>) -> Vec<Value> {
        self.session.handle(event.borrow(), self.now);
        self.events()
    }

    fn append(&mut self, codec: Codec, sound: &[i16]) -> Vec<Value> {
        self.send(json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(codec.encode(sound))}))
    }

    pub(super) fn speak_ms(&mut self, hz: f32, ms: u64) -> Vec<Value> {
        self.append(Codec::Pcm24k, &sine(hz, 0.25, 24_000, 0, 24 * ms))
    }

    pub(super) fn silence_ms(&mut self, ms: usize) -> Vec<Value> {
        self.append(Codec::Pcm24k, &vec![0; 24 * ms])
    }

    pub(super) fn pass(&mut self, time: Duration) -> Vec<Value> {
        let end = self.now + time;
        let mut events = Vec::new();
        while let Some(due) = self.session.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.tick(self.now);
            events.extend(self.events());
        }
        self.now = end;
        events
    }

    pub(super) fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        for out in self.session.take() {
            match out {
                Out::Event(event) => events.push(event),
                Out::Note(note) => self.notes.push(note),
                Out::Text(text) => events.push(json!({"type": "text", "text": text})),
                Out::Close(code) => events.push(json!({"type": "close", "code": code})),
                Out::Drop => events.push(json!({"type": "drop"})),
            }
        }
        events
    }
}

pub(super) fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event.text("/type")).collect()
}

pub(super) fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

pub(super) fn audio_of(events: &[Value], codec: Codec) -> Vec<i16> {
    let deltas = of(events, "response.output_audio.delta");
    deltas
        .iter()
        .flat_map(|delta| codec.decode(&STANDARD.decode(delta.text("/delta")).unwrap()).unwrap())
        .collect()
}
