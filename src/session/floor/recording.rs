//! Recordings that the caller is played. One that is not encoded for the leg yet is asked for, and silence leaves meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Floor, Queued};
use crate::media::clip::Clip;
use crate::session::Action;

/// A recording that is not there by then is left out: whoever was to encode it has failed.
const PREPARED_WITHIN: Duration = Duration::from_secs(5);

impl Floor {
    /// A recording for a caller who hears us.
    pub fn play(&mut self, clip: &Arc<Clip>) {
        self.queue.push_back(Queued::Recording(Arc::clone(clip), None));
        self.unfold();
    }

    /// Has the recording encoded that is to be heard next, unless it is.
    pub(super) fn prepare(&mut self, now: Instant) -> Option<Action> {
        self.unfold();
        let codec = self.sounds.codec;
        let Some(Queued::Recording(clip, asked)) = self.queue.front_mut() else { return None };
        let Some(asked) = asked else {
            *asked = Some(now);
            return Some(Action::Prepare { clip: Arc::clone(clip), codec });
        };
        if now >= *asked + PREPARED_WITHIN {
            self.queue.pop_front();
        }
        None
    }

    /// The recording that is to be heard next becomes its frames, once they are there.
    fn unfold(&mut self) {
        let Some(Queued::Recording(clip, _)) = self.queue.front() else { return };
        let Some(frames) = clip.frames(self.sounds.codec) else { return };
        let frames: Vec<Queued> = frames.cloned().map(Queued::Clip).collect();
        self.queue.pop_front();
        frames.into_iter().rev().for_each(|frame| self.queue.push_front(frame));
    }
}
