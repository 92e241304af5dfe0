//! Why a model session is over, and what may be done about it.

use std::time::Duration;

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// We asked for it.
    Asked,
    /// The server could not be reached, or closed or broke the socket.
    Lost { reason: &'static str },
    /// The server has no room for us now.
    Busy { code: String, retry_after: Option<Duration> },
    /// The server refused: bad key, no such model, no quota, session expired. The code is the server's.
    Refused { code: String },
}

/// Where a call that has lost its model session may turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To a new session of the same kind: this one had its time.
    SameAgain,
    /// To another model, even of the same provider.
    NextModel,
    /// To another provider: this one will refuse every call until its operator does something.
    NextProvider,
    /// To another model or provider, and back to this one after a while: what the server said, if it said.
    CoolDown { retry_after: Option<Duration> },
}

/// The key or the account is at fault.
const ACCOUNT: [&str; 5] = [
    "invalid_api_key",
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "account_deactivated",
];

/// What the server has too much of, rather than what is wrong with us.
const BUSY: [&str; 6] = [
    "rate_limit_exceeded",
    "inference_rate_limit_exceeded",
    "server_error",
    "server_overloaded",
    "engine_overloaded",
    "http-429",
];

impl Closed {
    /// What an error of this code makes of a session that it ends.
    pub(super) fn by_code(code: String) -> Self {
        match Verdict::of(&code) {
            Verdict::CoolDown { retry_after } => Self::Busy { code, retry_after },
            Verdict::SameAgain | Verdict::NextModel | Verdict::NextProvider => Self::Refused { code },
        }
    }

    /// The name in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Lost { .. } => "lost",
            Self::Busy { .. } => "busy",
            Self::Refused { .. } => "refused",
        }
    }

    /// Beside the name: the server's code, or what is wrong with the way to it.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Asked => None,
            Self::Lost { reason } => Some(reason),
            Self::Busy { code, .. } | Self::Refused { code } => Some(code),
        }
    }

    /// `None`: we asked for it, so nothing is to be done.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Asked => None,
            Self::Lost { .. } => Some(Verdict::CoolDown { retry_after: None }),
            Self::Busy { retry_after, .. } => Some(Verdict::CoolDown { retry_after: *retry_after }),
            Self::Refused { code } => Some(Verdict::of(code)),
        }
    }
}

impl Verdict {
    /// Of a response that failed. Where a session would be refused again, a response may well succeed the next time,
    /// unless it is the account that is at fault.
    pub fn of_response(code: &str) -> Self {
        match Self::of(code) {
            Self::NextProvider if !ACCOUNT.contains(&code) => Self::CoolDown { retry_after: None },
            verdict => verdict,
        }
    }

    /// Of a server's error code, our own `http-STATUS` and `close-CODE` among them.
    pub fn of(code: &str) -> Self {
        match code {
            "session_expired" => Self::SameAgain,
            // A key that may use one model need not be allowed another (403).
            "invalid_model" | "model_not_found" | "http-400" | "http-403" | "http-404" => Self::NextModel,
            code if BUSY.contains(&code) || code.starts_with("http-5") => {
                Self::CoolDown { retry_after: None }
            }
            // A wrong key, an empty account, and what we do not understand: it would go wrong again.
            _ => Self::NextProvider,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_failed_for_no_known_reason_is_tried_again() {
        let cool_down = Verdict::CoolDown { retry_after: None };
        for (code, expected) in [
            ("unknown", cool_down),
            ("some_new_error", cool_down),
            ("server_error", cool_down),
            ("insufficient_quota", Verdict::NextProvider),
            ("model_not_found", Verdict::NextModel),
        ] {
            assert_eq!(Verdict::of_response(code), expected, "{code}");
        }
    }

    #[test]
    fn every_end_says_where_to_turn() {
        let cool_down = |retry_after| Verdict::CoolDown { retry_after };
        let retry_after = Some(Duration::from_secs(7));
        let busy = Closed::Busy { code: "http-429".into(), retry_after };
        assert_eq!(busy.verdict(), Some(cool_down(retry_after)));
        assert_eq!(Closed::Lost { reason: "x" }.verdict(), Some(cool_down(None)));
        assert_eq!(Closed::Asked.verdict(), None);
        for (code, expected) in [
            ("session_expired", Verdict::SameAgain),
            ("invalid_model", Verdict::NextModel),
            ("model_not_found", Verdict::NextModel),
            ("http-404", Verdict::NextModel),
            ("invalid_api_key", Verdict::NextProvider),
            ("insufficient_quota", Verdict::NextProvider),
            ("credit_balance_exhausted", Verdict::NextProvider),
            ("billing_hard_limit_reached", Verdict::NextProvider),
            ("account_deactivated", Verdict::NextProvider),
            ("http-401", Verdict::NextProvider),
            ("http-403", Verdict::NextModel),
            ("close-4000", Verdict::NextProvider),
            ("unusable-address", Verdict::NextProvider),
            ("never heard of", Verdict::NextProvider),
            ("http-429", cool_down(None)),
            ("http-503", cool_down(None)),
            ("rate_limit_exceeded", cool_down(None)),
            ("server_error", cool_down(None)),
        ] {
            assert_eq!(Closed::by_code(code.into()).verdict(), Some(expected), "{code}");
        }
    }
}
