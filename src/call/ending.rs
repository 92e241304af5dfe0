use super::{Origin, Refusal};

/// How a call ended. Exactly one per call, whoever ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The caller hung up an answered call.
    CallerHungUp,
    /// The caller gave up before the answer (CANCEL), perhaps before we were in the room.
    CallerCancelled,
    /// Refused unanswered, by the dialplan, the backend or the router.
    Refused(Refusal),
    /// The route's recording was played to its end.
    Played,
    /// The caller was transferred.
    Transferred,
    /// The model hung up, and its last words were heard.
    AgentHungUp,
    /// The answered call reached the longest time its configuration allows.
    TimeLimit,
    /// The caller has had as many turns as the configuration allows.
    TurnLimit,
    /// The caller has said nothing for as long as the configuration allows.
    SilenceLimit,
    /// The router is shutting down.
    Drained,
    /// Something below or beside us failed; the caller was let go.
    Failed(Fault),
}

/// What failed when an [`Ending`] is `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The room could not be joined.
    Join,
    /// We published, but the bridge never subscribed: the call was not answered.
    NotAnswered,
    /// The room's signalling or media was lost.
    Room,
    /// No model session could be had before the answer.
    ModelUnavailable,
    /// The model session was lost in an answered call.
    ModelLost,
    /// The answered call could not be transferred.
    Transfer,
    /// A bug of ours; the call's task panicked, say.
    Internal,
}

/// Who made the call end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Caller,
    Router,
    Model,
    LiveKit,
}

impl Ending {
    /// The name in records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller-hung-up",
            Self::CallerCancelled => "caller-cancelled",
            Self::Refused(_) => "refused",
            Self::Played => "played",
            Self::Transferred => "transferred",
            Self::AgentHungUp => "agent-hung-up",
            Self::TimeLimit => "time-limit",
            Self::TurnLimit => "turn-limit",
            Self::SilenceLimit => "silence-limit",
            Self::Drained => "drained",
            Self::Failed(_) => "failed",
        }
    }

    /// The reason beside the name, where there is one.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.name()),
            Self::Failed(fault) => Some(fault.name()),
            Self::CallerHungUp
            | Self::CallerCancelled
            | Self::Played
            | Self::Transferred
            | Self::AgentHungUp
            | Self::TimeLimit
            | Self::TurnLimit
            | Self::SilenceLimit
            | Self::Drained => None,
        }
    }

    pub const fn side(self, origin: Option<&Origin>) -> Side {
        match self {
            Self::CallerHungUp | Self::CallerCancelled => Side::Caller,
            Self::Refused(_)
            | Self::Played
            | Self::Transferred
            | Self::TimeLimit
            | Self::TurnLimit
            | Self::SilenceLimit
            | Self::Drained
            | Self::Failed(Fault::Internal) => Side::Router,
            Self::Failed(Fault::Join | Fault::NotAnswered | Fault::Room | Fault::Transfer) => match origin {
                // Nobody stands between.
                Some(Origin::Sip) => Side::Caller,
                Some(Origin::LiveKit { .. }) | None => Side::LiveKit,
            },
            Self::AgentHungUp | Self::Failed(Fault::ModelUnavailable | Fault::ModelLost) => Side::Model,
        }
    }
}

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::NotAnswered => "not-answered",
            Self::Room => "room",
            Self::ModelUnavailable => "model-unavailable",
            Self::ModelLost => "model-lost",
            Self::Transfer => "transfer",
            Self::Internal => "internal",
        }
    }
}

impl Side {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Router => "router",
            Self::Model => "model",
            Self::LiveKit => "livekit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_that_fails_is_of_who_was_to_do_it() {
        let livekit = Origin::LiveKit { project: "main".into() };
        let failed = Ending::Failed(Fault::Transfer);
        for (ending, origin, side) in [
            (failed, Some(&Origin::Sip), Side::Caller),
            (failed, Some(&livekit), Side::LiveKit),
            (failed, None, Side::LiveKit),
            (Ending::Failed(Fault::Internal), Some(&Origin::Sip), Side::Router),
        ] {
            assert_eq!(ending.side(origin), side, "{ending:?} of {origin:?}");
        }
    }
}
