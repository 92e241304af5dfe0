use std::ops::RangeInclusive;
use std::time::Duration;

use crate::document::{Keys, Table};

const KEYS: Keys = Keys::only(&["model_open", "model_configured", "greeting", "answer"]);
const RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const ACCEPTED: &str = "from 100ms to 60s";

/// `[timeouts]`: how long a call waits for a model on its way to the answer, where the settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// Until the model's socket is open.
    pub model_open: Option<Duration>,
    /// From there until it took our configuration.
    pub model_configured: Option<Duration>,
    /// From there to the first audio of the greeting.
    pub greeting: Option<Duration>,
    /// From the caller's arrival to the answer, whatever happens in between.
    pub answer: Option<Duration>,
}

/// What is wrong is noted, and then its default stands.
pub(super) fn read(root: &Table<'_>) -> Timeouts {
    let table = root.table("timeouts", KEYS);
    let read = |key| table.as_ref()?.get(key)?.duration(ACCEPTED, &RANGE);
    Timeouts {
        model_open: read("model_open"),
        model_configured: read("model_configured"),
        greeting: read("greeting"),
        answer: read("answer"),
    }
}
