//! LiveKit's protobuf messages and what they mean here. No message type leaves this module.

pub mod data;
pub mod signal;
pub mod worker;

/// A message we send.
pub trait Sent {
    fn encode(self) -> Vec<u8>;
}

/// A message we receive. Messages of no interest decode to a variant that says so; `None` is not protobuf.
pub trait Received: Sized {
    fn decode(bytes: &[u8]) -> Option<Self>;
}
