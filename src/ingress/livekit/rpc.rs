//! Ending the SIP call from inside its room: livekit-sip's `lk.sip.EndCall`.
//!
//! It needs no admin token and is the quickest way: BYE within milliseconds, or 486 to a call not yet answered.

use std::time::Duration;

use uuid::Uuid;

use crate::livekit::wire::Sent;
use crate::livekit::wire::data::{FromPeer, Rpc, RpcOutcome};
use crate::pii::Redacted;

const METHOD: &str = "lk.sip.EndCall";

/// A request that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndCall {
    id: String,
}

impl EndCall {
    /// The request and its packet. livekit-sip is told to answer within `timeout`.
    pub fn request(id: Uuid, caller: Redacted<String>, timeout: Duration) -> (Self, Vec<u8>) {
        let id = id.to_string();
        let rpc = Rpc {
            id: id.clone(),
            destination: caller,
            method: METHOD,
            payload: "{}",
            timeout_millis: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        };
        (Self { id }, rpc.encode())
    }

    /// What became of this request, if that is what the packet says.
    pub fn outcome(&self, packet: &FromPeer) -> Option<RpcOutcome> {
        match packet {
            FromPeer::RpcAnswered { id, outcome } if *id == self.id => Some(*outcome),
            FromPeer::RpcAnswered { .. } | FromPeer::RpcAcknowledged { .. } | FromPeer::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_request_is_its_outcome() {
        let (request, packet) = EndCall::request(Uuid::from_u128(1), "sip_1".into(), Duration::from_secs(1));
        assert!(packet.windows(METHOD.len()).any(|window| window == METHOD.as_bytes()));

        let own = Uuid::from_u128(1).to_string();
        let other = Uuid::from_u128(2).to_string();
        for (packet, expected) in [
            (FromPeer::RpcAcknowledged { id: own.clone() }, None),
            (FromPeer::RpcAnswered { id: other, outcome: RpcOutcome::Done }, None),
            (FromPeer::RpcAnswered { id: own.clone(), outcome: RpcOutcome::Done }, Some(RpcOutcome::Done)),
            (
                FromPeer::RpcAnswered { id: own, outcome: RpcOutcome::Failed(1400) },
                Some(RpcOutcome::Failed(1400)),
            ),
            (FromPeer::Other, None),
        ] {
            assert_eq!(request.outcome(&packet), expected, "{packet:?}");
        }
    }
}
