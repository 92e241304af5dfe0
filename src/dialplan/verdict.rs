//! What ties come to: which file has to change, and what its writer is told.

use std::collections::HashMap;

use super::draft::{Claimed, Draft};
use super::file::TenantFile;
use super::route::Called;
use super::ties::{Conflict, Tie};
use crate::document::{Diagnostic, Place, shown};

/// An error for one file of a draft, by its place in it.
pub(super) struct Verdict {
    pub(super) file: usize,
    pub(super) diagnostic: Diagnostic,
}

/// More errors of one file against one other help nobody.
const MOST: usize = 100;

/// It is always the later file that has to change.
pub(super) fn of(draft: &Draft<'_>, ties: &[Tie<'_>]) -> Vec<Verdict> {
    let mut verdicts = same_tenants(draft);
    let mut counts: HashMap<(usize, usize), usize> = HashMap::new();
    for tie in ties {
        let (older, newer) = (draft.member(tie.first.0).file, draft.member(tie.second.0).file);
        let count = counts.entry((older, newer)).or_default();
        *count += 1;
        if *count <= MOST {
            verdicts.push(Verdict { file: newer, diagnostic: told(draft, tie, older == newer) });
        }
    }
    let mut beyond: Vec<_> = counts.into_iter().filter(|(_, count)| *count > MOST).collect();
    beyond.sort_unstable();
    for ((_, newer), count) in beyond {
        if let Some(file) = draft.files.get(newer) {
            let message = format!("found {} more such numbers", count - MOST);
            verdicts.push(Verdict { file: newer, diagnostic: Diagnostic::error(file.place.clone(), message) });
        }
    }
    verdicts
}

fn same_tenants(draft: &Draft<'_>) -> Vec<Verdict> {
    let mut known: HashMap<_, &TenantFile> = HashMap::new();
    let mut verdicts = Vec::new();
    for (at, file) in draft.files.iter().enumerate() {
        let Some(tenant) = &file.tenant else { continue };
        if let Some(older) = known.get(&tenant.id) {
            let message =
                format!("found a tenant that an older file has, at {}; accepted: one file for each", older.place);
            verdicts.push(Verdict { file: at, diagnostic: Diagnostic::error(file.place.clone(), message) });
        } else {
            known.insert(&tenant.id, file);
        }
    }
    verdicts
}

fn told(draft: &Draft<'_>, tie: &Tie<'_>, same_file: bool) -> Diagnostic {
    let (first, second) = (place_of(draft, tie.first), place_of(draft, tie.second));
    let whose = if same_file { "another route" } else { "an older file" };
    let message = match tie.why {
        Conflict::Shares(sum) => {
            let id = shown(&draft.member(tie.first.0).route.id);
            format!("share: found {sum} percent with the routes from {id} on; accepted: at most 100 of one key")
        }
        Conflict::Same if tie.first.1 == tie.second.1 => {
            format!("called: found a number that {whose} has, at {first}; accepted: conditions that tell them apart")
        }
        Conflict::Same => format!(
            "called: found a pattern of numbers that {whose} has too, none of the two being narrower, at {first}; \
             accepted: patterns or conditions that tell them apart"
        ),
    };
    Diagnostic::error(second, message)
}

/// Where a route says that it takes what is claimed.
fn place_of(draft: &Draft<'_>, (route, claimed): (u32, Claimed<'_>)) -> Place {
    let member = draft.member(route);
    let listed = || {
        let numbers = draft.files.get(member.file)?.numbers.as_ref()?;
        let entry = numbers.entries.iter().find(|entry| claimed == Claimed::Number(entry.number()))?;
        Some(Place::At { file: numbers.path.clone(), line: entry.line as usize, column: 1 })
    };
    let place = match &member.route.called {
        Called::Any => None,
        Called::Listed => listed(),
        Called::These(patterns) => {
            let found = patterns.iter().find(|(pattern, _)| Claimed::of(pattern) == claimed);
            found.map(|(_, place)| place.clone())
        }
    };
    place.unwrap_or_else(|| member.route.place.clone())
}
