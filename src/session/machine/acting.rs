//! What the model does to the call by its tools.

use tokio::time::Instant;

use super::Machine;
use crate::call::Ending;
use crate::ingress::leg::LegCommand;
use crate::pii::Redacted;
use crate::realtime::{ModelCommand, ModelEvent, ToolCallId};
use crate::record::ToolOutcome;
use crate::session::handover::{Handover, Next};
use crate::session::{Action, SessionNo};
use crate::tools::ToolAction;

const NOT_YET: &str = "The caller is not on the line yet. Go on with the greeting.";
const BEING_TRANSFERRED: &str = "The caller is being transferred. Wait for the outcome.";
const NOT_TRANSFERRED: &str = "The transfer failed and the caller is still with you. Tell them, and offer something else or to try again.";

impl Machine {
    pub(super) fn tool_called(
        &mut self,
        session: SessionNo,
        call: ToolCallId,
        name: &str,
        arguments: &Redacted<String>,
        now: Instant,
    ) -> Vec<Action> {
        if !self.setup.is_up() {
            return vec![self.reject_and_go_on(session, call, name, NOT_YET, now)];
        }
        let read = self.tools.read(name, arguments.reveal());
        if let Some(why) = read.as_ref().ok().and_then(|action| self.is_premature(action)) {
            return vec![self.reject_and_go_on(session, call, name, why, now)];
        }
        match read {
            Ok(ToolAction::SendDtmf(digits)) => self.press((session, call), name, digits, now),
            Ok(ToolAction::HangUp { farewell }) => {
                self.record.tool_called(name, self.since_offer(now), Some(ToolOutcome::Done));
                self.hang_up_for_model(session, farewell, now)
            }
            Ok(ToolAction::Transfer(to)) => {
                self.record.tool_called(name, self.since_offer(now), None);
                let timings = &self.context.timings;
                self.handover = Some(Handover::new(to, (session, call), &self.floor, now, timings));
                Vec::new()
            }
            Err(rejected) => vec![self.reject_and_go_on(session, call, name, &rejected.to_string(), now)],
        }
    }

    /// As below, and the caller waits for what the model makes of it.
    fn reject_and_go_on(
        &mut self,
        session: SessionNo,
        call: ToolCallId,
        name: &str,
        why: &str,
        now: Instant,
    ) -> Action {
        self.floor.owe_after_tool(now);
        self.reject(session, call, name, why, now)
    }

    /// The model is told why its tool does nothing.
    pub(super) fn reject(
        &mut self,
        session: SessionNo,
        call: ToolCallId,
        name: &str,
        why: &str,
        now: Instant,
    ) -> Action {
        self.record.tool_called(name, self.since_offer(now), Some(ToolOutcome::Rejected));
        tool_result(session, call, why)
    }

    /// While the caller is handed on the model has no say; what it said before is heard. It may still be lost.
    pub(super) fn model_aside(
        &mut self,
        session: SessionNo,
        event: &ModelEvent,
        now: Instant,
    ) -> Vec<Action> {
        let is_heard = self.failover.heard() == Some(session);
        match event {
            _ if !is_heard => self.model(session, event, now),
            ModelEvent::AgentStarted { .. } => {
                vec![Action::Model { session, command: ModelCommand::StopSpeaking }]
            }
            ModelEvent::ToolCalled { call, name, .. } => {
                vec![self.reject(session, call.clone(), name, BEING_TRANSFERRED, now)]
            }
            ModelEvent::CallerStarted | ModelEvent::CallerStopped { .. } => Vec::new(),
            _ => self.model(session, event, now),
        }
    }

    /// The leg says what became of the model's transfer.
    pub(super) fn handed_over(&mut self, done: bool, now: Instant) -> Vec<Action> {
        match &self.handover {
            Some(handover) if done && handover.has_begun() => {
                self.record.tool_ended(ToolOutcome::Done);
                self.end(Ending::Transferred, now)
            }
            Some(handover) if !done => {
                let next = handover.failed();
                self.hand_over_to(next, now)
            }
            Some(_) | None => Vec::new(),
        }
    }

    pub(super) fn on_time_in_handover(&mut self, now: Instant) -> Vec<Action> {
        let handover = self.handover.as_mut();
        let next = handover.and_then(|handover| handover.on_time(&self.floor, now, &self.context.timings));
        self.hand_over_to(next, now)
    }

    fn hand_over_to(&mut self, next: Option<Next>, now: Instant) -> Vec<Action> {
        match next {
            None => Vec::new(),
            Some(Next::Transfer(to)) => {
                self.floor.hold(now);
                vec![Action::Leg(LegCommand::Transfer(to))]
            }
            Some(Next::Back { asked, call }) => {
                self.handover = None;
                self.record.tool_ended(ToolOutcome::Failed);
                self.record.failed_transfers += 1;
                self.floor.release(now);
                self.limits.caller_is_there();
                if self.draining {
                    return self.part(Ending::Drained, now);
                }
                if self.failover.is_down() {
                    return self.model_down(now);
                }
                self.answer_tool(asked, call, NOT_TRANSFERRED)
            }
        }
    }

    /// What came of a tool, later than its call. A successor knows nothing of the call, and is told of what was done as of what
    /// the caller does.
    pub(super) fn answer_tool(&mut self, asked: SessionNo, call: ToolCallId, output: &str) -> Vec<Action> {
        let text: Redacted<String> = format!("[{output}]").into();
        self.history.caller_did(text.clone());
        match self.failover.serves() {
            Some(session) if session == asked => vec![tool_result(session, call, output)],
            Some(session) => [ModelCommand::Tell(text), ModelCommand::Respond]
                .map(|command| Action::Model { session, command })
                .into(),
            None => {
                self.untold = Some(text);
                Vec::new()
            }
        }
    }
}

fn tool_result(session: SessionNo, call: ToolCallId, output: &str) -> Action {
    Action::Model { session, command: ModelCommand::ToolResult { call, output: output.to_owned() } }
}
