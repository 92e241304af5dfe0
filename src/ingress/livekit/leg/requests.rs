//! What a leg asks of livekit-sip through the room, and of LiveKit's server API.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::Leg;
use super::machine::{HANG_UP_STEP, HEADERS, Input};
use super::waits::Pending;
use crate::call::Destination;
use crate::ingress::livekit::facts;
use crate::ingress::livekit::rpc::{self, Method, Request};
use crate::livekit::api::ApiError;
use crate::livekit::wire::data::{FromPeer, RpcOutcome};
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
}

/// The question for the caller's headers.
struct Question {
    request: Request,
    since: Instant,
    /// Until the room takes it.
    packet: Option<Vec<u8>>,
}

impl Leg {
    pub(super) fn ask_headers(&mut self, caller: Redacted<String>) {
        let (request, packet) = Request::new(Method::GetRemoteHeaders, Uuid::new_v4(), caller, HEADERS);
        let question = Question { request, since: Instant::now(), packet: Some(packet) };
        self.requests.headers = Some(question);
    }

    /// Puts the question once the room takes packets: when media flows, which is later than its list of participants.
    pub(super) fn send_question(&mut self) {
        if let (Some(question), Some(room)) = (&mut self.requests.headers, &mut self.room)
            && question.packet.as_ref().is_some_and(|packet| room.send_data(packet))
        {
            (question.packet, question.since) = (None, Instant::now());
            self.input(Input::Asked);
        }
    }

    pub(super) fn asks_no_more(&mut self) {
        if self.requests.headers.take().is_some() {
            tracing::info!(call = %self.machine.call(), "headers not told by the bridge in time");
        }
    }

    /// A packet of livekit-sip's, which may be an answer.
    pub(super) fn answered(&mut self, packet: &FromPeer) {
        let answer = self
            .requests
            .headers
            .as_ref()
            .and_then(|question| Some((question.since, question.request.outcome(packet)?)));
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

    /// A caller or a room that is gone already is what was asked for.
    pub(super) fn step_taken(&mut self, outcome: Result<(), ApiError>) {
        self.input(match outcome {
            Ok(()) | Err(ApiError::Gone) => Input::StepDone,
            Err(ApiError::Refused | ApiError::Unreachable) => Input::StepFailed,
        });
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
