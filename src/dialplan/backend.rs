use url::Url;

use super::Backend;
use crate::document::{Surroundings, Table, Value};
use crate::http::sign::Secret;
use crate::tenant::{By, Facet};

impl Backend {
    /// What a backend's address must be, for error texts.
    pub const ACCEPTED: &str = "the http or https address of the webhook, without a user name or password";

    /// Of its address.
    pub const SCHEMES: [&str; 2] = ["http", "https"];

    /// Reads `url`, `secret`, `token` and `cache_by` of a `[backend]` or `[call_config]`; `url` beats the table's own. `None`
    /// when something is wrong, which is then noted.
    pub fn read(table: &Table<'_>, url: Option<Url>, surroundings: &dyn Surroundings) -> Option<Self> {
        let written = match &url {
            None => table.require("url", Self::ACCEPTED),
            Some(_) => table.get("url"),
        };
        let written = written.and_then(|value| value.address(Self::ACCEPTED, &Self::SCHEMES));
        let secrets = read_secrets(table, surroundings);
        let bearer = table.get("token").map(|value| value.secret(surroundings));
        let cache_by = table.get("cache_by").map(|value| read_by(&value));
        let (bearer, cache_by) = (unless_wrong(bearer)?, unless_wrong(cache_by)?);
        Some(Self { url: url.or(written)?, secrets: secrets?, bearer, cache_by })
    }
}

/// `Some(None)` where nothing was written.
fn unless_wrong<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
    }
}

fn read_by(value: &Value<'_>) -> Option<By> {
    let names = value.items(&format!("an array of {}", By::ACCEPTED))?;
    let names: Vec<_> = names
        .iter()
        .map(|name| name.choice(Facet::ALL.map(Facet::name)).and_then(Facet::from_name))
        .collect();
    let facets: Option<Vec<Facet>> = names.into_iter().collect();
    facets.map(|facets| By::of(&facets))
}

fn read_secrets(table: &Table<'_>, surroundings: &dyn Surroundings) -> Option<Vec<Secret>> {
    let Some(value) = table.get("secret") else { return Some(Vec::new()) };
    let references = value.one_or_more();
    if !(1..=2).contains(&references.len()) {
        let found = format!("{} secrets", references.len());
        value.report_found(&found, "one, or two while one replaces the other, the newer first");
        return None;
    }
    let secrets: Vec<_> = references.iter().filter_map(|value| read_secret(value, surroundings)).collect();
    (secrets.len() == references.len()).then_some(secrets)
}

fn read_secret(value: &Value<'_>, surroundings: &dyn Surroundings) -> Option<Secret> {
    let secret = Secret::parse(value.secret(surroundings)?.reveal());
    secret.inspect_err(|error| value.report_found(&error.to_string(), Secret::ACCEPTED)).ok()
}
