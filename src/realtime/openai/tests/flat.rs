//! The flat shape: what it says otherwise. All else is the same code.

use super::*;
use crate::realtime::{Said, Speaker};

fn flat(opening: Opening) -> OpenAi {
    OpenAi::new(
        &Provider { dialect: Dialect::OpenAiRealtimeBeta, transcription: Some("w".into()), ..provider() },
        opening,
    )
}

#[test]
fn the_configuration_is_flat_and_has_a_temperature_within_its_bounds() {
    for (asked, told) in
        [(Some(0.7), Some(0.7)), (Some(0.0), Some(0.6)), (Some(2.0), Some(1.2)), (None, None)]
    {
        let opening = Opening { temperature: asked, ..opening(Greeting::None) };
        let update = sent(hear(&mut flat(opening), created()).send);
        let mut expected = json!({
            "instructions": "You answer the phone.",
            "modalities": ["text", "audio"],
            "voice": "marin",
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": {"model": "w", "language": "en"},
            "turn_detection": {"type": "server_vad", "create_response": true, "interrupt_response": true},
            "max_response_output_tokens": 4096,
            "tools": [],
            "tool_choice": "auto",
        });
        if let Some(told) = told {
            expected["temperature"] = json!(told);
        }
        assert_eq!(update["session"], expected);
    }
}

#[test]
fn history_interruption_and_events_have_their_older_names() {
    let history = vec![Said { by: Speaker::Agent, text: "For what day?".into() }];
    let mut dialect = flat(Opening { history, interruptible: false, ..opening(Greeting::None) });
    assert_eq!(hear(&mut dialect, json!({"type": "conversation.created"})), Reaction::default());
    hear(&mut dialect, created());
    let told = sent(hear(&mut dialect, json!({"type": "session.updated", "session": {}})).send);
    assert_eq!(told["item"]["content"], json!([{"type": "text", "text": "For what day?"}]));
    let update = sent(dialect.on_command(&ModelCommand::LetInterrupt));
    let turns = json!({"type": "server_vad", "create_response": true, "interrupt_response": true});
    assert_eq!(update["session"], json!({ "turn_detection": turns }));

    let rename = |mut event: Value, kind: &str| {
        event["type"] = json!(kind);
        event
    };
    events(&mut dialect, begin("r1"));
    let spoken = rename(delta("r1", "a", &[1, 0]), "response.audio.delta");
    assert_eq!(events(&mut dialect, spoken), [audio("r1", "a", &[1])]);
    assert_eq!(events(&mut dialect, rename(audio_done("r1", "a"), "response.audio.done")), [item_done("a")]);
    let words =
        json!({"type": "response.audio_transcript.done", "item_id": "a", "transcript": "Good morning."});
    let said = ModelEvent::AgentText { item: ItemId("a".into()), text: "Good morning.".into() };
    assert_eq!(events(&mut dialect, words), [said]);
    assert_eq!(
        events(&mut dialect, json!({"type": "session.updated", "session": {"turn_detection": turns}})),
        [ModelEvent::Alive]
    );
    assert_eq!(
        events(&mut dialect, json!({"type": "input_audio_buffer.speech_started"})),
        [ModelEvent::CallerStarted]
    );
    let late = rename(delta("r1", "b", &[1, 0]), "response.audio.delta");
    assert_eq!(events(&mut dialect, late), [], "the caller has broken in");
}
