//! What can be different from call to call.

use super::*;

/// What goes wrong in this call, if anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    None,
    NeverArrives,
    BackendRefuses,
    ModelNeverOpens,
    ModelNeverConfigures,
    ModelNeverGreets,
    ModelCloses,
    ModelFallsSilent,
    /// Responses fail, are filtered, are cancelled, or say nothing.
    ModelStumbles,
    NeverSubscribed,
    NeverActive,
    LegHangsAtTheEnd,
    RoomFails,
    Drained,
    Noise,
}

/// What the call's route does.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Route {
    Answers,
    Plays(Arc<Clip>),
    Transfers,
}

impl Route {
    pub(super) fn of(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::Plays(Arc::new(Clip::read(&wav(SPEC, 400.0, 0.4)).expect("a recording"))),
            1 => Self::Transfers,
            _ => Self::Answers,
        }
    }
}

pub(super) const TROUBLES: [Trouble; 15] = [
    Trouble::None,
    Trouble::NeverArrives,
    Trouble::BackendRefuses,
    Trouble::ModelNeverOpens,
    Trouble::ModelNeverConfigures,
    Trouble::ModelNeverGreets,
    Trouble::ModelCloses,
    Trouble::ModelFallsSilent,
    Trouble::ModelStumbles,
    Trouble::NeverSubscribed,
    Trouble::NeverActive,
    Trouble::LegHangsAtTheEnd,
    Trouble::RoomFails,
    Trouble::Drained,
    Trouble::Noise,
];
