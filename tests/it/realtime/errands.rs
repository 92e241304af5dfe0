//! What the session asks for beside the caller's own turns, with the scripted model: it refuses two responses at once and
//! an answer before every tool result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::{Closing, SessionLog};
use dialplane::kit::model::script::{Behaviour, Fault, Rule, Script, ToolCue};
use dialplane::media::{MODEL_RATE, Pcm};
use dialplane::realtime::{Limits, ResponseOutcome, Said, Speaker, Tool, Verdict};
use dialplane::tenant::Eagerness;
use serde_json::json;

use super::conversation::{assert_taken, call, call_with, log, opening, response, servers, speak};
use super::*;

async fn send(session: &ModelSession, command: ModelCommand) {
    session.commands.send(command).await.unwrap();
}

async fn until(session: &mut ModelSession, found: impl Fn(&ModelEvent) -> bool) -> ModelEvent {
    loop {
        let event = next(session).await;
        assert!(!matches!(event, ModelEvent::Closed(_) | ModelEvent::Warning { .. }), "{event:?}");
        if found(&event) {
            return event;
        }
    }
}

/// Speaks a turn and falls silent.
async fn take_turn(session: &mut ModelSession, quiet: &AtomicBool) {
    quiet.store(false, Ordering::Relaxed);
    until(session, |event| *event == ModelEvent::CallerStarted).await;
    quiet.store(true, Ordering::Relaxed);
    until(session, |event| matches!(event, ModelEvent::CallerStopped { .. })).await;
}

#[tokio::test]
async fn the_model_calls_its_tools_and_goes_on_once_when_all_have_their_results() {
    let cue = |name: &str| ToolCue::after(1, name, &json!({"to": "billing"}));
    let tool_calls = vec![cue("transfer_call"), cue("hang_up")];
    for server in servers(&Behaviour { tool_calls, ..Behaviour::default() }).await {
        call_tools(&server).await;
    }
}

async fn call_tools(server: &ModelServer) {
    let tool = |name: &'static str| Tool {
        name,
        description: "Do it.".into(),
        parameters: json!({"type": "object", "properties": {"to": {"type": "string"}}}),
    };
    let tools = vec![tool("transfer_call"), tool("hang_up")];
    let mut session = call_with(server, Opening { tools, greeting: Greeting::None, ..opening() });
    until_configured(&mut session).await;
    let quiet = Arc::new(AtomicBool::new(false));
    let _caller = speak(session.commands.clone(), Arc::clone(&quiet));
    take_turn(&mut session, &quiet).await;
    let mut calls = Vec::new();
    for expected in ["transfer_call", "hang_up"] {
        let called = until(&mut session, |event| matches!(event, ModelEvent::ToolCalled { .. })).await;
        let ModelEvent::ToolCalled { call, name, arguments } = called else { unreachable!() };
        assert_eq!((name.as_str(), arguments.reveal().as_str()), (expected, r#"{"to":"billing"}"#));
        calls.push(call);
    }
    for call in calls {
        send(&session, ModelCommand::ToolResult { call, output: r#"{"done":true}"#.into() }).await;
    }
    assert_eq!(response(&mut session).await, (Pcm::new(), ResponseOutcome::Completed), "the calls");
    let (said, _) = response(&mut session).await;
    assert_eq!(said.len(), MODEL_RATE as usize * 3 / 2, "the reply, whole");
    let log = log(server, |log| log.responses.len() == 2).await;
    assert!(log.tool_calls.iter().all(|call| call.output.as_deref() == Some(r#"{"done":true}"#)));
    assert_taken(&log);
}

#[tokio::test]
async fn words_cut_the_greeting_short_and_are_said_whole() {
    let slow = Behaviour {
        greeting: Duration::from_secs(2),
        delta_gap: Duration::from_millis(200),
        ..Behaviour::default()
    };
    for server in servers(&slow).await {
        say_words(&server).await;
    }
}

async fn say_words(server: &ModelServer) {
    let mut session = call(server, Greeting::Say("Thank you for calling.".into()));
    until(&mut session, |event| matches!(event, ModelEvent::AgentAudio { .. })).await;
    send(&session, ModelCommand::Say("We are closing.".into())).await;
    send(&session, ModelCommand::Tell("The caller pressed 5.".into())).await;
    send(&session, ModelCommand::Respond).await;
    assert_eq!(response(&mut session).await.1, ResponseOutcome::Cancelled);
    let saying = until(&mut session, |event| matches!(event, ModelEvent::Saying { .. })).await;
    let ModelEvent::Saying { response: words } = saying else { unreachable!() };
    let done = until(&mut session, |event| matches!(event, ModelEvent::AgentDone { .. })).await;
    assert!(
        matches!(done, ModelEvent::AgentDone { response, outcome: ResponseOutcome::Completed, .. } if response == words)
    );
    assert_eq!(response(&mut session).await.1, ResponseOutcome::Completed, "the answer to the digit");
    let log = log(server, |log| log.responses.len() == 3).await;
    let purposes: Vec<_> =
        log.responses.iter().map(|response| &response.asked["metadata"]["purpose"]).collect();
    assert_eq!(purposes, ["greeting", "say", "respond"]);
    assert!(log.responses[1].asked["instructions"].as_str().unwrap().contains("We are closing."));
    assert_eq!(log.told(), [("user", "The caller pressed 5.")]);
    assert_taken(&log);
}

#[tokio::test]
async fn a_greeting_that_may_not_be_interrupted_is_heard_out_and_the_caller_answered_and_later_it_may() {
    let greeting = Duration::from_secs(2);
    let delta_gap = Duration::from_millis(60);
    for server in
        servers(&Behaviour { greeting, reply: greeting * 5, delta_gap, ..Behaviour::default() }).await
    {
        hear_out(&server).await;
    }
}

async fn hear_out(server: &ModelServer) {
    let opening = Opening {
        interruptible: false,
        turn_detection: TurnDetection::Semantic(Eagerness::High),
        ..opening()
    };
    let mut session = call_with(server, opening);
    until(&mut session, |event| matches!(event, ModelEvent::AgentAudio { .. })).await;
    let quiet = Arc::new(AtomicBool::new(true));
    let _caller = speak(session.commands.clone(), Arc::clone(&quiet));
    take_turn(&mut session, &quiet).await;
    assert_eq!(response(&mut session).await.1, ResponseOutcome::Completed, "the greeting");
    until(&mut session, |event| matches!(event, ModelEvent::AgentAudio { .. })).await;
    send(&session, ModelCommand::LetInterrupt).await;
    let may =
        |log: &SessionLog| log.session["audio"]["input"]["turn_detection"]["interrupt_response"] == true;
    log(server, may).await;
    take_turn(&mut session, &quiet).await;
    let log = log(server, |log| log.responses.get(2).is_some()).await;
    let ended: Vec<_> =
        log.responses.iter().filter_map(|r| r.done.as_ref()).map(|(_, status, _)| status).collect();
    assert_eq!(ended, ["completed", "cancelled"]);
    assert_eq!(log.responses[1].asked["metadata"]["purpose"], "respond");
    assert_eq!(log.session["audio"]["input"]["turn_detection"]["eagerness"], "high");
    assert_taken(&log);
}

#[tokio::test]
async fn a_second_session_takes_over_with_what_was_said_and_the_first_closes_in_peace() {
    let transcripts = vec!["I want to book.".into()];
    let behaviour = Behaviour { transcripts, words: "For what day?".into(), ..Behaviour::default() };
    for server in servers(&behaviour).await {
        take_over(&server).await;
    }
}

async fn take_over(server: &ModelServer) {
    let mut first = call(server, Greeting::None);
    until_configured(&mut first).await;
    let quiet = Arc::new(AtomicBool::new(false));
    let caller = speak(first.commands.clone(), Arc::clone(&quiet));
    take_turn(&mut first, &quiet).await;
    let mut history = Vec::new();
    let mut limits = None;
    while history.len() < 2 {
        match next(&mut first).await {
            ModelEvent::CallerText { text, .. } => history.push(Said { by: Speaker::Caller, text }),
            ModelEvent::AgentText { text, .. } => history.push(Said { by: Speaker::Agent, text }),
            ModelEvent::Limits(left) => limits = Some(left),
            _ => {}
        }
    }
    assert_eq!(limits, Some(Limits { requests: Some(99), tokens: Some(99) }));
    assert_eq!(history[0].by, Speaker::Caller);
    drop(caller);
    let mut second = call_with(server, Opening { history, ..opening() });
    until(&mut second, |event| matches!(event, ModelEvent::AgentAudio { .. })).await;
    send(&first, ModelCommand::Close).await;
    assert_eq!(closed(&mut first).await, Closed::Asked);
    assert_eq!(response(&mut second).await.1, ResponseOutcome::Completed);
    send(&second, ModelCommand::Close).await;
    assert_eq!(closed(&mut second).await, Closed::Asked);
    let both = |logs: &[SessionLog]| {
        (logs.len() == 2 && logs.iter().all(|log| log.closed.is_some())).then(|| logs.to_vec())
    };
    let logs = server.wait_for(both, PATIENCE).await.unwrap();
    assert_eq!(logs[1].told(), [("user", "I want to book."), ("assistant", "For what day?")]);
    for log in &logs {
        assert_eq!(log.closed.unwrap().1, Closing::Client { code: Some(1000) });
        assert_taken(log);
    }
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back_and_then_has_room() {
    let fault = Fault::TooManyRequests { retry_after: 3 };
    let script = Script::default().with(Rule::first(1, Behaviour { fault, ..Behaviour::default() }));
    let server = ModelServer::start(script).await.unwrap();
    let refused = closed(&mut call(&server, Greeting::None)).await;
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(refused.verdict(), Some(Verdict::CoolDown { retry_after }));
    until_configured(&mut call(&server, Greeting::None)).await;
}
