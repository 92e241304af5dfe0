//! No model serves, or not this tenant: what becomes of its callers, and that others' are none the worse.

use std::time::Duration;

use dialplane::kit::model::script::{Fault, Rule, Script};
use dialplane::media::FRAME;
use dialplane::media::codec::Codec;
use dialplane::session::phrases::{Phrase, Phrases};
use serde_json::{Value, json};

use crate::ear::{Heard, Sound, missing};
use crate::phone::Call;
use crate::providers::{
    NEVER, answer, ending, faulty, longest_wait_for_an_answer, ms, sessions, two_providers, two_providers_and,
};
use crate::rig::until_every;
use crate::routes::recording;
use crate::world::{ACME, BERLIN, Plan, SOON, World, hear, hears_out, pitch};

/// Of three tenants: one has its callers refused, one plays them a recording, and one says nothing.
const REFUSED: &str = "+15557770030";
const PLAYED: &str = "+15557770031";
const UNSAID: &str = "+15557770032";
/// What is played.
const TONE: u32 = 440;
const LENGTH: Duration = Duration::from_millis(1500);
/// Where the settings have callers transferred to.
const DESTINATION: &str = "+15557770099";

fn three_tenants(first: Fault) -> Plan {
    let speaks = |language| {
        let prompt = format!("You speak to the callers of one of three tenants, in {language}.");
        json!({"systemPrompt": prompt, "voice": "marin", "language": language})
    };
    let answers = [(REFUSED, speaks("de-DE")), (PLAYED, speaks("en")), (UNSAID, speaks("fr-FR"))];
    let mut plan = Plan::new(faulty(first), &json!({}));
    for (number, answer) in &answers {
        plan = plan.hide(answer);
        plan.secrets = plan.secrets.number("a tenant's number", number);
    }
    plan.secrets = plan.secrets.number("where callers go", DESTINATION);
    for (tenant, number, limits) in [
        ("refused", REFUSED, "when_model_down = { reject = 'busy' }"),
        ("played", PLAYED, "when_model_down = { play = 'sorry.wav' }"),
        ("unsaid", UNSAID, ""),
    ] {
        let route = format!("[[route]]\nid = 'all'\ncalled = '{number}'\n");
        plan = plan.dialplan(
            &format!("{tenant}.toml"),
            &format!("tenant = '{tenant}'\n{route}[limits]\n{limits}\n"),
        );
    }
    plan.dialplans.insert("sorry.wav".to_owned(), recording(TONE, LENGTH));
    plan.by_called(answers)
}

fn settings() -> String {
    format!("[when_model_down]\ntransfer = \"{DESTINATION}\"\n")
}

/// From the first to the last of what is no tone.
fn spoken(heard: &[Heard]) -> Duration {
    let mut words = heard.iter().filter(|h| h.sound == Sound::Other);
    let first = words.next().expect("words are heard");
    words.next_back().unwrap_or(first).end - first.start
}

/// A recording of ours was heard, in that language and whole.
fn assert_said(call: &Call, phrase: Phrase, language: &str) {
    let (heard, clip) = (hear(call, &[pitch("marin")]), Phrases::default().get(phrase, Some(language)));
    clip.prepare(Codec::Opus);
    let expected = FRAME * clip.frames(Codec::Opus).expect("it is prepared").len() as u32;
    println!("{phrase:?} in {language}: {:?} of {expected:?}", spoken(&heard));
    assert!(spoken(&heard).abs_diff(expected) < ms(450), "{phrase:?} in {language}: {heard:?}");
}

async fn assert_played(call: &mut Call) {
    let (times, status) = call.over(Duration::from_secs(20)).await;
    assert!(status.success() && times.let_go.is_some(), "{times:?}");
    assert!(missing(&hear(call, &[TONE]), TONE, LENGTH) <= 5.0);
}

/// They hear a word about it in French, and the carrier is asked to take them on.
async fn assert_transferred(call: &mut Call) {
    let (times, status) = call.over(Duration::from_secs(20)).await;
    assert!(status.success() && times.let_go.is_some(), "{times:?}");
    let refer = call.messages().into_iter().find(|m| !m.sent && m.is_request("REFER")).expect("a REFER");
    assert!(refer.header("Refer-To").is_some_and(|to| to.contains(DESTINATION)));
    assert_said(call, Phrase::Connecting, "fr");
}

/// By the called number.
fn record_of<'a>(records: &'a [Value], called: &str) -> &'a Value {
    let called = |record: &&Value| record["call"]["called"]["number"] == called;
    records.iter().find(called).unwrap_or_else(|| panic!("no record of the call: {records:?}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn with_every_provider_down_a_caller_who_rings_is_treated_as_the_tenant_or_the_settings_say() {
    let down = Script::always(faulty(Fault::RefuseUpgrade(401)));
    let plan = three_tenants(Fault::RefuseUpgrade(503));
    let (world, other) = two_providers_and(plan, down, &settings()).await;
    let [mut refused, mut played, mut unsaid] = [REFUSED, PLAYED, UNSAID].map(|called| world.call(called));
    played.answered(SOON).await;
    unsaid.answered(SOON).await;
    let (times, _) = refused.over(SOON).await;
    assert_eq!((times.answered, times.refused.map(|(_, code)| code)), (None, Some(486)));
    assert_played(&mut played).await;
    assert_transferred(&mut unsaid).await;
    let records = world.end(3).await;
    for called in [REFUSED, PLAYED] {
        assert_eq!(ending(record_of(&records, called)), ("model", "failed", "model-unavailable"), "{called}");
    }
    assert_eq!(record_of(&records, UNSAID)["ending"]["how"], "transferred");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn with_every_provider_down_in_mid_call_each_caller_hears_about_it_in_their_language() {
    let down = Script::always(faulty(Fault::RefuseUpgrade(503)));
    let (world, other) = two_providers_and(three_tenants(Fault::None), down, &settings()).await;
    let [mut refused, mut played, mut unsaid] = [REFUSED, PLAYED, UNSAID].map(|called| world.call(called));
    for call in [&refused, &played, &unsaid] {
        call.answered(SOON).await;
    }
    for call in [&refused, &played, &unsaid] {
        hears_out(call, pitch("marin")).await;
    }
    world.model.stop().await;
    let (times, status) = refused.over(Duration::from_secs(20)).await;
    assert!(status.success() && times.let_go.is_some(), "an answered caller is not refused: {times:?}");
    assert_said(&refused, Phrase::Apology, "de");
    assert_played(&mut played).await;
    assert_transferred(&mut unsaid).await;
    let records = world.end(3).await;
    for called in [REFUSED, PLAYED] {
        assert_eq!(ending(record_of(&records, called)), ("model", "failed", "model-lost"), "{called}");
    }
    assert_eq!(record_of(&records, UNSAID)["ending"]["how"], "transferred");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_provider_that_fails_one_tenant_is_left_alone_for_that_tenant_only() {
    const FAILURES: usize = 5;
    let failing = json!({"systemPrompt": "You have a model of your own, which one provider refuses.",
        "voice": "marin", "model": "own-model"});
    let mut plan = Plan::new(faulty(Fault::None), &failing)
        .hide(&answer())
        .by_called([(ACME, failing), (BERLIN, answer())]);
    plan.script = plan.script.with(Rule::model("own-model", faulty(Fault::RefuseUpgrade(401))));
    for (tenant, number) in [("acme", ACME), ("berlin", BERLIN)] {
        let text = format!("tenant = '{tenant}'\n[[route]]\nid = 'all'\ncalled = '{number}'\n");
        plan = plan.dialplan(&format!("{tenant}.toml"), &text);
    }
    let (world, other) = two_providers(plan, Script::always(faulty(Fault::None))).await;
    let served = async |calls: Vec<Call>| {
        for mut call in calls {
            call.answered(SOON).await;
            hears_out(&call, pitch("marin")).await;
            call.leave().await;
        }
    };
    let from = |at: usize| format!("+155512300{at:02}");
    let mut calls: Vec<Call> = (0..FAILURES).map(|at| world.call_from(ACME, &from(at))).collect();
    calls.push(world.call(BERLIN));
    served(calls).await;
    assert_eq!(world.router.metric("dialplane_model_breakers_open").await, 1.0);
    let left = world.router.metrics().await;
    let left = left.lines().find(|line| {
        line.starts_with("dialplane_model_rate_limit_left_ratio{provider=\"second\",of=\"tokens\"}")
    });
    assert!(left.is_some_and(|line| line.ends_with(" 0.99")), "{left:?}");
    served(vec![world.call_from(ACME, &from(90)), world.call_from(BERLIN, &from(91))]).await;
    let records = world.end(FAILURES + 3).await;
    let of = |called: &str| -> Vec<Vec<String>> {
        let called = |record: &&Value| record["call"]["called"]["number"] == called;
        records.iter().filter(called).map(sessions).collect()
    };
    let failed = ["first own-model: refused".to_owned(), "second own-model: lasted".to_owned()];
    let mut expected = vec![failed.to_vec(); FAILURES];
    expected.push(vec!["second own-model: lasted".to_owned()]);
    assert_eq!(of(ACME), expected, "the sixth call does not ask the first provider");
    assert_eq!(of(BERLIN), vec![vec!["first first-model: lasted".to_owned()]; 2]);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_question_that_no_model_hears_is_answered_by_the_next_and_not_met_with_silence() {
    // The first is lost, then neither opens; the one after that serves.
    let mut plan = Plan::new(faulty(Fault::HangUpgrade), &answer());
    plan.script = plan.script.with(Rule::first(1, faulty(Fault::DropAfter(ms(4000)))));
    let second = Script::always(faulty(Fault::None)).with(Rule::first(1, faulty(Fault::HangUpgrade)));
    let (world, other): (World, _) = two_providers(plan, second).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    let voice = pitch("marin");
    hears_out(&call, voice).await;
    until_every(ms(20), "the session is lost", SOON, async || world.model.sessions().first()?.closed).await;
    let waited = longest_wait_for_an_answer(&call, voice).await;
    call.leave().await;
    let records = world.end(1).await;
    println!("no model listens: waited {waited:?} at the longest, {:?}", sessions(&records[0]));
    assert!(waited < NEVER, "{waited:?}");
    assert_eq!(
        sessions(&records[0]),
        [
            "first first-model: lost",
            "second second-model: late",
            "first first-model: late",
            "second second-model: lasted"
        ]
    );
    let answers: usize = other.sessions().iter().map(|session| session.responses.len()).sum();
    assert_eq!(answers, 1, "one answer");
    other.stop().await;
}
