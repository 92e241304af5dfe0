//! Which calls an answer serves: a key of two levels, as HTTP's `Vary`. What surrounds an answer leads to its `by`,
//! and that to the entry.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;

use crate::call::{Call, Number};
use crate::dialplan::{Backend, Routed};
use crate::tenant::{By, Facet};

/// The facts of one call that an answer may depend on, and the backend that is asked.
#[derive(Clone)]
pub(super) struct Facts {
    /// The facets and what surrounds them, end to end.
    text: String,
    /// Where in `text` each part ends, in the order of [`Facts::of`].
    ends: [usize; PARTS],
    caller_known: bool,
    backend: u64,
}

/// Project, backend's address, tenant, then the facets.
const PARTS: usize = 3 + Facet::ALL.len();

/// The first level: everything but the caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Base(Box<[u8]>);

/// The second level: what `by` names, and `by` itself. Two calls have the same key only if every one of these facts
/// is the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    bytes: Box<[u8]>,
    /// False when it names a caller who is not known: two of them are not the same person.
    pub(super) shareable: bool,
}

const EVERYONE: By = By::of(&[Facet::Called, Facet::Diverted, Facet::Trunk, Facet::Route]);

impl Facts {
    /// `seed` keeps the print of a backend's secrets from being the same in every process.
    pub(super) fn of(call: &Call, routed: Option<&Routed>, backend: &Backend, seed: &RandomState) -> Self {
        let caller = call.caller.number().map(Number::best).filter(|number| !number.is_empty());
        // A number that the network vouches for is not the same as one that anybody may have written.
        let vouched = match call.verified {
            Some(true) => "+",
            Some(false) => "-",
            None => "",
        };
        let caller = caller.map(|number| format!("{number}{vouched}"));
        let parts: [&str; PARTS] = [
            call.origin.project().unwrap_or(""),
            backend.url.as_str(),
            routed.map_or("", |routed| routed.tenant.id.as_str()),
            caller.as_deref().unwrap_or(""),
            call.called.best(),
            call.diverter.as_ref().map_or("", |by| by.number.best()),
            call.trunk.as_ref().map_or("", |trunk| &trunk.id),
            routed.map_or("", |routed| &routed.route),
        ];
        let mut ends = [0; PARTS];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        for (part, end) in parts.into_iter().zip(&mut ends) {
            text.push_str(part);
            *end = text.len();
        }
        Self { text, ends, caller_known: caller.is_some(), backend: seed.hash_one(backend) }
    }

    /// The backend's print: another address, secret, token or `cache_by` makes another.
    pub(super) const fn print(&self) -> u64 {
        self.backend
    }

    pub(super) fn base(&self) -> Base {
        Base(self.bytes(EVERYONE))
    }

    pub(super) fn key(&self, by: By) -> Key {
        Key { bytes: self.bytes(by), shareable: self.caller_known || !by.has(Facet::Caller) }
    }

    /// The parts that `by` names, each behind its length, so that no two lists of parts read alike.
    fn bytes(&self, by: By) -> Box<[u8]> {
        let mut bytes = Vec::with_capacity(self.text.len() + 4 * PARTS + 9);
        bytes.push(by.bits());
        bytes.extend_from_slice(&self.backend.to_le_bytes());
        let starts = std::iter::once(0).chain(self.ends);
        let wanted = [true; 3].into_iter().chain(Facet::ALL.map(|facet| by.has(facet)));
        for ((start, end), wanted) in starts.zip(self.ends).zip(wanted) {
            if wanted {
                let part = self.text.as_bytes().get(start..end).unwrap_or_default();
                bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
                bytes.extend_from_slice(part);
            }
        }
        bytes.into()
    }
}

impl Key {
    /// In bytes, of its content.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Facts([redacted])")
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base([redacted])")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call::{Caller, Diverter, Origin, Trunk};
    use crate::dialplan::{Action, Limits, Match, Tenant};
    use crate::http::sign::Secret;
    use crate::tenant::{TenantId, Transfers};

    fn backend() -> Backend {
        let secrets = vec![Secret::parse("secret").unwrap()];
        Backend { url: "https://a.example/".parse().unwrap(), secrets, bearer: None, cache_by: None }
    }

    fn call() -> Call {
        Call {
            caller: Caller::Number(Number::read("+15551230001", None)),
            diverter: Some(Diverter::open(Number::read("+15556001234", None))),
            trunk: Some(Trunk { id: "ST_1".into(), name: None }),
            ..Call::example()
        }
    }

    fn routed(tenant: &str, route: &str) -> Routed {
        let id = TenantId::parse(tenant).unwrap();
        Routed {
            tenant: Arc::new(Tenant {
                id,
                name: None,
                tier: None,
                backend: None,
                limits: Limits::default(),
                transfers: Transfers::default(),
            }),
            route: route.into(),
            matched: Match::Exact,
            action: Action::Answer { agent: None },
        }
    }

    /// Whether a call that differs from the example in one thing has another key, for each facet alone.
    #[test]
    fn only_the_named_facts_tell_two_calls_apart_and_the_surroundings_always_do() {
        let seed = RandomState::new();
        let example = Facts::of(&call(), Some(&routed("acme", "desk")), &backend(), &seed);
        let number = |text| Number::read(text, None);
        let other_caller = Call { caller: Caller::Number(number("+15551230002")), ..call() };
        let other_called = Call { called: number("+15557770002"), ..call() };
        let other_diverted = Call { diverter: None, ..call() };
        let other_trunk = Call { trunk: None, ..call() };
        let other_project = Call { origin: Origin::LiveKit { project: "other".into() }, ..call() };
        let by_route = |call: &Call, tenant, route, backend: &Backend| {
            Facts::of(call, Some(&routed(tenant, route)), backend, &seed)
        };
        let usual = |call: &Call| by_route(call, "acme", "desk", &backend());
        let other_url = Backend { url: "https://b.example/".parse().unwrap(), ..backend() };
        let rotated = Backend { secrets: vec![Secret::parse("new").unwrap()], ..backend() };
        let told = Backend { cache_by: Some(By::EVERYTHING), ..backend() };
        for (what, facts, facet) in [
            ("the caller", usual(&other_caller), Some(Facet::Caller)),
            ("the called number", usual(&other_called), Some(Facet::Called)),
            ("the diverting number", usual(&other_diverted), Some(Facet::Diverted)),
            ("the trunk", usual(&other_trunk), Some(Facet::Trunk)),
            ("the route", by_route(&call(), "acme", "night", &backend()), Some(Facet::Route)),
            ("the project", usual(&other_project), None),
            ("the tenant", by_route(&call(), "other", "desk", &backend()), None),
            ("no route", Facts::of(&call(), None, &backend(), &seed), None),
            ("the backend's address", by_route(&call(), "acme", "desk", &other_url), None),
            ("the backend's secret", by_route(&call(), "acme", "desk", &rotated), None),
            ("the backend's cache_by", by_route(&call(), "acme", "desk", &told), None),
        ] {
            for named in Facet::ALL {
                let by = By::of(&[named]);
                let apart = facts.key(by) != example.key(by);
                assert_eq!(apart, facet.is_none_or(|facet| facet == named), "{what} by {}", named.name());
            }
            assert_ne!(facts.key(By::EVERYTHING), example.key(By::EVERYTHING), "{what}");
            assert_eq!(facts.base() != example.base(), facet != Some(Facet::Caller), "{what}: first level");
        }
        assert_eq!(usual(&call()).key(By::EVERYTHING), example.key(By::EVERYTHING));
    }

    #[test]
    fn a_caller_who_is_not_known_shares_nothing_personal() {
        let seed = RandomState::new();
        for caller in [Caller::Anonymous, Caller::Number(Number::read("", None))] {
            let unknown = Facts::of(&Call { caller, ..call() }, None, &backend(), &seed);
            assert!(!unknown.key(By::EVERYTHING).shareable);
            assert!(unknown.key(By::of(&[Facet::Called])).shareable);
        }
        assert!(Facts::of(&call(), None, &backend(), &seed).key(By::EVERYTHING).shareable);
    }

    #[test]
    fn another_by_is_another_key_even_where_the_facts_it_names_are_empty() {
        let bare = Call { diverter: None, trunk: None, ..call() };
        let facts = Facts::of(&bare, None, &backend(), &RandomState::new());
        assert_ne!(facts.key(By::of(&[Facet::Diverted])), facts.key(By::of(&[Facet::Trunk])));
    }
}
