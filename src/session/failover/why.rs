use crate::realtime::{Closed, Verdict};

/// Why a session was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It could not be reached, or its connection broke.
    Lost,
    /// The server has no room for us.
    Busy,
    /// The server will not have us, or not this model.
    Refused,
    /// The server ended it for its age.
    Expired,
    /// It did not open, configure or greet in time.
    Late,
    /// It owed the caller speech and showed no sign of life.
    Silent,
    /// A response failed, or the greeting came to nothing.
    Failed,
    /// A younger session took over before it expired.
    Renewed,
    /// The call had gone on before it could take over from an older one.
    Overtaken,
}

impl Why {
    /// The name in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Late => "late",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::Renewed => "renewed",
            Self::Overtaken => "overtaken",
        }
    }

    /// Whether the provider is to blame.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Lost | Self::Busy | Self::Refused | Self::Late | Self::Silent | Self::Failed => true,
            Self::Expired | Self::Renewed | Self::Overtaken => false,
        }
    }

    pub(super) const fn of(verdict: Verdict, closed: &Closed) -> Self {
        match (verdict, closed) {
            (Verdict::SameAgain, _) => Self::Expired,
            (_, Closed::Busy { .. }) => Self::Busy,
            (_, Closed::Refused { .. }) => Self::Refused,
            (_, Closed::Lost { .. } | Closed::Asked) => Self::Lost,
        }
    }
}
