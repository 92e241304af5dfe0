//! Models that fail, before the answer and in the middle of a call: what the caller hears of it, and the record.

use std::time::Duration;

use dialplane::kit::model::script::{Behaviour, Fault, Rule, Script};
use serde_json::json;

use crate::ear::{Heard, Sound, total};
use crate::providers::{
    NEVER, answer, ending, faulty, longest_wait, longest_wait_for_an_answer, ms, sessions, two_providers,
};
use crate::rtp::Say;
use crate::world::{ACME, CALLER, Plan, SOON, World, hears, hears_first, hears_out, pitch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn before_the_answer_the_second_provider_serves_whatever_is_wrong_with_the_first() {
    let faults = [
        ("refuses (401)", Fault::RefuseUpgrade(401), "refused"),
        ("busy (429)", Fault::RefuseUpgrade(429), "busy"),
        ("fails (503)", Fault::RefuseUpgrade(503), "busy"),
        ("never answers", Fault::HangUpgrade, "late"),
        ("accepts and stays silent", Fault::Mute, "late"),
        ("configures and stays silent", Fault::SilentAfterUpdate, "late"),
        ("every response fails", Fault::FailResponses { code: "server_error".into() }, "failed"),
        ("drops before the greeting", Fault::DropAfter(Duration::ZERO), "lost"),
    ];
    for (name, fault, why) in faults {
        let plan = Plan::new(faulty(fault), &answer());
        let (world, other) = two_providers(plan, Script::always(faulty(Fault::None))).await;
        let mut call = world.call(ACME);
        call.answered(SOON).await;
        let greeted = call.times().since_invite(hears_first(&call, pitch("marin")).await);
        hears_out(&call, pitch("marin")).await;
        call.leave().await;
        let records = world.end(1).await;
        println!("{name:<28} greeted after {greeted:?}  {:?}", sessions(&records[0]));
        let expected = [format!("first first-model: {why}"), "second second-model: lasted".to_owned()];
        assert_eq!(sessions(&records[0]), expected, "{name}");
        assert_eq!(ending(&records[0]), ("caller", "caller-hung-up", ""), "{name}");
        assert_eq!(records[0]["model"]["failovers"], 1, "{name}");
        assert!(greeted < Duration::from_secs(7), "{name}: greeted after {greeted:?}");
        other.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_model_that_sends_garbage_serves_all_the_same() {
    let world = World::start(Plan::new(faulty(Fault::Garbage), &answer())).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_out(&call, pitch("marin")).await;
    call.leave().await;
    let records = world.end(1).await;
    assert_eq!(records[0]["model"]["failovers"], 0, "{records:?}");
    assert_eq!(records[0]["model"]["warnings"], json!(["unreadable-event"]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_refused_model_gives_way_to_another_of_the_same_provider() {
    let mut plan = Plan::new(
        faulty(Fault::None),
        &json!({"voice": "marin", "model": "no-such-model",
        "systemPrompt": "You have a model of your own that nobody knows."}),
    );
    let refused = faulty(Fault::RefuseUpgrade(404));
    plan.script = plan.script.with(Rule::model("no-such-model", refused));
    let world = World::start(plan).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_out(&call, pitch("marin")).await;
    call.leave().await;
    let records = world.end(1).await;
    let expected = ["openai no-such-model: refused", "openai gpt-realtime-2.1: lasted"];
    assert_eq!(sessions(&records[0]), expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_model_that_drops_in_the_middle_of_a_question_is_replaced_and_the_question_answered() {
    for (name, fault, why) in [
        ("drops at 5 s", Fault::DropAfter(ms(5000)), "first first-model: lost"),
        ("expires at 5 s", Fault::ExpireAfter(ms(5000)), "first first-model: expired"),
    ] {
        let plan = Plan::new(faulty(fault), &answer());
        let (world, other) = two_providers(plan, Script::always(faulty(Fault::None))).await;
        let mut call = world.call(ACME);
        call.answered(SOON).await;
        hears_out(&call, pitch("marin")).await;
        let dropped = |sessions: &[dialplane::kit::model::log::SessionLog]| sessions.first()?.closed;
        // They speak from before the loss until after it.
        let speaking = async {
            tokio::time::sleep(ms(600)).await;
            call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(2500) }]);
        };
        let (closed, ()) = tokio::join!(world.model.wait_for(dropped, SOON), speaking);
        closed.expect("the first session ends");
        let voice = pitch("marin");
        let heard = hears(&call, "the answer is heard", &[voice, CALLER], |heard| {
            let quiet = heard.last().filter(|h| h.sound == Sound::Silence)?.length() > ms(400);
            (quiet && total(heard, voice) > ms(2200)).then(|| heard.to_vec())
        })
        .await;
        let waited = longest_wait(&call, &heard);
        call.leave().await;
        let world_sessions = world.model.sessions().split_off(1);
        let records = world.end(1).await;
        println!("{name}: waited {waited:?} at the longest, {:?}", sessions(&records[0]));
        assert!(waited < NEVER, "{name}: {waited:?}");
        let found = sessions(&records[0]);
        assert_eq!(found[0], why, "{name}");
        assert_eq!(found.len(), 2, "{name}: {found:?}");
        let next = [other.sessions(), world_sessions].concat();
        assert_eq!(
            next.iter().map(|session| session.responses.len()).sum::<usize>(),
            1,
            "{name}: one answer"
        );
        other.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_model_that_falls_silent_is_replaced_and_the_caller_hears_comfort_meanwhile() {
    let mute = Behaviour { first_audio: Duration::from_secs(60), ..faulty(Fault::None) };
    let plan = Plan::new(
        mute,
        &json!({"systemPrompt": "You listen first.", "voice": "marin",
        "greeting": "none"}),
    );
    let (world, other) = two_providers(plan, Script::always(faulty(Fault::None))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(1000) }]);
    let voice = pitch("marin");
    let heard = hears(&call, "the answer is heard", &[voice], |heard| {
        (total(heard, voice) > ms(1000)).then(|| heard.to_vec())
    })
    .await;
    let waited = longest_wait(&call, &heard);
    println!("silent model: waited {waited:?} at the longest");
    call.leave().await;
    let records = world.end(1).await;
    assert_eq!(sessions(&records[0]), ["first first-model: silent", "second second-model: lasted"]);
    assert!(waited < NEVER, "{waited:?}");
    assert!(other.sessions()[0].responses.len() == 1, "one answer");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_model_that_hears_the_caller_no_more_is_replaced_and_what_they_said_is_answered() {
    let plan = Plan::new(faulty(Fault::DeafAfterTurns(0)), &answer());
    let (world, other) = two_providers(plan, Script::always(faulty(Fault::None))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    let voice = pitch("marin");
    hears_out(&call, voice).await;
    let waited = longest_wait_for_an_answer(&call, voice).await;
    call.leave().await;
    let records = world.end(1).await;
    println!("deaf model: waited {waited:?} at the longest");
    assert_eq!(sessions(&records[0]), ["first first-model: silent", "second second-model: lasted"]);
    assert!(waited < NEVER, "{waited:?}");
    assert!(other.sessions()[0].responses.len() == 1, "one answer");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn with_every_provider_down_a_call_is_refused_unanswered() {
    let plan = Plan::new(faulty(Fault::RefuseUpgrade(503)), &answer());
    let (world, other) = two_providers(plan, Script::always(faulty(Fault::RefuseUpgrade(401)))).await;
    let mut call = world.call(ACME);
    let (times, _) = call.over(SOON).await;
    assert!(times.answered.is_none(), "{times:?}");
    assert_eq!(times.refused.map(|(_, code)| code), Some(486));
    println!("every provider down: refused after {:?}", times.since_invite(times.refused.unwrap().0));
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]), ("model", "failed", "model-unavailable"));
    let expected = ["first first-model: busy", "second second-model: refused", "first first-model: busy"];
    assert_eq!(sessions(&records[0]), expected);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn with_every_provider_down_in_mid_call_the_caller_hears_an_apology_and_is_let_go() {
    let german = json!({"systemPrompt": "You speak German.", "voice": "marin", "language": "de-DE"});
    let plan = Plan::new(faulty(Fault::None), &german);
    let (world, other) = two_providers(plan, Script::always(faulty(Fault::RefuseUpgrade(503)))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_out(&call, pitch("marin")).await;
    world.model.stop().await;
    let (times, status) = call.over(Duration::from_secs(30)).await;
    assert!(status.success() && times.let_go.is_some(), "we hung up: {times:?}");
    let heard = crate::world::hear(&call, &[pitch("marin")]);
    let words: Duration = heard.iter().filter(|h| h.sound == Sound::Other).map(Heard::length).sum();
    let quiet = longest_wait(&call, &heard);
    println!("apology: {words:?} of words, after {quiet:?} in which nobody had asked for anything");
    // The German apology lasts 7.7 s, pauses and all.
    assert!((ms(4000)..ms(8500)).contains(&words), "the apology: {heard:?}");
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]), ("model", "failed", "model-lost"));
    other.stop().await;
}
