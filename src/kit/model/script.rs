//! What the scripted model does: how long it speaks, how fast, and what goes wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// How one server behaves towards all its sessions.
#[derive(Debug, Clone)]
pub struct Script {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The path before `/realtime`.
    pub base: String,
    pub dialect: Dialect,
    /// The bearer keys that are let in. Empty: any key that is not.
    pub keys: Vec<String>,
    /// Tried in order, the first that fits serves; the last resort is `otherwise`.
    pub rules: Vec<Rule>,
    pub otherwise: Behaviour,
}

/// The shape of the wire. The log has sessions in the generally available one whatever is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Ga,
    /// The flat shape before it, by the header `OpenAI-Beta: realtime=v1`.
    Beta,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            base: "/v1".to_owned(),
            dialect: Dialect::Ga,
            keys: Vec::new(),
            rules: Vec::new(),
            otherwise: Behaviour::default(),
        }
    }
}

impl Script {
    /// One behaviour for every session.
    pub fn always(behaviour: Behaviour) -> Self {
        Self { otherwise: behaviour, ..Self::default() }
    }

    /// Adds a rule after those that are there.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The behaviour towards a session. Upgrades are numbered from 1 on, refused ones too; the voice is known from the
    /// first `session.update` on.
    pub fn behaviour(&self, number: usize, model: &str, voice: Option<&str>) -> &Behaviour {
        let fits = |rule: &&Rule| {
            rule.model.as_deref().is_none_or(|wanted| wanted == model)
                && rule.voice.as_deref().is_none_or(|wanted| Some(wanted) == voice)
                && rule.upgrades.as_ref().is_none_or(|wanted| wanted.contains(&number))
        };
        self.rules.iter().find(fits).map_or(&self.otherwise, |rule| &rule.behaviour)
    }
}

/// A behaviour for the sessions of one model, of one voice, or of some upgrades; or of several of these.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub model: Option<String>,
    pub voice: Option<String>,
    /// By their number.
    pub upgrades: Option<RangeInclusive<usize>>,
    pub behaviour: Behaviour,
}

impl Rule {
    pub fn model(model: impl Into<String>, behaviour: Behaviour) -> Self {
        Self { model: Some(model.into()), behaviour, ..Self::default() }
    }

    pub fn voice(voice: impl Into<String>, behaviour: Behaviour) -> Self {
        Self { voice: Some(voice.into()), behaviour, ..Self::default() }
    }

    /// For the first so many upgrades: what comes after them finds the server mended.
    pub fn first(upgrades: usize, behaviour: Behaviour) -> Self {
        Self { upgrades: Some(1..=upgrades), behaviour, ..Self::default() }
    }
}

/// How one session goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// How long a response is that comes before the caller has said anything.
    pub greeting: Duration,
    /// How long any other response is.
    pub reply: Duration,
    /// Speech in place of tones. Responses last as long as that does, whatever is said above.
    pub recorded: Option<Recorded>,
    /// These very bytes in place of all that, whatever they are in the session's format.
    pub bytes: Option<Arc<[u8]>>,
    /// What it says, in the transcript of every response.
    pub words: String,
    /// From `session.update` to `session.updated`. Nothing else is read meanwhile, as in the service.
    pub update_delay: Duration,
    /// From `response.created` to the first audio.
    pub first_audio: Duration,
    /// The audio in one `response.output_audio.delta`.
    pub delta: Duration,
    /// Between two deltas. Shorter than `delta` is faster than real time; zero sends all at once.
    pub delta_gap: Duration,
    /// What the caller's turns are written down as, one after the other; then, what [`CALLER_WORDS`] says.
    pub transcripts: Vec<Transcript>,
    pub tool_calls: Vec<ToolCue>,
    /// How long the session says that it lasts; by the model's name alone. It ends by [`Fault::ExpireAfter`].
    pub age: Duration,
    pub fault: Fault,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(2),
            reply: Duration::from_millis(1_500),
            recorded: None,
            bytes: None,
            words: "thank you for calling how can I help you today".to_owned(),
            update_delay: Duration::ZERO,
            first_audio: Duration::ZERO,
            delta: Duration::from_millis(100),
            delta_gap: Duration::from_millis(20),
            transcripts: Vec::new(),
            tool_calls: Vec::new(),
            age: Duration::from_secs(60 * 60),
            fault: Fault::None,
        }
    }
}

/// What somebody said, at 24 kHz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub greeting: Arc<[i16]>,
    pub reply: Arc<[i16]>,
}

/// What becomes of the transcription of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transcript {
    /// Empty where no word was heard.
    Words(String),
    Failed,
}

impl From<&str> for Transcript {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}

/// What a caller is written down as to have said where the script has no words for it.
pub const CALLER_WORDS: &str = "words of the caller";

/// A tool call in place of the answer to one of the caller's turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCue {
    /// The turn's number, from 1 on. Cues of one turn are called together.
    pub turn: usize,
    pub name: String,
    /// JSON, if all is well.
    pub arguments: String,
}

impl ToolCue {
    pub fn after(turn: usize, name: impl Into<String>, arguments: &serde_json::Value) -> Self {
        Self { turn, name: name.into(), arguments: arguments.to_string() }
    }
}

/// What goes wrong. Faults of the upgrade are taken from the rule that fits the model alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    #[default]
    None,
    /// The upgrade is answered with this HTTP status and a JSON error.
    RefuseUpgrade(u16),
    /// The upgrade is answered by 429, with a `Retry-After` of these seconds.
    TooManyRequests { retry_after: u32 },
    /// The upgrade is never answered.
    HangUpgrade,
    /// The socket opens and not even `session.created` comes.
    Mute,
    /// `session.update` is answered by an `error` of this code, and the socket closes.
    FailSession { code: String },
    /// `session.updated` comes, and nothing after it.
    SilentAfterUpdate,
    /// Nothing comes any more once the caller has had this many turns, not even the answer to the last.
    SilentAfterTurns(usize),
    /// Nothing comes any more once the caller speaks who has had this many turns.
    DeafAfterTurns(usize),
    /// Nothing comes any more once this much audio of a response is sent.
    SilentAfterAudio(Duration),
    /// Every response ends as `failed` with this code, without audio.
    FailResponses { code: String },
    /// A text frame that is no JSON follows `session.updated`; then all is well.
    Garbage,
    /// TCP ends without a close frame, this long after the upgrade.
    DropAfter(Duration),
    /// TCP ends without a close frame once this much audio of the first response is sent.
    DropAfterAudio(Duration),
    /// The session reaches its age limit: error `session_expired`, then close 1001.
    ExpireAfter(Duration),
}
