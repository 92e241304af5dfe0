//! What the real livekit-server says is going on.

use std::collections::HashMap;
use std::time::Duration;

use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::{CreateRoomOptions, RoomClient};
use livekit_protocol::ParticipantInfo;
use livekit_protocol::participant_info::Kind;

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

    /// What livekit-sip says of the only call: the attributes of its participant.
    pub async fn sip_attributes(&self) -> HashMap<String, String> {
        let here = self.0.list_participants(&self.only_room().await).await.expect("the room is there");
        let caller = here.into_iter().find(|participant| participant.kind() == Kind::Sip);
        caller.expect("the caller is there").attributes
    }

    /// Deletes the room of the only call.
    pub async fn delete_room(&self) {
        self.0.delete_room(&self.only_room().await).await.expect("deleted");
    }

    /// Removes our agent from the room of the only call.
    pub async fn remove_agent(&self) {
        let room = self.only_room().await;
        let here = self.0.list_participants(&room).await.expect("the room is there");
        let agent = here.into_iter().find(|participant| participant.kind() == Kind::Agent);
        self.0
            .remove_participant(&room, &agent.expect("the agent is there").identity)
            .await
            .expect("removed");
    }

    /// Deletes the dispatch that sent us to the room of the only call.
    pub async fn delete_dispatch(&self, rig: &Rig) {
        let url = rig.livekit_url.replacen("ws", "http", 1);
        let client = AgentDispatchClient::with_api_key(&url, &rig.api_key, &rig.api_secret);
        let room = self.only_room().await;
        let dispatches = client.list_dispatch(&room).await.expect("listed");
        let [dispatch] = dispatches.as_slice() else { panic!("one dispatch, not {}", dispatches.len()) };
        client.delete_dispatch(&dispatch.id, &room).await.expect("deleted");
    }

    /// What the list of rooms says of the first: how many have published something, and how many it has counted.
    pub async fn counted(&self) -> Option<(u32, u32)> {
        let rooms = self.0.list_rooms(Vec::new()).await.expect("livekit-server lists its rooms");
        rooms.first().map(|room| (room.num_publishers, room.num_participants))
    }

    async fn only_room(&self) -> String {
        let rooms = self.0.list_rooms(Vec::new()).await.expect("livekit-server lists its rooms");
        let [room] = rooms.as_slice() else { panic!("one call up has one room, not {}", rooms.len()) };
        room.name.clone()
    }

    /// How many agents have published audio in the room that has most of them.
    pub async fn most_speakers(&self) -> usize {
        let mut most = 0;
        for room in self.0.list_rooms(Vec::new()).await.expect("livekit-server lists its rooms") {
            // A room may go between the two questions.
            let here = self.0.list_participants(&room.name).await.unwrap_or_default();
            let speak = |participant: &&ParticipantInfo| {
                participant.kind() == Kind::Agent && !participant.tracks.is_empty()
            };
            most = most.max(here.iter().filter(speak).count());
        }
        most
    }

    /// Makes rooms that nobody is in, and that stay for a while.
    pub async fn make_rooms(&self, count: usize) {
        for at in 0..count {
            let options = CreateRoomOptions { empty_timeout: 120, ..CreateRoomOptions::default() };
            self.0.create_room(&format!("empty-{at}"), options).await.expect("made");
        }
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

    /// Waits until no room is left. The rig lets livekit-server keep one for a second after the last participant, and
    /// livekit-server keeps a participant that left without a word for 20 s.
    pub async fn wait_until_empty(&self) {
        until_every(Duration::from_millis(20), "every room is gone", Duration::from_secs(30), async || {
            (self.rooms().await == 0).then_some(())
        })
        .await;
    }
}
