//! The caller's packets as the model hears them: in order, gaps filled, at the pace of the clock; decoded, but for G.711,
//! which is passed on as it came.
//!
//! A packet is passed on the moment its turn has come, so a clean call has no delay here. Behind a missing one the
//! others wait until the clock runs out of patience ([`CallerClock`]); only then is the gap concealed, or, when nothing
//! is there to go on with, filled: with what concealment makes of the last sound, then with silence.

mod stream;

use tokio::time::Instant;

use super::audio::Audio;
use super::clock::CallerClock;
use super::codec::Codec;
use super::packet::{Packet, Reorder};
use stream::Stream;

/// A longer loss is a pause: what concealment makes up beyond it is noise.
const CONCEALED_MAX: u64 = 3;

#[derive(Debug)]
pub struct Hearing {
    /// Whose packets these are; `None` before the first.
    source: Option<u32>,
    reorder: Reorder,
    codec: Codec,
    stream: Stream,
    clock: CallerClock,
    /// Frames that were made up since the last packet.
    filled: u64,
    /// The last packet was no audio, but a key or comfort noise: nothing is lost where none follows, and there is
    /// nothing to conceal.
    silent: bool,
}

impl Hearing {
    /// Hears a caller who speaks `codec` from `now` on.
    pub fn new(now: Instant, codec: Codec) -> Self {
        Self {
            source: None,
            reorder: Reorder::default(),
            codec,
            stream: Stream::new(codec),
            clock: CallerClock::new(now),
            filled: 0,
            silent: false,
        }
    }

    /// The caller speaks another codec from the next packet on.
    pub fn change_codec(&mut self, codec: Codec) {
        (self.codec, self.stream) = (codec, Stream::new(codec));
    }

    /// A packet arrived. Returns the frames to pass on, in order.
    pub fn packet(&mut self, now: Instant, packet: &Packet) -> Vec<Audio> {
        let mut heard = Vec::new();
        if self.source != Some(packet.source) {
            self.change_source(now, packet.source, &mut heard);
        }
        self.reorder.push(packet.sequence, packet.payload.clone());
        self.pass_on(now, 0, &mut heard);
        let is_filled = self.reorder.missing().is_some_and(|missing| missing <= self.filled);
        if is_filled || self.reorder.is_full() {
            self.give_up(now, &mut heard);
        }
        heard
    }

    /// Time has come to [`Hearing::deadline`]: what is missing is missed.
    pub fn on_time(&mut self, now: Instant) -> Vec<Audio> {
        let mut heard = Vec::new();
        if now >= self.clock.deadline() && self.reorder.missing().is_some() {
            self.give_up(now, &mut heard);
        }
        for _ in 0..self.clock.on_time(now) {
            heard.push(self.fill());
        }
        heard
    }

    /// When to ask [`Hearing::on_time`].
    pub fn deadline(&self) -> Instant {
        self.clock.deadline()
    }

    /// What is held of the old source is all there will be of it.
    fn change_source(&mut self, now: Instant, source: u32, heard: &mut Vec<Audio>) {
        while self.reorder.missing().is_some() {
            self.give_up(now, heard);
        }
        (self.source, self.reorder, self.stream) =
            (Some(source), Reorder::default(), Stream::new(self.codec));
    }

    /// Goes on behind the gap, with as much made up as was not filled already.
    fn give_up(&mut self, now: Instant, heard: &mut Vec<Audio>) {
        let missing = self.reorder.missing().unwrap_or_default();
        self.reorder.give_up();
        self.pass_on(now, missing.saturating_sub(self.filled), heard);
    }

    /// Passes on what is in order, after `lost` packets that are not.
    fn pass_on(&mut self, now: Instant, mut lost: u64, heard: &mut Vec<Audio>) {
        while let Some(payload) = self.reorder.pop() {
            self.silent = payload.is_empty();
            // No audio: the clock fills its time.
            if self.silent {
                continue;
            }
            self.stream.push(&payload, std::mem::take(&mut lost).min(CONCEALED_MAX));
            self.filled = 0;
            while let Some(frame) = self.stream.next_frame() {
                if self.clock.on_frame(now) {
                    heard.push(frame);
                }
            }
        }
    }

    fn fill(&mut self) -> Audio {
        self.filled += 1;
        if self.source.is_some() && !self.silent && self.filled <= CONCEALED_MAX {
            self.stream.conceal()
        } else {
            self.stream.silence()
        }
    }
}

#[cfg(test)]
mod tests;
