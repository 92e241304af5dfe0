//! Addresses as SIP headers carry them: `"Name" <sip:user;user-params@host;params?headers>;params`.

use rsipstack::sip::param::{OtherParam, OtherParamValue};
use rsipstack::sip::{Param, Uri, typed};

use super::privacy;
use crate::call::number::unescape;

/// How many entries of one header are looked at.
const ENTRIES_MAX: usize = 32;

/// One address and what is said of it.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) name: Option<String>,
    /// What stands before the `@`, or after `tel:`, unescaped and without its parameters but `phone-context`.
    pub(super) user: String,
    host: String,
    user_parameters: String,
    /// Of URI and header.
    parameters: Vec<Param>,
}

impl Address {
    pub(super) fn parse(entry: &str) -> Option<Self> {
        let Prepared { name, user, user_parameters, tame } = Prepared::new(entry)?;
        // An address with a parameter that the stack cannot read still has its user.
        let (host, parameters) = match typed::From::parse(&tame) {
            Ok(typed::From { uri: Uri { host_with_port, params, .. }, params: after, .. }) => {
                (host_with_port.host.to_string(), [params, after].concat())
            }
            Err(_) => (String::new(), Vec::new()),
        };
        Some(Self { name, user, host, user_parameters, parameters })
    }

    /// RFC 3323, 4.1: `anonymous@anonymous.invalid`; and carriers' own words.
    pub(super) fn is_anonymous(&self) -> bool {
        self.host.eq_ignore_ascii_case("anonymous.invalid") || privacy::is_anonymous(&self.user)
    }

    /// What the network found of the number's signature: `verstat` (3GPP TS 24.229, 7.2A.20).
    pub(super) fn verified(&self) -> Option<bool> {
        let in_user = self.user_parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("verstat").then_some(value)
        });
        let verdict = in_user.or_else(|| parameter(&self.parameters, "verstat"))?.to_ascii_lowercase();
        if verdict.starts_with("tn-validation-passed") {
            Some(true)
        } else if verdict.starts_with("tn-validation-failed") {
            Some(false)
        } else {
            None
        }
    }

    /// Remote-Party-ID (draft-ietf-sip-privacy-04) may name the called party instead.
    pub(super) fn is_calling(&self) -> bool {
        parameter(&self.parameters, "party").is_none_or(|party| party.eq_ignore_ascii_case("calling"))
    }

    /// Remote-Party-ID's privacy, of which one or more may be given: `privacy=full`, `privacy="uri;name"`.
    pub(super) fn is_private(&self) -> bool {
        parameter(&self.parameters, "privacy").is_some_and(privacy::is_asked_by)
    }
}

/// The value of a parameter, without quotes.
pub(super) fn parameter<'a>(parameters: &'a [Param], name: &str) -> Option<&'a str> {
    parameters.iter().find_map(|parameter| match parameter {
        Param::Other(OtherParam(found), Some(OtherParamValue(value))) if found.eq_ignore_ascii_case(name) => {
            Some(value.trim_matches('"'))
        }
        _ => None,
    })
}

/// An entry made ready for the SIP stack: without its name and without what confuses the stack in a user part.
pub(super) struct Prepared {
    pub(super) name: Option<String>,
    pub(super) user: String,
    user_parameters: String,
    /// `<scheme:host;params?headers>;params`
    pub(super) tame: String,
}

impl Prepared {
    pub(super) fn new(entry: &str) -> Option<Self> {
        let (name, rest) = name_of(entry.trim());
        let (uri, after) = match rest.strip_prefix('<') {
            Some(rest) => rest.split_once('>')?,
            // Without brackets the parameters are the header's (RFC 3261, 20).
            None => rest.split_once(';').filter(|(uri, _)| !lies_in_user(rest, uri)).unwrap_or((rest, "")),
        };
        let (scheme, address) = uri.trim().split_once(':')?;
        let scheme = ["sip", "sips", "tel"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        // In URI headers an `@` is escaped (RFC 3261, 19.1.1), so before `?` the last one ends the user part.
        let (user, host) = match address.split_once('?') {
            Some((before, _)) if before.contains('@') => address.split_at_checked(before.rfind('@')?)?,
            _ => address.rsplit_once('@').map_or((address, ""), |(user, _)| address.split_at(user.len())),
        };
        let (user, parameters) = user.split_once(';').unwrap_or((user, ""));
        let number = unescape(user.split(':').next().unwrap_or_default()).trim().to_owned();
        let tame = match host.strip_prefix('@') {
            Some(host) => format!("<{scheme}:{host}>;{}", after.trim_start_matches(';')),
            None => format!("<{scheme}:{number};{parameters}>;{}", after.trim_start_matches(';')),
        };
        // A SIP URI without a user names a host.
        let is_host = host.is_empty() && scheme != "tel" && number.contains(['.', '[']);
        let user = match phone_context(parameters).or_else(|| phone_context(after)) {
            Some(context) if !number.is_empty() => format!("{number};{context}"),
            Some(_) | None => number,
        };
        let user_parameters = parameters.to_owned();
        (!user.is_empty() && !is_host).then_some(Self { name, user, user_parameters, tame })
    }
}

/// The parameter without which a local number cannot be read (RFC 3966, 5.1.5).
fn phone_context(parameters: &str) -> Option<&str> {
    parameters.split(';').find(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("phone-context")
    })
}

/// Whether the first `;` of an address without brackets lies before its `@`.
fn lies_in_user(rest: &str, uri: &str) -> bool {
    !uri.contains('@') && rest.contains('@')
}

/// The display name (RFC 3261, 25.1), and the address behind it.
fn name_of(entry: &str) -> (Option<String>, &str) {
    let Some(quoted) = entry.strip_prefix('"') else {
        return match entry.find('<') {
            Some(at) => {
                let (name, rest) = entry.split_at(at);
                (Some(name.trim().to_owned()).filter(|name| !name.is_empty()), rest)
            }
            None => (None, entry),
        };
    };
    let (mut name, mut is_escaped) = (String::new(), false);
    for (at, char) in quoted.char_indices() {
        match char {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => {
                let rest = quoted.get(at + 1..).unwrap_or_default().trim_start();
                let name = name.trim().to_owned();
                return (Some(name).filter(|name| !name.is_empty()), rest);
            }
            _ => {
                is_escaped = false;
                name.push(char);
            }
        }
    }
    (None, entry.find('<').and_then(|at| entry.get(at..)).unwrap_or_default())
}

/// The entries of a header: between commas, and on lines of their own where a bridge joins several headers.
pub(super) fn entries(value: &str) -> impl Iterator<Item = String> {
    let (mut found, mut entry) = (Vec::new(), String::new());
    let (mut in_quotes, mut in_brackets, mut is_escaped) = (false, false, false);
    for char in value.chars() {
        let is_end = match char {
            _ if is_escaped => false,
            '"' if !in_brackets => {
                in_quotes = !in_quotes;
                false
            }
            '<' if !in_quotes => {
                in_brackets = true;
                false
            }
            '>' if !in_quotes => {
                in_brackets = false;
                false
            }
            ',' => !in_quotes && !in_brackets,
            '\n' | '\r' => !in_quotes && !in_brackets,
            _ => false,
        };
        is_escaped = char == '\\' && in_quotes && !is_escaped;
        if is_end {
            found.push(std::mem::take(&mut entry));
        } else {
            entry.push(char);
        }
    }
    found.push(entry);
    found.into_iter().filter(|entry| !entry.trim().is_empty()).take(ENTRIES_MAX)
}
