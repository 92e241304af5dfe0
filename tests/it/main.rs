//! Tests that need nothing but the package itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::too_many_lines)]
#![allow(unreachable_pub, reason = "a test target exports nothing")]

mod admin;
mod churn;
mod cli;
mod demo;
mod direct;
#[path = "../shared/heard.rs"]
mod heard;
mod hearing;
#[allow(clippy::print_stdout, reason = "figures of what was measured")]
mod hostile;
mod kit;
#[path = "../shared/leak.rs"]
mod leak;
mod lookup;
#[path = "../shared/network.rs"]
mod network;
mod numbers;
mod operator;
mod pii;
#[path = "../shared/process.rs"]
#[allow(dead_code, clippy::print_stdout, reason = "shared with the live tests")]
mod process;
mod realtime;
mod reload;
mod schemas;
mod settings_page;
mod sip;
mod sip_page;
mod tidy;
mod webhook;
mod worker;
