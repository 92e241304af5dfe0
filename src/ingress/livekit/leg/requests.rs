//! What a leg asks of livekit-sip through the room, and of LiveKit's server API.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Leg;
use super::machine::{HANG_UP_STEP, HEADERS, Input};
use super::waits::Pending;
use crate::call::{Destination, Digit, Digits};
use crate::ingress::leg::LegEvent;
use crate::ingress::livekit::facts;
use crate::ingress::livekit::rpc::{self, Method, Request};
use crate::livekit::api::ApiError;
use crate::livekit::wire::Sent as _;
use crate::livekit::wire::data::{FromPeer, Key, RpcOutcome};
use crate::pii::Redacted;

/// What is asked and not answered.
#[derive(Default)]
pub(super) struct Requests {
    end_call: Option<Request>,
    headers: Option<Question>,
    /// A step of hanging up.
    pub(super) step: Option<Pending<Result<(), ApiError>>>,
    pub(super) transfer: Option<Pending<Result<(), ApiError>>>,
    pub(super) signature: Option<Pending<()>>,
    keys: Option<Keys>,
}

/// livekit-sip lets a key sound for 250 ms, and is silent for as long.
const KEY: Duration = Duration::from_millis(500);

/// Keys that are being pressed.
struct Keys {
    caller: Redacted<String>,
    left: VecDeque<Digit>,
    /// When the last one is over.
    due: Instant,
}

/// A question that reached nobody is put again so much later,
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// and no more after so long.
const ASK: Duration = Duration::from_secs(2);

/// The question for the caller's headers.
struct Question {
    request: Request,
    packet: Vec<u8>,
    /// When the room first took it.
    since: Option<Instant>,
    /// When it is put again; until then when it is not known, as soon as the room takes it.
    again: Option<Instant>,
}

impl Requests {
    /// When a question is to be put again, or a key pressed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let question = self.headers.as_ref().and_then(|question| question.again);
        question.into_iter().chain(self.keys.as_ref().map(|keys| keys.due)).min()
    }
}

impl Leg {
    pub(super) fn ask_headers(&mut self, caller: Redacted<String>) {
        let (request, packet) = Request::new(Method::GetRemoteHeaders, Uuid::new_v4(), caller, HEADERS);
        self.requests.headers = Some(Question { request, packet, since: None, again: None });
    }

    /// Puts the question once the room takes packets: when media flows, which is later than its list of participants.
    pub(super) fn send_question(&mut self, now: Instant) {
        let Some(question) = &mut self.requests.headers else { return };
        if question.again.is_some_and(|again| now < again) {
            return;
        }
        if question.since.is_some_and(|since| now >= since + ASK) {
            self.requests.headers = None;
            return;
        }
        let sent = self.room.as_mut().is_some_and(|room| room.send_data(&question.packet));
        question.again = sent.then_some(now + ASK_AGAIN);
        if sent && question.since.replace(question.since.unwrap_or(now)).is_none() {
            self.input(Input::Asked);
        }
    }

    /// The caller's facts wait no longer.
    pub(super) fn asked_long_enough(&self) {
        let since = self.requests.headers.as_ref().and_then(|question| question.since);
        if since.is_some_and(|since| since.elapsed() >= HEADERS) {
            tracing::info!(call = %self.machine.call(), "headers not told by the bridge in time");
        }
    }

    /// A packet of livekit-sip's, which may be an answer.
    pub(super) fn answered(&mut self, packet: &FromPeer) {
        let answer = self
            .requests
            .headers
            .as_ref()
            .and_then(|question| Some((question.since?, question.request.outcome(packet)?)));
        if let Some((since, outcome)) = answer {
            let seconds = since.elapsed().as_secs_f64();
            tracing::debug!(call = %self.machine.call(), seconds, "headers told by the bridge");
            let told = rpc::headers(outcome);
            self.requests.headers = None;
            self.input(Input::Headers(told));
        } else if let Some(RpcOutcome::Failed(code)) =
            self.requests.end_call.as_ref().and_then(|request| request.outcome(packet))
        {
            tracing::info!(call = %self.machine.call(), code, "end call refused by the bridge");
            self.requests.end_call = None;
            self.input(Input::StepFailed);
        }
    }

    /// Leaves the call's id with its caller. The call goes on without.
    pub(super) fn sign(&mut self, caller: Redacted<String>) {
        let (site, room, call) = (Arc::clone(&self.site), self.assignment.room.clone(), self.machine.call());
        self.requests.signature = Some(Box::pin(async move {
            let id = call.to_string();
            let signed = site.api.set_attribute(room.reveal(), caller.reveal(), facts::SIGNATURE, id).await;
            if let Err(error) = signed {
                tracing::info!(%call, %error, "call's id not left with its caller");
            }
        }));
    }

    pub(super) fn end_call(&mut self, caller: Redacted<String>) {
        let (end_call, packet) = Request::new(Method::EndCall, Uuid::new_v4(), caller, HANG_UP_STEP);
        if self.room.as_mut().is_some_and(|room| room.send_data(&packet)) {
            self.requests.end_call = Some(end_call);
        } else {
            self.input(Input::StepFailed);
        }
    }

    pub(super) fn press(&mut self, caller: Redacted<String>, digits: &Digits) {
        let now = Instant::now();
        self.requests.keys = Some(Keys { caller, left: digits.iter().collect(), due: now });
        self.press_next(now);
    }

    /// Has livekit-sip press the key that is due, if one is.
    pub(super) fn press_next(&mut self, now: Instant) {
        let Some(mut keys) = self.requests.keys.take_if(|keys| now >= keys.due) else { return };
        let Some(key) = keys.left.pop_front() else { return self.emit(LegEvent::KeysSent) };
        let packet = Key { destination: keys.caller.clone(), code: key.code(), name: key.reveal() }.encode();
        if self.room.as_mut().is_some_and(|room| room.send_data(&packet)) {
            keys.due = now + KEY;
            self.requests.keys = Some(keys);
        } else {
            self.emit(LegEvent::KeysNotSent);
        }
    }

    pub(super) fn remove_participant(&mut self, caller: Redacted<String>) {
        let (site, room) = (Arc::clone(&self.site), self.assignment.room.clone());
        self.requests.end_call = None;
        self.requests.step =
            Some(Box::pin(async move { site.api.remove_participant(room.reveal(), caller.reveal()).await }));
    }

    pub(super) fn delete_room(&mut self) {
        let (site, room) = (Arc::clone(&self.site), self.assignment.room.clone());
        self.requests.end_call = None;
        self.requests.step = Some(Box::pin(async move { site.api.delete_room(room.reveal()).await }));
    }

    /// A caller or a room that is gone already is what was asked for. An API that cannot be reached now may be when the next
    /// step is due.
    pub(super) fn step_taken(&mut self, outcome: Result<(), ApiError>) {
        match outcome {
            Ok(()) | Err(ApiError::Gone) => self.input(Input::StepDone),
            Err(ApiError::Refused) => self.input(Input::StepFailed),
            Err(ApiError::Unreachable) => {}
        }
    }

    pub(super) fn transfer(&mut self, caller: Redacted<String>, to: Destination) {
        let (site, room) = (Arc::clone(&self.site), self.assignment.room.clone());
        self.requests.transfer =
            Some(Box::pin(
                async move { site.api.transfer(room.reveal(), caller.reveal(), to.as_uri()).await },
            ));
    }

    pub(super) fn transferred(&mut self, outcome: Result<(), ApiError>) {
        if let Err(error) = outcome {
            tracing::info!(call = %self.machine.call(), %error, "caller not transferred");
        }
        self.input(Input::Transferred(outcome.is_ok()));
    }
}
