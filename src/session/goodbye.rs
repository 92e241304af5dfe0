use std::sync::Arc;
use std::time::Duration;

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
    /// Said instead when the model is asked for words and says none, or does not go on.
    instead: Option<Arc<Clip>>,
    pause: Duration,
    /// When the caller is let go, whatever is still to be said.
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    /// The model says what it was saying when it hung up.
    Finishing,
    /// The model was asked for words, and has until then to say the first.
    Asked { until: Instant },
    /// It says them, and whether anything of them is here. It may pause as long as it may take to begin.
    Saying { response: ResponseId, spoke: bool, until: Instant },
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
        let pause = timings.goodbye_begins;
        Self { ending: Ending::AgentHungUp, stage, farewell, instead: None, pause, until }
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
        let pause = timings.goodbye_begins;
        let (stage, until) = (Stage::Asked { until: now + pause }, now + timings.goodbye);
        Self { ending, stage, farewell: None, instead: Some(instead), pause, until }
    }

    /// We end the call, and no model is there: the recording says it.
    pub fn recorded(ending: Ending, clip: Arc<Clip>, now: Instant, timings: &Timings) -> Self {
        Self { stage: Stage::Asked { until: now }, ..Self::of_router(ending, clip, now, timings) }
    }

    pub fn model(&mut self, event: &ModelEvent, now: Instant) {
        let begun = match event {
            ModelEvent::Saying { response } => match self.stage {
                Stage::Asked { until } => Stage::Saying { response: response.clone(), spoke: false, until },
                Stage::Finishing | Stage::Saying { .. } | Stage::Playing => return,
            },
            ModelEvent::AgentDone { response, .. } => match &self.stage {
                Stage::Finishing => Stage::Playing,
                Stage::Saying { response: ours, spoke, .. } if response == ours => Self::said(*spoke, now),
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
        if self.is_given_up(floor, now) {
            if let Some(clip) = self.instead.take() {
                floor.play(&clip);
            }
            self.stage = Stage::Playing;
        }
        self.deadline(floor).filter(|deadline| now >= *deadline).map(|_| self.ending)
    }

    pub fn deadline(&self, floor: &Floor) -> Option<Instant> {
        let stage = match self.stage {
            Stage::Finishing => None,
            Stage::Asked { .. } | Stage::Saying { .. } => self.waits_until(floor),
            Stage::Playing => floor.quiet_since().map(|since| since + TAIL),
        };
        Some(stage.map_or(self.until, |stage| stage.min(self.until)))
    }

    /// How long the model has to say the first word, or the next.
    fn waits_until(&self, floor: &Floor) -> Option<Instant> {
        match self.stage {
            Stage::Asked { until } | Stage::Saying { spoke: false, until, .. } => Some(until),
            Stage::Saying { spoke: true, until, .. } => floor.next_word_due(until, self.pause),
            Stage::Finishing | Stage::Playing => None,
        }
    }

    fn is_given_up(&self, floor: &Floor, now: Instant) -> bool {
        self.waits_until(floor).is_some_and(|until| now >= until)
    }

    fn said(spoke: bool, now: Instant) -> Stage {
        if spoke { Stage::Playing } else { Stage::Asked { until: now } }
    }
}
