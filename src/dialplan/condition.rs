//! What a route asks of a call beside the called number.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;

use super::pattern::{self, Pattern};
use super::schedule::Schedule;
use crate::call::{Call, Caller, Headers};

/// Where a call has to come in. Names are those of the settings; a trunk that the settings don't name goes by its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Scope {
    pub(super) trunk: Option<Arc<str>>,
    pub(super) project: Option<Arc<str>>,
}

impl Scope {
    /// The narrower the smaller.
    pub(super) const fn width(&self) -> u8 {
        match (&self.trunk, &self.project) {
            (Some(_), Some(_)) => 0,
            (Some(_), None) => 1,
            (None, Some(_)) => 2,
            (None, None) => 3,
        }
    }

    /// The scopes that hold a call, the narrowest first.
    pub(super) fn of(call: &Call) -> [Self; 4] {
        let trunk: Option<Arc<str>> = call.trunk.as_ref().map(|trunk| trunk.called().into());
        let project: Option<Arc<str>> = call.origin.project().map(Arc::from);
        [
            Self { trunk: trunk.clone(), project: project.clone() },
            Self { trunk, project: None },
            Self { trunk: None, project },
            Self::default(),
        ]
    }
}

/// Which callers a route takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum CallerIs {
    /// Whoever withholds the number.
    Anonymous,
    Number(Pattern),
}

impl CallerIs {
    fn takes(&self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::Anonymous, Caller::Anonymous) => true,
            (Self::Number(pattern), Caller::Number(number)) => pattern.matches(number),
            (Self::Anonymous, Caller::Number(_)) | (Self::Number(_), Caller::Anonymous) => false,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::Number(one), Self::Number(other)) => one.overlaps(other),
            (Self::Anonymous, Self::Number(_)) | (Self::Number(_), Self::Anonymous) => false,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::Number(one), Self::Number(other)) => one.covers(other),
            (Self::Anonymous, Self::Number(_)) | (Self::Number(_), Self::Anonymous) => false,
        }
    }

    /// Nobody is narrower than the one who has no number; then as the patterns.
    fn rank(&self) -> Option<pattern::Rank> {
        match self {
            Self::Anonymous => None,
            Self::Number(pattern) => Some(pattern.rank()),
        }
    }
}

/// Lower-case names of SIP headers and the values they must have, by name.
pub(super) type HeaderValues = Arc<[(Box<str>, Box<str>)]>;

/// A schedule of the file, by its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hours {
    pub(super) name: Arc<str>,
    pub(super) schedule: Arc<Schedule>,
}

/// One combination of conditions of a route: a route with two diverted numbers has two.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditions {
    pub(super) diverted: Option<Pattern>,
    pub(super) caller: Option<CallerIs>,
    pub(super) headers: HeaderValues,
    pub(super) hours: Option<Hours>,
    /// Percent of the callers.
    pub(super) share: Option<u8>,
    rank: Rank,
}

/// The order of conditions, the narrower first: diverted, caller, header, hours, share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    diverted: Widest<pattern::Rank>,
    caller: Widest<Option<pattern::Rank>>,
    headers: Reverse<usize>,
    without_hours: bool,
    without_share: bool,
}

/// A condition that is not there is wider than any that is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Widest<T> {
    Named(T),
    Any,
}

impl<T> From<Option<T>> for Widest<T> {
    fn from(named: Option<T>) -> Self {
        named.map_or(Self::Any, Self::Named)
    }
}

/// The condition that a call does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unmet {
    Diverted,
    Caller,
    /// By its name.
    Header(Box<str>),
    /// The name of the schedule that is closed.
    Hours(Arc<str>),
}

impl Conditions {
    pub(super) fn new(
        diverted: Option<Pattern>,
        caller: Option<CallerIs>,
        headers: HeaderValues,
        hours: Option<Hours>,
        share: Option<u8>,
    ) -> Self {
        let rank = Rank {
            diverted: diverted.as_ref().map(Pattern::rank).into(),
            caller: caller.as_ref().map(CallerIs::rank).into(),
            headers: Reverse(headers.len()),
            without_hours: hours.is_none(),
            without_share: share.is_none(),
        };
        Self { diverted, caller, headers, hours, share, rank }
    }

    pub(super) const fn rank(&self) -> &Rank {
        &self.rank
    }

    /// Whether every call is taken, a share apart.
    pub(super) fn are_none(&self) -> bool {
        self.diverted.is_none() && self.caller.is_none() && self.headers.is_empty() && self.hours.is_none()
    }

    /// The first condition that the call does not meet at `now`. A share is not one of them: who has which is known
    /// only beside the other routes of its key.
    pub(super) fn unmet(&self, call: &Call, now: Timestamp) -> Option<Unmet> {
        let diverted =
            |pattern: &Pattern| call.diverter.as_ref().is_some_and(|by| pattern.matches(&by.number));
        if self.diverted.as_ref().is_some_and(|pattern| !diverted(pattern)) {
            return Some(Unmet::Diverted);
        }
        if self.caller.as_ref().is_some_and(|caller| !caller.takes(&call.caller)) {
            return Some(Unmet::Caller);
        }
        if let Some((name, _)) = self.headers.iter().find(|(name, value)| !has(&call.headers, name, value)) {
            return Some(Unmet::Header(name.clone()));
        }
        let closed = self.hours.as_ref().filter(|hours| !hours.schedule.is_open(now));
        closed.map(|hours| Unmet::Hours(Arc::clone(&hours.name)))
    }

    /// Whether one call could meet both, schedules apart.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let both = |one: &Option<Pattern>, other: &Option<Pattern>| match (one, other) {
            (Some(one), Some(other)) => one.overlaps(other),
            (None, _) | (_, None) => true,
        };
        let callers = match (&self.caller, &other.caller) {
            (Some(one), Some(other)) => one.overlaps(other),
            (None, _) | (_, None) => true,
        };
        let contradict = |(name, value): &(Box<str>, Box<str>)| {
            other.headers.iter().any(|(other_name, other)| name == other_name && value != other)
        };
        both(&self.diverted, &other.diverted) && callers && !self.headers.iter().any(contradict)
    }

    /// Whether all but the share is the same.
    pub(super) fn same_key(&self, other: &Self) -> bool {
        self.diverted == other.diverted
            && self.caller == other.caller
            && self.headers == other.headers
            && self.hours == other.hours
    }

    /// Whether every call that meets `other` meets this, shares and schedules apart.
    pub(super) fn cover(&self, other: &Self) -> bool {
        let diverted = self
            .diverted
            .as_ref()
            .is_none_or(|wide| other.diverted.as_ref().is_some_and(|narrow| wide.covers(narrow)));
        let caller = self
            .caller
            .as_ref()
            .is_none_or(|wide| other.caller.as_ref().is_some_and(|narrow| wide.covers(narrow)));
        diverted && caller && self.headers.iter().all(|header| other.headers.contains(header))
    }
}

fn has(headers: &Headers, name: &str, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found.reveal().trim() == value)
}
