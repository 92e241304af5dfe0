//! Who speaks: the model's speech on its way to the caller, frame by frame, and how much of it was heard.

mod handover;
mod interruption;
mod queued;
mod recording;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use queued::Interrupted;
use queued::{Payer, Playing, Queued};
use waiting::Voice;

use super::sounds::Sounds;
use super::timings::Timings;
use super::{Action, SessionNo};
use crate::ingress::leg::{Frame, LegCommand};
use crate::media::FRAME;
use crate::media::pacer::Pacer;
use crate::realtime::{ItemId, ModelCommand, ResponseId, ResponseOutcome};

/// Speech that may wait: 4 minutes, more than a response of 4096 tokens lasts. About 1 MB of Opus, 2 MB of
/// G.711, 12 MB of what leaves in G.722, which waits as samples.
const QUEUE_LIMIT: usize = 12_000;

/// After our last frame, until the caller has heard it: the bridge and the carrier hold some of it back.
pub const TAIL: Duration = Duration::from_millis(300);

/// Items whose late audio is still to be ignored.
const CUT_LIMIT: usize = 16;

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
pub struct Floor {
    sounds: Sounds,
    /// What the way to the caller still holds of the frames we sent.
    held_back: Duration,
    /// The model session that speaks and is told what was heard.
    speaker: SessionNo,
    spoken: bool,
    queue: VecDeque<Queued>,
    /// Runs from the answer on: the bridge wants a frame every 20 ms, speech or silence.
    pacer: Option<Pacer>,
    /// The caller hears us; until then speech waits.
    open: bool,
    /// The way to the caller is lost: speech waits, and no frame leaves.
    away: bool,
    /// The leg does not keep up: as above.
    stalled: bool,
    /// Keys are being pressed: speech waits, and silence leaves.
    pressing: bool,
    playing: Option<Playing>,
    /// The model has begun to answer, or to greet.
    begun: bool,
    cut: VecDeque<ItemId>,
    /// Since when the model owes the caller speech.
    owed: Option<Instant>,
    /// Since when it owes another answer than what it is saying.
    owed_next: Option<Instant>,
    /// The response that is to pay it, once one has begun.
    payer: Option<Payer>,
    /// A response to it came to nothing.
    asks_again: AsksAgain,
    /// Between the start and the end of the caller's turn nobody waits for us.
    caller_speaks: bool,
    /// The last speaker was gone before the turn was over; nobody knows when it is.
    unfinished: bool,
    voice: Voice,
    /// When the caller last heard anything of ours.
    sounded: Option<Instant>,
    /// When the model last showed a sign of life.
    heard_of_model: Option<Instant>,
    /// All of the greeting was sent.
    greeted: bool,
    /// Frames of speech that were sent.
    sent: u32,
    first_speech: Option<Instant>,
    last_speech: Option<Instant>,
    barge_ins: u32,
}

/// Whether the model is asked once more for what it owes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum AsksAgain {
    #[default]
    MayBe,
    Due,
    Done,
}

impl Floor {
    pub fn new(sounds: Sounds, held_back: Duration) -> Self {
        Self {
            sounds,
            held_back,
            speaker: SessionNo::default(),
            spoken: false,
            queue: VecDeque::new(),
            pacer: None,
            open: false,
            away: false,
            stalled: false,
            pressing: false,
            playing: None,
            begun: false,
            cut: VecDeque::new(),
            owed: None,
            owed_next: None,
            payer: None,
            asks_again: AsksAgain::default(),
            caller_speaks: false,
            unfinished: false,
            voice: Voice::default(),
            sounded: None,
            heard_of_model: None,
            greeted: false,
            sent: 0,
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

    pub const fn caller_speaks(&self) -> bool {
        self.caller_speaks
    }

    /// Whether the speaker has said anything.
    pub const fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Whether the caller waits for speech.
    pub const fn is_owing(&self) -> bool {
        self.owed.is_some()
    }

    /// Nobody speaks, and nobody waits for speech, on a line that is there.
    pub fn is_quiet(&self) -> bool {
        let is_silent = self.queue.is_empty() && self.payer.is_none() && !self.caller_speaks;
        is_silent && self.owed.is_none() && !self.away && !self.pressing
    }

    /// Whether anything is to be heard, or is being made.
    pub fn is_speaking(&self) -> bool {
        !self.queue.is_empty() || self.payer.is_some()
    }

    /// Whether the model is making a response.
    pub const fn is_answering(&self) -> bool {
        self.payer.is_some()
    }

    /// How long what waits takes to be heard.
    pub fn waiting(&self) -> Duration {
        FRAME * u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }

    /// Since when nothing is left to be heard.
    pub fn quiet_since(&self) -> Option<Instant> {
        self.sounded.filter(|_| self.queue.is_empty())
    }

    /// 20 ms of speech. An item that grows past the bound is cut short, and the model is told so.
    pub fn speech(&mut self, item: ItemId, frame: Frame, now: Instant) -> Vec<Action> {
        self.heard_of_model = Some(now);
        if let Some(payer) = &mut self.payer {
            payer.spoke = true;
        }
        self.asks_again = AsksAgain::MayBe;
        if self.cut.contains(&item) {
            return Vec::new();
        }
        if !std::mem::replace(&mut self.spoken, true) {
            self.queue.retain(|queued| !matches!(queued, Queued::Broken(_)));
        }
        if self.queue.len() >= QUEUE_LIMIT {
            let heard = FRAME * self.frames_of(&item);
            self.owed = None;
            self.cut(item.clone());
            return vec![
                self.tell(ModelCommand::StopSpeaking),
                self.tell(ModelCommand::Heard { item, heard }),
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
        self.payer = Some(Payer { response, spoke: false, acted: false });
        self.owed_next = None;
        self.owe(now);
    }

    /// The model has used a tool.
    pub const fn agent_acted(&mut self) {
        if let Some(payer) = &mut self.payer {
            payer.acted = true;
        }
    }

    /// A response is over. What it owed is paid if it said what it wanted; one that failed, or was cut off before a
    /// word, leaves the debt standing. So does one that said and did nothing, once: a model that has nothing to say twice
    /// means it. A late word on an older response changes nothing. True when it is paid.
    pub fn agent_done(&mut self, response: &ResponseId, outcome: &ResponseOutcome) -> bool {
        let Some(payer) = self.payer.take_if(|payer| payer.response == *response) else { return false };
        let paid = match outcome {
            ResponseOutcome::Completed => payer.spoke || payer.acted || !self.is_to_ask_again(),
            ResponseOutcome::Cancelled => true,
            ResponseOutcome::Incomplete { .. } => payer.spoke,
            ResponseOutcome::Failed { .. } => false,
        };
        if paid {
            self.owed = self.owed_next.take();
            self.queue.extend((!self.queue.is_empty()).then_some(Queued::Whole));
        }
        paid
    }

    fn is_to_ask_again(&mut self) -> bool {
        let is_due = self.asks_again == AsksAgain::MayBe && self.owed.is_some() && self.owed_next.is_none();
        if is_due {
            self.asks_again = AsksAgain::Due;
        }
        is_due
    }

    /// Whether the model is to be asked once more for what it owes: true once.
    pub fn asks_again(&mut self) -> bool {
        let is_due = self.asks_again == AsksAgain::Due;
        if is_due {
            self.asks_again = AsksAgain::Done;
        }
        is_due
    }

    /// The frames that are due: speech where there is any and the caller hears it, else silence. And what must be done for
    /// those that follow.
    pub fn on_time(&mut self, now: Instant, timings: &Timings) -> Vec<Action> {
        if self.pressing {
            self.sounded = Some(now);
        }
        self.comfort_if_owed(now, timings);
        let prepare = self.prepare(now);
        let due = self.pacer.as_mut().map_or(0, |pacer| pacer.due(now));
        let due = if self.away || self.stalled { 0 } else { due };
        let frames = (0..due).map(|_| Action::Leg(LegCommand::Frame(self.next_frame(now))));
        frames.chain(prepare).collect()
    }

    /// When the next frame leaves.
    pub fn frame_due(&self) -> Option<Instant> {
        self.pacer.as_ref().map(Pacer::deadline)
    }

    pub fn deadline(&self, patience: Option<Duration>) -> Option<Instant> {
        [self.frame_due(), patience.and_then(|patience| self.patience_ends(patience))]
            .into_iter()
            .flatten()
            .min()
    }

    pub const fn barge_ins(&self) -> u32 {
        self.barge_ins
    }

    pub const fn first_speech(&self) -> Option<Instant> {
        self.first_speech
    }

    const fn tell(&self, command: ModelCommand) -> Action {
        Action::Model { session: self.speaker, command }
    }

    const fn is_open(&self) -> bool {
        self.open && !self.away
    }

    fn next_frame(&mut self, now: Instant) -> Frame {
        if !self.open || self.pressing {
            return Arc::clone(&self.sounds.silence);
        }
        loop {
            match self.queue.pop_front() {
                Some(Queued::Speech(item, frame)) => {
                    self.sounded = Some(now);
                    self.first_speech.get_or_insert(now);
                    self.last_speech = Some(now);
                    self.sent += 1;
                    self.count(item);
                    return frame;
                }
                Some(Queued::Left(frame) | Queued::Broken(frame)) => {
                    self.sounded = Some(now);
                    self.sent += 1;
                    self.first_speech.get_or_insert(now);
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
                Some(recording @ Queued::Recording(..)) => {
                    self.queue.push_front(recording);
                    return Arc::clone(&self.sounds.silence);
                }
                Some(Queued::End(item)) => {
                    if self.playing.as_ref().is_some_and(|playing| playing.item == item) {
                        self.playing = None;
                    }
                }
                Some(Queued::Whole) => {}
                Some(Queued::Greeted) => self.greeted = true,
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

    /// By when a speaker is to go on that may pause for so long and has until `first` to begin; `None` while speech waits.
    pub fn next_word_due(&self, first: Instant, pause: Duration) -> Option<Instant> {
        (!self.has_speech()).then(|| self.last_speech.map_or(first, |last| first.max(last + pause)))
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
