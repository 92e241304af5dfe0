//! Calls through the real servers: `tests/rig/up cargo test --test live -- --ignored --test-threads=1`.
//!
//! What carries the tests, the phone and its ear, is tested without the rig.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::print_stdout)]
#![allow(unreachable_pub, reason = "a test target exports nothing")]
#![allow(clippy::disallowed_methods, reason = "the phone keeps real time, on threads of its own")]

mod actions;
mod anew;
mod baresip;
mod barge;
mod bridge;
mod carrier;
mod crowd;
mod down;
mod ear;
mod encrypted;
mod endings;
mod failing;
mod first;
mod forwarded;
mod g711;
mod hold;
mod kamailio;
mod keys;
mod ladder;
#[path = "../shared/leak.rs"]
mod leak;
mod limits;
mod livekit;
mod loss;
mod measure;
mod model;
#[path = "../shared/network.rs"]
mod network;
mod pace;
mod phone;
mod port;
mod ports;
#[path = "../shared/process.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod process;
mod providers;
mod relay;
mod renewal;
mod rescue;
mod rig;
mod room;
mod router;
mod routes;
mod rtp;
mod same;
mod signalling;
mod sip;
mod soak;
mod starved;
mod talk;
mod tenants;
mod tls;
mod wav;
mod world;
