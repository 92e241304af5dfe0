//! What a leg does about what happens: the INVITE's dialog from the first ringing to the last BYE. Pure.

mod ringing;
mod running;
mod transfer;

use tokio::time::Instant;

use self::running::Running;
use self::transfer::Transfer;
use super::reliable::{Rack, Reliable};
use crate::call::{Call, Destination, Digit, Digits, Refusal};
use crate::ingress::leg::{LegCommand, LegEnd, LegEvent};
use crate::ingress::sip::message::{self, Reply};
use crate::ingress::sip::timer::{Said, Timer};

/// When a request that meets another may come again, in seconds.
const RETRY: u32 = 2;

pub struct Machine {
    stage: Stage,
    /// The session is over: nobody is to be told.
    deserted: bool,
    transfer: Option<Transfer>,
    running: Option<Running>,
    offer: Offer,
    /// Our 180, where the caller insists on its PRACK.
    reliable: Option<Reliable>,
    /// When the caller waits for an answer no more.
    expires: Option<Instant>,
    /// The call is to be answered as soon as that is here.
    answering: bool,
}

/// Of whom an offer waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    /// The caller's in its INVITE: our 200 OK answers.
    Theirs,
    /// Ours, as an INVITE had none: its ACK answers, or the PRACK of a reliable 180.
    Ours,
    Nobodys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ringing,
    /// 200 OK is sent, and its ACK not here yet. No BYE may go before it (RFC 3261, section 15).
    Answered {
        leaving: bool,
    },
    Up,
    Over,
}

#[derive(Debug)]
pub enum Input {
    /// What the PRACK of our 180 has to say, where there has to be one.
    Start(Box<Call>, Option<Rack>),
    Command(LegCommand),
    /// Whoever held the leg is gone.
    Deserted,
    /// CANCEL, before any answer.
    Cancelled,
    /// The ACK of our last 200 OK; whether the media can be as it says, where it answers our offer.
    Acked {
        fits: bool,
    },
    /// A PRACK, with the same.
    Pracked {
        rack: Option<Rack>,
        fits: bool,
    },
    /// Nobody acknowledged our last 200 OK, for 32 s.
    Unacked,
    Asked(Asked),
    /// The final response to our REFER.
    ReferAnswered {
        status: u16,
    },
    /// The same of our refresh, and what it says of the session timer.
    RefreshAnswered {
        status: u16,
        said: Option<Said>,
    },
    /// Nothing has been heard of the caller for so long that there is none.
    Silent,
    Time,
}

/// A request of the caller's, in the dialog and in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Bye,
    /// Re-INVITE or UPDATE.
    Change {
        offer: bool,
        method: Change,
    },
    Digit(Digit),
    /// An INFO of no kind that we know.
    Info,
    Options,
    /// How the transfer goes (RFC 3515): the status that the new call has.
    Notify {
        status: Option<u16>,
    },
    /// A NOTIFY of something that we never asked for.
    Event,
    /// A NOTIFY of a REFER before our last.
    Gone,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Invite,
    Update,
}

#[derive(Debug)]
pub enum Action {
    Emit(LegEvent),
    /// A provisional response to the INVITE, with our session description or without.
    Ring {
        reply: Reply,
        described: bool,
    },
    /// 200 OK to the INVITE.
    Answer {
        described: bool,
    },
    /// A final response to the INVITE that is no 200.
    Refuse(Reply),
    /// 302 to the INVITE: the caller is to call there.
    Redirect(Destination),
    /// The response to the request that was asked.
    Reply(Reply),
    /// Let the session be as the request that was asked offers, or offer it anew, and reply.
    Negotiate,
    Bye,
    Refer(Destination),
    /// The same once more, with the number named as an address of the caller's own switch.
    ReferBySwitch(Destination),
    /// Press these keys, and tell what became of it.
    Press(Digits),
    /// Show that we are still here (RFC 4028).
    Refresh(Timer),
    /// No more audio either way.
    Silence,
}

impl Machine {
    /// `offering`: the INVITE describes no session, so we do.
    pub const fn new(offering: bool) -> Self {
        Self {
            stage: Stage::Ringing,
            deserted: false,
            transfer: None,
            running: None,
            offer: if offering { Offer::Ours } else { Offer::Theirs },
            reliable: None,
            expires: None,
            answering: false,
        }
    }

    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        match input {
            Input::Start(call, rack) => {
                self.reliable = rack.map(|rack| Reliable::sent(rack, now));
                vec![self.ring(), Action::Emit(LegEvent::Arrived(call))]
            }
            Input::Command(command) => self.command(command, now),
            Input::Deserted => self.desert(),
            Input::Cancelled if self.stage == Stage::Ringing => self.give_up_ringing(None),
            Input::Cancelled => Vec::new(),
            Input::Acked { fits } => self.acked(fits),
            Input::Pracked { rack, fits } => self.pracked(rack, fits),
            Input::Unacked => self.unacked(),
            Input::Asked(asked) => self.asked(asked),
            Input::ReferAnswered { status } if status >= 300 => self.not_referred(status),
            Input::ReferAnswered { .. } => Vec::new(),
            Input::RefreshAnswered { status, said } => self.refreshed(status, said, now),
            Input::Silent if self.stage == Stage::Up => self.bye(LegEnd::Caller),
            Input::Silent => Vec::new(),
            Input::Time => self.on_time(now),
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let transfer = self.transfer.as_ref().map(Transfer::until);
        let ringing = [self.reliable.and_then(Reliable::deadline), self.expires].into_iter().flatten();
        let ringing = ringing.min().filter(|_| self.stage == Stage::Ringing);
        [transfer, self.running.map(Running::due), ringing].into_iter().flatten().min()
    }

    /// The caller waits for an answer until then.
    pub fn expire(&mut self, at: Option<Instant>) {
        self.expires = at;
    }

    /// The session timer of an answered call runs anew, or there is none any more.
    pub fn time(&mut self, timer: Option<Timer>, now: Instant) {
        let timer = timer.filter(|_| self.is_answered());
        self.running = timer.map(|timer| Running { timer, since: now, asked: false });
    }

    /// A re-INVITE without an offer is made one.
    pub fn offers(&mut self) {
        self.offer = Offer::Ours;
    }

    /// Whether an ACK, or a PRACK, answers our offer.
    pub fn is_offering(&self) -> bool {
        self.offer == Offer::Ours
    }

    /// Whether a PRACK that says so is the one of our 180.
    pub fn awaits(&self, rack: Option<Rack>) -> bool {
        self.reliable.is_some_and(|mut reliable| reliable.acknowledge(rack))
    }

    /// Nothing is left to be done but for transactions that are under way.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over && self.deserted
    }

    /// Whether keys and audio are of a call that is answered.
    pub const fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered { .. } | Stage::Up)
    }

    fn command(&mut self, command: LegCommand, now: Instant) -> Vec<Action> {
        match command {
            LegCommand::Answer if self.stage == Stage::Ringing => self.answer(),
            LegCommand::Transfer(to) if self.stage == Stage::Ringing => self.redirect(to),
            LegCommand::Transfer(to) if self.stage == Stage::Up && self.transfer.is_none() => {
                self.transfer = Some(Transfer::begun(&to, now));
                vec![Action::Refer(to)]
            }
            LegCommand::Transfer(_) if self.stage != Stage::Over => {
                vec![Action::Emit(LegEvent::NotTransferred)]
            }
            LegCommand::Press(digits) if self.stage == Stage::Up => vec![Action::Press(digits)],
            LegCommand::Press(_) => vec![Action::Emit(LegEvent::KeysNotSent)],
            LegCommand::HangUp(refusal) => self.hang_up(refusal.unwrap_or(Refusal::Unavailable)),
            LegCommand::Leave { .. } => self.desert(),
            // Frames go past the machine.
            LegCommand::Answer | LegCommand::Transfer(_) | LegCommand::Frame(_) => Vec::new(),
        }
    }

    fn hang_up(&mut self, refusal: Refusal) -> Vec<Action> {
        match self.stage {
            Stage::Ringing => {
                self.stage = Stage::Over;
                let ended = Action::Emit(LegEvent::Ended(LegEnd::HungUp));
                vec![Action::Refuse(Reply::refusal(refusal)), ended]
            }
            Stage::Answered { .. } => {
                self.stage = Stage::Answered { leaving: true };
                vec![Action::Silence]
            }
            Stage::Up => self.bye(LegEnd::HungUp),
            Stage::Over => Vec::new(),
        }
    }

    /// Nobody commands the leg any more: the caller is let go.
    fn desert(&mut self) -> Vec<Action> {
        self.deserted = true;
        self.hang_up(Refusal::Unavailable)
    }

    fn bye(&mut self, end: LegEnd) -> Vec<Action> {
        self.over(end, [Action::Bye])
    }

    fn over(&mut self, end: LegEnd, actions: impl IntoIterator<Item = Action>) -> Vec<Action> {
        self.stage = Stage::Over;
        (self.transfer, self.running) = (None, None);
        let ended = [Action::Silence, Action::Emit(LegEvent::Ended(end))];
        actions.into_iter().chain(ended).collect()
    }

    fn acked(&mut self, fits: bool) -> Vec<Action> {
        self.offer = Offer::Nobodys;
        let Stage::Answered { leaving } = self.stage else { return Vec::new() };
        match (leaving, fits) {
            (true, _) => self.bye(LegEnd::HungUp),
            // The caller takes nothing that we offered: there is no session to be had.
            (false, false) => self.bye(LegEnd::Caller),
            (false, true) => {
                self.stage = Stage::Up;
                vec![Action::Emit(LegEvent::Active)]
            }
        }
    }

    fn unacked(&mut self) -> Vec<Action> {
        match self.stage {
            Stage::Answered { leaving: true } => self.bye(LegEnd::HungUp),
            // Also of a re-INVITE (RFC 3261, section 14.2).
            Stage::Answered { leaving: false } | Stage::Up => self.bye(LegEnd::Caller),
            Stage::Ringing | Stage::Over => Vec::new(),
        }
    }

    fn asked(&mut self, asked: Asked) -> Vec<Action> {
        match asked {
            Asked::Bye if self.stage == Stage::Ringing => self.give_up_ringing(Some(Reply::status(200))),
            // Theirs and ours may cross.
            Asked::Bye if self.stage == Stage::Over => vec![Action::Reply(Reply::status(200))],
            Asked::Bye => self.over(LegEnd::Caller, [Action::Reply(Reply::status(200))]),
            _ if self.stage == Stage::Over => vec![Action::Reply(Reply::status(481))],
            Asked::Change { offer, method } => vec![self.change(offer, method)],
            Asked::Digit(digit) => {
                let told = self.is_answered().then_some(Action::Emit(LegEvent::Digit(digit)));
                [Action::Reply(Reply::status(200))].into_iter().chain(told).collect()
            }
            Asked::Info => {
                let accepted = "application/dtmf-relay, application/dtmf";
                vec![Action::Reply(Reply::status(415).with("Accept", accepted))]
            }
            Asked::Options => vec![Action::Reply(Reply::abilities(200))],
            Asked::Notify { status } => self.notified(status),
            Asked::Event => vec![Action::Reply(Reply::status(489).with("Allow-Events", "refer"))],
            Asked::Gone => vec![Action::Reply(Reply::status(481))],
            Asked::Other => vec![Action::Reply(Reply::status(405).with("Allow", message::ALLOW))],
        }
    }

    /// One offer at a time (RFC 3261, section 14.2; RFC 3311, section 5.2).
    fn change(&self, offer: bool, method: Change) -> Action {
        match (self.stage, self.offer, method) {
            (_, _, Change::Update) if !offer => Action::Negotiate,
            (Stage::Ringing, _, Change::Invite) | (_, Offer::Theirs, _) => Action::Reply(Reply::later(RETRY)),
            (_, Offer::Ours, _) => Action::Reply(Reply::status(491)),
            (_, Offer::Nobodys, _) => Action::Negotiate,
        }
    }

    /// A refresh that is refused may be tried again, but not one that nobody is there to answer.
    fn refreshed(&mut self, status: u16, said: Option<Said>, now: Instant) -> Vec<Action> {
        let Some(running) = self.running else { return Vec::new() };
        match status {
            200..300 => self.time(Some(running.timer.answered(said)), now),
            408 | 481 if self.stage == Stage::Up => return self.bye(LegEnd::Caller),
            _ => {}
        }
        Vec::new()
    }

    fn on_time(&mut self, now: Instant) -> Vec<Action> {
        if self.transfer.as_ref().is_some_and(|transfer| now >= transfer.until()) {
            return self.transferred(false);
        }
        if self.stage == Stage::Ringing {
            return self.ring_on(now);
        }
        let Some(running) = self.running.as_mut().filter(|running| now >= running.due()) else {
            return Vec::new();
        };
        // Both are longer than a 200 OK waits for its ACK.
        if now >= running.since + running.timer.whole() {
            return self.bye(LegEnd::Caller);
        }
        running.asked = true;
        vec![Action::Refresh(running.timer)]
    }
}

#[cfg(test)]
mod tests;
