use std::collections::VecDeque;

use crate::media::audio::Audio;

/// What is kept all the time, for a turn is noticed after it has begun: 500 ms.
const BEFORE: usize = 25;
/// What is kept of a turn: 8 s.
const MOST: usize = 400;

/// The caller's voice that no model has answered yet. A session that takes over is given it, so that nobody has to
/// say a thing twice.
#[derive(Debug, Default)]
pub struct Earshot {
    frames: VecDeque<Audio>,
    /// The caller speaks, or waits for the answer.
    turn: bool,
    /// No model listens.
    deaf: bool,
}

impl Earshot {
    /// 20 ms of the caller.
    pub fn push(&mut self, frame: Audio) {
        self.frames.push_back(frame);
        self.bound();
    }

    /// A turn is noticed.
    pub fn turn_began(&mut self) {
        self.turn = true;
    }

    /// No model listens until what is kept is taken.
    pub fn deaf(&mut self) {
        self.deaf = true;
    }

    /// The model listens after all.
    pub fn listened(&mut self) {
        self.deaf = false;
        self.bound();
    }

    /// What was said is answered or written down.
    pub fn settle(&mut self) {
        self.turn = false;
        self.bound();
    }

    pub const fn has_turn(&self) -> bool {
        self.turn
    }

    /// All of it, for the model that listens from now on.
    pub fn take(&mut self) -> Vec<Audio> {
        self.deaf = false;
        self.turn = false;
        Audio::joined(self.frames.drain(..))
    }

    fn bound(&mut self) {
        let most = if self.turn || self.deaf { MOST } else { BEFORE };
        let over = self.frames.len().saturating_sub(most);
        self.frames.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(earshot: &mut Earshot) -> (usize, i16) {
        let pcm = match earshot.take().as_slice() {
            [] => return (0, 0),
            [Audio::Pcm(pcm)] => pcm.clone(),
            more => panic!("{more:?}"),
        };
        (pcm.len(), pcm[0])
    }

    #[test]
    fn a_turn_is_kept_from_a_little_before_it_was_noticed_until_it_is_settled() {
        let mut earshot = Earshot::default();
        let hear = |earshot: &mut Earshot, frames: std::ops::Range<i16>| {
            frames.for_each(|n| earshot.push(Audio::Pcm(vec![n])));
        };
        hear(&mut earshot, 0..100);
        earshot.turn_began();
        hear(&mut earshot, 100..200);
        assert_eq!(kept(&mut earshot), (125, 75));
        assert_eq!(kept(&mut earshot), (0, 0), "once");
        earshot.deaf();
        hear(&mut earshot, 0..1_000);
        assert_eq!(kept(&mut earshot), (MOST, 600), "the end of a long turn");
        earshot.deaf();
        hear(&mut earshot, 0..100);
        earshot.listened();
        assert_eq!(kept(&mut earshot), (BEFORE, 75), "it was heard after all");
        earshot.turn_began();
        hear(&mut earshot, 0..100);
        earshot.settle();
        assert_eq!(kept(&mut earshot), (BEFORE, 75));
    }
}
