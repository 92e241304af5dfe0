//! One caller's leg, as the session sees it: a pair of bounded channels.
//!
//! A second ingress is a second producer of the same thing; nothing above knows which one it talks to.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::admission::{Permit, Slot};
use crate::call::{Call, CallId, Destination, Digit, Digits, Fault, Refusal};
use crate::media::audio::Audio;
use crate::media::codec::Codec;
use crate::media::quality::Quality;

/// Events waiting for the session: half a second of audio and all that can happen beside it.
const EVENT_QUEUE: usize = 64;
/// Places in it that audio leaves free for keys and all else, and keys for what comes once or seldom.
const AUDIO_LEAVES: usize = 24;
const KEYS_LEAVE: usize = 8;
/// Commands waiting for the leg.
const COMMAND_QUEUE: usize = 32;

/// A call that an ingress has taken: it holds a router slot and its facts are on their way.
#[derive(Debug)]
pub struct Incoming {
    pub id: CallId,
    /// When it was offered, and what the wall's clock said then.
    pub offered: Instant,
    pub offered_at: Timestamp,
    /// What the leg's frames are encoded in, from the first to the last.
    pub codec: Codec,
    /// How long the way to the caller holds a frame back: what of our speech a caller who breaks in has not heard.
    pub held_back: Duration,
    pub leg: Leg,
    /// Both are held until the call's record is written.
    pub slot: Slot,
    /// Of its trunk, where the ingress keeps the trunk's caps.
    pub trunk_permit: Option<Permit<Arc<str>>>,
}

/// The session's end of a leg. Dropping it lets the caller go.
#[derive(Debug)]
pub struct Leg {
    pub commands: mpsc::Sender<LegCommand>,
    pub events: mpsc::Receiver<LegEvent>,
}

impl Leg {
    /// A new leg, and the ingress' ends of its channels.
    pub fn open() -> (Self, mpsc::Receiver<LegCommand>, Events) {
        let (commands, received) = mpsc::channel(COMMAND_QUEUE);
        let (emitted, events) = mpsc::channel(EVENT_QUEUE);
        (Self { commands, events }, received, Events(emitted))
    }
}

/// Where the ingress tells the session what happens.
#[derive(Debug)]
pub struct Events(mpsc::Sender<LegEvent>);

impl Events {
    /// Never waits. A session that lags misses audio, which is of use only now, then keys; what comes once or seldom has its
    /// places. A session that is gone needs no event.
    pub fn emit(&self, event: LegEvent) {
        let leaves = match event {
            LegEvent::Audio(_) => AUDIO_LEAVES,
            LegEvent::Digit(_) => KEYS_LEAVE,
            LegEvent::Arrived(_)
            | LegEvent::Subscribed
            | LegEvent::Active
            | LegEvent::Away
            | LegEvent::Back
            | LegEvent::Transferred
            | LegEvent::NotTransferred
            | LegEvent::KeysSent
            | LegEvent::KeysNotSent
            | LegEvent::Quality(_)
            | LegEvent::Ended(_) => 0,
        };
        if self.0.capacity() > leaves {
            let _ = self.0.try_send(event);
        }
    }
}

/// What the session asks of the leg.
#[derive(Debug, Clone, PartialEq)]
pub enum LegCommand {
    /// Answer the call: publish our audio track.
    Answer,
    /// Send this frame now: one encoded 20 ms frame in the leg's codec. Frames are paced by the session.
    Frame(Frame),
    /// Let an unanswered caller go with this refusal, or hang up an answered call. [`LegEvent::Ended`] follows.
    HangUp(Option<Refusal>),
    /// Hand the caller of an answered call on, or of one that [`Call::redirects`]. [`LegEvent::Transferred`] or [`LegEvent::NotTransferred`] follows,
    /// unless the caller hangs up.
    Transfer(Destination),
    /// Press these keys for the caller of an answered call; what is sent as audio meanwhile is not heard.
    /// [`LegEvent::KeysSent`] or [`LegEvent::KeysNotSent`] follows, unless the caller hangs up.
    Press(Digits),
    /// The session is over and knows how: report it, leave and free everything. The last command.
    Leave { failed: Option<Fault> },
}

/// One encoded 20 ms frame.
pub type Frame = Arc<[u8]>;

/// What the leg tells the session.
#[derive(Debug, Clone)]
pub enum LegEvent {
    /// The caller is there: the facts of the call. At most once, before all others but `Ended`.
    Arrived(Box<Call>),
    /// The bridge has subscribed to our track: the INVITE is being answered.
    Subscribed,
    /// The caller hears us from now on.
    Active,
    /// 20 ms of the caller; silence where nothing arrived. By the clock, from the answer on.
    Audio(Audio),
    /// The caller of an answered call pressed a key.
    Digit(Digit),
    /// The way to the caller of an answered call is lost and sought again: frames sent now reach nobody.
    Away,
    /// The caller hears us again.
    Back,
    /// The caller has been handed on, and is about to leave.
    Transferred,
    /// The caller could not be handed on and is still here.
    NotTransferred,
    /// All keys are pressed.
    KeysSent,
    /// The keys could not be pressed, or not all of them.
    KeysNotSent,
    /// How the media went: once, just before `Ended`, of a call that had any.
    Quality(Quality),
    /// The caller is gone, or we are: nothing follows.
    Ended(LegEnd),
}

/// How a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEnd {
    /// The caller hung up, or cancelled while it rang.
    Caller,
    /// After our `HangUp`.
    HungUp,
    /// Another router has the caller: before the facts are known, and nothing of this call is to be recorded.
    Yielded,
    /// The room or the way to it failed.
    Failed(Fault),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_lags_misses_audio_first_then_keys_and_nothing_that_comes_once() {
        let (leg, _commands, events) = Leg::open();
        let key = Digit::from_code(1).expect("a key");
        for (what, event, waiting) in [
            ("audio", LegEvent::Audio(Audio::Pcm(vec![0; 480])), EVENT_QUEUE - AUDIO_LEAVES),
            ("keys", LegEvent::Digit(key), EVENT_QUEUE - KEYS_LEAVE),
            ("the rest", LegEvent::Ended(LegEnd::Caller), EVENT_QUEUE),
        ] {
            for _ in 0..2 * EVENT_QUEUE {
                events.emit(event.clone());
            }
            assert_eq!(leg.events.len(), waiting, "{what}");
        }
    }
}
