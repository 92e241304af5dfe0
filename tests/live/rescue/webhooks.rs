//! LiveKit's own webhooks.

use std::fs;
use std::time::Duration;

use super::fleet::{VOICE, another, end, world_without_router};
use crate::ports;
use crate::rig::until_every;
use crate::room::server;
use crate::world::{ACME, SOON, hears_first, pitch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn the_webhooks_of_the_real_server_are_accepted() {
    let mut world = world_without_router(Duration::from_secs(2)).await;
    let http = ports::free();
    let file = world.rig.dir.join("livekit-server.yaml");
    let without = fs::read_to_string(&file).unwrap();
    let key = &world.rig.api_key;
    let webhook = format!("webhook:\n  api_key: {key}\n  urls: [\"http://{http}/livekit/webhook\"]\n");
    fs::write(&file, format!("{without}{webhook}")).unwrap();
    server("restart");
    world.settings.variables.insert("DIALPLANE_HTTP".to_owned(), http.to_string());
    let router = another(&world).await;
    let mut call = world.call(ACME);
    call.answered(SOON).await;
    hears_first(&call, pitch(VOICE)).await;
    call.leave().await;
    // The room, the caller and the agent, each coming and going.
    until_every(Duration::from_millis(50), "six webhooks", SOON, async || {
        (router.metric("dialplane_livekit_webhooks_total").await >= 6.0).then_some(())
    })
    .await;
    assert!(!router.metrics().await.contains("unsigned"), "all of them are signed");
    let records = end(&world.livekit, vec![router]).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["ending"]["how"], "caller-hung-up");
    fs::write(&file, without).unwrap();
    server("restart");
}
