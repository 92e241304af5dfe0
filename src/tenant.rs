//! A tenant, its agents, and the configuration of one call.

mod caching;
pub mod template;
mod tools;
mod turns;
pub mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use caching::{By, Caching, Facet, Windows};
pub use tools::{ToolName, TransferTo, Transfers};
pub use turns::{Eagerness, Interruptible, TurnDetection};

use crate::pii::Redacted;
use template::Variables;

/// A tenant's name: 1 to 128 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// What [`TenantId::parse`] accepts, for error texts.
    pub const ACCEPTED: &str = "1 to 128 letters, digits, '-' and '_'";

    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One field of an agent, as a layer of the answer ladder says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice<T> {
    /// Not mentioned: the next layer decides.
    #[default]
    Unsaid,
    /// Explicitly none: `""` in a dialplan or an answer. No lower layer is asked.
    Nothing,
    This(T),
}

impl<T> Choice<T> {
    /// `self` where it says anything, else `lower`.
    pub fn or(self, lower: Self) -> Self {
        match self {
            Self::Unsaid => lower,
            Self::Nothing | Self::This(_) => self,
        }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Choice<U> {
        match self {
            Self::Unsaid => Choice::Unsaid,
            Self::Nothing => Choice::Nothing,
            Self::This(value) => Choice::This(change(value)),
        }
    }

    pub fn chosen(self) -> Option<T> {
        match self {
            Self::Unsaid | Self::Nothing => None,
            Self::This(value) => Some(value),
        }
    }
}

/// How the call is opened, as one layer says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GreetingMode {
    /// Say the start message; without one, greet from the prompt.
    #[default]
    Say,
    /// The caller speaks first.
    None,
}

/// An agent as one layer describes it: the backend's answer, the dialplan's `[agent.NAME]`, the router's
/// default. Layers are laid over each other field by field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agent {
    pub prompt: Choice<Redacted<String>>,
    pub model: Choice<String>,
    pub voice: Choice<String>,
    pub temperature: Choice<f64>,
    pub start_message: Choice<Redacted<String>>,
    pub greeting: Choice<GreetingMode>,
    pub language: Choice<String>,
    pub turn_detection: Choice<TurnDetection>,
    pub greeting_interruptible: Choice<Interruptible>,
    /// Which it has; [`Choice::Unsaid`]: all.
    pub tools: Choice<Vec<ToolName>>,
    pub max_duration: Choice<Duration>,
    pub max_silence: Choice<Duration>,
    pub max_turns: Choice<u32>,
}

impl Agent {
    /// Whether it says anything.
    pub fn answers(&self) -> bool {
        *self != Self::default()
    }

    /// Every field of `self` that says anything, the rest from `lower`.
    pub fn over(self, lower: Self) -> Self {
        Self {
            prompt: self.prompt.or(lower.prompt),
            model: self.model.or(lower.model),
            voice: self.voice.or(lower.voice),
            temperature: self.temperature.or(lower.temperature),
            start_message: self.start_message.or(lower.start_message),
            greeting: self.greeting.or(lower.greeting),
            language: self.language.or(lower.language),
            turn_detection: self.turn_detection.or(lower.turn_detection),
            greeting_interruptible: self.greeting_interruptible.or(lower.greeting_interruptible),
            tools: self.tools.or(lower.tools),
            max_duration: self.max_duration.or(lower.max_duration),
            max_silence: self.max_silence.or(lower.max_silence),
            max_turns: self.max_turns.or(lower.max_turns),
        }
    }
}

/// What the first words of a call are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// These words.
    Say(Redacted<String>),
    /// The model opens the conversation as its prompt suggests.
    FromPrompt,
    /// The caller speaks first.
    None,
}

/// The whole configuration of one call, every layer merged. Model and voice are opaque: the model server
/// decides whether it knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct CallConfig {
    pub prompt: Option<Redacted<String>>,
    /// `None`: the provider's own model.
    pub model: Option<String>,
    /// `None`: the model server's own default voice.
    pub voice: Option<String>,
    pub temperature: Option<f64>,
    pub greeting: Greeting,
    pub language: Option<String>,
    pub turn_detection: TurnDetection,
    pub greeting_interruptible: Interruptible,
    pub tools: Vec<ToolName>,
    /// The destinations that the call's tenant was granted.
    pub transfers: Transfers,
    pub max_duration: Option<Duration>,
    /// Of the caller, while it is their turn.
    pub max_silence: Option<Duration>,
    /// Of the caller.
    pub max_turns: Option<u32>,
    /// The backend's `metadata`, copied into the record untouched.
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// The backend's `variables`, for the names in the prompt and the greeting.
    pub variables: Variables,
}

impl CallConfig {
    /// The configuration that a fully merged agent describes.
    pub fn of(agent: Agent, metadata: BTreeMap<String, serde_json::Value>) -> Self {
        let greeting = match (agent.greeting.chosen().unwrap_or_default(), agent.start_message.chosen()) {
            (GreetingMode::None, _) => Greeting::None,
            (GreetingMode::Say, Some(words)) => Greeting::Say(words),
            (GreetingMode::Say, None) => Greeting::FromPrompt,
        };
        let tools = match agent.tools {
            Choice::Unsaid => ToolName::DEFAULT.to_vec(),
            Choice::Nothing => Vec::new(),
            Choice::This(tools) => tools,
        };
        Self {
            prompt: agent.prompt.chosen(),
            model: agent.model.chosen(),
            voice: agent.voice.chosen(),
            temperature: agent.temperature.chosen(),
            greeting,
            language: agent.language.chosen(),
            turn_detection: agent.turn_detection.chosen().unwrap_or_default(),
            greeting_interruptible: agent.greeting_interruptible.chosen().unwrap_or_default(),
            tools,
            transfers: Transfers::default(),
            max_duration: agent.max_duration.chosen(),
            max_silence: agent.max_silence.chosen(),
            max_turns: agent.max_turns.chosen(),
            metadata,
            variables: Variables::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_beats_the_one_below_field_by_field_and_nothing_is_an_answer() {
        let answer =
            Agent { voice: Choice::This("cedar".into()), start_message: Choice::Nothing, ..Agent::default() };
        let dialplan = Agent {
            voice: Choice::This("marin".into()),
            prompt: Choice::This("You answer the phone.".into()),
            start_message: Choice::This("Hello".into()),
            ..Agent::default()
        };
        let config = CallConfig::of(answer.over(dialplan), BTreeMap::new());
        assert_eq!(config.voice.as_deref(), Some("cedar"));
        assert!(config.prompt.is_some());
        assert_eq!(config.greeting, Greeting::FromPrompt);
    }
}
