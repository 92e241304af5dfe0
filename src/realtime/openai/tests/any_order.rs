//! Events in any order, and frames of any content.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::realtime::ToolCallId;
use crate::realtime::openai::wire::{ALREADY_RESPONDING, NOT_RESPONDING};

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
        1 => Just(error(json!(ALREADY_RESPONDING), "t", Value::Null, Value::Null)),
        1 => Just(error(json!(NOT_RESPONDING), "t", Value::Null, Value::Null)),
        1 => item().prop_map(|item| json!({"type": "conversation.item.added", "item": {"id": item}})),
        1 => (id(), item()).prop_map(move |(r, i)| json!({
            "type": "response.output_audio_transcript.done", "item_id": of(r, i), "transcript": "x"})),
        1 => item().prop_map(|item| json!({
            "type": "conversation.item.input_audio_transcription.completed", "item_id": item, "transcript": "x"})),
        1 => item().prop_map(|item| json!({
            "type": "conversation.item.input_audio_transcription.failed", "item_id": item, "error": {}})),
        2 => item().prop_map(|call| json!({"type": "response.output_item.done", "item": {
            "type": "function_call", "call_id": call, "name": "n", "arguments": "{}"}})),
    ]
}

fn any_command() -> impl Strategy<Value = ModelCommand> {
    let call = || prop::sample::select(vec!["a", "b", "c"]).prop_map(|call| ToolCallId(call.into()));
    prop_oneof![
        3 => Just(ModelCommand::Say("bye".into())),
        2 => Just(ModelCommand::Respond),
        1 => Just(ModelCommand::Tell("5".into())),
        1 => Just(ModelCommand::StopSpeaking),
        1 => Just(ModelCommand::LetInterrupt),
        3 => call().prop_map(|call| ModelCommand::ToolResult { call, output: "{}".into() }),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Event(Value),
    Command(ModelCommand),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => any_event().prop_map(Step::Event), 1 => any_command().prop_map(Step::Command)]
}

fn takes(dialect: &mut OpenAi, step: &Step) -> Reaction {
    match step {
        Step::Event(event) => hear(dialect, event.clone()),
        Step::Command(command) => Reaction { events: Vec::new(), send: dialect.on_command(command) },
    }
}

proptest! {
    #[test]
    fn whatever_the_order_a_response_begins_once_is_heard_inside_and_ends_once(
        script in prop::collection::vec(any_step(), 0..120)
    ) {
        let mut dialect = configured();
        let (mut begun, mut over, mut silenced) = (HashSet::new(), HashSet::new(), HashSet::new());
        let mut finished = HashSet::new();
        let (mut called, mut written) = (HashSet::new(), 0);
        for step in script {
            for event in takes(&mut dialect, &step).events {
                match event {
                    ModelEvent::AgentStarted { response } => prop_assert!(begun.insert(response)),
                    ModelEvent::AgentAudio { response, item, audio } => {
                        prop_assert!(begun.contains(&response) && !over.contains(&response));
                        prop_assert!(!silenced.contains(&response), "after the caller broke in");
                        prop_assert!(!finished.contains(&item) && !audio.samples().is_empty());
                    }
                    ModelEvent::AgentAudioDone { item } => prop_assert!(finished.insert(item)),
                    ModelEvent::AgentDone { response, .. } => {
                        prop_assert!(begun.contains(&response) && over.insert(response));
                    }
                    ModelEvent::CallerStarted => silenced.extend(begun.iter().cloned()),
                    ModelEvent::Saying { response } => {
                        prop_assert!(begun.contains(&response) && !over.contains(&response));
                    }
                    ModelEvent::ToolCalled { call, .. } => prop_assert!(called.insert(call)),
                    ModelEvent::CallerText { .. } => written += 1,
                    ModelEvent::CallerStopped { .. }
                    | ModelEvent::AgentText { .. }
                    | ModelEvent::Limits(_)
                    | ModelEvent::Alive
                    | ModelEvent::Warning { .. } => {}
                    ModelEvent::Ready { .. } | ModelEvent::Configured { .. } | ModelEvent::Closed(_) => {
                        prop_assert!(false, "already configured, and nothing fatal: {event:?}");
                    }
                }
            }
        }
        prop_assert!(written <= 3, "once an item");
    }

    #[test]
    fn whatever_the_order_we_ask_for_one_response_at_a_time_and_for_none_that_nobody_wants(
        script in prop::collection::vec(any_step(), 0..120)
    ) {
        let mut dialect = configured();
        let (mut open, mut asked, mut calls) = (HashSet::new(), false, HashSet::new());
        let mut wanted = 0_usize;
        // Its response may seem to have begun: without names, any that begins is taken for it.
        let mut refusable = false;
        for step in script {
            match &step {
                Step::Command(ModelCommand::Say(_) | ModelCommand::Respond | ModelCommand::ToolResult { .. }) => {
                    wanted += 1;
                }
                Step::Event(event) if event["error"]["code"] == ALREADY_RESPONDING && (asked || refusable) => {
                    (asked, refusable) = (false, false);
                    wanted += 1;
                }
                // A turn that the model spoke over is answered when we ask.
                Step::Event(event) if event["type"] == "input_audio_buffer.speech_stopped" => wanted += 1,
                Step::Event(_) | Step::Command(_) => {}
            }
            let Reaction { events, send } = takes(&mut dialect, &step);
            for event in events {
                match event {
                    ModelEvent::AgentStarted { response } => {
                        asked = false;
                        open.insert(response);
                    }
                    ModelEvent::AgentDone { response, .. } => {
                        refusable = false;
                        open.remove(&response);
                    }
                    ModelEvent::ToolCalled { call, .. } => {
                        calls.insert(call.0);
                    }
                    _ => {}
                }
            }
            for frame in all_sent(send) {
                if frame["item"]["type"] == "function_call_output" {
                    prop_assert!(calls.remove(frame["item"]["call_id"].as_str().unwrap()), "owed");
                }
                if frame["type"] == "response.create" {
                    prop_assert!(!asked && open.is_empty(), "another is being made");
                    prop_assert!(wanted > 0);
                    let words = frame["response"].get("instructions").is_some();
                    prop_assert!(words || calls.is_empty(), "a result is owed");
                    (asked, refusable) = (true, true);
                    wanted -= 1;
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
        for mut dialect in [dialect(opening(Greeting::FromPrompt)), configured()] {
            for frame in &frames {
                dialect.on_server(frame);
            }
            dialect.on_command(&ModelCommand::StopSpeaking);
            dialect.on_command(&heard("r1a", 20));
        }
    }
}
