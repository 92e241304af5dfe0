use crate::document::{Keys, Table, Value};
use crate::pii::Redacted;
use crate::tenant::{Agent, Choice, ToolName};

/// The keys of a dialplan's `[agent.NAME]` and of the settings' `[default_agent]`.
pub const AGENT_KEYS: Keys = Keys {
    accepted: &["model", "voice", "prompt", "greeting", "temperature", "language", "tools"],
    not_yet: &["provider", "variables", "interruptible", "transcription"],
};

/// Reads an agent from a table opened with [`AGENT_KEYS`]. `""` means explicitly none.
pub fn read_agent(table: &Table<'_>) -> Agent {
    let text = |key: &str| table.get(key).map_or(Choice::Unsaid, |value| choice(&value, "text", Some));
    let spoken = |key: &str| {
        table
            .get(key)
            .map_or(Choice::Unsaid, |value| choice(&value, "text", |text| Some(Redacted::new(text))))
    };
    let language = table.get("language").map_or(Choice::Unsaid, |value| {
        let read = choice(&value, "a language tag such as en-US", |text| is_language(&text).then_some(text));
        if matches!(read, Choice::This(_)) {
            value.warn("language has no effect in this version; name it in the prompt");
        }
        read
    });
    let temperature = table
        .get("temperature")
        .and_then(|value| value.number("a number from 0 to 2", &(0.0..=2.0)))
        .map_or(Choice::Unsaid, Choice::This);
    Agent {
        prompt: spoken("prompt"),
        model: text("model"),
        voice: text("voice"),
        temperature,
        start_message: spoken("greeting"),
        language,
        tools: table.get("tools").and_then(|value| read_tools(&value)).map_or(Choice::Unsaid, Choice::This),
        ..Agent::default()
    }
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
