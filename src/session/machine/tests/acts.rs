//! What a model does to a call beside speaking, and what we do at its end.

use super::world::{Happening, World};
use super::*;
use crate::call::Digits;
use crate::realtime::ToolCallId;
use crate::record::ToolOutcome;
use crate::tenant::{ToolName, Transfers};

/// What this call's model does with its tools.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Nothing,
    HangUp,
    /// With words that are yet to be said.
    HangUpWith,
    Transfer,
    /// To nobody that it may.
    Other,
    Press,
}

/// What was seen of it.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// Tool calls that wait for their result.
    open: usize,
    /// All of them.
    called: usize,
    /// By session and response: frames that it has, made or not.
    planned: HashMap<(u8, u8), u32>,
    /// The responses that hung up, whose words must be heard whole.
    last_words: Vec<(u8, u8)>,
    pub(super) handed_on: bool,
    /// It was told where else to call, unanswered.
    pub(super) redirected: bool,
}

impl Wish {
    pub(super) fn of(seed: u64) -> Self {
        match seed / 60 % 8 {
            0 => Self::HangUp,
            1 => Self::HangUpWith,
            2 => Self::Transfer,
            3 => Self::Other,
            4 => Self::Press,
            _ => Self::Nothing,
        }
    }

    const fn call(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nothing => None,
            Self::HangUp => Some(("hang_up", "")),
            Self::HangUpWith => Some(("hang_up", r#"{"farewell": "Goodbye"}"#)),
            Self::Transfer => Some(("transfer_call", r#"{"destination": "billing"}"#)),
            Self::Press => Some(("send_dtmf", r#"{"digits": "12"}"#)),
            Self::Other => Some(("transfer_call", r#"{"destination": "mars"}"#)),
        }
    }
}

pub(super) fn transfers() -> Transfers {
    Transfers::new([("billing".into(), Destination::parse("tel:+15557770098").expect("a destination"))])
}

impl World {
    /// At the end of a response of so many frames the model may call its tool.
    pub(super) fn plan_tool(&mut self, session: SessionNo, number: u8, frames: u64, end: u64) {
        let key = (session.get() as u8, number);
        self.acts.planned.insert(key, u32::try_from(frames).expect("few"));
        let (Some((name, arguments)), true) = (self.wish.call(), self.rng.random_bool(0.3)) else { return };
        let (call, name) = (ToolCallId(number.to_string()), name.to_owned());
        let event = ModelEvent::ToolCalled { call, name, arguments: arguments.into() };
        self.at(end, Happening::Event(Event::Model { session, event }));
    }

    /// Whatever else the first session says, it has said a greeting that may not be interrupted.
    pub(super) fn check_greeting(&self, session: u8, item: u8) {
        let (machine, models) = (&self.machine, &self.models);
        if models.sheltered && models.opened() == 1 && item > 1 && machine.goodbye.is_none() {
            let (sent, _) = self.seen.sent.get(&(session, 1)).copied().unwrap_or_default();
            assert_eq!(sent, self.acts.planned[&(session, 1)], "all of the greeting");
        }
    }

    /// Told before the machine is.
    pub(super) fn foresee(&mut self, event: &Event) {
        match event {
            Event::Model { session, event: ModelEvent::ToolCalled { call, .. } } => {
                self.seen.acted.insert((session.get(), call.0.clone()));
                self.acts.open += 1;
                self.acts.called += 1;
                let heard = self.machine.failover.heard() == Some(*session);
                if heard && self.machine.goodbye.is_none() && self.machine.setup.is_up() {
                    let number = call.0.parse().expect("a number");
                    self.acts.last_words.push((session.get() as u8, number));
                }
            }
            Event::Leg(LegEvent::KeysSent | LegEvent::KeysNotSent) => self.seen.pressing = None,
            Event::Leg(LegEvent::Transferred) if self.seen.transfers > 0 => {
                self.acts.handed_on = true;
                self.seen.owed_since = None;
            }
            _ => {}
        }
    }

    /// It is done, in time or too late, is refused, or nothing is ever heard of it.
    pub(super) fn transfer(&mut self) {
        self.seen.transfers += 1;
        if self.seen.answers == 0 {
            return self.redirect();
        }
        self.seen.owed_since.get_or_insert(self.now);
        let answered = self.elapsed() + self.rng.random_range(100..36_000);
        let leg = |event| Happening::Event(Event::Leg(event));
        match self.rng.random_range(0..4) {
            0 => self.at(answered, leg(LegEvent::NotTransferred)),
            1 => {}
            _ => {
                self.at(answered, leg(LegEvent::Transferred));
                if self.trouble != Trouble::LegHangsAtTheEnd {
                    let gone = answered + self.rng.random_range(0..1_500);
                    self.at(gone, leg(LegEvent::Ended(LegEnd::Caller)));
                }
            }
        }
    }

    /// The leg has told the caller, cannot, or is never heard of again.
    fn redirect(&mut self) {
        assert!(self.redirects, "who rings and cannot be told is answered first");
        self.acts.redirected = true;
        let at = self.elapsed() + self.rng.random_range(0..8_000);
        let leg = |event| Happening::Event(Event::Leg(event));
        match self.rng.random_range(0..4) {
            0 => self.at(at, leg(LegEvent::NotTransferred)),
            1 => {}
            _ => {
                self.at(at, leg(LegEvent::Transferred));
                if self.trouble != Trouble::LegHangsAtTheEnd {
                    self.at(at, leg(LegEvent::Ended(LegEnd::HungUp)));
                }
            }
        }
    }

    /// Who is told where else to call is never answered, and what came of it is in the record.
    pub(super) fn check_redirect(&self, record: &CallRecord, context: &str) {
        let (seen, ending) = (&self.seen, record.ending);
        let transfers = self.redirects && self.route == Route::Transfers;
        assert!(!transfers || seen.answers == 0, "{context}: answered");
        if !self.acts.redirected || self.trouble == Trouble::Noise {
            return;
        }
        assert_eq!((seen.answers, seen.frames, seen.transfers), (0, 0, 1), "{context}");
        assert_eq!((record.timing.gate, record.timing.active), (None, None), "{context}");
        let failed = match self.route {
            Route::Transfers => Ending::Failed(Fault::Transfer),
            _ => Ending::Failed(Fault::ModelUnavailable),
        };
        let others = [Ending::CallerCancelled, Ending::Drained, Ending::Failed(Fault::Room)];
        assert!(
            ending == Ending::Transferred || ending == failed || others.contains(&ending),
            "{context}: {ending:?}"
        );
        assert_eq!(record.failed_transfers, u32::from(ending == failed), "{context}: {ending:?}");
    }

    /// The keys are pressed, are refused, or nothing is ever heard of them.
    pub(super) fn pressed(&mut self, digits: &Digits) {
        assert_eq!((self.wish, digits), (Wish::Press, &Digits::parse("12").expect("keys")));
        let until = self.now + Duration::from_secs(20);
        assert!(
            self.seen.pressing.replace(until).is_none_or(|until| self.now >= until),
            "one after the other"
        );
        let after = self.rng.random_range(300..1_200);
        match self.rng.random_range(0..8) {
            0 => {}
            1 => self.later(1..20, Event::Leg(LegEvent::KeysNotSent)),
            _ => self.later(after..after + 1, Event::Leg(LegEvent::KeysSent)),
        }
    }

    pub(super) fn tool_result(&mut self, session: SessionNo) {
        self.acts.open = self.acts.open.checked_sub(1).expect("a tool call has one result");
        let at = self.elapsed() + self.rng.random_range(50..2_500);
        let speaks = self.models.is_answering(session);
        self.respond(session, at);
        // What it says with the result the caller waits for, beside what is being said.
        if self.seen.up && !self.seen.caller_speaks && self.machine.handover.is_none() {
            self.seen.owed_next = speaks.then_some(self.now);
            self.seen.owed_since.get_or_insert(self.now);
        }
    }

    /// The caller waits for these words.
    pub(super) fn say_words(&mut self, session: SessionNo) {
        self.seen.owed_since.get_or_insert(self.now);
        self.ends.words += 1;
        let at = self.elapsed() + self.rng.random_range(50..2_500);
        // Now and then it begins, and that is all.
        let stalls = self.rng.random_bool(0.1).then(|| (at, ResponseId("stalled".to_owned())));
        if let Some((at, response)) = stalls.or_else(|| self.respond(session, at)) {
            let event = ModelEvent::Saying { response };
            self.at(at, Happening::Event(Event::Model { session, event }));
        }
    }

    pub(super) fn check_acts(&self, record: &CallRecord, context: &str) {
        let calls = &record.tool_calls;
        let came_to = |outcome| calls.iter().filter(|call| call.outcome == outcome).count() as u32;
        let failed = |call: &&crate::record::ToolCall| {
            call.outcome == Some(ToolOutcome::Failed) && call.tool == Some(ToolName::TransferCall)
        };
        let tried = calls.iter().filter(failed).count() as u32;
        assert!(
            tried <= record.failed_transfers && record.failed_transfers <= self.seen.transfers,
            "{context}"
        );
        assert!(came_to(None) <= 1, "{context}: one transfer or entry of keys at a time: {calls:?}");
        if self.trouble != Trouble::Noise {
            assert!(calls.len() <= self.acts.called, "{context}: {calls:?}");
            let hung_up = calls
                .iter()
                .any(|call| call.tool == Some(ToolName::HangUp) && call.outcome == Some(ToolOutcome::Done));
            assert!(hung_up || record.ending != Ending::AgentHungUp, "{context}: {calls:?}");
        }
        if record.ending != Ending::AgentHungUp || self.trouble == Trouble::Noise {
            return;
        }
        assert!(matches!(self.wish, Wish::HangUp | Wish::HangUpWith), "{context}: nobody asked for it");
        let last = self.acts.last_words.last().expect("it was asked for");
        let (sent, cut) = self.seen.sent.get(last).copied().unwrap_or_default();
        let planned = self.acts.planned[last];
        assert!(cut || sent == planned, "{context}: {sent} of {planned} frames were heard");
    }
}
