//! No call rings for ever, and no answered caller is left alone, over any number of routers.

pub mod fleet;
mod left;
mod missed;
mod rounds;
mod webhooks;
