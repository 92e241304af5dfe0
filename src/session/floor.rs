//! Who speaks: the model's speech on its way to the caller, frame by frame, and how much of it was heard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Action;
use super::sounds::Sounds;
use super::timings::Timings;
use crate::ingress::leg::{Frame, LegCommand};
use crate::media::FRAME;
use crate::media::clip::Clip;
use crate::media::pacer::Pacer;
use crate::realtime::{ItemId, ModelCommand, ResponseId, ResponseOutcome};

/// Speech that may wait: 4 minutes, more than a response of 4096 tokens lasts. About 1 MB of Opus.
const QUEUE_LIMIT: usize = 12_000;

/// What the bridge still holds of the frames we sent: its mixer and the carrier's jitter buffer.
const BRIDGE: Duration = Duration::from_millis(100);

/// Items whose late audio is still to be ignored.
const CUT_LIMIT: usize = 16;

#[derive(Debug)]
pub struct Floor {
    sounds: Sounds,
    queue: VecDeque<Queued>,
    /// Runs from the answer on: the bridge wants a frame every 20 ms, speech or silence.
    pacer: Option<Pacer>,
    /// The caller hears us; until then speech waits.
    open: bool,
    playing: Option<Playing>,
    /// The model has begun to answer, or to greet.
    begun: bool,
    cut: VecDeque<ItemId>,
    /// Since when the model owes the caller speech.
    owed: Option<Instant>,
    /// The response that is to pay it, once one has begun, and whether it has said anything.
    payer: Option<(ResponseId, bool)>,
    /// Between the start and the end of the caller's turn nobody waits for us.
    caller_speaks: bool,
    /// When the caller last heard anything of ours.
    sounded: Option<Instant>,
    /// When the model last showed a sign of life.
    heard_of_model: Option<Instant>,
    first_speech: Option<Instant>,
    last_speech: Option<Instant>,
    barge_ins: u32,
}

#[derive(Debug)]
enum Queued {
    Speech(ItemId, Frame),
    /// All of the item has been queued.
    End(ItemId),
    Comfort(Frame),
    Clip(Frame),
}

#[derive(Debug)]
struct Playing {
    item: ItemId,
    sent: u32,
}

impl Floor {
    pub fn new(sounds: Sounds) -> Self {
        Self {
            sounds,
            queue: VecDeque::new(),
            pacer: None,
            open: false,
            playing: None,
            begun: false,
            cut: VecDeque::new(),
            owed: None,
            payer: None,
            caller_speaks: false,
            sounded: None,
            heard_of_model: None,
            first_speech: None,
            last_speech: None,
            barge_ins: 0,
        }
    }

    /// The track is published: a frame leaves every 20 ms from `first` on.
    pub fn start(&mut self, first: Instant) {
        self.pacer = Some(Pacer::new(first));
    }

    /// The caller hears us. A greeting that is yet to begin is owed from now; one that has begun is owed already,
    /// or here.
    pub fn open(&mut self, greeting: bool, now: Instant) {
        self.open = true;
        self.sounded = Some(now);
        // The first word leaves now, not with the next tick.
        self.start(now);
        if greeting && !self.begun {
            self.owe(now);
        }
    }

    /// A recording for a caller who hears us.
    pub fn play(&mut self, clip: &Clip) {
        self.queue.extend(clip.frames().cloned().map(Queued::Clip));
    }

    /// The caller waits for something that no model says, with the comfort sound and without an end.
    pub fn hold(&mut self, now: Instant) {
        self.owed = Some(now);
    }

    /// Since when nothing is left to be heard.
    pub fn quiet_since(&self) -> Option<Instant> {
        self.sounded.filter(|_| self.queue.is_empty())
    }

    /// 20 ms of speech. An item that grows past the bound is cut short, and the model is told so.
    pub fn speech(&mut self, item: ItemId, frame: Frame, now: Instant) -> Vec<Action> {
        self.heard_of_model = Some(now);
        if let Some((_, spoke)) = &mut self.payer {
            *spoke = true;
        }
        if self.cut.contains(&item) {
            return Vec::new();
        }
        if self.queue.len() >= QUEUE_LIMIT {
            let heard = FRAME * self.frames_of(&item);
            self.owed = None;
            self.cut(item.clone());
            return vec![
                Action::Model(ModelCommand::StopSpeaking),
                Action::Model(ModelCommand::Heard { item, heard }),
            ];
        }
        // Comfort is queued only while there is no speech, so it stands in front.
        while matches!(self.queue.front(), Some(Queued::Comfort(_))) {
            self.queue.pop_front();
        }
        self.queue.push_back(Queued::Speech(item, frame));
        Vec::new()
    }

    pub fn speech_done(&mut self, item: ItemId) {
        if !self.cut.contains(&item) {
            self.queue.push_back(Queued::End(item));
        }
    }

    /// A response begins.
    pub fn agent_started(&mut self, response: ResponseId, now: Instant) {
        self.begun = true;
        self.payer = Some((response, false));
        self.owe(now);
    }

    /// A response is over. What it owed is paid if it said what it wanted; one that failed, or was cut off before a
    /// word, leaves the debt standing. A late word on an older response changes nothing.
    pub fn agent_done(&mut self, response: &ResponseId, outcome: &ResponseOutcome) {
        let Some((_, spoke)) = self.payer.take_if(|(payer, _)| payer == response) else { return };
        let paid = match outcome {
            ResponseOutcome::Completed | ResponseOutcome::Cancelled => true,
            ResponseOutcome::Incomplete { .. } => spoke,
            ResponseOutcome::Failed { .. } => false,
        };
        if paid {
            self.owed = None;
        }
    }

    /// The caller has finished a turn: the model owes an answer.
    pub fn caller_stopped(&mut self, now: Instant) {
        self.caller_speaks = false;
        self.owe(now);
    }

    /// The caller speaks: whatever we were saying stops now, and the model is told what was heard of it.
    pub fn caller_started(&mut self) -> Vec<Action> {
        self.caller_speaks = true;
        self.owed = None;
        let playing = self.playing.take();
        let queued = std::mem::take(&mut self.queue);
        let mut unheard: Vec<ItemId> = Vec::new();
        for queued in queued {
            if let Queued::Speech(item, _) = queued
                && !unheard.contains(&item)
            {
                unheard.push(item);
            }
        }
        let interrupted = playing.is_some() || !unheard.is_empty();
        if !interrupted {
            return Vec::new();
        }
        self.barge_ins += 1;
        let mut told = Vec::new();
        if let Some(Playing { item, sent }) = playing {
            unheard.retain(|other| *other != item);
            told.push((item, (FRAME * sent).saturating_sub(BRIDGE)));
        }
        told.extend(unheard.into_iter().map(|item| (item, Duration::ZERO)));
        told.into_iter()
            .map(|(item, heard)| {
                self.cut(item.clone());
                Action::Model(ModelCommand::Heard { item, heard })
            })
            .collect()
    }

    /// The frames that are due: speech where there is any and the caller hears it, else silence.
    pub fn on_time(&mut self, now: Instant, timings: &Timings) -> Vec<Action> {
        self.comfort_if_owed(now, timings);
        let due = self.pacer.as_mut().map_or(0, |pacer| pacer.due(now));
        (0..due).map(|_| Action::Leg(LegCommand::Frame(self.next_frame(now)))).collect()
    }

    /// The model owes the caller speech and has shown no sign of life for too long.
    pub fn is_abandoned(&self, now: Instant, timings: &Timings) -> bool {
        self.patience_ends(timings).is_some_and(|end| now >= end)
    }

    pub fn deadline(&self, timings: &Timings) -> Option<Instant> {
        let frame = self.pacer.as_ref().map(Pacer::deadline);
        [frame, self.patience_ends(timings)].into_iter().flatten().min()
    }

    pub const fn barge_ins(&self) -> u32 {
        self.barge_ins
    }

    pub const fn first_speech(&self) -> Option<Instant> {
        self.first_speech
    }

    fn owe(&mut self, now: Instant) {
        if self.owed.is_none() && !self.caller_speaks {
            self.owed = Some(now);
        }
        self.heard_of_model = Some(now);
    }

    fn patience_ends(&self, timings: &Timings) -> Option<Instant> {
        let waiting = self.open && self.owed.is_some() && !self.has_speech();
        // Comfort is no sign of the model, so it doesn't count here.
        let since = self.heard_of_model.max(self.last_speech);
        since.filter(|_| waiting).map(|since| since + timings.reply)
    }

    fn comfort_if_owed(&mut self, now: Instant, timings: &Timings) {
        let (true, Some(owed)) = (self.open && self.queue.is_empty(), self.owed) else { return };
        let quiet_since = self.sounded.map_or(owed, |sounded| sounded.max(owed));
        if now >= quiet_since + timings.comfort {
            self.queue.extend(self.sounds.comfort.iter().cloned().map(Queued::Comfort));
        }
    }

    fn next_frame(&mut self, now: Instant) -> Frame {
        if !self.open {
            return Arc::clone(&self.sounds.silence);
        }
        loop {
            match self.queue.pop_front() {
                Some(Queued::Speech(item, frame)) => {
                    self.sounded = Some(now);
                    self.first_speech.get_or_insert(now);
                    self.last_speech = Some(now);
                    self.count(item);
                    return frame;
                }
                Some(Queued::Clip(frame)) => {
                    self.sounded = Some(now);
                    self.first_speech.get_or_insert(now);
                    return frame;
                }
                Some(Queued::Comfort(frame)) => {
                    self.sounded = Some(now);
                    return frame;
                }
                Some(Queued::End(item)) => {
                    if self.playing.as_ref().is_some_and(|playing| playing.item == item) {
                        self.playing = None;
                    }
                }
                None => return Arc::clone(&self.sounds.silence),
            }
        }
    }

    fn count(&mut self, item: ItemId) {
        match &mut self.playing {
            Some(playing) if playing.item == item => playing.sent += 1,
            _ => self.playing = Some(Playing { item, sent: 1 }),
        }
    }

    fn has_speech(&self) -> bool {
        self.queue.iter().any(|queued| matches!(queued, Queued::Speech(..)))
    }

    /// Frames of the item that were sent or wait.
    fn frames_of(&self, item: &ItemId) -> u32 {
        let waiting = self.queue.iter().filter(|q| matches!(q, Queued::Speech(of, _) if of == item)).count();
        let sent = self.playing.as_ref().filter(|playing| playing.item == *item).map_or(0, |p| p.sent);
        u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(sent)
    }

    fn cut(&mut self, item: ItemId) {
        if self.cut.len() == CUT_LIMIT {
            self.cut.pop_front();
        }
        self.cut.push_back(item);
    }
}

#[cfg(test)]
mod tests;
