//! Calls that come to a SIP port of our own: no LiveKit between the carrier, or a phone, and us.

pub mod sdp;
