//! What the calls of a router share beside its slots.

pub mod breaker;
