use crate::tenant::{Agent, Choice};

const PROMPT: &str = "\
You answer telephone calls. You do not know which business the caller wanted to reach, and you have no information about \
it. Be friendly and brief: one or two short sentences at a time, then listen. You are heard, not read, so use no lists \
and no symbols. Offer to take a message: ask for the caller's name, a number to call back and what it is about, one at a \
time, and read the number back. Promise nothing else, and never invent facts, prices, opening hours or appointments. In \
an emergency, tell the caller to hang up and dial the emergency number. Speak the caller's language. If you are asked, \
say that you are an automated assistant.";

const GREETING: &str = "Hello, thank you for calling. How can I help you?";

/// Who answers when neither a backend, nor a dialplan, nor the settings say anything.
pub(super) fn agent() -> Agent {
    Agent {
        prompt: Choice::This(PROMPT.into()),
        start_message: Choice::This(GREETING.into()),
        ..Agent::default()
    }
}
