//! What we ask the server to say, and when; tools; what was said before.

use super::*;
use crate::realtime::{Limits, Said, Speaker, Tool, ToolCallId};
use crate::tenant::Eagerness;

fn speech(edge: &str) -> Value {
    json!({"type": format!("input_audio_buffer.speech_{edge}"), "item_id": "u"})
}

/// `response.created` as a server answers our request.
fn begin_asked(response: &str, request: &str) -> Value {
    json!({"type": "response.created", "response": {
        "id": response, "status": "in_progress", "metadata": {"purpose": "p", "request": request}}})
}

fn said(words: &str) -> ModelCommand {
    ModelCommand::Say(words.into())
}

fn called(call: &str) -> Value {
    json!({"type": "response.output_item.done", "response_id": "r", "output_index": 0, "item": {
        "type": "function_call", "id": format!("item-{call}"), "status": "completed", "call_id": call,
        "name": "hang_up", "arguments": "{\"why\":\"done\"}"}})
}

fn result(call: &str) -> ModelCommand {
    ModelCommand::ToolResult { call: ToolCallId(call.into()), output: "{\"ok\":true}".into() }
}

/// The types of the frames, and the name of a request.
fn kinds(frames: Vec<String>) -> Vec<String> {
    all_sent(frames)
        .iter()
        .map(|frame| match frame["event_id"].as_str() {
            Some(id) => format!("{} {id}", frame["type"].as_str().unwrap()),
            None => frame["type"].as_str().unwrap().to_owned(),
        })
        .collect()
}

fn refuse(dialect: &mut OpenAi, event_id: &str, code: &str) -> Reaction {
    hear(dialect, error(json!(code), "invalid_request_error", Value::Null, json!(event_id)))
}

const EARLY: &str = "conversation_already_has_active_response";

#[test]
fn tools_turn_detection_and_transcription_are_part_of_the_configuration() {
    let parameters = json!({"type": "object", "properties": {}});
    let tool = Tool { name: "hang_up", description: "End the call.".into(), parameters: parameters.clone() };
    let opening = Opening {
        turn_detection: TurnDetection::Semantic(Eagerness::Low),
        interruptible: false,
        tools: vec![tool],
        ..opening(Greeting::None)
    };
    let provider = Provider { transcription: Some("gpt-transcribe".into()), ..provider() };
    let update = sent(hear(&mut OpenAi::new(&provider, opening), created()).send);
    let session = &update["session"];
    let function = json!({"type": "function", "name": "hang_up", "description": "End the call.", "parameters": parameters});
    assert_eq!(session["tools"], json!([function]));
    assert_eq!(
        session["audio"]["input"]["turn_detection"],
        json!({"type": "semantic_vad", "eagerness": "low", "create_response": true, "interrupt_response": false})
    );
    assert_eq!(
        session["audio"]["input"]["transcription"],
        json!({"model": "gpt-transcribe", "language": "en"}),
        "without the region, which the models do not take"
    );
}

#[test]
fn a_refused_transcription_is_left_out_and_so_is_a_voice_each_once() {
    let provider = Provider { transcription: Some("m".into()), ..provider() };
    let mut dialect = OpenAi::new(&provider, opening(Greeting::None));
    hear(&mut dialect, created());
    let refused =
        |param: &str, event_id: &str| error(json!("invalid_value"), "t", json!(param), json!(event_id));
    let reaction = hear(&mut dialect, refused("session.audio.input.transcription.model", "setup-0"));
    assert_eq!(reaction.events, [warned(TRANSCRIPTION_REFUSED)]);
    let again = sent(reaction.send);
    assert_eq!(again["session"]["audio"]["input"].get("transcription"), None);
    assert_eq!(again["session"]["audio"]["output"]["voice"], "marin");
    let reaction = hear(&mut dialect, refused("session.audio.output.voice", "setup-1"));
    assert_eq!(reaction.events, [warned(VOICE_REFUSED)]);
    assert_eq!(sent(reaction.send)["event_id"], "setup-2");
    let twice = refused("session.audio.input.transcription", "setup-2");
    assert_eq!(events(&mut dialect, twice), [super::refused("invalid_value")]);
}

#[test]
fn what_was_said_before_is_told_in_order_before_the_greeting_is_asked_for() {
    let history = vec![
        Said { by: Speaker::Caller, text: "I want to book.".into() },
        Said { by: Speaker::Agent, text: "For what day?".into() },
    ];
    let mut dialect = dialect(Opening { history, ..opening(Greeting::Say("I am back.".into())) });
    hear(&mut dialect, created());
    let frames = all_sent(hear(&mut dialect, json!({"type": "session.updated"})).send);
    let item = |role: &str, part: &str, text: &str| {
        json!({"type": "conversation.item.create", "item": {
            "type": "message", "role": role, "content": [{"type": part, "text": text}]}})
    };
    assert_eq!(frames[0], item("user", "input_text", "I want to book."));
    assert_eq!(frames[1], item("assistant", "output_text", "For what day?"));
    assert_eq!((&frames[2]["type"], frames.len()), (&json!("response.create"), 3));
}

#[test]
fn the_caller_may_interrupt_once_the_server_says_so() {
    let detection = |on: bool| {
        json!({"type": "session.updated", "session": {"audio": {"input": {
            "turn_detection": {"type": "server_vad", "interrupt_response": on}}}}})
    };
    let mut dialect = dialect(Opening { interruptible: false, ..opening(Greeting::None) });
    hear(&mut dialect, created());
    assert_eq!(events(&mut dialect, detection(false)), [ModelEvent::Configured { audio: Format::Pcm }]);
    events(&mut dialect, begin("r1"));
    let speaks = |dialect: &mut OpenAi| events(dialect, speech("started"));
    assert_eq!(speaks(&mut dialect), [ModelEvent::CallerStarted]);
    assert_eq!(events(&mut dialect, delta("r1", "a", &[1, 0])), [audio("r1", "a", &[1])], "it speaks on");
    let update = sent(dialect.on_command(&ModelCommand::LetInterrupt));
    let turns = json!({"type": "server_vad", "create_response": true, "interrupt_response": true});
    assert_eq!(
        update,
        json!({"type": "session.update", "event_id": "let-interrupt", "session": {
            "type": "realtime", "audio": {"input": {"turn_detection": turns}}}})
    );
    assert_eq!(dialect.on_command(&ModelCommand::LetInterrupt), NOTHING, "once");
    speaks(&mut dialect);
    assert_eq!(events(&mut dialect, delta("r1", "a", &[2, 0])), [audio("r1", "a", &[2])], "not yet taken");
    assert_eq!(events(&mut dialect, detection(false)), [ModelEvent::Alive], "the answer to another update");
    speaks(&mut dialect);
    assert_eq!(events(&mut dialect, delta("r1", "a", &[3, 0])), [audio("r1", "a", &[3])]);
    assert_eq!(events(&mut dialect, detection(true)), [ModelEvent::Alive], "not configured a second time");
    speaks(&mut dialect);
    assert_eq!(events(&mut dialect, delta("r1", "a", &[4, 0])), []);
    assert_eq!(configured().on_command(&ModelCommand::LetInterrupt), NOTHING, "it may already");
}

#[test]
fn a_caller_who_spoke_over_what_could_not_be_interrupted_is_answered() {
    let mut dialect = dialect(Opening { interruptible: false, ..opening(Greeting::None) });
    hear(&mut dialect, created());
    hear(&mut dialect, json!({"type": "session.updated"}));
    for event in [begin("r1"), delta("r1", "a", &[1, 0]), speech("started"), speech("stopped")] {
        assert_eq!(hear(&mut dialect, event).send, NOTHING);
    }
    assert_eq!(kinds(hear(&mut dialect, done("r1", "completed")).send), ["response.create respond-1"]);
}

#[test]
fn words_stop_what_is_being_said_and_are_asked_for_when_that_is_over() {
    let mut dialect = configured();
    assert_eq!(kinds(dialect.on_command(&said("one"))), ["response.create say-1"], "nothing is being said");
    assert_eq!(dialect.on_command(&said("two")), NOTHING, "the request is not answered yet");
    let reaction = hear(&mut dialect, begin_asked("r1", "say-1"));
    assert_eq!(reaction.events, [started("r1")], "not the last words");
    assert_eq!(sent(reaction.send), json!({"type": "response.cancel", "response_id": "r1"}));
    assert_eq!(events(&mut dialect, delta("r1", "a", &[1, 0])), [], "not heard");
    let over = hear(&mut dialect, done("r1", "cancelled"));
    let create = sent(over.send);
    let words = "Say exactly the following to the caller, word for word, and nothing else:\n\ntwo";
    assert_eq!(create["response"]["instructions"], words);
    assert_eq!(create["response"]["tool_choice"], "none");
    assert_eq!(create["response"]["metadata"], json!({"purpose": "say", "request": "say-2"}));
    let saying = ModelEvent::Saying { response: ResponseId("r2".into()) };
    assert_eq!(events(&mut dialect, begin_asked("r2", "say-2")), [started("r2"), saying.clone()]);
    // A server that never gives back the name.
    let mut nameless = configured();
    nameless.on_command(&said("one"));
    assert_eq!(events(&mut nameless, begin("r2")), [started("r2"), saying]);
}

#[test]
fn words_that_come_while_the_server_answers_the_caller_are_said_after_it_all_the_same() {
    let mut dialect = configured();
    events(&mut dialect, begin_asked("r0", "respond-9"));
    events(&mut dialect, done("r0", "completed"));
    assert_eq!(kinds(dialect.on_command(&said("bye"))), ["response.create say-1"]);
    // The server's own came first.
    assert_eq!(events(&mut dialect, begin("r1")), [started("r1")]);
    let reaction = refuse(&mut dialect, "say-1", EARLY);
    assert_eq!(reaction.events, [], "no warning: it comes in time");
    assert_eq!(kinds(reaction.send), ["response.cancel"]);
    assert_eq!(kinds(hear(&mut dialect, done("r1", "cancelled")).send), ["response.create say-2"]);
    // Of another error only the record learns.
    let reaction = refuse(&mut dialect, "say-2", "invalid_value");
    assert_eq!((reaction.events, kinds(reaction.send)), (vec![warned("invalid_value")], vec![]));
}

#[test]
fn an_unannounced_response_is_waited_for_and_not_asked_against_again_and_again() {
    let mut dialect = configured();
    dialect.on_command(&said("bye"));
    assert_eq!(refuse(&mut dialect, "say-1", EARLY), Reaction::default());
    assert_eq!(dialect.on_command(&ModelCommand::Respond), NOTHING);
    assert_eq!(kinds(hear(&mut dialect, done("r1", "completed")).send), ["response.create say-2"]);
}

#[test]
fn to_stop_speaking_takes_back_what_was_asked_for() {
    let mut dialect = configured();
    dialect.on_command(&said("one"));
    assert_eq!(dialect.on_command(&ModelCommand::StopSpeaking), NOTHING, "not begun");
    let reaction = hear(&mut dialect, begin_asked("r1", "say-1"));
    assert_eq!(
        (reaction.events, kinds(reaction.send)),
        (vec![started("r1")], vec!["response.cancel".into()])
    );
    dialect.on_command(&said("two"));
    assert_eq!(dialect.on_command(&ModelCommand::StopSpeaking), NOTHING);
    assert_eq!(hear(&mut dialect, done("r1", "cancelled")).send, NOTHING);
}

#[test]
fn a_cancel_that_the_server_knows_no_response_for_ends_it_here_too() {
    let mut dialect = configured();
    events(&mut dialect, begin("r1"));
    dialect.on_command(&said("bye"));
    let reaction =
        hear(&mut dialect, error(json!("response_cancel_not_active"), "t", Value::Null, Value::Null));
    let over = [ended("r1", ResponseOutcome::Cancelled), warned("response_cancel_not_active")];
    assert_eq!(reaction.events, over);
    assert_eq!(kinds(reaction.send), ["response.create say-1"]);
}

#[test]
fn what_the_caller_did_is_told_and_an_answer_waits_for_model_and_caller() {
    let mut dialect = configured();
    let told = all_sent(dialect.on_command(&ModelCommand::Tell("The caller pressed 5.".into())));
    assert_eq!(
        told,
        [json!({"type": "conversation.item.create", "item": {
            "id": "dialplane-1", "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": "The caller pressed 5."}]}})]
    );
    assert_eq!(kinds(dialect.on_command(&ModelCommand::Respond)), ["response.create respond-1"]);
    assert_eq!(dialect.on_command(&ModelCommand::Respond), NOTHING, "one at a time");
    events(&mut dialect, begin_asked("r1", "respond-1"));
    assert_eq!(kinds(hear(&mut dialect, done("r1", "completed")).send), ["response.create respond-2"]);
    events(&mut dialect, begin_asked("r2", "respond-2"));
    assert_eq!(hear(&mut dialect, done("r2", "completed")).send, NOTHING);

    // While the caller speaks, the server's own answer is awaited.
    for event in
        [json!({"type": "conversation.item.added", "item": {"id": "dialplane-1"}}), speech("started")]
    {
        hear(&mut dialect, event);
    }
    assert_eq!(dialect.on_command(&ModelCommand::Respond), NOTHING);
    assert_eq!(hear(&mut dialect, speech("stopped")).send, NOTHING);
    events(&mut dialect, begin("r3"));
    assert_eq!(hear(&mut dialect, done("r3", "completed")).send, NOTHING, "that was the answer");

    // But not when it began before it could know.
    dialect.on_command(&ModelCommand::Tell("The caller pressed 6.".into()));
    hear(&mut dialect, speech("started"));
    dialect.on_command(&ModelCommand::Respond);
    hear(&mut dialect, speech("stopped"));
    events(&mut dialect, begin("r4"));
    hear(&mut dialect, json!({"type": "conversation.item.added", "item": {"id": "dialplane-2"}}));
    assert_eq!(kinds(hear(&mut dialect, done("r4", "completed")).send), ["response.create respond-3"]);
}

#[test]
fn a_tool_call_is_told_once_and_after_the_last_result_the_model_goes_on_once() {
    let mut dialect = configured();
    events(&mut dialect, begin("r"));
    let told = |call: &str| ModelEvent::ToolCalled {
        call: ToolCallId(call.into()),
        name: "hang_up".into(),
        arguments: r#"{"why":"done"}"#.to_owned().into(),
    };
    assert_eq!(events(&mut dialect, called("c1")), [told("c1")]);
    assert_eq!(events(&mut dialect, called("c1")), []);
    assert_eq!(events(&mut dialect, called("c2")), [told("c2")]);
    let mut cut_off = called("c3");
    cut_off["item"]["status"] = json!("incomplete");
    assert_eq!(events(&mut dialect, cut_off), [], "its arguments are in pieces");

    let output = all_sent(dialect.on_command(&result("c1")));
    assert_eq!(
        output,
        [json!({"type": "conversation.item.create", "item": {
            "id": "dialplane-1", "type": "function_call_output", "call_id": "c1", "output": "{\"ok\":true}"}})]
    );
    assert_eq!(dialect.on_command(&result("c1")), NOTHING, "settled");
    assert_eq!(dialect.on_command(&result("c9")), NOTHING, "never called");
    assert_eq!(hear(&mut dialect, done("r", "completed")).send, NOTHING, "one result is owed");
    assert_eq!(
        kinds(dialect.on_command(&result("c2"))),
        ["conversation.item.create", "response.create respond-1"]
    );
    // The other way round: the results first, then the end of the response.
    events(&mut dialect, begin_asked("r2", "respond-1"));
    events(&mut dialect, called("c4"));
    assert_eq!(kinds(dialect.on_command(&result("c4"))), ["conversation.item.create"]);
    assert_eq!(kinds(hear(&mut dialect, done("r2", "completed")).send), ["response.create respond-2"]);
}

#[test]
fn a_server_shows_that_it_is_there_by_taking_or_refusing_what_changes_nothing() {
    let mut dialect = configured();
    let probe = sent(dialect.on_command(&ModelCommand::Probe));
    assert_eq!(
        probe,
        json!({"type": "session.update", "event_id": "probe", "session": {"type": "realtime"}})
    );
    assert_eq!(events(&mut dialect, json!({"type": "session.updated"})), [ModelEvent::Alive]);
    dialect.on_command(&ModelCommand::Probe);
    let refused = error(json!("invalid_value"), "invalid_request_error", Value::Null, json!("probe"));
    assert_eq!(events(&mut dialect, refused), [ModelEvent::Alive]);
}

#[test]
fn more_tool_calls_than_a_call_can_have_are_answered_here() {
    let mut dialect = configured();
    for call in 0..16 {
        assert_eq!(events(&mut dialect, called(&call.to_string())).len(), 1);
    }
    let reaction = hear(&mut dialect, called("one more"));
    assert_eq!(reaction.events, []);
    let output = sent(reaction.send);
    assert_eq!(output["item"]["call_id"], "one more");
    assert_eq!(output["item"]["output"], r#"{"error":"too many calls at once"}"#);
}

#[test]
fn what_was_said_is_told_bounded_and_once() {
    let mut dialect = configured();
    let caller = |item: &str, text: &str| {
        json!({"type": "conversation.item.input_audio_transcription.completed", "item_id": item,
            "content_index": 0, "transcript": text, "usage": {"type": "duration", "seconds": 1}})
    };
    let heard =
        |item: &str, text: &str| ModelEvent::CallerText { item: ItemId(item.into()), text: text.into() };
    assert_eq!(events(&mut dialect, caller("u1", "Hello?")), [heard("u1", "Hello?")]);
    assert_eq!(events(&mut dialect, caller("u1", "Hello?")), [], "told twice by some servers");
    assert_eq!(events(&mut dialect, caller("u2", "")), [heard("u2", "")], "no word was heard");
    let long = "é".repeat(20_000);
    assert_eq!(events(&mut dialect, caller("u3", &long)), [heard("u3", &"é".repeat(8192))]);
    let failed = |item: &str| {
        json!({"type": "conversation.item.input_audio_transcription.failed", "item_id": item,
            "content_index": 0, "error": {"type": "transcription_error", "code": "audio_unintelligible"}})
    };
    let warning = ModelEvent::Warning { code: TRANSCRIPTION_FAILED.into() };
    assert_eq!(events(&mut dialect, failed("u4")), [warning, heard("u4", "")]);
    assert_eq!(events(&mut dialect, failed("u5")), [heard("u5", "")], "warned of once");
    let spoken = json!({"type": "response.output_audio_transcript.done", "response_id": "r", "item_id": "a",
        "output_index": 0, "content_index": 0, "transcript": "Good morning."});
    let told = ModelEvent::AgentText { item: ItemId("a".into()), text: "Good morning.".into() };
    assert_eq!(events(&mut dialect, spoken), [told]);
}

#[test]
fn rate_limits_are_told_in_percent() {
    let limits = |limits: Value| json!({"type": "rate_limits.updated", "rate_limits": limits});
    let table = [
        (json!([]), Limits::default()),
        (
            json!([{"name": "requests", "limit": 5000, "remaining": 4999, "reset_seconds": 0.1},
                {"name": "tokens", "limit": 800, "remaining": 0}]),
            Limits { requests: Some(99), tokens: Some(0) },
        ),
        (json!([{"name": "tokens", "limit": 0, "remaining": 5}, 7, {"name": "requests"}]), Limits::default()),
        (
            json!([{"name": "tokens", "limit": 1, "remaining": 5}]),
            Limits { requests: None, tokens: Some(100) },
        ),
    ];
    for (found, expected) in table {
        assert_eq!(events(&mut configured(), limits(found)), [ModelEvent::Limits(expected)]);
    }
}
