//! What the calls of a router share beside its slots: what holds over all calls of a tenant, in this process alone.

pub mod breaker;
pub mod calls;
pub mod rate;
