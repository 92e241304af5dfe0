//! Test doubles for what can't be had: a paid realtime model and a customer's backend.
//!
//! Both are real servers on loopback ports, strict about what they accept, and both record what they were sent; a
//! [`phone`] calls. None is needed to run the router; they are part of the library so that a user can try it without
//! accounts.

pub mod backend;
mod codec;
mod journal;
mod json;
pub mod model;
pub mod phone;
mod serving;
mod shape;
pub mod tone;

pub use journal::TimedOut;
