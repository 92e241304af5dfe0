//! A tenant's `[limits]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Instead;
use super::action::{Actions, Clips};
use crate::document::{Keys, Surroundings, Table};
use crate::fleet::calls::Caps;
use crate::fleet::rate::Rate;

pub(super) const LIMITS_KEYS: Keys = Keys::only(&[
    "max_duration",
    "max_silence",
    "max_turns",
    "calls",
    "calls_per_second",
    "when_full",
    "when_model_down",
]);
const INSTEAD_KEYS: Keys = Keys::only(&["reject", "transfer", "play"]);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a tenant may have of the router.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Of one call, whatever a backend says.
    pub max_duration: Option<Duration>,
    /// Of the caller of one call, whatever a backend says; so are the turns.
    pub max_silence: Option<Duration>,
    pub max_turns: Option<u32>,
    pub caps: Caps,
    /// What becomes of a call beyond the caps.
    pub when_full: Option<Instead>,
    /// What becomes of a call that no model serves.
    pub when_model_down: Option<Instead>,
}

/// Reads `[limits]`, opened with [`LIMITS_KEYS`].
pub(super) fn read_limits(table: &Table<'_>, actions: &mut Actions<'_>) -> Limits {
    let max_duration = table.get("max_duration").and_then(|value| {
        value.duration("a time such as 30m or 1h30m, from 1s to 24h", &(Duration::from_secs(1)..=DAY))
    });
    let max_silence = table.get("max_silence").and_then(|value| {
        let accepted = "a time such as 20s, from 2s to 1h";
        value.duration(accepted, &(Duration::from_secs(2)..=Duration::from_secs(60 * 60)))
    });
    let max_turns = whole(table, "max_turns", "a whole number of turns, from 1 to 10000", 1.0..=1e4);
    let caps = read_caps(table);
    let when_full = read_instead("when_full", table, actions);
    let is_limited = ["calls", "calls_per_second"].iter().any(|key| table.get(key).is_some());
    if let Some(value) = table.get("when_full").filter(|_| when_full.is_some() && !is_limited) {
        value.warn("nobody is ever turned away: there is neither calls nor calls_per_second");
    }
    let when_model_down = read_instead("when_model_down", table, actions);
    Limits { max_duration, max_silence, max_turns, caps, when_full, when_model_down }
}

/// `calls` and `calls_per_second`, of a tenant or of a trunk.
pub(super) fn read_caps(table: &Table<'_>) -> Caps {
    let calls = whole(table, "calls", "a whole number of calls at once, from 0 to 1000000", 0.0..=1e6);
    let per_second = table.get("calls_per_second").and_then(|value| {
        let accepted = "a number of calls, from 0.01 to 1000000";
        Rate::per_second(value.number(accepted, &(Rate::LEAST..=Rate::MOST))?)
    });
    Caps { calls, per_second }
}

fn whole(table: &Table<'_>, key: &str, accepted: &str, range: RangeInclusive<f64>) -> Option<u32> {
    let value = table.get(key)?;
    let number = value.number(accepted, &range)?;
    if number.fract() != 0.0 {
        value.report_found("a decimal number", accepted);
        return None;
    }
    Some(number as u32)
}

/// The settings' `when_model_down`, for tenants that say nothing.
pub fn read_when_model_down(settings: &Table<'_>, surroundings: &dyn Surroundings) -> Option<Instead> {
    let mut clips = Clips::default();
    read_instead("when_model_down", settings, &mut Actions::new(surroundings, &mut clips))
}

fn read_instead(key: &str, table: &Table<'_>, actions: &mut Actions<'_>) -> Option<Instead> {
    let value = table.get(key)?;
    let said = value.table(INSTEAD_KEYS)?;
    let said: Vec<_> = INSTEAD_KEYS.accepted.iter().filter_map(|key| Some((*key, said.get(key)?))).collect();
    let [(key, what)] = said.as_slice() else {
        value.report_found(&format!("{} of its keys", said.len()), "one of reject, transfer and play");
        return None;
    };
    actions.read(key, what)
}
