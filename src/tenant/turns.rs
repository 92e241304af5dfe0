//! Whose turn it is: how the end of the caller's is found, and when they may interrupt.

use std::time::Duration;

/// How a model finds the end of the caller's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TurnDetection {
    /// By silence.
    #[default]
    Silence,
    /// By what was said: a caller who pauses in mid-sentence is waited for.
    Semantic(Eagerness),
}

/// How soon a semantic detection takes a turn for over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eagerness {
    Low,
    Medium,
    High,
    /// The model server decides.
    #[default]
    Auto,
}

/// Whether the caller's voice stops the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interruptible {
    #[default]
    Always,
    /// Not before it is over.
    Never,
    /// Once this much of it was heard.
    After(Duration),
}

impl TurnDetection {
    /// What [`Self::from_name`] takes.
    pub const NAMES: [&str; 2] = ["silence", "semantic"];

    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "silence" => Some(Self::Silence),
            "semantic" => Some(Self::Semantic(Eagerness::Auto)),
            _ => None,
        }
    }

    /// After the caller's last sound, the longest time until their turn is taken for over, and a little to tell so.
    pub const fn longest(self) -> Duration {
        let milliseconds = match self {
            Self::Silence => 500,
            Self::Semantic(Eagerness::High) => 2_000,
            Self::Semantic(Eagerness::Medium | Eagerness::Auto) => 4_000,
            Self::Semantic(Eagerness::Low) => 8_000,
        };
        Duration::from_millis(milliseconds + 700)
    }
}

impl Eagerness {
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Auto];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Auto => "auto",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|eagerness| eagerness.name() == name)
    }
}

impl Interruptible {
    /// The longest time that it may be given, in milliseconds.
    pub const LONGEST_MS: f64 = 60_000.0;

    /// `None`: more than [`Self::LONGEST_MS`], or no length of time.
    pub fn after_ms(milliseconds: f64) -> Option<Self> {
        let fits = (0.0..=Self::LONGEST_MS).contains(&milliseconds);
        fits.then(|| Self::After(Duration::from_secs_f64(milliseconds / 1000.0)))
    }
}

impl From<bool> for Interruptible {
    fn from(interruptible: bool) -> Self {
        if interruptible { Self::Always } else { Self::Never }
    }
}
