//! The caller's turns: heard, committed, answered, and spoken over.

use super::bench::*;
use super::*;
use crate::kit::model::script::ToolCue;
use crate::kit::model::script::Transcript;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_turn_is_heard_committed_and_answered_in_the_services_order() {
    let transcription = json!({"input": {"transcription": {"model": "gpt-transcribe"}}});
    let mut bench = Bench::configured(json!({ "audio": transcription }));
    let mut events = bench.speak_ms(970.0, 800);
    assert_eq!(kinds(&events), ["input_audio_buffer.speech_started"]);
    events.extend(bench.silence_ms(600));
    let order = kinds(&events);
    let end = order.iter().position(|kind| *kind == "rate_limits.updated").unwrap();
    assert_eq!(
        order[..end],
        [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
        ]
    );
    assert_eq!(events[1]["audio_end_ms"], 1_300);
    assert!(events[..3].iter().all(|event| event["item_id"] == events[0]["item_id"]));
    let heard = bench.notes.iter().find_map(|note| match note {
        Note::SpeechStopped { tone_hz, voiced, .. } => Some((tone_hz.unwrap(), voiced.as_millis())),
        _ => None,
    });
    let (hz, ms) = heard.unwrap();
    assert!((hz - 970.0).abs() < 5.0 && ms == 800, "{hz} Hz, {ms} ms");
    events.extend(bench.pass(SECOND));
    assert_eq!(audio_of(&events, Codec::Pcm24k).len(), 36_000, "a reply is 1.5 s");
}

#[test]
fn speech_over_a_response_cancels_it_unless_it_is_generated_or_must_not_be_interrupted() {
    let turns = |interrupt| json!({"type": "server_vad", "interrupt_response": interrupt});
    for (name, interrupt, wait_ms, expected) in [
        ("being made", true, 100, Some("turn_detected")),
        ("generated", true, 1_000, None),
        ("not interruptible", false, 100, None),
    ] {
        let mut bench = Bench::configured(json!({"audio": {"input": {"turn_detection": turns(interrupt)}}}));
        bench.send(json!({"type": "response.create"}));
        bench.pass(Duration::from_millis(wait_ms));
        let events = bench.speak_ms(970.0, 100);
        assert_eq!(kinds(&events)[0], "input_audio_buffer.speech_started", "{name}");
        let done = of(&events, "response.done");
        let reason = done.first().map(|done| done["response"]["status_details"]["reason"].as_str().unwrap());
        assert_eq!(reason, expected, "{name}");
    }
}

#[test]
fn turns_are_the_clients_own_where_detection_is_off_or_does_not_answer() {
    let mut bench = Bench::configured(json!({"audio": {"input": {"turn_detection": null}}}));
    assert!(bench.speak_ms(970.0, 99).is_empty());
    let commit = json!({"type": "input_audio_buffer.commit"});
    assert_eq!(bench.send(&commit)[0]["error"]["code"], "input_audio_buffer_commit_empty");
    bench.speak_ms(970.0, 1);
    let committed = bench.send(&commit);
    assert_eq!(
        kinds(&committed),
        ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    );
    assert_eq!(bench.send(commit)[0]["error"]["code"], "input_audio_buffer_commit_empty");

    let turns = json!({"type": "semantic_vad", "create_response": false});
    let mut bench = Bench::configured(json!({"audio": {"input": {"turn_detection": turns}}}));
    bench.speak_ms(970.0, 300);
    assert_eq!(kinds(&bench.silence_ms(600)).last(), Some(&"conversation.item.done"));
}

#[test]
fn items_are_created_in_place_and_an_id_is_taken_once() {
    let mut bench = Bench::configured(json!({}));
    let item = |id: &str, previous: Value| {
        let content = json!([{"type": "input_text", "text": "hello"}]);
        let item = json!({"type": "message", "role": "user", "id": id, "content": content});
        json!({"type": "conversation.item.create", "event_id": "c9", "previous_item_id": previous, "item": item})
    };
    let first = bench.send(item("a", Value::Null));
    assert_eq!(kinds(&first), ["conversation.item.added", "conversation.item.done"]);
    assert_eq!(first[0]["item"]["status"], "completed");
    assert_eq!(bench.send(item("c", json!("a")))[0]["previous_item_id"], "a");
    assert_eq!(bench.send(item("b", json!("root")))[0]["previous_item_id"], Value::Null);
    let error = &bench.send(item("a", Value::Null))[0]["error"];
    assert_eq!((&error["code"], &error["event_id"]), (&json!("item_create_duplicate_item_id"), &json!("c9")));
    let deleted = bench.send(json!({"type": "conversation.item.delete", "item_id": "a"}));
    assert_eq!(deleted[0]["type"], "conversation.item.deleted");
    assert_eq!(bench.send(item("a", json!("gone")))[0]["error"]["param"], "previous_item_id");

    let call = json!({"type": "function_call", "call_id": "call_1", "name": "hang_up", "arguments": "{}"});
    bench.send(json!({"type": "conversation.item.create", "item": call}));
    let output = json!({"type": "function_call_output", "call_id": "call_1", "output": "{}"});
    let answer = bench.send(json!({"type": "conversation.item.create", "item": output}));
    assert_eq!(answer[0]["item"]["call_id"], "call_1");
}

#[test]
fn delays_are_kept_by_the_clock() {
    let behaviour = Behaviour {
        update_delay: SECOND,
        first_audio: SECOND,
        delta: Duration::from_millis(500),
        delta_gap: SECOND,
        ..Behaviour::default()
    };
    let mut bench = Bench::new(behaviour);
    assert!(bench.send(json!({"type": "session.update", "session": {"type": "realtime"}})).is_empty());
    assert!(!bench.session.reads());
    assert!(bench.pass(Duration::from_millis(999)).is_empty());
    assert_eq!(kinds(&bench.pass(Duration::from_millis(1))), ["session.updated"]);
    assert!(bench.session.reads());
    let created = bench.send(json!({"type": "response.create"}));
    assert_eq!(kinds(&created).last(), Some(&"response.content_part.added"));
    let audio = |events: &[Value]| audio_of(events, Codec::Pcm24k).len();
    assert_eq!(audio(&bench.pass(Duration::from_millis(999))), 0);
    assert_eq!(audio(&bench.pass(Duration::from_millis(1))), 12_000);
    assert_eq!(audio(&bench.pass(SECOND)), 12_000);
}

#[test]
fn a_fault_shows_as_the_script_says() {
    let fault = |fault| Behaviour { fault, ..Behaviour::default() };
    let update = json!({"type": "session.update", "event_id": "c1", "session": {"type": "realtime"}});
    let code = || "insufficient_quota".to_owned();

    let mut bench = Bench::new(fault(Fault::FailSession { code: code() }));
    let events = bench.send(&update);
    assert_eq!(kinds(&events), ["error", "close"]);
    assert_eq!(events[0]["error"]["code"], "insufficient_quota");
    assert!(bench.send(&update).is_empty());

    let mut bench = Bench::configured_with(fault(Fault::SilentAfterUpdate), json!({}));
    assert!(bench.send(json!({"type": "response.create"})).is_empty());
    assert!(bench.pass(SECOND * 10).is_empty());

    let mut bench = Bench::configured_with(fault(Fault::FailResponses { code: code() }), json!({}));
    let events = bench.send(json!({"type": "response.create"}));
    assert_eq!(kinds(&events), ["response.created", "rate_limits.updated", "response.done"]);
    assert_eq!(events[2]["response"]["status_details"]["error"]["code"], "insufficient_quota");

    let script = Arc::new(Script::always(fault(Fault::Mute)));
    let mut mute = Session::open(script, 1, "m", 0, Instant::now());
    mute.handle(&update, Instant::now());
    assert!(mute.take().iter().all(|out| matches!(out, Out::Note(_))));

    let mut bench = Bench::new(fault(Fault::Garbage));
    assert_eq!(kinds(&bench.send(update)), ["session.updated", "text"]);

    let mut bench = Bench::new(fault(Fault::DropAfter(SECOND)));
    assert!(bench.pass(Duration::from_millis(999)).is_empty());
    assert_eq!(kinds(&bench.pass(Duration::from_millis(1))), ["drop"]);
    assert!(bench.pass(SECOND).is_empty());

    let mut bench = Bench::new(fault(Fault::ExpireAfter(SECOND)));
    let events = bench.pass(SECOND);
    assert_eq!(kinds(&events), ["error", "close"]);
    assert_eq!((&events[0]["error"]["code"], &events[1]["code"]), (&json!("session_expired"), &json!(1001)));

    let mut bench =
        Bench::configured_with(fault(Fault::DropAfterAudio(Duration::from_millis(300))), json!({}));
    let mut events = bench.send(json!({"type": "response.create"}));
    events.extend(bench.pass(SECOND * 5));
    assert_eq!(audio_of(&events, Codec::Pcm24k).len(), 7_200);
    assert_eq!(kinds(&events).last(), Some(&"drop"));
}

#[test]
fn a_frame_that_is_no_json_is_refused_and_the_session_goes_on() {
    let mut bench = Bench::configured(json!({}));
    bench.session.handle_garbage();
    assert_eq!(bench.events()[0]["error"]["code"], "invalid_event");
    assert_eq!(bench.send(json!([]))[0]["error"]["code"], "invalid_type");
    assert_eq!(kinds(&bench.send(json!({"type": "response.create"})))[0], "response.created");
}

/// A turn of the caller.
fn turn(bench: &mut Bench) -> Vec<Value> {
    let mut events = bench.speak_ms(970.0, 300);
    events.extend(bench.silence_ms(600));
    events
}

#[test]
fn a_tool_is_called_on_its_cue_and_the_model_goes_on_after_every_result() {
    let cue = |name: &str| ToolCue::after(2, name, &json!({"to": "billing"}));
    let tool_calls = vec![cue("transfer_call"), cue("hang_up")];
    let mut bench = Bench::configured_with(Behaviour { tool_calls, ..Behaviour::default() }, json!({}));
    assert!(of(&turn(&mut bench), "response.function_call_arguments.done").is_empty());
    bench.pass(SECOND * 5);
    let events = turn(&mut bench);
    let arguments = of(&events, "response.function_call_arguments.done");
    assert_eq!(
        (&arguments[0]["name"], &arguments[0]["arguments"]),
        (&json!("transfer_call"), &json!(r#"{"to":"billing"}"#))
    );
    let items = of(&events, "response.output_item.done");
    assert_eq!(
        (&items[1]["item"]["name"], &items[1]["item"]["type"]),
        (&json!("hang_up"), &json!("function_call"))
    );
    assert_eq!(of(&events, "response.done")[0]["response"]["output"].as_array().unwrap().len(), 2);
    let create = json!({"type": "response.create"});
    for item in items {
        assert_eq!(bench.send(&create)[0]["error"]["code"], "tool_results_missing");
        let output =
            json!({"type": "function_call_output", "call_id": item["item"]["call_id"], "output": "{}"});
        let answer = bench.send(json!({"type": "conversation.item.create", "item": output}));
        assert_eq!(answer[0]["type"], "conversation.item.added");
    }
    let mut spoken = bench.send(create);
    spoken.extend(bench.pass(SECOND));
    assert_eq!(audio_of(&spoken, Codec::Pcm24k).len(), 36_000);

    let stray = json!({"type": "function_call_output", "call_id": "call_9", "output": "{}"});
    let stray = bench.send(json!({"type": "conversation.item.create", "item": stray}));
    assert_eq!(stray[0]["error"]["code"], "invalid_tool_call_id");
}

#[test]
fn words_may_be_asked_for_while_a_tool_call_waits() {
    let tool_calls = vec![ToolCue::after(1, "hang_up", &json!({}))];
    let mut bench = Bench::configured_with(Behaviour { tool_calls, ..Behaviour::default() }, json!({}));
    turn(&mut bench);
    let say = json!({"type": "response.create", "response": {"instructions": "Say: one moment."}});
    assert_eq!(kinds(&bench.send(say))[0], "response.created");
}

#[test]
fn turns_are_written_down_in_the_scripts_words_while_it_has_any() {
    let transcripts = vec!["book me in".into(), Transcript::Failed, "".into()];
    let transcription = json!({"audio": {"input": {"transcription": {"model": "gpt-transcribe"}}}});
    let mut bench = Bench::configured_with(Behaviour { transcripts, ..Behaviour::default() }, transcription);
    let kind = "conversation.item.input_audio_transcription";
    for words in [Some("book me in"), None, Some(""), Some("words of the caller")] {
        let events = turn(&mut bench);
        let (item, told) = match words {
            Some(words) => {
                let completed = of(&events, &format!("{kind}.completed"));
                assert_eq!(completed[0]["transcript"], words);
                (of(&events, "input_audio_buffer.speech_stopped"), completed)
            }
            None => {
                (of(&events, "input_audio_buffer.speech_stopped"), of(&events, &format!("{kind}.failed")))
            }
        };
        assert_eq!((told.len(), &told[0]["item_id"]), (1, &item[0]["item_id"]));
        bench.pass(SECOND * 5);
    }
}

#[test]
fn a_silence_by_script_begins_with_a_turn_or_in_the_middle_of_speech() {
    let fault = |fault| Behaviour { fault, ..Behaviour::default() };
    let mut bench = Bench::configured_with(fault(Fault::SilentAfterTurns(2)), json!({}));
    assert!(!of(&turn(&mut bench), "response.created").is_empty());
    bench.pass(SECOND * 5);
    let events = turn(&mut bench);
    assert_eq!(kinds(&events).last(), Some(&"input_audio_buffer.speech_stopped"));
    assert!(bench.pass(SECOND * 60).is_empty() && turn(&mut bench).is_empty());

    let mut bench = Bench::configured_with(fault(Fault::DeafAfterTurns(1)), json!({}));
    assert!(!of(&turn(&mut bench), "response.created").is_empty());
    assert!(!of(&bench.pass(SECOND * 5), "response.done").is_empty(), "the answer is whole");
    let update = json!({"type": "session.update", "session": {"type": "realtime"}});
    assert_eq!(kinds(&bench.send(update.clone())), ["session.updated"]);
    assert!(turn(&mut bench).is_empty() && bench.send(update).is_empty());

    let heard = Duration::from_millis(300);
    let mut bench = Bench::configured_with(fault(Fault::SilentAfterAudio(heard)), json!({}));
    let mut events = bench.send(json!({"type": "response.create"}));
    events.extend(bench.pass(SECOND * 60));
    assert_eq!(audio_of(&events, Codec::Pcm24k).len(), 7_200);
    assert!(of(&events, "response.done").is_empty());
}
