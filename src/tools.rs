//! What the model may do to the call: the tools that it is offered, and its tool calls, read.
//!
//! Pure. A tool call is untrusted text: it becomes a [`ToolAction`], or a [`Rejected`] whose text goes back to the
//! model and says what is accepted.

use serde_json::{Map, Value, json};

use crate::call::{Destination, Digits};
use crate::pii::Redacted;
use crate::realtime::Tool;
use crate::tenant::{CallConfig, ToolName, Transfers};

/// The tools of one call.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    hang_up: bool,
    /// Empty: there is no `transfer_call`.
    transfers: Transfers,
    send_dtmf: bool,
}

/// What a tool call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolAction {
    HangUp {
        /// What the caller is to hear before the line drops, beside what was said already.
        farewell: Option<Redacted<String>>,
    },
    Transfer(Destination),
    /// Press keys for whoever is on the line.
    SendDtmf(Digits),
}

/// Why a tool call is nothing, for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("there is no such tool; accepted: {}", listed(.tools))]
    Tool { tools: Vec<String> },
    #[error("arguments: found something else; accepted: a JSON object of at most {MAX_ARGUMENTS} bytes")]
    Arguments,
    #[error("farewell: found something else; accepted: text of at most {MAX_FAREWELL} bytes")]
    Farewell,
    #[error("digits: found something else; accepted: {}", Digits::ACCEPTED)]
    Digits,
    #[error("destination: found something else; accepted: one of {}", listed(.names))]
    Destination { names: Vec<String> },
}

/// Longest accepted arguments of a tool call, and the longest farewell of one, in bytes.
const MAX_ARGUMENTS: usize = 8 * 1024;
const MAX_FAREWELL: usize = 1024;

impl Tools {
    /// The tools that a configuration allows. There is no transfer without a destination.
    pub fn of(config: &CallConfig) -> Self {
        let has = |tool| config.tools.contains(&tool);
        let transfers =
            if has(ToolName::TransferCall) { config.transfers.clone() } else { Transfers::default() };
        Self { hang_up: has(ToolName::HangUp), transfers, send_dtmf: has(ToolName::SendDtmf) }
    }

    /// As the model is told of them.
    pub fn offered(&self) -> Vec<Tool> {
        let transfer = || {
            Tool {
            name: ToolName::TransferCall.name(),
            description: "Hands the caller on to somebody else and ends your part of the call. Tell the caller first \
                          whom they will be connected to. If it fails, you are told and the caller is still with you."
                .to_owned(),
            parameters: object(&json!({
                "destination": {"type": "string", "enum": self.names(), "description": "Who is to take the call."},
            }), &["destination"]),
        }
        };
        let hang_up = || Tool {
            name: ToolName::HangUp.name(),
            description:
                "Ends the call once everything you have said was heard. Call it when the conversation is \
                          over and goodbyes were said, or when the caller asks for it."
                    .to_owned(),
            parameters: object(
                &json!({
                    "farewell": {
                        "type": "string",
                        "description": "What to say before the line drops. Leave it out if you have said goodbye.",
                    },
                }),
                &[],
            ),
        };
        let send_dtmf = || {
            Tool {
            name: ToolName::SendDtmf.name(),
            description: "Presses keys of the telephone, so that whoever is on the line hears their tones: for a menu \
                          that asks for them, or an extension. What you have still to say waits until they are sent."
                .to_owned(),
            parameters: object(
                &json!({
                    "digits": {
                        "type": "string",
                        "description": "The keys in their order: 0 to 9, *, #, A to D; at most 32.",
                    },
                }),
                &["digits"],
            ),
        }
        };
        let hang_up = self.hang_up.then(hang_up);
        let transfer = (!self.transfers.is_empty()).then(transfer);
        hang_up.into_iter().chain(transfer).chain(self.send_dtmf.then(send_dtmf)).collect()
    }

    /// Reads a call of the model.
    pub fn read(&self, name: &str, arguments: &str) -> Result<ToolAction, Rejected> {
        let offered = |tool: &ToolName| match tool {
            ToolName::HangUp => self.hang_up,
            ToolName::TransferCall => !self.transfers.is_empty(),
            ToolName::SendDtmf => self.send_dtmf,
        };
        let Some(tool) = ToolName::from_name(name).filter(offered) else {
            let offered = ToolName::ALL.into_iter().filter(offered);
            return Err(Rejected::Tool { tools: offered.map(|tool| tool.name().to_owned()).collect() });
        };
        let arguments = read_object(arguments)?;
        match tool {
            ToolName::HangUp => Ok(ToolAction::HangUp { farewell: read_farewell(&arguments)? }),
            ToolName::TransferCall => {
                let name = arguments.get("destination").and_then(Value::as_str);
                let to = name.and_then(|name| self.transfers.named(name.trim()));
                to.cloned()
                    .map(ToolAction::Transfer)
                    .ok_or_else(|| Rejected::Destination { names: self.names() })
            }
            ToolName::SendDtmf => {
                let digits = arguments.get("digits").and_then(Value::as_str).and_then(Digits::parse);
                digits.map(ToolAction::SendDtmf).ok_or(Rejected::Digits)
            }
        }
    }

    fn names(&self) -> Vec<String> {
        self.transfers.names().map(str::to_owned).collect()
    }
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Models leave out the arguments of a call without any.
fn read_object(arguments: &str) -> Result<Map<String, Value>, Rejected> {
    if arguments.trim().is_empty() {
        return Ok(Map::new());
    }
    let fits = arguments.len() <= MAX_ARGUMENTS;
    fits.then(|| serde_json::from_str(arguments).ok()).flatten().ok_or(Rejected::Arguments)
}

fn read_farewell(arguments: &Map<String, Value>) -> Result<Option<Redacted<String>>, Rejected> {
    match arguments.get("farewell") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(words)) if words.len() <= MAX_FAREWELL => {
            Ok(Some(words.trim()).filter(|words| !words.is_empty()).map(Redacted::from))
        }
        Some(_) => Err(Rejected::Farewell),
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
