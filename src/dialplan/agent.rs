use crate::document::{Keys, Table, Value};
use crate::pii::Redacted;
use crate::tenant::{Agent, Choice, Eagerness, Interruptible, ToolName, TurnDetection};

/// The keys of a dialplan's `[agent.NAME]` and of the settings' `[default_agent]`.
pub const AGENT_KEYS: Keys = Keys {
    accepted: &[
        "model",
        "voice",
        "prompt",
        "greeting",
        "greeting_interruptible",
        "temperature",
        "language",
        "turn_detection",
        "tools",
    ],
    not_yet: &["provider", "variables", "transcription"],
};

const EAGERNESS_KEYS: Keys = Keys::only(&["eagerness"]);

/// Reads an agent from a table opened with [`AGENT_KEYS`]. `""` means explicitly none.
pub fn read_agent(table: &Table<'_>) -> Agent {
    let text = |key: &str| table.get(key).map_or(Choice::Unsaid, |value| choice(&value, "text", Some));
    let spoken = |key: &str| {
        table
            .get(key)
            .map_or(Choice::Unsaid, |value| choice(&value, "text", |text| Some(Redacted::new(text))))
    };
    let language = table.get("language").map_or(Choice::Unsaid, |value| {
        choice(&value, "a language tag such as en-US", |text| is_language(&text).then_some(text))
    });
    let temperature =
        chosen(table, "temperature", |value| value.number("a number from 0 to 2", &(0.0..=2.0)));
    Agent {
        prompt: spoken("prompt"),
        model: text("model"),
        voice: text("voice"),
        temperature,
        start_message: spoken("greeting"),
        language,
        turn_detection: chosen(table, "turn_detection", read_turn_detection),
        greeting_interruptible: chosen(table, "greeting_interruptible", read_interruptible),
        tools: chosen(table, "tools", read_tools),
        ..Agent::default()
    }
}

fn chosen<'d, T>(table: &Table<'d>, key: &str, read: impl FnOnce(&Value<'d>) -> Option<T>) -> Choice<T> {
    table.get(key).and_then(|value| read(&value)).map_or(Choice::Unsaid, Choice::This)
}

/// A word, or a table with the eagerness of a semantic one.
fn read_turn_detection(value: &Value<'_>) -> Option<TurnDetection> {
    if value.is_text() {
        return TurnDetection::from_name(value.choice(TurnDetection::NAMES)?);
    }
    let names = Eagerness::ALL.map(Eagerness::name);
    let eagerness = value.table(EAGERNESS_KEYS)?.require("eagerness", &names.join(", "))?.choice(names)?;
    Eagerness::from_name(eagerness).map(TurnDetection::Semantic)
}

/// `true`, `false`, or the milliseconds after which it may be.
fn read_interruptible(value: &Value<'_>) -> Option<Interruptible> {
    const ACCEPTED: &str = "true, false or milliseconds from 0 to 60000";
    if value.is_boolean() {
        return value.boolean(ACCEPTED).map(Interruptible::from);
    }
    value.number(ACCEPTED, &(0.0..=Interruptible::LONGEST_MS)).and_then(Interruptible::after_ms)
}

fn read_tools(value: &Value<'_>) -> Option<Vec<ToolName>> {
    let items = value.items(ToolName::ACCEPTED)?;
    let names: Vec<_> = items.iter().map(|item| item.choice(ToolName::ALL.map(ToolName::name))).collect();
    names.into_iter().map(|name| ToolName::from_name(name?)).collect()
}

fn choice<T>(value: &Value<'_>, accepted: &str, parse: impl FnOnce(String) -> Option<T>) -> Choice<T> {
    let parsed = value.parsed(accepted, |text| match text.trim() {
        "" => Some(Choice::Nothing),
        _ => parse(text.to_owned()).map(Choice::This),
    });
    parsed.unwrap_or_default()
}

/// The shape of a BCP 47 tag; which languages there are is the model's business.
fn is_language(text: &str) -> bool {
    let mut subtags = text.split('-');
    let primary = subtags.next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()))
}
