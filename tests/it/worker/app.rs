//! A whole router as the worker of a LiveKit server.

use std::collections::HashMap;
use std::path::Path;

use dialplane::app::{App, Stop};
use dialplane::config::Settings;
use dialplane::document::Given;
use livekit_protocol::{JobStatus, WorkerStatus};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::SOON;
use super::server::{KEY, Rooms, SECRET, Server};

/// A router with these agent names and so many slots.
async fn start(server: &Server, agent_names: &str, slots: &str, stop: &Stop) -> JoinSet<()> {
    let file = format!("[[livekit]]\nname = 'main'\nurl = '{}'\nagent_names = {agent_names}\n", server.url());
    let given = Given::variables([
        ("LIVEKIT_API_KEY", KEY),
        ("LIVEKIT_API_SECRET", SECRET),
        ("OPENAI_API_KEY", "unused"),
        ("DIALPLANE_HTTP", "127.0.0.1:0"),
        ("DIALPLANE_MAX_CALLS", slots),
        ("DIALPLANE_DRAIN_SECONDS", "3600"),
    ]);
    let settings = Settings::read(Some((Path::new("dialplane.toml"), &file)), &given, 1).expect("settings");
    let app = App::start(settings).await.expect("a router");
    JoinSet::from_iter([app.run(stop.clone())])
}

#[tokio::test]
async fn the_agent_names_of_a_project_share_the_routers_slots_and_a_room_has_one_leg_by_whichever_it_came() {
    let mut server = Server::start(Rooms::Silent).await;
    let _running = start(&server, "['day', 'night']", "2", &Stop::default()).await;
    let mut agents = HashMap::new();
    // One more is the router's own.
    for _ in 0..3 {
        let (agent, name) = server.next_registered().await;
        agents.insert(name, agent);
    }
    let [mut day, mut night] = ["day", "night"].map(|name| agents.remove(name).expect(name));
    for (agent, job) in [(&mut day, "AJ_1"), (&mut night, "AJ_2")] {
        agent.offer(job).await;
        assert!(agent.availability().await.available);
    }
    for agent in [&mut day, &mut night] {
        agent.status_with(|status| status.status == Some(WorkerStatus::WsFull as i32)).await;
        agent.offer("AJ_3").await;
        assert!(!agent.availability().await.available);
    }

    let room = "the room of a call that is up";
    day.assign_at("AJ_1", None, room.to_owned()).await;
    assert_eq!(day.job("AJ_1").await.0, JobStatus::JsRunning as i32);
    night.assign_at("AJ_2", None, room.to_owned()).await;
    assert_eq!(night.job("AJ_2").await, (JobStatus::JsSuccess as i32, String::new()));
}

#[tokio::test]
async fn a_draining_router_looks_for_callers_without_an_agent_until_its_last_call_is_over() {
    const ROUNDS: &str = "/twirp/livekit.RoomService/ListRooms";
    let mut server = Server::start(Rooms::Silent).await;
    let stop = Stop::default();
    let mut tasks = start(&server, "['pstn-voice-agent']", "1", &stop).await;
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    assert_eq!(agent.job("AJ_1").await.0, JobStatus::JsRunning as i32);
    server.request().await;

    stop.drain.cancel();
    agent.status_with(|status| status.draining).await;
    // One may have been asked before.
    for _ in 0..2 {
        assert_eq!(server.request().await.path, ROUNDS);
    }
    stop.hang_up.cancel();
    let ended = timeout(SOON, tasks.join_next()).await.expect("the router ends in time");
    ended.expect("one router").expect("without a panic");
}

#[tokio::test]
async fn a_draining_router_ends_at_once_when_an_offer_comes_to_nothing() {
    let mut server = Server::start(Rooms::Silent).await;
    let stop = Stop::default();
    let mut tasks = start(&server, "['pstn-voice-agent']", "1", &stop).await;
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    assert!(agent.availability().await.available);

    stop.drain.cancel();
    agent.status_with(|status| status.draining).await;
    drop(agent);
    let ended = timeout(SOON, tasks.join_next()).await.expect("the router ends in time");
    ended.expect("one router").expect("without a panic");
}
