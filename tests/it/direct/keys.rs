//! The keys that the model presses, as a phone hears them (RFC 4733).

use dialplane::kit::model::script::ToolCue;

use super::*;

const KEYS: &str = "0123456789*#ABCD";

/// A call in which the model presses all keys when the caller has spoken, and says something when it is told what came of it.
async fn pressed_for(keys: bool) -> (World, Call) {
    let tool_calls = vec![ToolCue::after(1, "send_dtmf", &json!({ "digits": KEYS }))];
    let behaviour = Behaviour { greeting: ms(500), reply: ms(700), tool_calls, ..Behaviour::default() };
    let answer = json!({"tools": ["send_dtmf"]});
    let world = World::configured(Script::always(behaviour), answer).await;
    let mut call = Call::place(&Dial { keys, ..world.dial() }).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let voice = tone_of("marin");
    let greeted = |heard: &Recording| find(heard, voice).is_some_and(|tone| tone.length >= ms(450));
    call.hears(greeted, SOON).await.unwrap();
    call.say(vec![Say::Tone { hz: TONE, length: ms(600) }]).await;
    (world, call)
}

/// The model is told, and its answer heard; the record says what became of it, and not which keys.
async fn ends(world: World, mut call: Call, output: &str, outcome: &str) {
    let voice = tone_of("marin");
    let answered = |heard: &Recording| {
        find(heard, voice).is_some_and(|tone| tone.length.mul_f64(1.0 - tone.missing) >= ms(1_100))
    };
    call.hears(answered, SOON).await.unwrap();
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    let told = world.model.sessions()[0].tool_calls[0].output.clone();
    assert_eq!(told.as_deref(), Some(output));
    let record = world.end().await;
    let [of_tool] = record["tool_calls"].as_array().unwrap().as_slice() else { panic!("{record}") };
    assert_eq!((&of_tool["tool"], &of_tool["outcome"]), (&json!("send_dtmf"), &json!(outcome)));
    assert!(!record.to_string().contains(KEYS), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_presses_every_key_of_a_telephone_and_speaks_after_it() {
    let (world, call) = pressed_for(true).await;
    let presses = call.keys(16, SOON).await.unwrap();
    assert_eq!(presses.iter().map(|press| press.key).collect::<String>(), KEYS);
    for press in &presses {
        assert_eq!((press.length, press.ends, press.marked), (ms(100), 3, true), "{press:?}");
    }
    let took = presses[15].began - presses[0].began;
    assert!(took >= ms(15 * 150 - 20), "100 ms and a pause of 50 ms at least for each: {took:?}");
    ends(world, call, "The keys were pressed.", "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_told_that_a_phone_takes_no_keys() {
    let (world, call) = pressed_for(false).await;
    let output = "The keys could not be pressed: whoever is on the line takes none.";
    ends(world, call, output, "failed").await;
}
