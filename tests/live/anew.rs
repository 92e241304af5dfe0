//! Participants that are replaced by themselves, which LiveKit tells nobody of.

use std::f32::consts::TAU;
use std::time::Duration;

use dialplane::ingress::livekit::room::{Room, RoomEvent};
use dialplane::kit::model::script::Behaviour;
use dialplane::livekit::socket::Dialer;
use dialplane::livekit::wire::signal::{Joined, Participant};
use dialplane::media::FRAME;
use dialplane::media::codec::{Codec, Encoder};
use dialplane::tls::Tls;
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::bridge::Bridge;
use crate::rescue::fleet::{another, end};
use crate::room::{converses, goes_on_after};
use crate::world::{ACME, CALLER, Plan, SOON, World, hears_first, pitch};

fn plan(greeting: Duration) -> Plan {
    let behaviour = Behaviour { greeting, reply: Duration::from_secs(2), ..Behaviour::default() };
    Plan::new(behaviour, &json!({"voice": "marin", "systemPrompt": "You stay, whoever comes back."}))
}

/// The tracks of the agent among those that an event tells of.
fn agents_tracks(event: &RoomEvent) -> Option<&[String]> {
    let others: &[Participant] = match event {
        RoomEvent::Joined(Joined { participants, .. }) | RoomEvent::Changed(participants) => participants,
        _ => return None,
    };
    others.iter().find(|other| other.is_agent).map(|agent| agent.tracks.as_slice())
}

/// A second of the caller's voice.
async fn speaks(bridge: &mut Bridge) {
    let mut encoder = Encoder::new(Codec::Opus);
    let samples: Vec<i16> = (0..24_000u16)
        .map(|at| ((f32::from(at) * CALLER as f32 * TAU / 24_000.0).sin() * 9000.0) as i16)
        .collect();
    let mut next = Instant::now();
    for frame in samples.chunks_exact(480) {
        bridge.0.write_frame(encoder.encode(frame.try_into().unwrap()));
        next += FRAME;
        loop {
            bridge.0.settle().await.expect("the room is there");
            let Ok(event) = timeout_at(next, bridge.0.next()).await else { break };
            event.expect("the room is there");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_bridge_that_joins_anew_again_and_again_is_heard_and_published_to_each_time() {
    const TIMES: usize = 8;
    let world = World::start(plan(Duration::from_secs(1))).await;
    let mut bridge = Bridge::join_with(&world.rig, "joins-anew", true, "ringing").await;
    let mut known = Vec::new();
    for time in 0..TIMES {
        if time > 0 {
            bridge = Bridge::join_with(&world.rig, "joins-anew", true, "active").await;
        }
        bridge.0.publish();
        let new = |event: &RoomEvent| {
            agents_tracks(event)
                .filter(|tracks| !tracks.is_empty() && tracks.iter().ne(&known))
                .map(<[_]>::to_vec)
        };
        known = bridge.until(&format!("a track for the bridge that came {time}"), new).await;
        let heard = |event: &RoomEvent| matches!(event, RoomEvent::Audio(_)).then_some(());
        bridge.until("our voice is heard", heard).await;
        // Nobody listens before the call is active.
        let (since, pause) = (Instant::now(), Duration::from_secs(if time == 0 { 3 } else { 1 }));
        bridge.until("a while later", |_| (since.elapsed() > pause).then_some(())).await;
        speaks(&mut bridge).await;
        let answered = |_: &RoomEvent| {
            let sessions = world.model.sessions();
            let said = sessions.first()?.utterances.get(time)?.stopped;
            said.map(|_| ())
        };
        bridge.until(&format!("the model hears what the bridge that came {time} says"), answered).await;
    }
    bridge.0.leave().await;
    let records = world.end(1).await;
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up", "{records:?}");
}

/// The list has an agent that is older than its caller, as after a crash of livekit-server.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_router_that_doubts_an_agent_looks_once_and_leaves_the_caller_to_it() {
    let world = World::start(plan(Duration::from_secs(1))).await;
    let other = another(&world).await;
    let mut bridge = Bridge::join_with(&world.rig, "doubted", true, "ringing").await;
    bridge.0.publish();
    let lives = async |bridge: &mut Bridge, seconds| {
        let since = Instant::now();
        let over = |_: &RoomEvent| (since.elapsed() > Duration::from_secs(seconds)).then_some(());
        bridge.until("a while later", over).await;
    };
    lives(&mut bridge, 6).await;
    bridge = Bridge::join_with(&world.rig, "doubted", true, "active").await;
    bridge.0.publish();
    lives(&mut bridge, 15).await;
    let counts = async |name| world.router.metric(name).await + other.metric(name).await;
    assert_eq!(counts("dialplane_rescues_total").await, 1.0);
    assert_eq!(counts("dialplane_jobs_yielded_total").await, 1.0);
    lives(&mut bridge, 10).await;
    assert_eq!(counts("dialplane_rescues_total").await, 1.0, "once is enough");
    bridge.0.leave().await;
    // Whichever has it.
    let records = end(&world.livekit, vec![world.router, other]).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn an_agent_whose_place_is_taken_by_an_earlier_attempt_of_its_own_takes_it_back() {
    let world = World::start(plan(Duration::from_secs(60))).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch("marin")).await;
    let here = world.livekit.participants().await;
    let (room, agent) = here
        .iter()
        .filter_map(|here| here.split_once('/'))
        .find(|(_, who)| who.starts_with("agent-"))
        .unwrap();

    let grants = VideoGrants { room_join: true, room: room.to_owned(), ..VideoGrants::default() };
    let token = AccessToken::with_api_key(&world.rig.api_key, &world.rig.api_secret)
        .with_identity(agent)
        .with_kind("agent")
        .with_grants(grants)
        .to_jwt()
        .unwrap();
    let url = url::Url::parse(&world.rig.livekit_url).unwrap();
    let taken = std::time::Instant::now();
    let late = Room::join(&Dialer::new(&Tls::trusting([])), &url, &token.into()).await.unwrap();
    // Nobody waits for what it joined for.
    drop(late);
    let silence = goes_on_after(&call, taken).await;
    println!("silence of {silence:?} after our place was taken");
    assert!(silence < SOON, "{silence:?}");
    converses(&world, &call, 0).await;
    call.leave().await;
    let records = world.end(1).await;
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up", "{records:?}");
}
