//! A room's signalling: `SignalRequest` out, `SignalResponse` in, and the join request in the URL.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use jiff::Timestamp;
use livekit_protocol::participant_info::{Kind, State};
use livekit_protocol::signal_request::Message as Out;
use livekit_protocol::signal_response::Message as In;
use livekit_protocol::{
    AddTrackRequest, AudioTrackFeature, ClientInfo, ConnectionSettings, DisconnectReason, JoinRequest,
    JoinResponse, LeaveRequest, ParticipantInfo, Ping, SessionDescription, SignalRequest, SignalResponse,
    TrackSource, TrackType, WrappedJoinRequest, client_info, leave_request,
};
use prost::Message as _;
use url::Url;

use super::{Received, Sent};
use crate::livekit::websocket_url;
use crate::pii::Redacted;

/// The signalling protocol we speak: data channels by label, `LeaveRequest.action`.
const PROTOCOL: i32 = 16;

/// Our audio track's name in a room.
const TRACK_NAME: &str = "agent";

/// An SDP offer and its number; the answer carries the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub id: u32,
    pub sdp: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ToRoom {
    /// Announces our audio track; `cid` is the track id in the offer's `a=msid`.
    AddTrack {
        cid: String,
    },
    Offer(Offer),
    Ping {
        millis: i64,
    },
    Leave,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FromRoom {
    Joined(Joined),
    Answer(Answer),
    /// A remote ICE candidate, an SDP `candidate:` line.
    Candidate(String),
    Participants(Vec<Participant>),
    /// This many more receive-only audio sections are wanted in an offer of ours.
    SectionsWanted(u32),
    /// Someone subscribed to our track.
    Subscribed,
    /// A token that opens the room for longer than the one we came with.
    Token(Redacted<String>),
    /// The server wants us gone.
    Left(Departure),
    /// A pong, or a message that a telephone leg has no use for.
    Other,
}

/// The answer to the join request.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    pub participants: Vec<Participant>,
    /// The server's process, `ND_...`: another one after a restart.
    pub node: String,
    /// When we did, by the server's clock.
    pub at: Timestamp,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub id: u32,
    pub sdp: String,
    /// The track each of our receiving sections carries.
    pub track_of_mid: HashMap<String, String>,
}

/// Someone else in the room.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// `sip_<number>` for a caller.
    pub identity: Redacted<String>,
    pub name: Redacted<String>,
    /// Whether livekit-sip put it there. A web participant can set the same attributes, but not this.
    pub is_sip: bool,
    /// Whether it came to do a job, as we do.
    pub is_agent: bool,
    pub presence: Presence,
    /// By the server's clock.
    pub joined_at: Timestamp,
    pub attributes: BTreeMap<String, Redacted<String>>,
    /// Ids of its tracks, `TR_...`.
    pub tracks: Vec<String>,
}

/// Whether a participant is in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Here,
    /// It has left.
    Left,
    /// It was made to leave, by the server's API.
    Removed,
    /// Its connection is lost or replaced, and it may come back.
    Dropped,
}

/// Why the server sent us away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The room is no more, and the caller with it.
    RoomClosed,
    /// From this server or this connection only: the room may be joined anew.
    Rejoin,
    /// We alone must go.
    Dismissed,
}

/// Where a room is joined: one round trip carries the join and the first offer.
pub fn join_url(base: &Url, offer: Offer) -> Url {
    let request = JoinRequest {
        client_info: Some(ClientInfo {
            sdk: client_info::Sdk::Rust as i32,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            os: "linux".to_owned(),
            ..ClientInfo::default()
        }),
        connection_settings: Some(ConnectionSettings {
            auto_subscribe: true,
            ..ConnectionSettings::default()
        }),
        publisher_offer: Some(description(offer)),
        ..JoinRequest::default()
    };
    let wrapped = WrappedJoinRequest { compression: 0, join_request: request.encode_to_vec() };
    let mut url = websocket_url(base, "rtc/v1");
    url.query_pairs_mut().append_pair("join_request", &URL_SAFE.encode(wrapped.encode_to_vec()));
    url
}

impl Sent for ToRoom {
    fn encode(self) -> Vec<u8> {
        let message = match self {
            Self::AddTrack { cid } => Out::AddTrack(AddTrackRequest {
                cid,
                name: TRACK_NAME.to_owned(),
                r#type: TrackType::Audio as i32,
                source: TrackSource::Microphone as i32,
                disable_red: true,
                audio_features: vec![AudioTrackFeature::TfNoDtx as i32],
                ..AddTrackRequest::default()
            }),
            Self::Offer(offer) => Out::Offer(description(offer)),
            Self::Ping { millis } => Out::PingReq(Ping { timestamp: millis, rtt: 0 }),
            Self::Leave => Out::Leave(LeaveRequest {
                reason: DisconnectReason::ClientInitiated as i32,
                action: leave_request::Action::Disconnect as i32,
                ..LeaveRequest::default()
            }),
        };
        SignalRequest { message: Some(message) }.encode_to_vec()
    }
}

impl Received for FromRoom {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let message = SignalResponse::decode(bytes).ok()?.message;
        Some(match message {
            Some(In::Join(joined)) => Self::Joined(joined.into()),
            Some(In::Answer(answer)) => {
                Self::Answer(Answer { id: answer.id, sdp: answer.sdp, track_of_mid: answer.mid_to_track_id })
            }
            Some(In::Trickle(trickle)) => {
                candidate(&trickle.candidate_init).map_or(Self::Other, Self::Candidate)
            }
            Some(In::Update(update)) => {
                Self::Participants(update.participants.into_iter().map(Participant::from).collect())
            }
            Some(In::MediaSectionsRequirement(wanted)) => Self::SectionsWanted(wanted.num_audios),
            Some(In::TrackSubscribed(_)) => Self::Subscribed,
            Some(In::RefreshToken(token)) => Self::Token(token.into()),
            Some(In::Leave(leave)) => Self::Left(departure(&leave)),
            // LiveKit moves callers to other rooms, and so far no agents.
            Some(In::RoomMoved(_)) => Self::Left(Departure::Dismissed),
            Some(_) | None => Self::Other,
        })
    }
}

impl From<JoinResponse> for Joined {
    fn from(joined: JoinResponse) -> Self {
        Self {
            at: joined.participant.map_or(Timestamp::UNIX_EPOCH, |us| moment(us.joined_at_ms, us.joined_at)),
            participants: joined.other_participants.into_iter().map(Participant::from).collect(),
            node: joined.server_info.map(|server| server.node_id).unwrap_or_default(),
            ping_interval: seconds(joined.ping_interval, 5),
            ping_timeout: seconds(joined.ping_timeout, 15),
        }
    }
}

impl From<ParticipantInfo> for Participant {
    fn from(info: ParticipantInfo) -> Self {
        let presence = presence(&info);
        Self {
            identity: info.identity.into(),
            name: info.name.into(),
            is_sip: info.kind == Kind::Sip as i32,
            is_agent: info.kind == Kind::Agent as i32,
            presence,
            joined_at: moment(info.joined_at_ms, info.joined_at),
            attributes: info.attributes.into_iter().map(|(key, value)| (key, value.into())).collect(),
            tracks: info.tracks.into_iter().map(|track| track.sid).collect(),
        }
    }
}

fn presence(info: &ParticipantInfo) -> Presence {
    if info.state != State::Disconnected as i32 {
        return Presence::Here;
    }
    match info.disconnect_reason() {
        // Without a reason it did not leave by itself: LiveKit Cloud takes it to another server, and it comes back within
        // moments, or to another room.
        DisconnectReason::UnknownReason
        | DisconnectReason::DuplicateIdentity
        | DisconnectReason::StateMismatch
        | DisconnectReason::JoinFailure
        | DisconnectReason::Migration
        | DisconnectReason::SignalClose
        | DisconnectReason::ConnectionTimeout
        | DisconnectReason::MediaFailure => Presence::Dropped,
        DisconnectReason::ParticipantRemoved
        | DisconnectReason::RoomDeleted
        | DisconnectReason::RoomClosed
        | DisconnectReason::ServerShutdown => Presence::Removed,
        _ => Presence::Left,
    }
}

fn description(offer: Offer) -> SessionDescription {
    SessionDescription {
        r#type: "offer".to_owned(),
        sdp: offer.sdp,
        id: offer.id,
        ..SessionDescription::default()
    }
}

fn candidate(init: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(init).ok()?;
    Some(value.get("candidate")?.as_str()?.to_owned())
}

/// To resume needs the old connection's state; joining anew is always legal, so both actions that are no end mean it. Our
/// identity is our job's alone: who takes our place under it is an attempt to join that we gave up, and LiveKit did not.
fn departure(leave: &LeaveRequest) -> Departure {
    let closed = [DisconnectReason::RoomDeleted as i32, DisconnectReason::RoomClosed as i32];
    let replaced = leave.reason == DisconnectReason::DuplicateIdentity as i32;
    let rejoin = [leave_request::Action::Resume as i32, leave_request::Action::Reconnect as i32];
    match leave {
        _ if closed.contains(&leave.reason) => Departure::RoomClosed,
        _ if replaced || rejoin.contains(&leave.action) => Departure::Rejoin,
        _ => Departure::Dismissed,
    }
}

/// Older servers say the seconds alone.
pub fn moment(milliseconds: i64, seconds: i64) -> Timestamp {
    let milliseconds = if milliseconds == 0 { seconds.saturating_mul(1000) } else { milliseconds };
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

/// A server that names no interval gets the usual one.
fn seconds(given: i32, usual: u64) -> Duration {
    Duration::from_secs(u64::try_from(given).ok().filter(|s| *s > 0).unwrap_or(usual))
}

#[cfg(test)]
mod tests;
