//! Packets on a room's reliable data channel: remote procedure calls (version 1), and keys of a telephone.

use livekit_protocol::data_packet::Value;
use livekit_protocol::rpc_response;
use livekit_protocol::{DataPacket, RpcRequest, SipDtmf};
use prost::Message as _;

use super::{Received, Sent};
use crate::pii::Redacted;

/// A call of a method of another participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rpc {
    pub id: String,
    pub destination: Redacted<String>,
    pub method: &'static str,
    pub payload: String,
    pub timeout_millis: u32,
}

/// What a data packet tells us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromPeer {
    /// The other side has the request and works on it.
    RpcAcknowledged {
        id: String,
    },
    RpcAnswered {
        id: String,
        outcome: RpcOutcome,
    },
    /// A key was pressed, by its event code (RFC 4733).
    Digit {
        sender: Redacted<String>,
        code: u32,
    },
    /// A packet that a telephone leg has no use for.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpcOutcome {
    /// What the method returned.
    Done(Redacted<String>),
    /// An RPC error code: 1400 is "no such method".
    Failed(u32),
}

/// A key that is to be pressed for a caller. Packets of several are pressed one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub destination: Redacted<String>,
    /// Its event code (RFC 4733).
    pub code: u8,
    /// As livekit-sip knows it, which has letters in lower case.
    pub name: char,
}

impl Sent for Key {
    fn encode(self) -> Vec<u8> {
        let key = SipDtmf { code: self.code.into(), digit: self.name.to_ascii_lowercase().to_string() };
        DataPacket {
            destination_identities: vec![self.destination.reveal().clone()],
            value: Some(Value::SipDtmf(key)),
            ..DataPacket::default()
        }
        .encode_to_vec()
    }
}

impl Sent for Rpc {
    fn encode(self) -> Vec<u8> {
        DataPacket {
            destination_identities: vec![self.destination.reveal().clone()],
            value: Some(Value::RpcRequest(RpcRequest {
                id: self.id,
                method: self.method.to_owned(),
                payload: self.payload,
                response_timeout_ms: self.timeout_millis,
                version: 1,
                ..RpcRequest::default()
            })),
            ..DataPacket::default()
        }
        .encode_to_vec()
    }
}

impl Received for FromPeer {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let packet = DataPacket::decode(bytes).ok()?;
        Some(match packet.value {
            Some(Value::RpcAck(ack)) => Self::RpcAcknowledged { id: ack.request_id },
            Some(Value::RpcResponse(response)) => {
                let outcome = match response.value {
                    Some(rpc_response::Value::Error(error)) => RpcOutcome::Failed(error.code),
                    Some(rpc_response::Value::Payload(payload)) => RpcOutcome::Done(payload.into()),
                    Some(_) | None => RpcOutcome::Done(Redacted::default()),
                };
                Self::RpcAnswered { id: response.request_id, outcome }
            }
            Some(Value::SipDtmf(key)) => {
                Self::Digit { sender: packet.participant_identity.into(), code: key.code }
            }
            Some(_) | None => Self::Other,
        })
    }
}
