//! A bridge that is no good: it joins as livekit-sip does, and then does less than livekit-sip would.

use std::time::{Duration, Instant};

use dialplane::ingress::livekit::room::{Room, RoomEvent};
use dialplane::kit::model::script::Behaviour;
use dialplane::livekit::socket::Dialer;
use dialplane::livekit::wire::signal::Departure;
use dialplane::tls::Tls;
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol::{RoomAgentDispatch, RoomConfiguration};
use serde_json::json;
use tokio::time::timeout;

use crate::rig::Rig;
use crate::world::{ACME, ADA, Plan, SOON, World};

/// A caller's participant without a telephone. It never publishes.
pub struct Bridge(pub Box<Room>);

impl Bridge {
    /// Joins a room of its own, and has LiveKit send an agent there.
    async fn join(rig: &Rig, room: &str, subscribes: bool) -> Self {
        Self::join_with(rig, room, subscribes, "ringing").await
    }

    /// Joins so with a call that is in that state.
    pub async fn join_with(rig: &Rig, room: &str, subscribes: bool, status: &str) -> Self {
        let agent = RoomAgentDispatch { agent_name: "pstn-voice-agent".to_owned(), ..Default::default() };
        let config = RoomConfiguration { departure_timeout: 1, agents: vec![agent], ..Default::default() };
        let grants = VideoGrants {
            room_join: true,
            room: room.to_owned(),
            can_subscribe: Some(subscribes),
            ..VideoGrants::default()
        };
        let attributes = [
            ("sip.callStatus", status),
            ("sip.phoneNumber", ADA),
            ("sip.trunkPhoneNumber", ACME),
            ("sip.h.from", "<sip:+15551230001@carrier>"),
        ];
        let token = AccessToken::with_api_key(&rig.api_key, &rig.api_secret)
            .with_identity("sip_caller")
            .with_kind("sip")
            .with_attributes(attributes)
            .with_grants(grants)
            .with_room_config(config)
            .to_jwt()
            .unwrap();
        let url = url::Url::parse(&rig.livekit_url).unwrap();
        let dialer = Dialer::new(&Tls::trusting([]));
        Self(Box::new(Room::join(&dialer, &url, &token.into()).await.unwrap()))
    }

    /// Lives in the room until something happens that is waited for.
    pub async fn until<T>(&mut self, what: &str, found: impl Fn(&RoomEvent) -> Option<T>) -> T {
        let living = async {
            loop {
                self.0.settle().await.expect("the room is there");
                if let Some(found) = found(&self.0.next().await.expect("the room is there")) {
                    return found;
                }
            }
        };
        timeout(2 * SOON, living).await.unwrap_or_else(|_| panic!("in time: {what}"))
    }
}

fn plan() -> Plan {
    let behaviour = Behaviour { greeting: Duration::from_secs(5), ..Behaviour::default() };
    Plan::new(behaviour, &json!({"voice": "marin"}))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_that_the_bridge_never_answers_is_given_up() {
    let world = World::start(plan()).await;
    let mut bridge = Bridge::join(&world.rig, "never-answered", false).await;
    let tracks = |event: &RoomEvent| match event {
        RoomEvent::Changed(others) => others.iter().find(|other| !other.tracks.is_empty()).map(|_| ()),
        _ => None,
    };
    bridge.until("our track is published", tracks).await;
    let published = Instant::now();
    let left = |event: &RoomEvent| match event {
        RoomEvent::Left(departure) => Some(*departure),
        _ => None,
    };
    let departure = bridge.until("the caller is let go", left).await;
    let waited = published.elapsed();
    println!("never subscribed: let go {waited:?} after our track was published");
    assert_eq!(departure, Departure::Dismissed);
    // 4 s, and a second for the bridge to end the call by itself.
    assert!((4.0..8.0).contains(&waited.as_secs_f64()), "{waited:?}");
    drop(bridge);
    let records = world.end(1).await;
    assert_eq!(records[0]["ending"]["detail"], "not-answered", "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_caller_whose_bridge_publishes_nothing_is_greeted_and_is_silence_to_the_model() {
    let world = World::start(plan()).await;
    let mut bridge = Bridge::join(&world.rig, "never-publishes", true).await;
    let heard = |event: &RoomEvent| matches!(event, RoomEvent::Audio(_)).then_some(());
    bridge.until("our voice is heard", heard).await;
    let listened = |_: &RoomEvent| {
        let sessions = world.model.sessions();
        sessions.first().filter(|session| session.audio.length > Duration::from_secs(2)).map(|_| ())
    };
    bridge.until("the model has listened for 2 s", listened).await;
    let session = &world.model.sessions()[0];
    assert!(session.speech_started.is_empty(), "{:?}", session.speech_started);
    bridge.0.leave().await;
    world.end(1).await;
}
