//! What the real livekit-server says is going on.

use std::time::Duration;

use livekit_api::services::room::RoomClient;

use crate::rig::{Rig, until_every};

pub struct LiveKit(RoomClient);

impl LiveKit {
    pub fn new(rig: &Rig) -> Self {
        let url = rig.livekit_url.replacen("ws", "http", 1);
        Self(RoomClient::with_api_key(&url, &rig.api_key, &rig.api_secret))
    }

    /// Everybody in every room, as `room/identity`.
    pub async fn participants(&self) -> Vec<String> {
        let mut found = Vec::new();
        for room in self.0.list_rooms(Vec::new()).await.expect("livekit-server lists its rooms") {
            // A room may go between the two questions.
            let here = self.0.list_participants(&room.name).await.unwrap_or_default();
            found.extend(
                here.into_iter().map(|participant| format!("{}/{}", room.name, participant.identity)),
            );
        }
        found
    }

    pub async fn rooms(&self) -> usize {
        self.0.list_rooms(Vec::new()).await.expect("livekit-server lists its rooms").len()
    }

    /// Ends what a failed test has left behind, so that only that one fails.
    pub async fn clear(&self) {
        for room in self.0.list_rooms(Vec::new()).await.expect("livekit-server lists its rooms") {
            // One that has gone meanwhile is as good.
            let _deleted = self.0.delete_room(&room.name).await;
        }
        self.wait_until_alone().await;
    }

    /// Waits until nobody is in any room.
    pub async fn wait_until_alone(&self) {
        until_every(Duration::from_millis(20), "everybody has left", Duration::from_secs(10), async || {
            self.participants().await.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until no room is left. livekit-server keeps one for 20 s after the last participant has left.
    pub async fn wait_until_empty(&self) {
        until_every(Duration::from_millis(20), "every room is gone", Duration::from_secs(30), async || {
            (self.rooms().await == 0).then_some(())
        })
        .await;
    }
}
