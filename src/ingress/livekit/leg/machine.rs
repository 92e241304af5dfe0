//! The life of one leg, decided without I/O: from the caller's arrival to the last goodbye.
//!
//! ```text
//! Arriving -> Asking -> Ringing -> Published -> Subscribed -> Active -> Transferring
//!     └──────────┴─────────┴───────────┴────────────┴──────────┴──> HangingUp -> Ended -> (left)
//! ```
//!
//! Beside it goes the connection to the room (`link`).

mod exchange;
mod link;
mod parting;
mod question;
mod transfer;
mod yielding;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

pub use self::exchange::{Action, Input};
use self::link::Link;
pub use self::parting::LeftBehind;
use self::parting::{Goal, Step};
pub use self::question::HEADERS;

use crate::call::{CallId, Digit, Fault};
use crate::ingress::leg::{LegCommand, LegEnd, LegEvent};
use crate::ingress::livekit::facts::{self, CallStatus, Context, Plan};
use crate::ingress::livekit::rescue::arbiter::Arbiter;
use crate::ingress::livekit::rpc::Told;
use crate::livekit::wire::signal::{Departure, Participant, Presence};
use crate::pii::Redacted;

/// For the SIP participant to be there, and for its essential attributes. LiveKit gives us the job when the room is
/// made, which is before the caller has joined it, so an empty room is no proof yet that nobody comes.
const ARRIVAL: Duration = Duration::from_secs(3);
/// Published but not subscribed: publish once more, then give up.
pub const SUBSCRIBED_OR_REPUBLISH: Duration = Duration::from_secs(2);
pub const SUBSCRIBED_OR_END: Duration = Duration::from_secs(4);
/// livekit-sip says `active` after the first RTP of the caller's or a second; later it will not say it at all.
const ACTIVE_ANYWAY: Duration = Duration::from_millis(1500);
/// livekit-sip answers once it has asked to subscribe, and may say `active` long before it has on a machine with much to
/// do: 700 ms were seen. What we send until then reaches nobody, and the greeting would lose its beginning. livekit-server
/// tells of the subscription when packets can flow. One that came before it knew of the track it tries again within 3 s
/// only, and another track at once.
const ACTIVE_OR_REPUBLISH: Duration = Duration::from_millis(1500);
/// From there on nobody tells us any more, as it seems.
const SUBSCRIBED_ANYWAY: Duration = Duration::from_secs(3);
/// Each step of hanging up.
pub const HANG_UP_STEP: Duration = Duration::from_secs(1);
/// For the session to say how the call ended, after it has.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the settings say of a trunk, by its LiveKit id.
pub type Plans = Box<dyn Fn(&str) -> Plan + Send>;

pub struct Machine {
    context: Context,
    plan: Plans,
    link: Link,
    arbiter: Arbiter,
    joined: bool,
    /// Somebody who is on no telephone was there when we came; the room is theirs as well.
    has_company: bool,
    /// The caller, as last seen.
    caller: Option<Participant>,
    /// Since when the bridge is asked.
    asked: Option<Instant>,
    /// The bridge has answered, so what is sent to it arrives.
    bridge_hears: bool,
    stage: Stage,
    left_behind: Option<LeftBehind>,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// `until` is set once we are in the room.
    Arriving {
        until: Option<Instant>,
    },
    /// The caller is there, its SIP headers are asked for.
    Asking {
        until: Instant,
    },
    /// The call is to be answered when the bridge hears us, or then.
    Ringing {
        answer: Option<Instant>,
    },
    Published {
        since: Instant,
        again: bool,
    },
    Subscribed {
        since: Instant,
    },
    /// `active`, and not yet subscribed.
    Answered {
        since: Instant,
        again: bool,
    },
    Active,
    /// `gone` is how long the answer is waited for once the caller is.
    Transferring {
        gone: Option<Instant>,
    },
    HangingUp {
        step: Step,
        until: Instant,
        goal: Goal,
    },
    Ended {
        end: LegEnd,
        until: Instant,
    },
    Left,
}

impl Machine {
    pub fn new(context: Context, plan: Plans, arbiter: Arbiter) -> Self {
        Self {
            context,
            plan,
            link: Link::default(),
            arbiter,
            joined: false,
            has_company: false,
            caller: None,
            asked: None,
            bridge_hears: false,
            stage: Stage::Arriving { until: None },
            left_behind: None,
            actions: Vec::new(),
        }
    }

    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        if matches!(self.stage, Stage::Left) {
            return Vec::new();
        }
        match input {
            Input::Start => self.join(now),
            Input::Joined { participants, node, at } => self.joined(&participants, node, at, now),
            Input::Connected => self.connected(now),
            Input::Changed(participants) => self.changed(&participants, now),
            Input::Asked => self.asked(now),
            Input::Headers(told) => self.told(&told, now),
            Input::Digit { sender, digit } => self.pressed(&sender, digit),
            Input::Subscribed => self.subscribed(now),
            Input::CutOff | Input::Left(Departure::Rejoin) => self.cut_off(now),
            Input::Left(_) if self.is_alone() => self.gone(LegEnd::Caller, now),
            // A server that started anew closed the room because we were back in it before livekit-sip was.
            Input::Left(Departure::RoomClosed) if self.link.is_away() => self.cut_off(now),
            Input::Left(Departure::RoomClosed) => self.gone(LegEnd::Failed(Fault::Room), now),
            Input::Left(Departure::Dismissed) => self.lost(Fault::Room, now),
            Input::Terminated => self.terminated(now),
            Input::Command(command) => self.command(&command, now),
            Input::SessionGone => self.leave(Some(Fault::Internal), now),
            Input::StepFailed => self.next_step(now),
            Input::StepDone => self.gone(LegEnd::HungUp, now),
            Input::Transferred(done) => self.transferred(done, now),
            Input::Timeout => self.timeout(now),
        }
        std::mem::take(&mut self.actions)
    }

    /// When to handle [`Input::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        [self.link.deadline(), self.stage_deadline()].into_iter().flatten().min()
    }

    /// What livekit-sip has some time for takes as much longer as the connection is missing.
    fn stage_deadline(&self) -> Option<Instant> {
        let connected = |deadline| self.link.is_whole().then_some(deadline);
        match self.stage {
            Stage::Arriving { until } => until,
            Stage::Transferring { gone } => gone,
            Stage::Asking { until } | Stage::Ringing { answer: Some(until) } => connected(until),
            Stage::Published { since, again: false } => connected(since + SUBSCRIBED_OR_REPUBLISH),
            Stage::Published { since, again: true } => connected(since + SUBSCRIBED_OR_END),
            Stage::Subscribed { since } => connected(since + ACTIVE_ANYWAY),
            Stage::Answered { since, again: false } => connected(since + ACTIVE_OR_REPUBLISH),
            Stage::Answered { since, again: true } => connected(since + SUBSCRIBED_ANYWAY),
            Stage::HangingUp { until, .. } | Stage::Ended { until, .. } => Some(until),
            Stage::Ringing { answer: None } | Stage::Active | Stage::Left => None,
        }
    }

    /// We were in the room and no caller is: livekit-sip has left it again, so it is about to close, and joining anew
    /// would only bring an empty room back.
    fn is_alone(&self) -> bool {
        self.caller.is_none() && matches!(self.stage, Stage::Arriving { until: Some(_) })
    }

    pub const fn call(&self) -> CallId {
        self.context.id
    }

    fn joined(&mut self, participants: &[Participant], node: String, at: Timestamp, now: Instant) {
        self.joined = true;
        if self.yields_at_join(at, participants, now) {
            return;
        }
        self.has_company = participants.iter().any(|participant| !participant.is_sip);
        self.returned(node, participants, now);
        match self.stage {
            Stage::Arriving { until: None } => {
                self.stage = Stage::Arriving { until: Some(now + ARRIVAL) };
            }
            Stage::Published { .. } => self.actions.push(Action::Publish),
            // Who was asked in the room before has answered nobody.
            Stage::Asking { .. } => self.push_ask(),
            Stage::Ringing { .. } if !self.bridge_hears => self.push_ask(),
            _ => {}
        }
        self.changed(participants, now);
    }

    fn changed(&mut self, participants: &[Participant], now: Instant) {
        if self.yields(participants, self.rings(), now) {
            return;
        }
        let Some(caller) = self.caller_among(participants) else { return };
        let came_anew = self.caller.as_ref().is_some_and(|known| caller.joined_at > known.joined_at);
        self.caller = Some(caller.clone());
        if facts::status(caller) == Some(CallStatus::HungUp) {
            return self.gone(LegEnd::Caller, now);
        }
        match caller.presence {
            Presence::Dropped => return self.dropped(now),
            Presence::Left => return self.gone(LegEnd::Caller, now),
            Presence::Removed => return self.gone(LegEnd::Failed(Fault::Room), now),
            Presence::Here => {
                // LiveKit tells us nothing of a participant that was replaced by itself, as livekit-sip's is when it
                // reconnects. It does not subscribe again to what was there before.
                if came_anew {
                    self.dropped(now);
                }
                self.seen(now);
            }
        }
        if !caller.tracks.is_empty() {
            self.actions.push(Action::HearOnly(caller.tracks.clone()));
        }
        match self.stage {
            Stage::Arriving { .. } if facts::is_complete(caller) => self.ask(caller, now),
            Stage::Asking { .. } if facts::has_headers(caller) => self.arrived(caller, &Told::new()),
            Stage::Published { .. } if facts::status(caller) == Some(CallStatus::Active) => {
                self.stage = Stage::Answered { since: now, again: false };
            }
            Stage::Subscribed { .. } if facts::status(caller) == Some(CallStatus::Active) => self.active(),
            _ => {}
        }
    }

    /// The first SIP participant is the caller, whoever else comes.
    fn caller_among<'a>(&self, participants: &'a [Participant]) -> Option<&'a Participant> {
        let callers = participants.iter().filter(|participant| match &self.caller {
            Some(caller) => participant.identity == caller.identity,
            None => participant.is_sip,
        });
        callers.min_by_key(|caller| caller.joined_at)
    }

    fn subscribed(&mut self, now: Instant) {
        self.back(now);
        match self.stage {
            Stage::Published { .. } => {
                self.stage = Stage::Subscribed { since: now };
                self.emit(LegEvent::Subscribed);
                // A call that somebody else has answered before is so already.
                if self.caller.as_ref().and_then(facts::status) == Some(CallStatus::Active) {
                    self.active();
                }
            }
            Stage::Answered { .. } => {
                self.stage = Stage::Subscribed { since: now };
                self.emit(LegEvent::Subscribed);
                self.active();
            }
            _ => {}
        }
    }

    fn active(&mut self) {
        if matches!(self.stage, Stage::Subscribed { .. }) {
            self.stage = Stage::Active;
            self.emit(LegEvent::Active);
        }
    }

    /// A key counts once the call is answered, and only the caller's.
    fn pressed(&mut self, sender: &Redacted<String>, digit: Digit) {
        let is_caller = self.caller.as_ref().is_some_and(|caller| caller.identity == *sender);
        let is_answered =
            matches!(self.stage, Stage::Subscribed { .. } | Stage::Active | Stage::Transferring { .. });
        if is_caller && is_answered {
            self.emit(LegEvent::Digit(digit));
        }
    }

    fn command(&mut self, command: &LegCommand, now: Instant) {
        match command {
            LegCommand::Answer => self.answer(now),
            LegCommand::HangUp(_) => self.hang_up(Step::EndCall, Goal::Tell(LegEnd::HungUp), now),
            LegCommand::Transfer(to) => self.transfer(to),
            LegCommand::Press(digits) => self.press(digits),
            LegCommand::Leave { failed } => self.leave(*failed, now),
            LegCommand::Frame(_) => {}
        }
    }

    fn timeout(&mut self, now: Instant) {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if is_due(self.link.deadline()) {
            self.link_timeout(now);
        }
        if !is_due(self.stage_deadline()) {
            return;
        }
        match self.stage {
            Stage::Arriving { .. } => match self.caller.take() {
                Some(caller) => {
                    self.caller = Some(caller.clone());
                    self.ask(&caller, now);
                }
                None if self.has_company => self.gone(LegEnd::Failed(Fault::Join), now),
                // livekit-sip made the room and is not in it: the caller gave up before we came. That is far more
                // common than a job in a room that was made without a caller, which looks the same. Should one be on
                // the way after all, deleting the room lets them go; they would hear ringing for long.
                None => self.hang_up(Step::DeleteRoom, Goal::Tell(LegEnd::Caller), now),
            },
            Stage::Asking { .. } => self.arrived_with(&Told::new()),
            Stage::Ringing { answer: Some(_) } => self.publish(now),
            Stage::Transferring { .. } => self.transferred(false, now),
            Stage::Published { since, again: false } => {
                self.stage = Stage::Published { since, again: true };
                self.actions.push(Action::Publish);
            }
            Stage::Published { again: true, .. } => {
                self.hang_up(Step::EndCall, Goal::Tell(LegEnd::Failed(Fault::NotAnswered)), now);
            }
            Stage::Answered { since, again: false } => {
                self.stage = Stage::Answered { since, again: true };
                self.actions.push(Action::Publish);
            }
            Stage::Answered { again: true, .. } => self.subscribed(now),
            Stage::Subscribed { .. } => self.active(),
            Stage::HangingUp { .. } => self.step_overdue(now),
            Stage::Ended { end, .. } => self.left(match end {
                LegEnd::Failed(fault) => Some(fault),
                LegEnd::Caller | LegEnd::HungUp | LegEnd::Yielded => None,
            }),
            Stage::Ringing { answer: None } | Stage::Active | Stage::Left => {}
        }
    }

    fn emit(&mut self, event: LegEvent) {
        self.actions.push(Action::Emit(event));
    }
}

#[cfg(test)]
mod tests;
