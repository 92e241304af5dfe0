//! Names in prompts and start messages, as in `You answer for {{tenant.name}}.`, and what they stand for in one call.
//!
//! A value goes in as plain text, once: what looks like a name inside a value is not one. A name that is not known
//! stays as it was written and is warned of.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::wire::{MAX_PROMPT, MAX_START_MESSAGE};
use super::{CallConfig, Greeting, TenantId};
use crate::call::{Call, Number};
use crate::pii::Redacted;

/// The values that a backend's answer adds, by names that [`is_variable_name`] takes.
pub type Variables = BTreeMap<String, Redacted<String>>;

/// Longest name of a variable, in bytes.
pub const MAX_VARIABLE_NAME: usize = 64;

/// A letter or `_`, then letters, digits, `_`, `.` and `-`. What messages may quote: no number has this shape.
pub fn is_variable_name(name: &str) -> bool {
    name.len() <= MAX_VARIABLE_NAME
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The names that every call has. No variable takes their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    TenantName,
    TenantId,
    CallerNumber,
    CallerName,
    CalledNumber,
    CalledDivertedFrom,
    TrunkName,
    RouteId,
    CallId,
}

impl BuiltIn {
    pub const ALL: [Self; 9] = [
        Self::TenantName,
        Self::TenantId,
        Self::CallerNumber,
        Self::CallerName,
        Self::CalledNumber,
        Self::CalledDivertedFrom,
        Self::TrunkName,
        Self::RouteId,
        Self::CallId,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::TenantName => "tenant.name",
            Self::TenantId => "tenant.id",
            Self::CallerNumber => "caller.number",
            Self::CallerName => "caller.name",
            Self::CalledNumber => "called.number",
            Self::CalledDivertedFrom => "called.divertedFrom",
            Self::TrunkName => "trunk.name",
            Self::RouteId => "route.id",
            Self::CallId => "call.id",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|built_in| built_in.name() == name)
    }
}

/// What the names of one call stand for. A fact that the call lacks is an empty text.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub call: &'a Call,
    pub tenant: Option<&'a TenantId>,
    /// As the dialplan has it; the tenant's id stands for it otherwise.
    pub tenant_name: Option<&'a str>,
    pub route: Option<&'a str>,
    pub variables: &'a Variables,
}

impl Names<'_> {
    /// The configuration with every name filled in, and what is to be warned of.
    pub fn fill(&self, config: CallConfig) -> (CallConfig, Vec<String>) {
        let mut warnings = Warnings::default();
        let mut fill = |field: &'static str, text: &Redacted<String>, longest: usize| {
            let filled = fill_in(
                text.reveal(),
                longest.max(text.reveal().len()),
                |name| self.value(name),
                |fault| warnings.note(field, fault),
            );
            match filled {
                Cow::Borrowed(_) => text.clone(),
                Cow::Owned(filled) => filled.into(),
            }
        };
        let prompt = config.prompt.map(|prompt| fill("systemPrompt", &prompt, MAX_PROMPT));
        let greeting = match config.greeting {
            Greeting::Say(words) => match fill("startMessage", &words, MAX_START_MESSAGE) {
                words if words.reveal().trim().is_empty() => Greeting::FromPrompt,
                words => Greeting::Say(words),
            },
            Greeting::FromPrompt => Greeting::FromPrompt,
            Greeting::None => Greeting::None,
        };
        (CallConfig { prompt, greeting, ..config }, warnings.texts)
    }

    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let Some(built_in) = BuiltIn::from_name(name) else {
            return self.variables.get(name).map(|value| value.reveal().into());
        };
        let caller = self.call.caller.number();
        let tenant_id = self.tenant.map(TenantId::as_str);
        let trunk = self.call.trunk.as_ref();
        let value = match built_in {
            BuiltIn::TenantName => self.tenant_name.or(tenant_id),
            BuiltIn::TenantId => tenant_id,
            BuiltIn::CallerNumber => caller.map(Number::best),
            // Who withholds the number does not want to be named either.
            BuiltIn::CallerName => {
                caller.and(self.call.caller_name.as_ref()).map(|name| name.reveal().as_str())
            }
            BuiltIn::CalledNumber => Some(self.call.called.best()),
            BuiltIn::CalledDivertedFrom => self.call.told_diverted_from().map(Number::best),
            BuiltIn::TrunkName => trunk.map(|trunk| trunk.name.as_deref().unwrap_or(&trunk.id)),
            BuiltIn::RouteId => self.route,
            BuiltIn::CallId => return Some(self.call.id.to_string().into()),
        };
        Some(value.unwrap_or_default().into())
    }
}

/// What is wrong at one place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault<'t> {
    Unknown(&'t str),
    /// `{{` without `}}`.
    Unclosed,
    /// With its value the text would be too long.
    NoRoom(&'t str),
}

/// Warnings of one call's texts: each once, and not many.
#[derive(Debug, Default)]
struct Warnings {
    texts: Vec<String>,
}

impl Warnings {
    const MOST: usize = 8;

    fn note(&mut self, field: &str, fault: Fault<'_>) {
        if self.texts.len() >= Self::MOST {
            return;
        }
        let shown = |name| if is_variable_name(name) { name } else { "..." };
        let text = match fault {
            Fault::Unknown(name) => format!("{field}: {{{{{}}}}} is not known", shown(name)),
            Fault::Unclosed => format!("{field}: a {{{{ without }}}}"),
            Fault::NoRoom(name) => {
                format!("{field}: would be too long with the value of {{{{{}}}}}", shown(name))
            }
        };
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }
}

/// `text` with each `{{name}}` that `value` knows replaced, as long as the whole stays within `longest` bytes, which
/// is no less than the text has. What is not replaced stays as it is.
fn fill_in<'t, 'v>(
    text: &'t str,
    longest: usize,
    value: impl Fn(&str) -> Option<Cow<'v, str>>,
    mut note: impl FnMut(Fault<'t>),
) -> Cow<'t, str> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = after.split_once("}}") else {
            note(Fault::Unclosed);
            break;
        };
        filled.push_str(before);
        // The innermost braces are the name's: of "{{a {{b}}" and of "{{{b}}}" it is b.
        let written = match inside.rsplit_once("{{") {
            Some((unclosed, written)) => {
                note(Fault::Unclosed);
                filled.extend(["{{", unclosed]);
                written
            }
            None => inside,
        };
        let written = written.strip_prefix('{').map_or(written, |written| {
            filled.push('{');
            written
        });
        let name = written.trim_matches([' ', '\t']);
        match value(name) {
            Some(value) if filled.len() + value.len() + behind.len() <= longest => filled.push_str(&value),
            known => {
                note(if known.is_some() { Fault::NoRoom(name) } else { Fault::Unknown(name) });
                filled.extend(["{{", written, "}}"]);
            }
        }
        rest = behind;
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    filled.push_str(rest);
    Cow::Owned(filled)
}

#[cfg(test)]
mod tests;
