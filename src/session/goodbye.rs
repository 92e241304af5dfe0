use std::sync::Arc;

use tokio::time::Instant;

use super::floor::{Floor, TAIL};
use super::timings::Timings;
use crate::call::Ending;
use crate::media::clip::Clip;
use crate::pii::Redacted;
use crate::realtime::{ModelEvent, ResponseId};

/// The last words of a call that we end: they are heard before the line drops.
#[derive(Debug)]
pub struct Goodbye {
    ending: Ending,
    stage: Stage,
    /// What the model is to say once it has finished.
    farewell: Option<Redacted<String>>,
    /// Said instead when the model is asked for words and says none.
    instead: Option<Arc<Clip>>,
    /// When the caller is let go, whatever is still to be said.
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    /// The model says what it was saying when it hung up.
    Finishing,
    /// The model was asked for words, and has until then to begin.
    Asked { until: Instant },
    /// It says them; and whether anything of them is here.
    Saying { response: ResponseId, spoke: bool },
    /// All that is to be said waits to be heard.
    Playing,
}

impl Goodbye {
    /// The model hung up: what it has said and is saying is heard, then what it is to say besides (`farewell`).
    pub fn of_model(
        farewell: Option<Redacted<String>>,
        floor: &Floor,
        now: Instant,
        timings: &Timings,
    ) -> Self {
        let stage = if floor.is_answering() { Stage::Finishing } else { Stage::Playing };
        let until = now + floor.waiting() + timings.last_words;
        Self { ending: Ending::AgentHungUp, stage, farewell, instead: None, until }
    }

    /// What the model is to say now.
    pub fn ask(&mut self, floor: &Floor, now: Instant, timings: &Timings) -> Option<Redacted<String>> {
        if !matches!(self.stage, Stage::Playing) {
            return None;
        }
        let farewell = self.farewell.take()?;
        self.stage = Stage::Asked { until: now + floor.waiting() + timings.goodbye_begins };
        Some(farewell)
    }

    /// We end the call: the model is asked for the words, and says them at once or a recording does.
    pub fn of_router(ending: Ending, instead: Arc<Clip>, now: Instant, timings: &Timings) -> Self {
        let stage = Stage::Asked { until: now + timings.goodbye_begins };
        Self { ending, stage, farewell: None, instead: Some(instead), until: now + timings.goodbye }
    }

    /// We end the call, and no model is there: the recording says it.
    pub fn recorded(ending: Ending, clip: Arc<Clip>, now: Instant, timings: &Timings) -> Self {
        Self { stage: Stage::Asked { until: now }, ..Self::of_router(ending, clip, now, timings) }
    }

    pub fn model(&mut self, event: &ModelEvent, now: Instant) {
        let begun = match event {
            ModelEvent::Saying { response } if matches!(self.stage, Stage::Asked { .. }) => {
                Stage::Saying { response: response.clone(), spoke: false }
            }
            ModelEvent::AgentDone { response, .. } => match &self.stage {
                Stage::Finishing => Stage::Playing,
                Stage::Saying { response: ours, spoke } if response == ours => Self::said(*spoke, now),
                Stage::Saying { .. } | Stage::Asked { .. } | Stage::Playing => return,
            },
            ModelEvent::Closed(_) => match &self.stage {
                Stage::Finishing | Stage::Playing => Stage::Playing,
                Stage::Asked { .. } => Self::said(false, now),
                Stage::Saying { spoke, .. } => Self::said(*spoke, now),
            },
            _ => return,
        };
        self.stage = begun;
    }

    /// Whether a frame of the model's is part of it. What it says besides is not heard any more.
    pub fn takes_speech(&mut self) -> bool {
        match &mut self.stage {
            Stage::Finishing => true,
            Stage::Saying { spoke, .. } => {
                *spoke = true;
                true
            }
            Stage::Asked { .. } | Stage::Playing => false,
        }
    }

    /// The ending, once all was heard or time is up.
    pub fn on_time(&mut self, floor: &mut Floor, now: Instant) -> Option<Ending> {
        if let Stage::Asked { until } = self.stage
            && now >= until
        {
            if let Some(clip) = self.instead.take() {
                floor.play(&clip);
            }
            self.stage = Stage::Playing;
        }
        self.deadline(floor).filter(|deadline| now >= *deadline).map(|_| self.ending)
    }

    pub fn deadline(&self, floor: &Floor) -> Option<Instant> {
        let stage = match self.stage {
            Stage::Finishing | Stage::Saying { .. } => None,
            Stage::Asked { until } => Some(until),
            Stage::Playing => floor.quiet_since().map(|since| since + TAIL),
        };
        Some(stage.map_or(self.until, |stage| stage.min(self.until)))
    }

    fn said(spoke: bool, now: Instant) -> Stage {
        if spoke { Stage::Playing } else { Stage::Asked { until: now } }
    }
}
