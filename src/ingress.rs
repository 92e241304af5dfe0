//! Where calls come in. Every ingress produces [`leg::Incoming`] calls and speaks through a [`leg::Leg`].

pub mod leg;
pub mod livekit;
pub mod sip;
