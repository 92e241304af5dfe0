//! Who sent the call on: the most recent diverting party.

use std::cmp::Ordering;

use rsipstack::sip::typed;

use super::address::{Prepared, entries, parameter};
use super::privacy::{self, Privacy};
use crate::call::Headers;
use crate::call::number::unescape;

/// RFC 8119: a service number was translated; nobody sent the call on.
const NUMBER_TRANSLATION: &str = "380";

/// The party that sent the call on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diverted {
    pub(super) user: String,
    /// It asked not to be named.
    pub(super) is_private: bool,
}

/// Diversion where there is one, else History-Info. Where both are given they tell the same (RFC 7544), and
/// Diversion does so without a doubt.
pub(super) fn of(headers: &Headers) -> Option<Diverted> {
    let value = |name: &str| headers.get(name).map(|value| value.reveal().as_str());
    let asked = value("privacy").map(Privacy::parse).unwrap_or_default();
    let diverted = value("diversion")
        .and_then(diversion)
        .or_else(|| value("history-info").and_then(|history| history_info(history, asked)));
    diverted.filter(|diverted| !privacy::is_anonymous(&diverted.user))
}

/// RFC 5806, 4: each diverting party puts its entry on top.
fn diversion(value: &str) -> Option<Diverted> {
    let prepared = entries(value).find_map(|entry| Prepared::new(&entry))?;
    let privacy = typed::DiversionEntry::parse(&prepared.tame).ok().and_then(|entry| entry.privacy);
    let is_private = privacy.is_some_and(|privacy| privacy::is_asked_by(privacy.trim_matches('"')));
    Some(Diverted { user: prepared.user, is_private })
}

/// One target that the call had.
struct Target {
    user: String,
    index: Vec<u32>,
    /// The index of the entry it took the place of.
    in_place_of: Option<Vec<u32>>,
    /// Why the call was sent to it: `;cause=302` (RFC 4458), of the URI.
    cause: Option<String>,
    /// Why it did not stay there: an escaped Reason header (RFC 3326).
    left_for: Option<String>,
    is_private: bool,
}

impl Target {
    fn parse(entry: &str, asked: Privacy) -> Option<Self> {
        let prepared = Prepared::new(entry)?;
        let read = typed::HistoryInfoEntry::parse(&prepared.tame).ok()?;
        let header = |name: &str| {
            let found = read.uri.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| unescape(value).into_owned())
        };
        let in_place_of = read.mp.as_deref().or(read.rc.as_deref()).map(index);
        let cause = parameter(&read.uri.params, "cause").map(str::to_owned);
        let privacy = header("Privacy").map(|value| Privacy::parse(&value)).unwrap_or_default();
        Some(Self {
            user: prepared.user,
            index: index(&read.index),
            in_place_of,
            cause: cause.filter(|cause| cause != NUMBER_TRANSLATION),
            left_for: header("Reason").filter(|reason| reason.to_ascii_lowercase().contains("cause")),
            is_private: (asked.history && !privacy.none) || privacy.history || privacy.id,
        })
    }

    /// Entries are in the order of their index (RFC 7044, 5), whatever order they were sent in.
    fn order(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}

/// RFC 7044: the last time that the call was sent on for a reason, and by whom.
fn history_info(value: &str, asked: Privacy) -> Option<Diverted> {
    let mut targets: Vec<_> = entries(value).filter_map(|entry| Target::parse(&entry, asked)).collect();
    targets.sort_by(Target::order);
    let (at, target) = targets.iter().enumerate().rev().find(|(at, target)| {
        let is_last = at + 1 == targets.len();
        (target.cause.is_some() && *at > 0) || (target.left_for.is_some() && !is_last)
    })?;
    let diverting = match &target.cause {
        Some(_) if at > 0 => {
            let named =
                target.in_place_of.as_ref().and_then(|index| targets.iter().find(|t| t.index == *index));
            named.or_else(|| targets.get(at.checked_sub(1)?))?
        }
        Some(_) | None => target,
    };
    Some(Diverted { user: diverting.user.clone(), is_private: diverting.is_private })
}

fn index(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.trim().parse().unwrap_or(0)).collect()
}
