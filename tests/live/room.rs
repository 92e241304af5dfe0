//! What LiveKit does to an answered call: what the caller heard and when, how it ended, and its record.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::{Behaviour, Fault, Rule};
use livekit_protocol::{
    DisconnectReason, LeaveRequest, ParticipantInfo, ParticipantUpdate, SignalResponse, leave_request,
    participant_info, signal_response,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::ear::{Heard, Sound, gaps, segments, total};
use crate::phone::{Call, Dial};
use crate::rig::until;
use crate::rtp::Say;
use crate::signalling::Signalling;
use crate::world::{ACME, ADA, BERLIN, CALLER, Plan, SOON, World, hears, hears_first, pitch};

const LONG: Duration = Duration::from_secs(60);

fn plan() -> Plan {
    let behaviour = Behaviour { greeting: LONG, reply: Duration::from_secs(2), ..Behaviour::default() };
    Plan::new(behaviour, &json!({"voice": "marin", "systemPrompt": "You stay on the line whatever happens."}))
}

/// A world whose router reaches livekit-server only through a relay, and a call in the middle of its greeting.
async fn relayed() -> (World, Signalling, Call) {
    relayed_in(plan()).await
}

async fn relayed_in(plan: Plan) -> (World, Signalling, Call) {
    let (world, relay) = World::start_with(plan, async |rig, _| {
        let url = url::Url::parse(&rig.livekit_url).unwrap();
        let relay = Signalling::through_to(url.socket_addrs(|| None).unwrap()[0]).await;
        let through = format!("ws://127.0.0.1:{}", relay.port);
        ([("LIVEKIT_URL".to_owned(), through)].into(), relay)
    })
    .await;
    let call = greeted(&world, ACME).await;
    (world, relay, call)
}

async fn greeted(world: &World, called: &str) -> Call {
    let call = world.call(called);
    call.answered(SOON).await;
    hears_first(&call, pitch("marin")).await;
    call
}

/// Kills or starts livekit-server.
pub fn server(action: &str) {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/server");
    assert!(Command::new(server).args([action, "livekit-server"]).status().unwrap().success());
}

fn signal_server(world: &World, signal: &str) {
    let pid = std::fs::read_to_string(world.rig.dir.join("livekit-server.pid")).unwrap();
    assert!(Command::new("kill").args([signal, pid.trim()]).status().unwrap().success());
}

/// Waits until, a while after that moment, our voice is heard for a second without a break; the longest silence since.
pub async fn goes_on_after(call: &Call, moment: Instant) -> Duration {
    let voice = pitch("marin");
    hears(call, "our voice is heard again", &[voice], |_| {
        let timeline = call.endpoint.timeline()?;
        let since = usize::try_from(timeline.at(moment).as_millis()).unwrap() * 8;
        let after = segments(timeline.samples.get(since..)?, &[voice]);
        let last = after.last().filter(|last| last.sound == Sound::Tone(voice))?;
        let is_back = last.length() > Duration::from_secs(1) && last.end > Duration::from_millis(2500);
        let silences = after.iter().filter(|heard| heard.sound == Sound::Silence).map(Heard::length);
        is_back.then(|| silences.max().unwrap_or_default())
    })
    .await
}

/// The caller says something, the model hears all of it, and its whole answer is heard.
pub async fn converses(world: &World, call: &Call, session: usize) {
    let said = call.endpoint.said().len();
    call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_millis(1200) }]);
    let (spoke, _) = until("the caller speaks", SOON, || call.endpoint.said().get(said).copied()).await;
    let voice = pitch("marin");
    hears(call, "the model's answer", &[voice], |_| {
        let timeline = call.endpoint.timeline()?;
        // Our greeting is silent by then, and the caller has spoken for 1.2 s.
        let since = usize::try_from(timeline.at(spoke).as_millis()).unwrap() * 8 + 8 * 1200;
        let after = segments(timeline.samples.get(since..)?, &[voice]);
        (total(&after, voice) > Duration::from_millis(1900)).then_some(())
    })
    .await;
    let heard =
        world.model.sessions()[session].utterances.last().cloned().expect("the model hears the caller");
    assert!((heard.tone_hz.unwrap() - CALLER as f32).abs() < 5.0, "{heard:?}");
    assert!(heard.voiced.abs_diff(Duration::from_millis(1200)) <= Duration::from_millis(150), "{heard:?}");
}

fn ending(record: &Value) -> (&str, &str) {
    let text = |field: &str| record["ending"][field].as_str().unwrap_or_default();
    (text("how"), text("detail"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn three_calls_go_on_when_livekit_server_is_killed_and_starts_anew() {
    let world = World::start(plan()).await;
    let mut calls = Vec::new();
    for caller in [ADA, "+15551230002", "+15551230003"] {
        let call = Call::place(&world.rig, &Dial::new(ACME, caller));
        call.answered(SOON).await;
        hears_first(&call, pitch("marin")).await;
        calls.push(call);
    }
    let killed = Instant::now();
    server("restart");
    for (at, call) in calls.iter().enumerate() {
        let silence = goes_on_after(call, killed).await;
        println!("call {at}: silence of {silence:?}, talking again after {:?}", killed.elapsed());
        assert!(silence < SOON, "call {at} was silent for {silence:?}");
    }
    for (at, call) in calls.iter().enumerate() {
        converses(&world, call, at).await;
    }
    let mut next = greeted(&world, BERLIN).await;
    next.leave().await;
    for call in &mut calls {
        call.leave().await;
    }
    assert_eq!(world.model.sessions().len(), 4, "each call kept its session, and nobody was called twice");
    let records = world.end(4).await;
    assert!(records.iter().all(|record| ending(record).0 == "caller-hung-up"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn what_the_model_had_said_is_heard_though_room_and_model_are_lost_in_the_middle_of_it() {
    const SPEECH: Duration = Duration::from_secs(8);
    // All of it is here when the model is lost.
    let fault = Fault::DropAfter(Duration::from_secs(3));
    let behaviour = Behaviour { greeting: SPEECH, ..Behaviour::default() };
    let mut plan = Plan::new(behaviour.clone(), &json!({"voice": "marin", "systemPrompt": "You say a lot."}));
    plan.script = plan.script.with(Rule::first(1, Behaviour { fault, ..behaviour }));
    let (world, relay, call) = relayed_in(plan).await;
    let lost = |sessions: &[SessionLog]| sessions.first()?.closed;
    relay.cut("/rtc");
    world.model.wait_for(lost, SOON).await.expect("the model is lost");
    relay.cut("/rtc");
    let voice = pitch("marin");
    let heard = hears(&call, "the rest is heard", &[voice], |heard| {
        let rest = heard.last().filter(|last| last.sound == Sound::Silence)?.length();
        (total(heard, voice) > SPEECH / 2 && rest > Duration::from_secs(1)).then(|| heard.to_vec())
    })
    .await;
    let (missing, sessions) = (SPEECH.saturating_sub(total(&heard, voice)), world.model.sessions());
    println!("{missing:?} of {SPEECH:?} lost on the way");
    // What was on the way when the room was lost, twice.
    assert!(missing < Duration::from_millis(400), "{heard:?}");
    let responses: Vec<usize> = sessions.iter().map(|session| session.responses.len()).collect();
    assert_eq!(responses, [1, 0], "nothing is said twice");
    world.end_by([call]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_who_hangs_up_while_livekit_server_is_down_leaves_nothing_behind() {
    let world = World::start(plan()).await;
    let mut call = greeted(&world, ACME).await;
    server("kill");
    call.leave().await;
    server("start");
    world.livekit.wait_until_alone().await;
    let records = world.end(1).await;
    println!("{} after {} s", records[0]["ending"], records[0]["duration_seconds"]);
    // livekit-sip may come back for long enough to leave; else nobody tells us of the hang-up.
    assert!(["caller-hung-up", "failed"].contains(&ending(&records[0]).0), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_goes_on_when_its_signalling_is_cut() {
    let (world, relay, mut call) = relayed().await;
    let cut = Instant::now();
    relay.cut("/rtc");
    let silence = goes_on_after(&call, cut).await;
    println!("signalling cut: silence of {silence:?}");
    assert!(silence < Duration::from_secs(2), "{silence:?}");
    // A second time, with the token that came meanwhile.
    let cut = Instant::now();
    relay.cut("/rtc");
    goes_on_after(&call, cut).await;
    converses(&world, &call, 0).await;
    call.leave().await;
    assert_eq!(world.model.sessions().len(), 1);
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]).0, "caller-hung-up", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_goes_on_when_the_server_asks_us_to_reconnect() {
    let (world, relay, call) = relayed().await;
    for action in [leave_request::Action::Reconnect, leave_request::Action::Resume] {
        let leave = LeaveRequest {
            action: action as i32,
            reason: DisconnectReason::ServerShutdown as i32,
            ..LeaveRequest::default()
        };
        let message = SignalResponse { message: Some(signal_response::Message::Leave(leave)) };
        let asked = Instant::now();
        relay.say("/rtc", &message.encode_to_vec());
        let silence = goes_on_after(&call, asked).await;
        println!("{action:?}: silence of {silence:?}");
        assert!(silence < Duration::from_secs(2), "{action:?}: {silence:?}");
    }
    converses(&world, &call, 0).await;
    world.end_by([call]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_worker_that_is_cut_off_keeps_its_calls_and_takes_new_ones_once_it_is_back() {
    let (world, relay, mut call) = relayed().await;
    let before = call.endpoint.delivery();
    relay.cut("/agent");
    relay.wait_for("/agent", 0).await;
    relay.wait_for("/agent", 1).await;
    let mut next = greeted(&world, BERLIN).await;
    let timeline = call.endpoint.timeline().unwrap();
    let voice = pitch("marin");
    let gaps = gaps(&segments(&timeline.samples, &[voice]), voice);
    assert!(gaps.is_empty(), "the call that was up heard of nothing: {before:?} {gaps:?}");
    next.leave().await;
    call.leave().await;
    let records = world.end(2).await;
    assert!(records.iter().all(|record| ending(record).0 == "caller-hung-up"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_waits_out_a_server_that_stands_still_for_a_while() {
    let world = World::start(plan()).await;
    let call = greeted(&world, ACME).await;
    let stopped = Instant::now();
    signal_server(&world, "-STOP");
    tokio::time::sleep(Duration::from_secs(4)).await;
    signal_server(&world, "-CONT");
    let silence = goes_on_after(&call, stopped).await;
    println!("stopped for 4 s: silence of {silence:?}");
    assert!(silence < Duration::from_secs(6), "{silence:?}");
    converses(&world, &call, 0).await;
    world.end_by([call]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_is_let_go_when_the_room_or_the_job_is_taken_from_us() {
    for what in ["room deleted", "job terminated", "agent removed"] {
        let world = World::start(plan()).await;
        let mut call = greeted(&world, ACME).await;
        let taken = Instant::now();
        match what {
            "room deleted" => world.livekit.delete_room().await,
            "job terminated" => world.livekit.delete_dispatch(&world.rig).await,
            _ => world.livekit.remove_agent().await,
        }
        let (times, status) = call.over(SOON).await;
        assert!(status.success() && times.hung_up.is_none(), "{what}: {times:?}");
        let waited = times.let_go.expect("we hung up") - taken;
        println!("{what}: let go after {waited:?}");
        // livekit-server 1.13.5 ends no job in its first 5 s.
        assert!(waited < Duration::from_secs(8), "{what}: {waited:?}");
        let records = world.end(1).await;
        assert_eq!(ending(&records[0]), ("failed", "room"), "{what}: {records:?}");
    }
}

/// livekit-server has `MoveParticipant` on LiveKit Cloud only, so the relay says what the room is told of it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_whose_caller_is_moved_to_another_room_is_over_after_20_seconds() {
    let (world, relay, mut call) = relayed().await;
    let moved = ParticipantInfo {
        identity: format!("sip_{ADA}"),
        state: participant_info::State::Disconnected as i32,
        kind: participant_info::Kind::Sip as i32,
        ..ParticipantInfo::default()
    };
    let update = signal_response::Message::Update(ParticipantUpdate { participants: vec![moved] });
    let away = Instant::now();
    relay.say("/rtc", &SignalResponse { message: Some(update) }.encode_to_vec());
    // Here they are in the room still, and are removed from it.
    let (times, status) = call.over(Duration::from_secs(25)).await;
    assert!(status.success() && times.hung_up.is_none(), "{times:?}");
    let waited = times.let_go.expect("we hung up") - away;
    println!("given up {waited:?} after the move");
    assert!(waited >= Duration::from_secs(19), "they might have come back: {waited:?}");
    let records = world.end(1).await;
    assert_eq!(ending(&records[0]), ("failed", "room"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_who_sends_no_audio_at_all_is_greeted_all_the_same() {
    let world = World::start(plan()).await;
    let call = world.call(ACME);
    let answered = call.wait("the call is answered", SOON, |times| times.answered).await;
    let greeted = hears_first(&call, pitch("marin")).await - answered;
    println!("without any RTP of the caller's: greeted {greeted:?} after the answer");
    // livekit-sip lets our audio through after a second at most.
    assert!(greeted < Duration::from_secs(3), "{greeted:?}");
    world.end_by([call]).await;
}
