//! What the model is saying: the responses being made, and how much audio of their items went out.

use std::collections::VecDeque;
use std::time::Duration;

use super::push_bounded;
use super::wire::{self, Unreadable};
use crate::media::audio::{Audio, Format};
use crate::realtime::{ItemId, ModelEvent, ResponseId, ResponseOutcome, Usage};

/// Responses in the making. A server makes one at a time; around an interruption two can overlap, and some
/// servers never end an interrupted one.
const MAX_OPEN: usize = 4;
/// Responses that are over, remembered so that nothing late of them is heard.
const MAX_OVER: usize = 16;
/// Items whose audio is counted: those a caller may still be hearing.
const MAX_ITEMS: usize = 32;
/// What the buffer for one delta keeps between deltas.
const MAX_KEPT: usize = 64 * 1024;

/// Every response begins once, is heard between its beginning and its end only, and ends once.
#[derive(Debug, Default)]
pub(super) struct Speech {
    /// What deltas are written in.
    format: Format,
    open: VecDeque<Open>,
    over: VecDeque<ResponseId>,
    items: VecDeque<Item>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    id: ResponseId,
    /// The caller or we broke in: the rest is not to be heard.
    muted: bool,
}

#[derive(Debug)]
struct Item {
    id: ItemId,
    response: ResponseId,
    samples: u64,
    /// The first half of a sample that a delta cut in two.
    carry: Option<u8>,
    done: bool,
}

impl Speech {
    /// What follows is written in that.
    pub(super) const fn change_format(&mut self, format: Format) {
        self.format = format;
    }

    /// A response begins. Known ones begin no second time.
    pub(super) fn begin(&mut self, id: &ResponseId, events: &mut Vec<ModelEvent>) {
        if self.knows(id) {
            return;
        }
        if self.open.len() == MAX_OPEN
            && let Some(oldest) = self.open.front().map(|open| open.id.clone())
        {
            self.end(&oldest, ResponseOutcome::Cancelled, Usage::default(), events);
        }
        self.open.push_back(Open { id: id.clone(), muted: false });
        events.push(ModelEvent::AgentStarted { response: id.clone() });
    }

    /// A piece of an item's audio.
    pub(super) fn audio(
        &mut self,
        response: ResponseId,
        item: ItemId,
        base64: &str,
        events: &mut Vec<ModelEvent>,
    ) -> Result<(), Unreadable> {
        if !self.open.iter().any(|open| open.id == response && !open.muted) {
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let format = self.format;
        let known = self.item(&item, &response);
        bytes.extend(known.carry);
        let decoded = wire::decode_audio(base64, &mut bytes);
        if decoded.is_ok() && !known.done {
            events.extend(known.take(&bytes, format).map(|audio| ModelEvent::AgentAudio {
                response,
                item,
                audio,
            }));
        }
        bytes.shrink_to(MAX_KEPT);
        self.bytes = bytes;
        decoded
    }

    /// No more audio of this item comes.
    pub(super) fn audio_done(&mut self, item: &ItemId, events: &mut Vec<ModelEvent>) {
        if let Some(known) = self.items.iter_mut().find(|known| known.id == *item && !known.done) {
            known.finish(events);
        }
    }

    /// A response is over.
    pub(super) fn end(
        &mut self,
        id: &ResponseId,
        outcome: ResponseOutcome,
        usage: Usage,
        events: &mut Vec<ModelEvent>,
    ) {
        if !self.open.iter().any(|open| open.id == *id) {
            return;
        }
        self.open.retain(|open| open.id != *id);
        for item in self.items.iter_mut().filter(|item| item.response == *id && !item.done) {
            item.finish(events);
        }
        push_bounded(&mut self.over, id.clone(), MAX_OVER);
        events.push(ModelEvent::AgentDone { response: id.clone(), outcome, usage });
    }

    /// The caller broke in: the server stops what it makes, and what is on its way is not to be heard.
    pub(super) fn interrupt(&mut self) {
        for open in &mut self.open {
            open.muted = true;
        }
    }

    /// We break in: the response to cancel, unless the server is stopping it already.
    pub(super) fn stop(&mut self) -> Option<ResponseId> {
        let active = self.open.iter().rev().find(|open| !open.muted).map(|open| open.id.clone());
        self.interrupt();
        active
    }

    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether a response is being made that nobody has broken into.
    pub(super) fn is_heard(&self) -> bool {
        self.open.iter().any(|open| !open.muted)
    }

    pub(super) fn knows(&self, id: &ResponseId) -> bool {
        self.over.contains(id) || self.open.iter().any(|open| open.id == *id)
    }

    /// The server knows nothing of the responses that were to be stopped: they are over.
    pub(super) fn end_stopped(&mut self, events: &mut Vec<ModelEvent>) {
        while let Some(stopped) = self.open.iter().find(|open| open.muted).map(|open| open.id.clone()) {
            self.end(&stopped, ResponseOutcome::Cancelled, Usage::default(), events);
        }
    }

    /// How many milliseconds of the item to keep: never more than it had, for the server would refuse that.
    /// `None` for an item without audio, which can't be cut.
    pub(super) fn heard(&self, item: &ItemId, heard: Duration) -> Option<u64> {
        let known = self.items.iter().find(|known| known.id == *item)?;
        let received = known.samples.saturating_mul(1000) / u64::from(self.format.rate());
        Some(u64::try_from(heard.as_millis()).unwrap_or(u64::MAX).min(received))
    }

    fn item(&mut self, id: &ItemId, response: &ResponseId) -> &mut Item {
        let at = self.items.iter().position(|known| known.id == *id).unwrap_or_else(|| {
            let (id, response) = (id.clone(), response.clone());
            push_bounded(
                &mut self.items,
                Item { id, response, samples: 0, carry: None, done: false },
                MAX_ITEMS,
            );
            self.items.len() - 1
        });
        self.items.get_mut(at).expect("found or pushed just now")
    }
}

impl Item {
    /// The whole samples of `bytes`, which begin with what was carried; the odd byte of PCM is carried on. `None` of none.
    fn take(&mut self, bytes: &[u8], format: Format) -> Option<Audio> {
        let (count, audio) = match format {
            Format::Pcm => {
                let (samples, rest) = bytes.as_chunks::<2>();
                self.carry = rest.first().copied();
                let pcm = samples.iter().map(|sample| i16::from_le_bytes(*sample)).collect();
                (samples.len(), Audio::Pcm(pcm))
            }
            Format::G711(law) => (bytes.len(), Audio::G711(law, bytes.to_vec())),
        };
        self.samples += u64::try_from(count).unwrap_or(0);
        (count > 0).then_some(audio)
    }

    fn finish(&mut self, events: &mut Vec<ModelEvent>) {
        self.done = true;
        // An item whose first delta was unreadable was never mentioned.
        if self.samples > 0 {
            events.push(ModelEvent::AgentAudioDone { item: self.id.clone() });
        }
    }
}
