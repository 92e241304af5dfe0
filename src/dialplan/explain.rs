//! Why a call goes where it goes.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::condition::{CallerIs, Conditions, Scope, Unmet};
use super::pattern::Pattern;
use super::table::{Considered, Passed, Target};
use super::{Action, Dialplan, Instead, Limits, Match};
use crate::call::{Call, Refusal};
use crate::document::Place;
use crate::fleet::calls::Caps;
use crate::tenant::TenantId;

/// Every route that could have had a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The route that gets the call, if one does.
    pub winner: Option<Step>,
    /// What becomes of that route's calls beyond its tenant's caps, if it has caps and the route takes calls.
    pub when_full: Option<WhenFull>,
    /// Those that are tried before it, in that order.
    pub passed: Vec<Step>,
}

/// A tenant's caps, and what becomes of a call beyond them.
#[derive(Debug, Clone, PartialEq)]
pub struct WhenFull {
    pub caps: Caps,
    /// In words.
    pub action: &'static str,
}

/// A route whose called number matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub tenant: TenantId,
    pub route: Arc<str>,
    pub matched: Match,
    /// What of the route the number matches; `None` when the route takes every number, or has it from a numbers file.
    pub pattern: Option<String>,
    pub place: Place,
    /// What else the route asks for, each in words.
    pub conditions: Vec<String>,
    /// What becomes of the call, in words.
    pub action: String,
    /// Why the route was passed over, in words; `None` of the winner.
    pub why: Option<String>,
}

impl Dialplan {
    /// As [`Dialplan::resolve`], with the reasons. For the operator: it shows numbers.
    pub fn explain(&self, call: &Call, now: Timestamp) -> Explanation {
        let considered = self.table.consider(call, now);
        let winner = considered.last().filter(|considered| considered.passed.is_none());
        let when_full = winner.and_then(|winner| when_full(winner.target));
        let mut steps: Vec<_> = considered.iter().map(|considered| step(considered, call, now)).collect();
        Explanation { winner: steps.pop_if(|step| step.why.is_none()), when_full, passed: steps }
    }
}

fn step(considered: &Considered<'_>, call: &Call, now: Timestamp) -> Step {
    let Considered { target, matched, scope, conditions, passed } = considered;
    let matching = target.called.iter().filter(|(pattern, _)| pattern.matches(&call.called));
    let narrowest = matching.min_by_key(|(pattern, _)| pattern.rank());
    Step {
        tenant: target.tenant.id.clone(),
        route: Arc::clone(&target.route),
        matched: *matched,
        pattern: narrowest.map(|(pattern, _)| pattern.reveal()),
        place: narrowest.map_or_else(|| target.place.clone(), |(_, place)| place.clone()),
        conditions: in_words(*scope, conditions),
        action: action(&target.action).to_owned(),
        why: passed.as_ref().map(|passed| why(passed, *scope, conditions, now)),
    }
}

fn when_full(target: &Target) -> Option<WhenFull> {
    let Limits { caps, when_full, .. } = &target.tenant.limits;
    let counts = *caps != Caps::default() && !matches!(target.action, Action::Instead(Instead::Refuse(_)));
    counts.then(|| WhenFull { caps: *caps, action: when_full.as_ref().map_or(Refusal::Busy.name(), instead) })
}

/// What becomes of a call, in words.
pub(super) fn action(action: &Action) -> &'static str {
    match action {
        Action::Answer { .. } => "answer",
        Action::Instead(what) => instead(what),
    }
}

fn instead(instead: &Instead) -> &'static str {
    match instead {
        Instead::Refuse(refusal) => refusal.name(),
        Instead::Play(_) => "play",
        Instead::Transfer(_) => "transfer",
    }
}

/// What a route asks for beside the called number.
pub(super) fn in_words(scope: Option<&Scope>, conditions: &Conditions) -> Vec<String> {
    let mut words = Vec::new();
    let mut say =
        |what: &str, value: Option<String>| words.extend(value.map(|value| format!("{what} {value}")));
    say("trunk", scope.and_then(|scope| scope.trunk.as_deref()).map(str::to_owned));
    say("project", scope.and_then(|scope| scope.project.as_deref()).map(str::to_owned));
    say("diverted", conditions.diverted.as_ref().map(Pattern::reveal));
    say("caller", conditions.caller.as_ref().map(caller));
    for (name, value) in conditions.headers.iter() {
        say(name, Some(value.to_string()));
    }
    say("hours", conditions.hours.as_ref().map(|hours| hours.name.to_string()));
    say("share", conditions.share.map(|share| share.to_string()));
    words
}

fn caller(caller: &CallerIs) -> String {
    match caller {
        CallerIs::Anonymous => "anonymous".to_owned(),
        CallerIs::Number(pattern) => pattern.reveal(),
    }
}

fn why(passed: &Passed, scope: Option<&Scope>, conditions: &Conditions, now: Timestamp) -> String {
    let unmet = match passed {
        Passed::Elsewhere => {
            let scope = scope.cloned().unwrap_or_default();
            let named = [
                scope.trunk.map(|trunk| format!("trunk {trunk}")),
                scope.project.map(|p| format!("project {p}")),
            ];
            let named: Vec<_> = named.into_iter().flatten().collect();
            return format!("the call did not come in on {}", named.join(" in "));
        }
        Passed::Share => {
            return format!("the caller is not one of its {} percent", conditions.share.unwrap_or_default());
        }
        Passed::Unmet(unmet) => unmet,
    };
    match unmet {
        Unmet::Diverted => {
            let number = conditions.diverted.as_ref().map(Pattern::reveal).unwrap_or_default();
            format!("the call was not diverted by {number}")
        }
        Unmet::Caller => {
            format!("the caller is not {}", conditions.caller.as_ref().map(caller).unwrap_or_default())
        }
        Unmet::Header(name) => format!("the header {name} is another or not there"),
        Unmet::Hours(name) => {
            let opens = conditions.hours.as_ref().and_then(|hours| {
                let schedule = &hours.schedule;
                Some(schedule.next_change(now)?.to_zoned(schedule.zone().clone()))
            });
            let until = opens.map(|at| format!(" until {at}")).unwrap_or_default();
            format!("the schedule {name} is closed{until}")
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.winner {
            Some(step) => writeln!(f, "{step}")?,
            None => writeln!(
                f,
                "no route: [unmatched] decides; unless it is set, the router's own backend is asked, or without one the call refused"
            )?,
        }
        if let Some(when_full) = &self.when_full {
            writeln!(f, "{when_full}")?;
        }
        if !self.passed.is_empty() {
            writeln!(f, "nearer, and passed over:")?;
        }
        for step in &self.passed {
            writeln!(f, "  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WhenFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Caps { calls, per_second } = self.caps;
        let calls = calls.map(|calls| format!("calls = {calls}"));
        let per_second = per_second.map(|rate| format!("calls_per_second = {}", rate.get()));
        let caps: Vec<_> = calls.into_iter().chain(per_second).collect();
        write!(f, "when full ({}): {}", caps.join(", "), self.action)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, route, matched, pattern, place, conditions, action, why } = self;
        write!(f, "{tenant}/{route} ({place}): {action}, {}", matched.name())?;
        if let Some(pattern) = pattern {
            write!(f, " {pattern}")?;
        }
        for condition in conditions {
            write!(f, ", {condition}")?;
        }
        match why {
            Some(why) => write!(f, "; {why}"),
            None => Ok(()),
        }
    }
}
