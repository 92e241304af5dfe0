//! A tenant's `[limits]`.

use std::time::Duration;

use super::Action;
use super::action::Actions;
use crate::document::{Keys, Table};

pub(super) const LIMITS_KEYS: Keys =
    Keys::only(&["max_duration", "calls", "calls_per_second", "when_full", "when_model_down"]);
const INSTEAD_KEYS: Keys = Keys::only(&["reject", "transfer", "play"]);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a tenant may have of the router.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    pub max_duration: Option<Duration>,
    /// At once.
    pub calls: Option<u32>,
    pub calls_per_second: Option<f64>,
    /// What becomes of a call beyond them; never [`Action::Answer`].
    pub when_full: Option<Action>,
    /// What becomes of a call that no model serves; never [`Action::Answer`].
    pub when_model_down: Option<Action>,
}

/// Reads `[limits]`, opened with [`LIMITS_KEYS`]. Only `max_duration` has an effect so far; the others say so.
pub(super) fn read_limits(table: &Table<'_>, actions: &mut Actions<'_>) -> Limits {
    let max_duration = table.get("max_duration").and_then(|value| {
        value.duration("a time such as 30m or 1h30m, from 1s to 24h", &(Duration::from_secs(1)..=DAY))
    });
    let cap = |key: &str, accepted: &str, least: f64| {
        let value = table.get(key)?;
        let cap = value.number(accepted, &(least..=1e6))?;
        value.warn(format!("{key} is read, and not enforced in this version"));
        Some((cap, value))
    };
    let calls =
        cap("calls", "a whole number of calls at once, from 0 to 1000000", 0.0).and_then(|(cap, value)| {
            if cap.fract() != 0.0 {
                value.report_found("a decimal number", "a whole number of calls at once");
                return None;
            }
            Some(cap as u32)
        });
    let calls_per_second = cap("calls_per_second", "a number of calls, from 0.01 to 1000000", 0.01);
    let when_full = read_instead("when_full", table, actions);
    if let (Some(_), Some(value)) = (&when_full, table.get("when_full")) {
        value.warn("when_full is read, and not enforced in this version");
    }
    let when_model_down = read_instead("when_model_down", table, actions);
    let calls_per_second = calls_per_second.map(|(cap, _)| cap);
    Limits { max_duration, calls, calls_per_second, when_full, when_model_down }
}

/// What is done with a call instead of answering it as the route says.
fn read_instead(key: &str, table: &Table<'_>, actions: &mut Actions<'_>) -> Option<Action> {
    let value = table.get(key)?;
    let said = value.table(INSTEAD_KEYS)?;
    let said: Vec<_> = INSTEAD_KEYS.accepted.iter().filter_map(|key| Some((*key, said.get(key)?))).collect();
    let [(key, what)] = said.as_slice() else {
        value.report_found(&format!("{} of its keys", said.len()), "one of reject, transfer and play");
        return None;
    };
    actions.read(key, what)
}
