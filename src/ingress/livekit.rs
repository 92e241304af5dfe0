//! Calls from LiveKit: an agent worker per agent name takes jobs, and a leg per job joins the caller's room.

pub mod facts;
pub mod peer;
