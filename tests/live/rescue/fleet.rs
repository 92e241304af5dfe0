//! Several routers of one setting, and what becomes of them.

use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::Behaviour;
use serde_json::{Value, json};

use crate::livekit::LiveKit;
use crate::rig::until_every;
use crate::router::{Router, Settings};
use crate::world::{Plan, SOON, World};

/// The one who speaks in these tests.
pub const VOICE: &str = "marin";

/// A model that greets after so long, for that long.
pub async fn world(first_audio: Duration, greeting: Duration) -> World {
    let answer = json!({"voice": VOICE, "systemPrompt": "You answer whoever was left alone for so long."});
    World::start(Plan::new(Behaviour { first_audio, greeting, ..Behaviour::default() }, &answer)).await
}

/// A setting in which no router runs yet.
pub async fn world_without_router(greeting: Duration) -> World {
    let mut world = world(Duration::ZERO, greeting).await;
    world.router.terminate();
    assert!(world.router.ended(SOON).await.success());
    world
}

/// One more router with the same settings.
pub async fn another(world: &World) -> Router {
    Router::start(&world.rig, &world.settings).await
}

/// Starts the router that was killed once more, as its supervisor would, and returns its records.
pub async fn records_of_the_dead(world: &World, dead: &Router) -> Vec<Value> {
    let mut settings: Settings = world.settings.clone();
    let records = dead.records_file().to_str().expect("a path of ours").to_owned();
    settings.variables.insert("DIALPLANE_RECORDS".to_owned(), records);
    let restarted = Router::start(&world.rig, &settings).await;
    restarted.stop().await;
    dead.records()
}

/// Waits until the model was asked for so many greetings: so many calls ring, each with an agent.
pub async fn asked_for(world: &World, greetings: usize) {
    let asked = |sessions: &[SessionLog]| {
        let asked = sessions.iter().filter(|session| !session.responses.is_empty()).count();
        (asked >= greetings).then_some(())
    };
    world.model.wait_for(asked, SOON).await.expect("the greeting is asked for");
}

/// Waits until the only call's router has left the call's id with the caller.
pub async fn signed(world: &World) {
    until_every(Duration::from_millis(20), "the call is signed", SOON, async || {
        world.livekit.sip_attributes().await.contains_key("dialplane.call").then_some(())
    })
    .await;
}

/// Ends routers, and gathers the fleet's records.
pub async fn end(livekit: &LiveKit, routers: Vec<Router>) -> Vec<Value> {
    livekit.wait_until_empty().await;
    let mut records = Vec::new();
    for router in routers {
        records.extend(router.stop().await);
    }
    records
}
