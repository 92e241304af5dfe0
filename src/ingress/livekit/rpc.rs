//! What livekit-sip does when asked from inside the room: `lk.sip.EndCall`, `lk.sip.GetRemoteHeaders`.
//!
//! Both take a round trip and no admin token. EndCall is the quickest way to let a caller go: BYE within milliseconds, or
//! 486 to a call not yet answered. GetRemoteHeaders tells the INVITE's headers; of a header that is there more than
//! once, livekit-sip tells the last one only.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use crate::call::identity;
use crate::livekit::wire::Sent;
use crate::livekit::wire::data::{FromPeer, Rpc, RpcOutcome};
use crate::pii::Redacted;

/// What livekit-sip is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    EndCall,
    /// Its answer is read by [`headers`].
    GetRemoteHeaders,
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::EndCall => "lk.sip.EndCall",
            Self::GetRemoteHeaders => "lk.sip.GetRemoteHeaders",
        }
    }

    fn payload(self) -> String {
        match self {
            Self::EndCall => "{}".to_owned(),
            Self::GetRemoteHeaders => serde_json::json!({ "include": identity::HEADERS }).to_string(),
        }
    }
}

/// A request that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    id: String,
}

impl Request {
    /// The request and its packet. livekit-sip is told to answer within `timeout`.
    pub fn new(method: Method, id: Uuid, caller: Redacted<String>, timeout: Duration) -> (Self, Vec<u8>) {
        let id = id.to_string();
        let rpc = Rpc {
            id: id.clone(),
            destination: caller,
            method: method.name(),
            payload: method.payload(),
            timeout_millis: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
        };
        (Self { id }, rpc.encode())
    }

    /// What became of this request, if that is what the packet says.
    pub fn outcome<'a>(&self, packet: &'a FromPeer) -> Option<&'a RpcOutcome> {
        match packet {
            FromPeer::RpcAnswered { id, outcome } if *id == self.id => Some(outcome),
            FromPeer::RpcAnswered { .. }
            | FromPeer::RpcAcknowledged { .. }
            | FromPeer::Digit { .. }
            | FromPeer::Other => None,
        }
    }
}

/// Headers by their name as livekit-sip spells it.
pub type Told = Vec<(String, Redacted<String>)>;

/// What GetRemoteHeaders tells; nothing when it can't.
pub fn headers(outcome: &RpcOutcome) -> Told {
    match outcome {
        RpcOutcome::Done(payload) => read_headers(payload.reveal()).unwrap_or_default(),
        RpcOutcome::Failed(_) => Told::new(),
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    headers: BTreeMap<String, Values>,
}

/// livekit-sip tells one value; a list would be as plain.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
    Other(serde::de::IgnoredAny),
}

fn read_headers(payload: &str) -> Option<Told> {
    let answer: Answer = serde_json::from_str(payload).ok()?;
    let told = answer.headers.into_iter().filter_map(|(name, values)| match values {
        Values::One(value) => Some((name, value.into())),
        Values::Many(values) => Some((name, values.join("\n").into())),
        Values::Other(_) => None,
    });
    Some(told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_request_is_its_outcome() {
        let (request, packet) =
            Request::new(Method::EndCall, Uuid::from_u128(1), "sip_1".into(), Duration::from_secs(1));
        let name = Method::EndCall.name();
        assert!(packet.windows(name.len()).any(|window| window == name.as_bytes()));

        let own = Uuid::from_u128(1).to_string();
        let other = Uuid::from_u128(2).to_string();
        let done = RpcOutcome::Done("{}".into());
        let failed = RpcOutcome::Failed(1400);
        for (packet, expected) in [
            (FromPeer::RpcAcknowledged { id: own.clone() }, None),
            (FromPeer::RpcAnswered { id: other, outcome: done.clone() }, None),
            (FromPeer::RpcAnswered { id: own.clone(), outcome: done.clone() }, Some(&done)),
            (FromPeer::RpcAnswered { id: own, outcome: failed.clone() }, Some(&failed)),
            (FromPeer::Other, None),
        ] {
            assert_eq!(request.outcome(&packet), expected, "{packet:?}");
        }
    }

    #[test]
    fn headers_are_told_one_by_one_or_as_lists_and_nothing_else_is_a_problem() {
        for (outcome, expected) in [
            (done(r#"{"headers":{"From":"<sip:1@a>","X":"y"}}"#), &[("From", "<sip:1@a>"), ("X", "y")][..]),
            (
                done(r#"{"headers":{"Diversion":["<sip:1@a>","<sip:2@a>"]}}"#),
                &[("Diversion", "<sip:1@a>\n<sip:2@a>")],
            ),
            (done(r#"{"headers":{"From":"<sip:1@a>","Odd":7}}"#), &[("From", "<sip:1@a>")]),
            (done("{}"), &[]),
            (done(r#"{"headers":[]}"#), &[]),
            (done("not JSON"), &[]),
            (done(""), &[]),
            (RpcOutcome::Failed(1400), &[]),
        ] {
            let told = headers(&outcome);
            let told: Vec<_> =
                told.iter().map(|(name, value)| (name.as_str(), value.reveal().as_str())).collect();
            assert_eq!(told, expected);
        }
    }

    fn done(payload: &str) -> RpcOutcome {
        RpcOutcome::Done(payload.into())
    }
}
