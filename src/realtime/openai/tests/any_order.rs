//! Events in any order, and frames of any content.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Any event of the dialect, in any state of any of a few responses and items.
fn any_event() -> impl Strategy<Value = Value> {
    let id = || prop::sample::select(vec!["r1", "r2", "r3", "r4", "r5", "r6"]);
    let item = || prop::sample::select(vec!["a", "b", "c"]);
    // An item belongs to one response.
    let of = |response: &str, item: &str| format!("{response}{item}");
    prop_oneof![
        3 => id().prop_map(begin),
        6 => (id(), item(), prop::collection::vec(any::<u8>(), 0..9))
            .prop_map(move |(r, i, bytes)| delta(r, &of(r, i), &bytes)),
        2 => (id(), item()).prop_map(move |(r, i)| audio_done(r, &of(r, i))),
        3 => (id(), prop::sample::select(vec!["completed", "cancelled", "failed", "incomplete", ""]))
            .prop_map(|(r, status)| done(r, status)),
        2 => Just(json!({"type": "input_audio_buffer.speech_started"})),
        1 => Just(json!({"type": "input_audio_buffer.speech_stopped"})),
        1 => Just(created()),
        1 => Just(json!({"type": "session.updated"})),
        1 => Just(error(json!("c"), "t", json!("session.audio.output.voice"), Value::Null)),
    ]
}

proptest! {
    #[test]
    fn whatever_the_order_a_response_begins_once_is_heard_inside_and_ends_once(
        script in prop::collection::vec(any_event(), 0..120)
    ) {
        let mut dialect = configured();
        let (mut begun, mut over, mut silenced) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut finished = HashSet::new();
        for event in script {
            for event in hear(&mut dialect, event).events {
                match event {
                    ModelEvent::AgentStarted { response } => prop_assert!(begun.insert(response)),
                    ModelEvent::AgentAudio { response, item, pcm } => {
                        prop_assert!(begun.contains(&response) && !over.contains(&response));
                        prop_assert!(!silenced.contains(&response), "after the caller broke in");
                        prop_assert!(!finished.contains(&item) && !pcm.is_empty());
                    }
                    ModelEvent::AgentAudioDone { item } => prop_assert!(finished.insert(item)),
                    ModelEvent::AgentDone { response, .. } => {
                        prop_assert!(begun.contains(&response) && over.insert(response));
                    }
                    ModelEvent::CallerStarted => silenced.extend(begun.iter().cloned()),
                    ModelEvent::CallerStopped
                    | ModelEvent::CallerText { .. }
                    | ModelEvent::AgentText { .. }
                    | ModelEvent::ToolCalled { .. }
                    | ModelEvent::Warning { .. } => {}
                    ModelEvent::Ready { .. } | ModelEvent::Configured | ModelEvent::Closed(_) => {
                        prop_assert!(false, "already configured, and nothing fatal: {event:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_frame_panics(
        frames in prop::collection::vec(prop_oneof![
            any::<String>(),
            any_event().prop_map(|event| event.to_string()),
            (any_event(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(event, at, c)| {
                let mut text: Vec<char> = event.to_string().chars().collect();
                let at = at.index(text.len());
                text[at] = c;
                text.into_iter().collect()
            }),
            (any_event(), any::<prop::sample::Index>()).prop_map(|(mut event, at)| {
                // A known event without one of its fields, or with a null in its place.
                let object = event.as_object_mut().unwrap();
                let key = object.keys().nth(at.index(object.len())).unwrap().clone();
                if key != "type" { object.insert(key, Value::Null); }
                event.to_string()
            }),
        ], 0..30)
    ) {
        for mut dialect in [OpenAi::new(opening(Greeting::FromPrompt)), configured()] {
            for frame in &frames {
                dialect.on_server(frame);
            }
            dialect.on_command(&ModelCommand::StopSpeaking);
            dialect.on_command(&heard("r1a", 20));
        }
    }
}
