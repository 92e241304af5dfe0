//! `[call_config]`: the router's own backend, and how every backend is asked; `[addresses]`: where the others may be.

use std::time::Duration;

use url::Url;

use super::variables::Variables;
use crate::dialplan::Backend;
use crate::document::{Keys, Surroundings, Table};
use crate::http::address::{Allowed, Reach};
use crate::http::sign::Secret;
use crate::lookup::{Budget, CacheBounds};
use crate::tenant::By;

const KEYS: Keys = Keys::only(&[
    "url",
    "secret",
    "token",
    "cache_by",
    "connect",
    "attempt",
    "budget",
    "cache_entries",
    "cache_mb",
]);
const ADDRESSES_KEYS: Keys = Keys::only(&["tenants", "allowed"]);
/// Any of these makes it a backend.
const BACKEND_KEYS: [&str; 4] = ["url", "secret", "token", "cache_by"];

const URL: &str = "DIALPLANE_CALL_CONFIG_URL";
const SECRET: &str = "DIALPLANE_CALL_CONFIG_SECRET";
const CACHE_BY: &str = "DIALPLANE_CALL_CONFIG_CACHE_BY";

pub(super) struct CallConfig {
    /// Whether there is one, with an error or without.
    pub(super) names_backend: bool,
    pub(super) backend: Option<Backend>,
    pub(super) budget: Budget,
    pub(super) cache: CacheBounds,
}

pub(super) fn read(
    root: &Table<'_>,
    variables: &Variables<'_>,
    surroundings: &dyn Surroundings,
) -> CallConfig {
    let written = root.get("call_config");
    let table = written.as_ref().and_then(|value| value.table(KEYS));
    let is_backend = |table: &Table<'_>| BACKEND_KEYS.iter().any(|key| table.get(key).is_some());
    // Without its table, what it would have said is not known.
    let in_file = written.is_some() && table.as_ref().is_none_or(is_backend);
    CallConfig {
        names_backend: in_file || variables.get(URL).is_some(),
        backend: read_backend(table.as_ref().filter(|_| in_file), variables, surroundings),
        budget: read_budget(table.as_ref()),
        cache: read_bounds(table.as_ref()),
    }
}

fn read_backend(
    table: Option<&Table<'_>>,
    variables: &Variables<'_>,
    surroundings: &dyn Surroundings,
) -> Option<Backend> {
    let url = variables.address(URL, Backend::ACCEPTED, &Backend::SCHEMES);
    let secret = read_secret(variables);
    let cache_by = variables.parsed(CACHE_BY, &format!("{}, with commas between", By::ACCEPTED), |text| {
        By::parse(text.split(',').map(str::trim))
    });
    let backend = match (table, url) {
        (Some(table), url) => Backend::read(table, url, surroundings)?,
        (None, Some(url)) => bare(url),
        (None, None) => {
            for (variable, what) in [(SECRET, "secret"), (CACHE_BY, "cache_by")] {
                if variables.get(variable).is_some() && variables.get(URL).is_none() {
                    variables.report_missing(URL, &format!("the address that the {what} is for"));
                }
            }
            return None;
        }
    };
    let secrets = match secret {
        Some(secret) if backend.secrets.is_empty() => vec![secret],
        Some(_) | None => backend.secrets,
    };
    Some(Backend { secrets, cache_by: cache_by.or(backend.cache_by), ..backend })
}

fn bare(url: Url) -> Backend {
    Backend { url, secrets: Vec::new(), bearer: None, cache_by: None }
}

fn read_secret(variables: &Variables<'_>) -> Option<Secret> {
    let secret = Secret::parse(variables.secret(SECRET)?.reveal());
    let report = |error| variables.report(SECRET, format!("found {error}; accepted: {}", Secret::ACCEPTED));
    secret.map_err(report).ok()
}

/// What is wrong is noted, and then its default stands.
fn read_budget(table: Option<&Table<'_>>) -> Budget {
    let default = Budget::default();
    let range = Duration::from_millis(50)..=Budget::LONGEST;
    let read = |key, or: Duration| {
        let written = table.and_then(|table| table.get(key));
        written.and_then(|value| value.duration("from 50ms to 7s", &range)).unwrap_or(or)
    };
    Budget {
        connect: read("connect", default.connect),
        attempt: read("attempt", default.attempt),
        whole: read("budget", default.whole),
    }
}

fn read_bounds(table: Option<&Table<'_>>) -> CacheBounds {
    const MIB: u64 = 1 << 20;
    let default = CacheBounds::default();
    let read = |key, accepted: &str, most: f64| {
        let written = table.and_then(|table| table.get(key));
        written.and_then(|value| value.number(accepted, &(1.0..=most))).map(|number| number as u64)
    };
    let entries = read("cache_entries", "a number from 1 to 10000000", 1e7);
    let megabytes = read("cache_mb", "a number from 1 to 65536", 65_536.0);
    CacheBounds {
        entries: entries.unwrap_or(default.entries),
        bytes: megabytes.map_or(default.bytes, |megabytes| megabytes * MIB),
    }
}

/// Where the backends that tenants name may be. `None` when something is wrong.
pub(super) fn read_addresses(root: &Table<'_>) -> Option<Reach> {
    const ACCEPTED: &str = "an array of networks, addresses and host names";
    let Some(table) = root.table("addresses", ADDRESSES_KEYS) else { return Some(Reach::Anywhere) };
    let listed = table.get("allowed");
    let allowed = match &listed {
        None => Some(Vec::new()),
        Some(value) => value.items(ACCEPTED).and_then(|items| {
            let all: Vec<_> =
                items.iter().map(|item| item.parsed(Allowed::ACCEPTED, Allowed::parse)).collect();
            all.into_iter().collect()
        }),
    };
    match (table.require("tenants", "public or anywhere")?.choice(["public", "anywhere"])?, listed) {
        ("public", _) => allowed.map(Reach::Public),
        (_, None) => Some(Reach::Anywhere),
        (_, Some(listed)) => {
            listed.report_found("a list beside tenants = \"anywhere\"", "one beside tenants = \"public\"");
            None
        }
    }
}
