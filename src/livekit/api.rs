//! The server API: who is in which room, and what can be done to a call from outside its room.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::{RoomClient, UpdateParticipantOptions};
use livekit_api::services::sip::{SIPClient, TransferSIPParticipantOptions};
use livekit_api::services::{ServerError, ServerErrorCode, ServiceError};
use livekit_protocol::{AgentDispatch, CreateAgentDispatchRequest, Room};

use crate::livekit::Project;
use crate::livekit::wire::signal::{self, Participant};
use crate::pii::Redacted;

/// One answer waits no longer; the caller hears silence meanwhile.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that the other end of a transfer may ring: LiveKit's own default.
pub const TRANSFER_RINGS: Duration = Duration::from_secs(30);

/// A project's server API. One per project: it holds the connection pool.
#[derive(Debug)]
pub struct Api {
    rooms: RoomClient,
    sip: SIPClient,
    dispatches: AgentDispatchClient,
}

/// A room as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `RM_...`, of this room only. Safe to log.
    pub id: Arc<str>,
    /// It holds the caller's number.
    pub name: Redacted<String>,
    pub created_at: Timestamp,
    /// How many in it have published something. LiveKit says so some seconds late. How many are in it, it does not say: it
    /// leaves agents out.
    pub publishers: u32,
}

/// A request for an agent in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub agent_name: String,
    pub created_at: Timestamp,
}

/// Why a request did not do what it asked. LiveKit's own text names rooms and identities, so it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    #[error("the room or participant is gone already")]
    Gone,
    #[error("LiveKit refused the request")]
    Refused,
    #[error("LiveKit's API could not be reached")]
    Unreachable,
}

impl Api {
    pub fn new(project: &Project) -> Self {
        let (key, secret) = (project.api_key.reveal(), project.api_secret.reveal());
        let rooms = RoomClient::with_api_key(project.url.as_str(), key, secret)
            .with_failover(false)
            .with_request_timeout(REQUEST_TIMEOUT);
        let sip = SIPClient::with_api_key(project.url.as_str(), key, secret).with_failover(false);
        let dispatches = AgentDispatchClient::with_api_key(project.url.as_str(), key, secret)
            .with_failover(false)
            .with_request_timeout(REQUEST_TIMEOUT);
        Self { rooms, sip, dispatches }
    }

    /// Every room that is open.
    pub async fn rooms(&self) -> Result<Vec<Listed>, ApiError> {
        let rooms = self.rooms.list_rooms(Vec::new()).await?;
        Ok(rooms.into_iter().map(Listed::from).collect())
    }

    /// Everybody in a room.
    pub async fn participants(&self, room: &str) -> Result<Vec<Participant>, ApiError> {
        let participants = self.rooms.list_participants(room).await?;
        Ok(participants.into_iter().map(Participant::from).collect())
    }

    /// The agents that were asked for in a room, whether they came or not.
    pub async fn dispatches(&self, room: &str) -> Result<Vec<Dispatch>, ApiError> {
        let dispatches = self.dispatches.list_dispatch(room).await?;
        Ok(dispatches.into_iter().map(Dispatch::from).collect())
    }

    /// Asks for an agent in a room.
    pub async fn dispatch(&self, room: &str, agent_name: &str) -> Result<(), ApiError> {
        let request = CreateAgentDispatchRequest {
            room: room.to_owned(),
            agent_name: agent_name.to_owned(),
            ..CreateAgentDispatchRequest::default()
        };
        self.dispatches.create_dispatch(request).await?;
        Ok(())
    }

    /// Gives a participant an attribute, for all in the room to see.
    pub async fn set_attribute(
        &self,
        room: &str,
        identity: &str,
        key: &str,
        value: String,
    ) -> Result<(), ApiError> {
        let attributes = HashMap::from([(key.to_owned(), value)]);
        let options = UpdateParticipantOptions { attributes, ..UpdateParticipantOptions::default() };
        self.rooms.update_participant(room, identity, options).await?;
        Ok(())
    }

    /// Removes a participant; a SIP participant's call is hung up with it.
    pub async fn remove_participant(&self, room: &str, identity: &str) -> Result<(), ApiError> {
        self.rooms.remove_participant(room, identity).await.map_err(ApiError::from)
    }

    /// Has the carrier of an answered SIP participant take the call elsewhere (REFER), to a `tel:` or `sip:` address.
    /// Once it has, livekit-sip ends our call. Waits as long as the other end may ring, and 2 s.
    pub async fn transfer(&self, room: &str, identity: &str, to: &str) -> Result<(), ApiError> {
        let options = TransferSIPParticipantOptions {
            ringing_timeout: Some(TRANSFER_RINGS),
            ..TransferSIPParticipantOptions::default()
        };
        let (room, identity) = (room.to_owned(), identity.to_owned());
        let request = self.sip.transfer_sip_participant(room, identity, to.to_owned(), options);
        request.await.map_err(ApiError::from)
    }

    /// Deletes a room and removes everyone in it.
    pub async fn delete_room(&self, room: &str) -> Result<(), ApiError> {
        self.rooms.delete_room(room).await.map_err(ApiError::from)
    }
}

impl From<Room> for Listed {
    fn from(room: Room) -> Self {
        Self {
            id: room.sid.into(),
            name: room.name.into(),
            created_at: signal::moment(room.creation_time_ms, room.creation_time),
            publishers: room.num_publishers,
        }
    }
}

impl From<AgentDispatch> for Dispatch {
    fn from(dispatch: AgentDispatch) -> Self {
        let nanoseconds = dispatch.state.map_or(0, |state| state.created_at);
        let created_at = Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default();
        Self { agent_name: dispatch.agent_name, created_at }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Twirp(ServerError::Twirp(e)) if e.code == ServerErrorCode::NOT_FOUND => Self::Gone,
            ServiceError::Twirp(ServerError::Request(_)) => Self::Unreachable,
            ServiceError::Twirp(_) | ServiceError::Env(_) | ServiceError::AccessToken(_) => Self::Refused,
        }
    }
}
