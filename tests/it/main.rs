//! Tests that need nothing but the package itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]
#![allow(unreachable_pub, reason = "a test target exports nothing")]

mod admin;
mod lookup;
mod schemas;
