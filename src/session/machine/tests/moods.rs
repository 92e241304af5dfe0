//! What can be different from call to call.

use super::world::World;
use super::*;
use crate::media::codec::Codec;

/// What goes wrong in this call, if anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    None,
    NeverArrives,
    BackendRefuses,
    /// Every other model session has a fault.
    ModelsFail,
    /// From some moment on no model serves.
    Outage,
    /// Responses fail, are filtered, are cancelled, or say nothing.
    ModelStumbles,
    /// A quiet caller, and sessions that get old.
    Long,
    NeverSubscribed,
    NeverActive,
    LegHangsAtTheEnd,
    /// The way to the caller is lost for a while.
    Away,
    /// Both of these: the way to the caller, and every other model session.
    AwayAndModelsFail,
    RoomFails,
    Drained,
    Noise,
}

pub(super) const TROUBLES: [Trouble; 20] = [
    Trouble::None,
    Trouble::ModelsFail,
    Trouble::NeverArrives,
    Trouble::BackendRefuses,
    Trouble::ModelsFail,
    Trouble::Outage,
    Trouble::ModelStumbles,
    Trouble::ModelsFail,
    Trouble::NeverSubscribed,
    Trouble::NeverActive,
    Trouble::Outage,
    Trouble::LegHangsAtTheEnd,
    Trouble::ModelsFail,
    Trouble::Away,
    Trouble::AwayAndModelsFail,
    Trouble::RoomFails,
    Trouble::Outage,
    Trouble::Drained,
    Trouble::Noise,
    Trouble::ModelsFail,
];

impl Trouble {
    pub(super) const fn is_away(self) -> bool {
        matches!(self, Self::Away | Self::AwayAndModelsFail)
    }
}

/// What is wrong with one model session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    None,
    NeverOpens,
    NeverConfigures,
    NeverGreets,
    /// By the model's name, by its key, for want of room.
    Refuses(&'static str),
    Drops,
    Expires,
    /// It says nothing any more.
    FallsSilent,
    /// It notices that the caller speaks, and never that they have finished.
    LosesTurns,
    /// Once it has said something it hears nothing, and says nothing any more.
    GoesDeaf,
}

impl Fault {
    pub(super) fn any(rng: &mut SmallRng) -> Self {
        match rng.random_range(0..12) {
            0 => Self::NeverOpens,
            1 => Self::NeverConfigures,
            2 => Self::NeverGreets,
            3 => Self::Refuses("model_not_found"),
            4 => Self::Refuses("http-401"),
            5 => Self::Refuses("http-429"),
            6 | 7 => Self::Drops,
            8 => Self::Expires,
            9 => Self::LosesTurns,
            10 => Self::GoesDeaf,
            _ => Self::FallsSilent,
        }
    }

    /// One that never serves.
    pub(super) fn outage(rng: &mut SmallRng) -> Self {
        match rng.random_range(0..4) {
            0 => Self::NeverOpens,
            1 => Self::NeverConfigures,
            2 => Self::Refuses("http-429"),
            _ => Self::Refuses("http-503"),
        }
    }
}

/// What the call's route does.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Route {
    Answers,
    Plays(Arc<Clip>),
    Transfers,
}

/// What all calls share.
pub(super) struct Props {
    pub(super) sounds: Sounds,
    pub(super) clip: Arc<Clip>,
}

impl Default for Props {
    fn default() -> Self {
        Self {
            sounds: Sounds {
                codec: Codec::Opus,
                silence: Arc::from([SILENCE]),
                comfort: vec![Frame::from([COMFORT]); 10].into(),
                phrases: Phrases::default(),
            },
            clip: Arc::new(Clip::read(&wav(SPEC, 400.0, 0.4)).expect("a recording")),
        }
    }
}

impl Props {
    pub(super) fn route(&self, seed: u64) -> Route {
        match seed % 8 {
            0 => Route::Plays(Arc::clone(&self.clip)),
            1 => Route::Transfers,
            _ => Route::Answers,
        }
    }

    pub(super) fn when_model_down(&self, rng: &mut SmallRng) -> Option<Instead> {
        match rng.random_range(0..6) {
            0 => Some(Instead::Play(Arc::clone(&self.clip))),
            1 => Some(Instead::Transfer(destination())),
            2 => Some(Instead::Refuse(Refusal::Busy)),
            _ => None,
        }
    }
}

impl World {
    /// Anything, whether it can be said now or not.
    pub(super) fn noise(&mut self) -> Event {
        let session = SessionNo::new(self.rng.random_range(0..3));
        let item = ItemId(self.rng.random_range(200..205u8).to_string().into());
        let response = ResponseId(item.0.to_string());
        let model = |event| Event::Model { session, event };
        match self.rng.random_range(0..15) {
            0 => self.arrived(),
            1 => Event::Leg(LegEvent::Subscribed),
            2 => Event::Leg(LegEvent::Active),
            3 => Event::Leg(LegEvent::Audio(Audio::Pcm(vec![0; VOICE.len()]))),
            4 => Event::Looked { answer: Box::new(self.answer()), shut: Vec::new() },
            5 => model(ModelEvent::Configured { audio: Format::Pcm }),
            6 => model(ModelEvent::CallerStarted),
            7 => model(ModelEvent::AgentStarted { response }),
            8 => model(ModelEvent::AgentAudioDone { item }),
            9 => Event::Leg(LegEvent::Transferred),
            10 => Event::Leg(LegEvent::NotTransferred),
            11 => model(ModelEvent::Warning { code: "noise".into() }),
            12 => model(ModelEvent::CallerText { item, text: "noise".into() }),
            13 => model(ModelEvent::AgentText { item, text: "noise".into() }),
            _ => Event::Speech { session, item, frame: Frame::from([SPEECH, session.get() as u8, 0]) },
        }
    }
}

pub(super) fn destination() -> Destination {
    Destination::parse("tel:+15557770099").expect("a destination")
}
