//! The model's tool calls, and which of them wait for their result.

use std::collections::VecDeque;

use crate::realtime::ToolCallId;

/// Tool calls that wait for a result at one time.
const MAX_OWED: usize = 16;
/// Tool calls remembered, so that none is carried out twice.
const MAX_KNOWN: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Errands {
    owed: Vec<ToolCallId>,
    known: VecDeque<ToolCallId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    New,
    Known,
    /// More than a call can have at one time: not to be carried out.
    TooMany,
}

impl Errands {
    pub(super) fn called(&mut self, call: &ToolCallId) -> Called {
        if self.known.contains(call) {
            return Called::Known;
        }
        super::push_bounded(&mut self.known, call.clone(), MAX_KNOWN);
        if self.owed.len() == MAX_OWED {
            return Called::TooMany;
        }
        self.owed.push(call.clone());
        Called::New
    }

    /// The call has its result. False if it was not waiting for one.
    pub(super) fn settle(&mut self, call: &ToolCallId) -> bool {
        let before = self.owed.len();
        self.owed.retain(|owed| owed != call);
        self.owed.len() < before
    }

    pub(super) const fn are_settled(&self) -> bool {
        self.owed.is_empty()
    }
}
