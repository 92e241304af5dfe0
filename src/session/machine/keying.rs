//! The keys that the model presses.

use tokio::time::Instant;

use super::Machine;
use crate::call::Digits;
use crate::ingress::leg::LegCommand;
use crate::realtime::ToolCallId;
use crate::record::ToolOutcome;
use crate::session::keying::Keying;
use crate::session::{Action, SessionNo};
use crate::tools::ToolAction;

const SENT: &str = "The keys were pressed.";
const NOT_SENT: &str = "The keys could not be pressed: whoever is on the line takes none.";
const WAIT: &str = "Keys are being pressed. Wait until you are told that they are.";

impl Machine {
    /// Why a tool may not be used now: while keys are pressed a call only ends.
    pub(super) fn is_premature(&self, action: &ToolAction) -> Option<&'static str> {
        let ends = matches!(action, ToolAction::HangUp { .. });
        (self.keying.is_some() && !ends).then_some(WAIT)
    }

    pub(super) fn press(
        &mut self,
        asked: (SessionNo, ToolCallId),
        name: &str,
        digits: Digits,
        now: Instant,
    ) -> Vec<Action> {
        self.record.tool_called(name, self.since_offer(now), None);
        self.keying = Some(Keying::new(asked, now));
        self.floor.presses(true, now);
        vec![Action::Leg(LegCommand::Press(digits))]
    }

    /// The leg says what became of it. Speech goes on, and the model is to make something of it, unless it has no say.
    pub(super) fn keyed(&mut self, sent: bool, now: Instant) -> Vec<Action> {
        let Some(Keying { asked: (session, call), .. }) = self.keying.take() else { return Vec::new() };
        self.record.tool_ended(if sent { ToolOutcome::Done } else { ToolOutcome::Failed });
        self.floor.presses(false, now);
        if self.goodbye.is_some() || self.errand.is_some() {
            return Vec::new();
        }
        self.floor.owe_after_tool(now);
        self.answer_tool(session, call, if sent { SENT } else { NOT_SENT })
    }

    pub(super) fn keying_on_time(&mut self, now: Instant) -> Vec<Action> {
        let is_late = self.keying.as_ref().is_some_and(|keying| now >= keying.until);
        if is_late { self.keyed(false, now) } else { Vec::new() }
    }
}
