//! The test kit over real sockets.

mod backend;
mod model;
