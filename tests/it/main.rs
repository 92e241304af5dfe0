#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::too_many_lines)]

mod realtime;
