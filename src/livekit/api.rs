//! The server API: the requests that end a call from outside its room, and the one that hands it on.

use std::time::Duration;

use livekit_api::services::room::RoomClient;
use livekit_api::services::sip::{SIPClient, TransferSIPParticipantOptions};
use livekit_api::services::{ServerError, ServerErrorCode, ServiceError};

use crate::livekit::Project;

/// One answer waits no longer; the caller hears silence meanwhile.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that the other end of a transfer may ring: LiveKit's own default.
const TRANSFER_RINGS: Duration = Duration::from_secs(30);

/// A project's server API. One per project: it holds the connection pool.
#[derive(Debug)]
pub struct Api {
    rooms: RoomClient,
    sip: SIPClient,
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
        Self { rooms, sip }
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

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Twirp(ServerError::Twirp(e)) if e.code == ServerErrorCode::NOT_FOUND => Self::Gone,
            ServiceError::Twirp(ServerError::Request(_)) => Self::Unreachable,
            ServiceError::Twirp(_) | ServiceError::Env(_) | ServiceError::AccessToken(_) => Self::Refused,
        }
    }
}
