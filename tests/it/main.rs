//! Tests that need nothing but the package itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::too_many_lines)]
#![allow(unreachable_pub, reason = "a test target exports nothing")]

#[path = "../shared/leak.rs"]
mod leak;
mod pii;
mod tidy;
mod admin;
mod lookup;
mod realtime;
mod schemas;
