//! What ties come to: which file has to change, and what its writer is told.

use std::collections::{BTreeMap, HashMap};

use super::draft::{Claimed, Draft};
use super::file::TenantFile;
use super::route::Called;
use super::ties::{Conflict, Tie};
use crate::document::{Diagnostic, Place, shown};

/// An error for one file of a draft, by its place in it.
pub(super) struct Verdict {
    pub(super) file: usize,
    /// The file that stays as it is.
    pub(super) keeper: usize,
    pub(super) diagnostic: Diagnostic,
}

/// More errors of one file against one other help nobody.
const MOST: usize = 100;

/// The later file has to change; but who has something in force keeps it, even as their file changes. `in_force` is what
/// is in force of each file of the draft.
pub(super) fn of(draft: &Draft<'_>, ties: &[Tie<'_>], in_force: &[Option<&TenantFile>]) -> Vec<Verdict> {
    let mut verdicts = same_tenants(draft, in_force);
    let mut counts: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
    for tie in ties {
        let files = (draft.member(tie.first.0).file, draft.member(tie.second.0).file);
        let (count, last) = counts.entry(files).or_default();
        *count += 1;
        if *count > MOST {
            continue;
        }
        let holds = |(route, claimed): (u32, Claimed<'_>)| {
            let member = draft.member(route);
            let known = in_force.get(member.file).copied().flatten();
            known.is_some_and(|file| file.claims(&member.route.scope, claimed))
        };
        let (keeps, yields) = if holds(tie.second) && !holds(tie.first) {
            (tie.second, tie.first)
        } else {
            (tie.first, tie.second)
        };
        *last = draft.member(yields.0).file;
        let keeper = draft.member(keeps.0).file;
        verdicts.push(Verdict { file: *last, keeper, diagnostic: told(draft, keeps, yields, tie.why) });
    }
    for ((first, second), (count, file)) in counts.into_iter().filter(|(_, (count, _))| *count > MOST) {
        if let Some(place) = draft.files.get(file).map(|file| file.place.clone()) {
            let diagnostic = Diagnostic::error(place, format!("found {} more such numbers", count - MOST));
            verdicts.push(Verdict { file, keeper: first + second - file, diagnostic });
        }
    }
    // Those who keep what they have are judged before those who want it from them.
    verdicts.sort_by_key(|verdict| verdict.keeper);
    verdicts
}

fn same_tenants(draft: &Draft<'_>, in_force: &[Option<&TenantFile>]) -> Vec<Verdict> {
    let mut known: HashMap<_, (usize, &TenantFile)> = HashMap::new();
    let mut verdicts = Vec::new();
    for (at, file) in draft.files.iter().enumerate() {
        let Some(tenant) = &file.tenant else { continue };
        let Some((other_at, other)) = known.insert(&tenant.id, (at, file)) else { continue };
        let has = |at: usize| {
            let known = in_force.get(at).copied().flatten().and_then(|file| file.tenant.as_ref());
            known.is_some_and(|known| known.id == tenant.id)
        };
        let here_first = has(at) && !has(other_at);
        let ((keeper, kept), (file, yields)) =
            if here_first { ((at, file), (other_at, &other)) } else { ((other_at, &other), (at, file)) };
        known.insert(&tenant.id, (keeper, kept));
        let message =
            format!("found a tenant that another file has, at {}; accepted: one file for each", kept.place);
        verdicts.push(Verdict { file, keeper, diagnostic: Diagnostic::error(yields.place.clone(), message) });
    }
    verdicts
}

fn told(
    draft: &Draft<'_>,
    keeps: (u32, Claimed<'_>),
    yields: (u32, Claimed<'_>),
    why: Conflict,
) -> Diagnostic {
    let (kept, place) = (place_of(draft, keeps), place_of(draft, yields));
    let whose = if draft.member(keeps.0).file == draft.member(yields.0).file {
        "another route"
    } else {
        "another file"
    };
    let message = match why {
        Conflict::Shares(sum) => {
            let id = shown(&draft.member(keeps.0).route.id);
            format!(
                "share: found {sum} percent with the routes from {id} on; accepted: at most 100 of one key"
            )
        }
        Conflict::Same if keeps.1 == yields.1 => {
            format!(
                "called: found a number that {whose} has, at {kept}; accepted: conditions that tell them apart"
            )
        }
        Conflict::Same => format!(
            "called: found a pattern of numbers that {whose} has too, none of the two being narrower, at {kept}; \
             accepted: patterns or conditions that tell them apart"
        ),
    };
    Diagnostic::error(place, message)
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
