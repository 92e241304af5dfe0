//! Where call records are kept.

pub mod journal;
