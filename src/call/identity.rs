//! Who is who in a call, as the headers of its INVITE say.
//!
//! The SIP stack's typed headers read each entry (Diversion, RFC 5806; History-Info, RFC 7044; From and its like).
//! `address` prepares entries for them: the stack (0.7.14) loses a user part with parameters in it (RFC 4694's
//! `;npdi;rn=`), names with `<` or escaped quotes in them, and every entry of a header in which one is malformed.

mod address;
mod diversion;
mod privacy;

use self::address::{Address, entries};
use self::diversion::Diverted;
use self::privacy::Privacy;
use super::number::NumberingPlan;
use super::{Caller, Diverter, Headers, Number};
use crate::pii::Redacted;

pub use self::privacy::is_anonymous;

/// The headers that this module reads, by lower-case name.
pub const HEADERS: [&str; 7] =
    ["diversion", "history-info", "from", "p-asserted-identity", "remote-party-id", "privacy", "to"];

/// What the settings say of how a trunk's calls are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrunkRules {
    pub numbers: NumberingPlan,
    /// The carrier vouches for P-Asserted-Identity (RFC 3325) and for what it says of STIR/SHAKEN.
    pub trusted: bool,
    pub withheld: Withheld,
}

/// What becomes of a number that its caller withholds, and of the headers that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Withheld {
    #[default]
    Hide,
    /// The trunk is an internal one, or the law lets its callee know.
    Show,
}

/// The parties of a call.
#[derive(Debug, Clone)]
pub struct Parties {
    pub called: Number,
    pub diverter: Option<Diverter>,
    pub caller: Caller,
    pub caller_name: Option<Redacted<String>>,
    /// Whether the network has verified that the caller may use the number (STIR/SHAKEN); `None`: it does not say.
    pub verified: Option<bool>,
    /// Without those that would name who is withheld.
    pub headers: Headers,
}

/// Reads who is who. `called` and `caller` are what the bridge says, where it does.
pub fn identify(
    called: Option<&str>,
    caller: Option<&str>,
    mut headers: Headers,
    rules: &TrunkRules,
) -> Parties {
    let from = first(&headers, "from");
    let asserted = if rules.trusted { asserted(&headers) } else { None };
    let is_withheld = is_withheld(&headers, caller, from.as_ref());
    let hides = is_withheld && rules.withheld == Withheld::Hide;

    let said = caller.filter(|raw| !is_anonymous(raw)).map(str::to_owned);
    let written = from.as_ref().map(|from| from.user.clone()).filter(|user| !is_anonymous(user));
    let vouched = asserted.as_ref().map(|asserted| asserted.user.clone());
    let raw = vouched.clone().or(said.clone()).or(written.clone());
    let verified = [&asserted, &from].into_iter().flatten().find_map(Address::verified);
    let name = [asserted, from].into_iter().flatten().find_map(|address| address.name);

    let diverted = diversion::of(&headers);
    let called = called.map(str::to_owned).or_else(|| first(&headers, "to").map(|to| to.user));
    let caller = match raw {
        Some(raw) if !hides => Caller::Number(rules.numbers.read(&raw)),
        Some(_) | None => Caller::Anonymous,
    };
    if hides {
        let numbers: Vec<_> = [vouched, said, written].into_iter().flatten().collect();
        privacy::hide_caller(&mut headers, &numbers);
    }
    let diverter = diverted.map(|Diverted { user, is_private }| Diverter {
        number: rules.numbers.read(&user),
        withheld: is_private && rules.withheld == Withheld::Hide,
    });
    if diverter.as_ref().is_some_and(|diverter| diverter.withheld) {
        privacy::hide_diversion(&mut headers);
    }
    let is_named = caller.number().is_some();
    Parties {
        called: rules.numbers.read(&called.unwrap_or_default()),
        diverter,
        caller,
        caller_name: name.filter(|name| is_named && !is_anonymous(name)).map(Redacted::from),
        verified: verified.filter(|_| is_named && rules.trusted),
        headers,
    }
}

/// Whether the caller asked that the number be withheld, in one of the ways there are.
fn is_withheld(headers: &Headers, caller: Option<&str>, from: Option<&Address>) -> bool {
    let privacy = value(headers, "privacy").map(Privacy::parse).unwrap_or_default();
    let legacy = entries(value(headers, "remote-party-id").unwrap_or_default())
        .filter_map(|entry| Address::parse(&entry))
        .any(|party| party.is_calling() && party.is_private());
    let is_anonymous_from = from.is_some_and(Address::is_anonymous) || caller.is_some_and(is_anonymous);
    privacy.id || legacy || (is_anonymous_from && !privacy.none)
}

/// The number that a trusted network asserts: of a `sip` and a `tel` identity the first that is one.
fn asserted(headers: &Headers) -> Option<Address> {
    let identities = entries(value(headers, "p-asserted-identity")?);
    identities
        .filter_map(|entry| Address::parse(&entry))
        .find(|identity| identity.user.bytes().any(|b| b.is_ascii_digit()) && !identity.is_anonymous())
}

/// The user part of a header's first address, or of `<URI>`: mostly a number.
pub fn user(header: &str) -> Option<String> {
    Address::parse(&entries(header).next()?).map(|address| address.user)
}

fn first(headers: &Headers, name: &str) -> Option<Address> {
    Address::parse(&entries(value(headers, name)?).next()?)
}

fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.reveal().as_str())
}

#[cfg(test)]
mod tests;
