//! The answer of a call-config backend, read leniently: every field is optional, snake_case is read too,
//! unknown fields are ignored, and a wrong one is dropped with a warning that names it, what was found and
//! what is accepted, but never the value. The contract is `docs/call-config-response.schema.json`.

mod fields;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::template::{Variables, is_variable_name};
use super::{
    Agent, By, Caching, Choice, Eagerness, GreetingMode, Interruptible, TenantId, ToolName, TransferTo,
    TurnDetection, Windows,
};
use crate::call::Refusal;
use crate::pii::Redacted;
use fields::Fields;

/// Longest accepted texts, in bytes.
pub const MAX_PROMPT: usize = 64 * 1024;
pub const MAX_START_MESSAGE: usize = 4 * 1024;
const MAX_NAME: usize = 128;
/// Largest accepted `metadata`, as compact JSON, in bytes.
pub const MAX_METADATA: usize = 8 * 1024;
/// Most variables of an answer, and the longest text of one in bytes.
pub const MAX_VARIABLES: usize = 64;
pub const MAX_VARIABLE: usize = 1024;
const DAY: f64 = 86_400.0;
const HOUR: f64 = 60.0 * 60.0;

/// What a backend answered.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendAnswer {
    pub action: BackendAction,
    pub tenant: Option<TenantId>,
    pub agent: Agent,
    pub metadata: BTreeMap<String, Value>,
    pub caching: Caching,
    pub variables: Variables,
    pub warnings: Vec<String>,
}

/// What a backend wants done with the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendAction {
    Answer,
    Reject(Refusal),
    /// Answered and handed on, if the tenant was granted that destination.
    Transfer(TransferTo),
    /// Leave it to the next rung.
    Default,
}

/// The body is not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

impl BackendAnswer {
    pub fn parse(body: &[u8]) -> Result<Self, NotAnObject> {
        let object = serde_json::from_slice(body).map_err(|_| NotAnObject)?;
        let mut fields = Fields::of(object);
        let action = action(&mut fields);
        let tenant = fields.choose("tenantId", TenantId::ACCEPTED, |v| TenantId::parse(v.as_str()?)).chosen();
        let agent = agent(&mut fields);
        let metadata = metadata(&mut fields);
        let caching = caching(&mut fields);
        let variables = variables(&mut fields);
        Ok(Self { action, tenant, agent, metadata, caching, variables, warnings: fields.into_warnings() })
    }
}

fn action(fields: &mut Fields) -> BackendAction {
    const WORDS: [&str; 4] = ["answer", "reject", "transfer", "default"];
    const ACTIONS: &str = r#""answer", "reject", "transfer" or "default""#;
    const REASONS: &str = r#""busy", "declined", "not-found" or "unavailable""#;
    let mut reject = fields.object("reject");
    let reason = reject.take("reason", REASONS, |v| Refusal::from_name(v.as_str()?));
    fields.absorb(reject);
    let mut transfer = fields.object("transfer");
    let to = transfer.take("to", TransferTo::ACCEPTED, |v| TransferTo::parse(v.as_str()?));
    fields.absorb(transfer);
    let word = fields
        .take("action", ACTIONS, |value| value.as_str().filter(|w| WORDS.contains(w)).map(str::to_owned));
    match word.as_deref() {
        Some("reject") => BackendAction::Reject(reason.unwrap_or(Refusal::Declined)),
        Some("default") => BackendAction::Default,
        Some("transfer") => {
            if to.is_none() {
                fields.warn("action", "transfer without a destination; the call is answered");
            }
            to.map_or(BackendAction::Answer, BackendAction::Transfer)
        }
        Some(_) | None => BackendAction::Answer,
    }
}

fn agent(fields: &mut Fields) -> Agent {
    let mut limits = fields.object("limits");
    let max_duration = limits.choose("maxDurationSeconds", "a number from 1 to 86400", |value| {
        value.as_f64().filter(|s| (1.0..=DAY).contains(s)).map(Duration::from_secs_f64)
    });
    let max_silence = limits.choose("silenceSeconds", "a number from 2 to 3600", |value| {
        value.as_f64().filter(|s| (2.0..=HOUR).contains(s)).map(Duration::from_secs_f64)
    });
    let max_turns = limits.choose("maxTurns", "a whole number from 1 to 10000", |value| {
        value
            .as_f64()
            .filter(|turns| (1.0..=1e4).contains(turns) && turns.fract() == 0.0)
            .map(|turns| turns as u32)
    });
    fields.absorb(limits);
    Agent {
        prompt: fields.text("systemPrompt", MAX_PROMPT).map(Redacted::new),
        model: fields.text("model", MAX_NAME),
        voice: fields.text("voice", MAX_NAME),
        temperature: fields.choose("temperature", "a number from 0 to 2", |value| {
            value.as_f64().filter(|t| (0.0..=2.0).contains(t))
        }),
        start_message: fields.text("startMessage", MAX_START_MESSAGE).map(Redacted::new),
        greeting: fields.choose("greeting", r#""say" or "none""#, |value| match value.as_str()? {
            "say" => Some(GreetingMode::Say),
            "none" => Some(GreetingMode::None),
            _ => None,
        }),
        language: fields.text("language", MAX_NAME),
        turn_detection: turn_detection(fields),
        greeting_interruptible: greeting_interruptible(fields),
        tools: fields.choose("tools", ToolName::ACCEPTED, |value| {
            let names = value.as_array()?.iter();
            names.map(|name| ToolName::from_name(name.as_str()?)).collect()
        }),
        max_duration,
        max_silence,
        max_turns,
    }
}

/// A word, or an object with the eagerness of a semantic one.
fn turn_detection(fields: &mut Fields) -> Choice<TurnDetection> {
    const ACCEPTED: &str =
        r#""silence", "semantic" or an object with an eagerness of "low", "medium", "high" or "auto""#;
    fields.choose("turnDetection", ACCEPTED, |value| match value {
        Value::String(name) => TurnDetection::from_name(name),
        Value::Object(object) => {
            object.get("eagerness")?.as_str().and_then(Eagerness::from_name).map(TurnDetection::Semantic)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    })
}

fn greeting_interruptible(fields: &mut Fields) -> Choice<Interruptible> {
    let accepted = format!("a boolean or milliseconds from 0 to {}", Interruptible::LONGEST_MS);
    fields.choose("greetingInterruptible", &accepted, |value| match value {
        Value::Bool(interruptible) => Some(Interruptible::from(*interruptible)),
        Value::Number(milliseconds) => Interruptible::after_ms(milliseconds.as_f64()?),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

fn metadata(fields: &mut Fields) -> BTreeMap<String, Value> {
    let accepted = format!("an object of at most {MAX_METADATA} bytes");
    let metadata = fields.take("metadata", &accepted, |value| {
        let size = serde_json::to_vec(value).map_or(usize::MAX, |json| json.len());
        value.as_object().filter(|_| size <= MAX_METADATA).cloned()
    });
    metadata.unwrap_or_default().into_iter().collect()
}

fn variables(fields: &mut Fields) -> Variables {
    const NAMES: &str = "names of a letter or _ and at most 63 letters, digits, _, . or -";
    let accepted = format!("a string of at most {MAX_VARIABLE} bytes, a number or a boolean");
    let read = |value: &Value| match value {
        Value::String(text) => Some(text.clone()).filter(|text| text.len() <= MAX_VARIABLE),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let mut object = fields.object("variables");
    let (good, strange): (Vec<String>, Vec<String>) = object.names().partition(|name| is_variable_name(name));
    if !strange.is_empty() {
        fields.warn("variables", &format!("expected {NAMES}, found {} others", strange.len()));
    }
    if good.len() > MAX_VARIABLES {
        let found = good.len();
        fields.warn(
            "variables",
            &format!("expected at most {MAX_VARIABLES}, found {found}; the last are dropped"),
        );
    }
    let taken = good.into_iter().take(MAX_VARIABLES).filter_map(|name| {
        let value = object.take(&name, &accepted, read)?;
        Some((name, value.into()))
    });
    let variables = taken.collect();
    fields.absorb_free(object);
    variables
}

fn caching(fields: &mut Fields) -> Caching {
    let mut cache = fields.object("cache");
    let mut seconds = |name, longest: Duration| {
        let accepted = format!("a number from 0 to {}", longest.as_secs());
        cache.take(name, &accepted, |value| {
            value.as_f64().filter(|s| (0.0..=longest.as_secs_f64()).contains(s)).map(Duration::from_secs_f64)
        })
    };
    let windows = Windows::given(
        seconds("ttlSeconds", Windows::LONGEST),
        seconds("revalidateSeconds", Windows::LONGEST),
        seconds("staleSeconds", Windows::LONGEST_STALE),
    );
    let mut said = false;
    let by = cache.take("by", &format!("an array of {}", By::ACCEPTED), |value| {
        said = true;
        let names: Option<Vec<&str>> = value.as_array()?.iter().map(Value::as_str).collect();
        By::parse(names?)
    });
    fields.absorb(cache);
    // What a wrong one meant is not known, so such an answer is nobody else's.
    Caching { windows, by: by.or(said.then_some(By::EVERYTHING)) }
}

#[cfg(test)]
mod tests;
