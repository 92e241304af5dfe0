//! The INVITE until its final response.

use tokio::time::Instant;

use super::{Action, Machine, Offer, Stage};
use crate::call::Destination;
use crate::ingress::leg::{LegEnd, LegEvent};
use crate::ingress::sip::leg::reliable::{Due, Rack, Reliable};
use crate::ingress::sip::message::Reply;

impl Machine {
    pub(super) fn ring(&self) -> Action {
        let headers = self.reliable.map(Reliable::headers).unwrap_or_default();
        // The first response that cannot be lost has the offer (RFC 3262, section 5).
        let described = self.reliable.is_some() && self.is_offering();
        Action::Ring { reply: Reply::status(180).with_all(headers), described }
    }

    /// A 200 OK may follow a 180 that has no PRACK yet, but not one that makes an offer (RFC 3262, section 3).
    pub(super) fn answer(&mut self) -> Vec<Action> {
        let is_open = self.reliable.is_some_and(|reliable| !reliable.is_acknowledged());
        self.answering = is_open && self.is_offering();
        if self.answering {
            return Vec::new();
        }
        let described = self.offer != Offer::Nobodys;
        if self.offer == Offer::Theirs {
            self.offer = Offer::Nobodys;
        }
        self.stage = Stage::Answered { leaving: false };
        vec![Action::Answer { described }, Action::Emit(LegEvent::Subscribed)]
    }

    /// It may come late, after the call's final response.
    pub(super) fn pracked(&mut self, rack: Option<Rack>, fits: bool) -> Vec<Action> {
        if !self.reliable.as_mut().is_some_and(|reliable| reliable.acknowledge(rack)) {
            return vec![Action::Reply(Reply::status(481))];
        }
        let taken = [Action::Reply(Reply::status(200))];
        if self.stage != Stage::Ringing || !self.is_offering() {
            return taken.into();
        }
        if !fits {
            let refused = Action::Refuse(Reply::status(488));
            return self.over(LegEnd::Caller, taken.into_iter().chain([refused]));
        }
        self.offer = Offer::Nobodys;
        let answer = if self.answering { self.answer() } else { Vec::new() };
        taken.into_iter().chain(answer).collect()
    }

    /// What comes of it is between the caller and whoever is called there.
    pub(super) fn redirect(&mut self, to: Destination) -> Vec<Action> {
        self.over(LegEnd::HungUp, [Action::Redirect(to), Action::Emit(LegEvent::Transferred)])
    }

    /// The caller gives up an unanswered call, or wanted it no longer than until now: the INVITE is answered with 487, whatever
    /// asked for it is answered before.
    pub(super) fn give_up_ringing(&mut self, reply: Option<Reply>) -> Vec<Action> {
        let reply = reply.map(Action::Reply);
        self.over(LegEnd::Caller, reply.into_iter().chain([Action::Refuse(Reply::status(487))]))
    }

    pub(super) fn ring_on(&mut self, now: Instant) -> Vec<Action> {
        if self.expires.is_some_and(|expires| now >= expires) {
            return self.give_up_ringing(None);
        }
        match self.reliable.as_mut().map_or(Due::Nothing, |reliable| reliable.on_time(now)) {
            Due::Nothing => Vec::new(),
            Due::Again => vec![self.ring()],
            Due::GiveUp => self.over(LegEnd::Caller, [Action::Refuse(Reply::status(504))]),
        }
    }
}
