//! A model that hears the caller no more, its socket open: another session goes on with the conversation.

use dialplane::kit::model::script::{Fault, Rule, Transcript};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whom_the_model_hears_no_more_is_answered_by_the_next_which_knows_what_was_said() {
    let (greeting, reply) = (ms(300), ms(400));
    let deaf = Behaviour {
        greeting,
        reply,
        words: "We open at nine.".into(),
        // A cough, a turn that could not be written down, and a question.
        transcripts: vec!["".into(), Transcript::Failed, "When do you open?".into()],
        fault: Fault::DeafAfterTurns(3),
        ..Behaviour::default()
    };
    let script = Script::always(Behaviour { reply, ..Behaviour::default() }).with(Rule::first(1, deaf));
    let world = World::scripted(script).await;
    let voice = tone_of("marin");
    let mut call = Call::place(&world.dial()).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    for turn in 0..=4 {
        // All of the greeting and the answers so far, and some silence: nobody is interrupted.
        let said = greeting + reply * turn - ms(60);
        let heard = |heard: &Recording| {
            find(heard, voice).is_some_and(|tone| {
                let ended = tone.from + tone.length;
                tone.length.mul_f64(1.0 - tone.missing) >= said && heard.length() >= ended + ms(200)
            })
        };
        call.hears(heard, SOON).await.unwrap_or_else(|_| panic!("the answer to turn {turn}"));
        if turn < 4 {
            call.say(vec![Say::Tone { hz: TONE, length: ms(600) }]).await;
        }
    }
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    let sessions = world.model.sessions();
    let agent = ("assistant", "We open at nine.");
    let told = [agent, agent, agent, ("user", "When do you open?"), agent];
    assert_eq!(sessions[1].told(), told, "each turn's words in their place, and none for a turn without");
    assert_eq!(sessions[1].utterances.len(), 1, "what the first did not hear, the second did");
    let record = world.end().await;
    assert_eq!(record["model"]["sessions"][0]["ended"], "silent", "{record}");
    assert_eq!(record["model"]["warnings"], json!(["transcription-failed"]), "{record}");
}
