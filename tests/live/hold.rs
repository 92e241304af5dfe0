//! A caller who is put on hold by their carrier, and comes back.

use std::time::{Duration, Instant};

use dialplane::kit::model::script::Behaviour;
use serde_json::json;

use crate::ear::{segments, total};
use crate::phone::{Call, Dial};
use crate::rig::until;
use crate::rtp::Say;
use crate::world::{ACME, ADA, CALLER, Plan, SOON, World, hears, hears_out, pitch};

/// livekit-sip 1.8.0 answers a re-INVITE with the SDP it has, whatever the direction asked for, and goes on sending; it
/// hangs up when it has heard nothing for 15 s.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_on_hold_is_silence_to_the_model_and_goes_on_afterwards() {
    let second = Duration::from_secs(1);
    let behaviour = Behaviour { greeting: second, reply: second, ..Behaviour::default() };
    let world = World::start(Plan::new(behaviour, &json!({"voice": "marin"}))).await;
    let mut call = Call::place(&world.rig, &Dial { scenario: "caller-holds", ..Dial::new(ACME, ADA) });
    call.answered(SOON).await;
    hears_out(&call, pitch("marin")).await;
    let heard = || world.model.sessions()[0].audio.length;

    call.tell();
    until("the hold is answered", SOON, || (call.answers() == 2).then_some(())).await;
    let target = call.endpoint.pause().expect("the phone was sending");
    let (held, before) = (Instant::now(), heard());
    tokio::time::sleep(3 * second).await;
    let (lasted, during) = (held.elapsed(), heard() - before);
    println!("on hold for {lasted:?}, the model heard {during:?}");
    assert!(during.abs_diff(lasted) < Duration::from_millis(300), "{during:?} of {lasted:?}");

    call.endpoint.aim(target);
    call.tell();
    until("the call is taken back", SOON, || (call.answers() == 3).then_some(())).await;
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: second }]);
    let voice = pitch("marin");
    hears(&call, "the answer", &[voice], |_| {
        let timeline = call.endpoint.timeline()?;
        let since = usize::try_from(timeline.at(held).as_millis()).unwrap() * 8;
        (total(&segments(timeline.samples.get(since..)?, &[voice]), voice) > second * 9 / 10).then_some(())
    })
    .await;
    let session = &world.model.sessions()[0];
    assert_eq!(session.utterances.len(), 1, "the hold itself says nothing: {:?}", session.utterances);

    call.tell();
    let (times, status) = call.over(SOON).await;
    assert!(status.success() && times.let_go.is_none(), "{times:?}");
    let records = world.end(1).await;
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up", "{records:?}");
}
