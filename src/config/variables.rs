use std::cell::RefCell;
use std::ffi::OsString;
use std::ops::RangeInclusive;

use url::Url;

use crate::document::{Diagnostic, Place, Surroundings, nearest, parse_address, shown, shown_address};
use crate::pii::Redacted;

/// The environment, and what has been found wrong in it so far.
pub(super) struct Variables<'s> {
    surroundings: &'s dyn Surroundings,
    found: RefCell<Vec<Diagnostic>>,
}

const NOTHING: &str = "found nothing; accepted: ";

/// Named in the design for later versions.
const NOT_YET: [&str; 4] =
    ["DIALPLANE_REDIS", "DIALPLANE_REDIS_URL", "DIALPLANE_DATABASE", "DIALPLANE_DATABASE_URL"];

/// All that are read, but for those of a `SecretRef`.
const KNOWN: [&str; 17] = [
    "DIALPLANE_AGENT_NAME",
    "DIALPLANE_CALL_CONFIG_CACHE_BY",
    "DIALPLANE_CALL_CONFIG_SECRET",
    "DIALPLANE_CALL_CONFIG_URL",
    "DIALPLANE_CONFIG",
    "DIALPLANE_DIALPLANS",
    "DIALPLANE_DRAIN_SECONDS",
    "DIALPLANE_HTTP",
    "DIALPLANE_LOG",
    "DIALPLANE_MAX_CALLS",
    "DIALPLANE_RECORDS",
    "DIALPLANE_SIP",
    "LIVEKIT_API_KEY",
    "LIVEKIT_API_SECRET",
    "LIVEKIT_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
];

/// Variables that look as if one of ours was meant, and which. Others may be secrets that a reference names, or
/// somebody else's, such as those that Kubernetes makes of a service's name.
pub fn misspelt(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (String, &'static str)> {
    let names = variables.into_iter().filter_map(|(name, _)| name.into_string().ok());
    let ours = names.filter(|name| {
        ["DIALPLANE_", "LIVEKIT_", "OPENAI_"].iter().any(|prefix| name.starts_with(prefix))
            && !KNOWN.contains(&&**name)
            && !NOT_YET.contains(&&**name)
    });
    ours.filter_map(|name| nearest(&name, KNOWN).map(|meant| (name, meant)))
}

/// Whether it says that a variable is not there.
pub(super) fn is_missing(diagnostic: &Diagnostic) -> bool {
    diagnostic.message.starts_with(NOTHING)
}

impl<'s> Variables<'s> {
    pub(super) fn new(surroundings: &'s dyn Surroundings) -> Self {
        Self { surroundings, found: RefCell::default() }
    }

    /// The variable's value; an empty one counts as unset.
    pub(super) fn get(&self, name: &'static str) -> Option<String> {
        self.surroundings.variable(name)
    }

    /// A value that is shown when `parse` does not take it.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.parsed_or_shown(name, accepted, parse, shown)
    }

    /// As [`parse_address`]. What it holds beside host and path is not shown.
    pub(super) fn address(&self, name: &'static str, accepted: &str, schemes: &[&str]) -> Option<Url> {
        self.parsed_or_shown(name, accepted, |text| parse_address(text, schemes), shown_address)
    }

    fn parsed_or_shown<T>(
        &self,
        name: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        shown: fn(&str) -> String,
    ) -> Option<T> {
        let text = self.get(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.report(name, format!("found {}; accepted: {accepted}", shown(&text)));
        }
        parsed
    }

    pub(super) fn whole(&self, name: &'static str, range: RangeInclusive<usize>) -> Option<usize> {
        let accepted = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(name, &accepted, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// The variable's value is the secret itself.
    pub(super) fn secret(&self, name: &'static str) -> Option<Redacted<String>> {
        self.get(name).map(Redacted::new)
    }

    pub(super) fn report_missing(&self, name: &'static str, accepted: &str) {
        self.report(name, format!("{NOTHING}{accepted}"));
    }

    pub(super) fn report(&self, name: &'static str, message: String) {
        self.found.borrow_mut().push(Diagnostic::error(Place::Variable(name), message));
    }

    pub(super) fn refuse_what_is_not_yet(&self) {
        for name in NOT_YET {
            if self.get(name).is_some() {
                self.report(name, "is not yet supported; accepted: unset".to_owned());
            }
        }
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.found.into_inner()
    }
}
