//! Sessions that get old in the middle of a call: what the caller hears of their successors, which is nothing.

use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::{Behaviour, Rule};
use serde_json::json;

use crate::ear::{Sound, gaps, total};
use crate::phone::{Call, Dial};
use crate::providers::{NEVER, longest_wait, ms, sessions};
use crate::rtp::Say;
use crate::world::{ACME, BERLIN, CALLER, Plan, SOON, World, hears, hears_out, pitch};

/// What each session says that it lasts: half of it later, a pause is good for a successor, and 30 s before its end
/// there is one, pause or not.
const AGE: Duration = Duration::from_secs(62);
const REPLY: Duration = Duration::from_millis(1_500);
/// Goes on for longer than its session.
const SPEECH: Duration = Duration::from_secs(38);

/// The caller asks, and the answer is heard to its end: the voice's total is then so long.
async fn asks(call: &Call, voice: u32, in_all: Duration) {
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: ms(800) }]);
    hears(call, "the answer is heard", &[voice], |heard| {
        let is_quiet =
            heard.last().is_some_and(|last| last.sound == Sound::Silence && last.length() > ms(400));
        (is_quiet && total(heard, voice) + ms(100) > in_all).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_session_is_replaced_before_it_expires_and_the_caller_hears_nothing_of_it() {
    let behaviour = |greeting| Behaviour { greeting, reply: REPLY, age: AGE, ..Behaviour::default() };
    let talks = json!({"systemPrompt": "You talk for a very long time.", "voice": "cedar"});
    let asked = json!({"systemPrompt": "You are asked now and then.", "voice": "marin"});
    let mut plan =
        Plan::new(behaviour(ms(1000)), &asked).hide(&talks).by_called([(ACME, asked), (BERLIN, talks)]);
    plan.script = plan.script.with(Rule::voice("cedar", behaviour(SPEECH)));
    let world = World::start(plan).await;
    let call = world.call(ACME);
    let listener = Call::place(&world.rig, &Dial::new(BERLIN, "+15551230002"));
    call.answered(SOON).await;
    listener.answered(SOON).await;
    let [marin, cedar] = ["marin", "cedar"].map(pitch);
    hears_out(&call, marin).await;
    asks(&call, marin, ms(1000) + REPLY).await;
    let closed = |sessions: &[SessionLog]| {
        let voice = |session: &&SessionLog| session.session["audio"]["output"]["voice"] == "marin";
        sessions.iter().find(voice)?.closed
    };
    world.model.wait_for(closed, AGE).await.expect("the first session is replaced");
    asks(&call, marin, ms(1000) + 2 * REPLY).await;
    let heard = crate::world::hear(&call, &[marin]);
    let waited = longest_wait(&call, &heard);
    assert!(total(&heard, marin).abs_diff(ms(1000) + 2 * REPLY) < ms(150), "{heard:?}");
    assert!(
        heard.iter().all(|h| h.sound != Sound::Other || h.length() <= ms(40)),
        "no other sound: {heard:?}"
    );
    let after_the_silence = heard.iter().filter(|h| h.sound == Sound::Silence).map(|h| h.length()).max();
    println!("asked after a silence of {after_the_silence:?}: waited {waited:?} at the longest");
    assert!(waited < NEVER, "{waited:?}");

    let heard = hears(&listener, "all of the speech is heard", &[cedar], |heard| {
        (total(heard, cedar) + ms(200) > SPEECH).then(|| heard.to_vec())
    })
    .await;
    assert!(gaps(&heard, cedar).iter().all(|gap| gap.length() <= ms(40)), "{:?}", gaps(&heard, cedar));
    let mut successor = world.model.sessions().into_iter().filter(|session| session.closed.is_none());
    let told = successor.find_map(|session| {
        let told = session.told().len();
        (session.session["audio"]["output"]["voice"] == "marin").then_some(told)
    });
    let records = world.end_by([call, listener]).await;
    let mut found: Vec<_> = records.iter().map(sessions).collect();
    found.sort();
    println!("{found:?}");
    let model = "openai gpt-realtime-2.1";
    let expected = |why: &str| vec![format!("{model}: {why}"), format!("{model}: lasted")];
    assert_eq!(found, [expected("expired"), expected("renewed")]);
    assert!(told.is_some_and(|told| told >= 3), "greeting, question and answer are told: {told:?}");
}
