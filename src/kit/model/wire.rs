//! The server's events as JSON.

use serde_json::{Value, json};

use crate::kit::json::merge;
use crate::kit::shape::Misfit;

/// Why a client event is refused: the parts of an `error` that depend on the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    param: Option<String>,
    message: String,
}

impl Refusal {
    pub(super) fn new(code: &str, param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), param: Some(param.into()), message: message.into() }
    }

    pub(super) fn whole(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), param: None, message: message.into() }
    }

    /// The same at a place that is named otherwise.
    pub(super) fn placed(self, name: impl FnOnce(String) -> String) -> Self {
        Self { param: self.param.map(name), ..self }
    }

    /// The `error` object. `event_id` is the client's, or null.
    pub(super) fn error(&self, event_id: Option<&str>) -> Value {
        json!({
            "type": "invalid_request_error",
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        })
    }
}

impl From<Misfit> for Refusal {
    fn from(misfit: Misfit) -> Self {
        let message = match misfit.code {
            "unknown_parameter" => format!("Unknown parameter: '{}'.", misfit.path),
            "missing_required_parameter" => format!("Missing required parameter: '{}'.", misfit.path),
            _ => format!("Invalid '{}'. Expected {}.", misfit.path, misfit.expected),
        };
        let param = Some(misfit.path).filter(|path| !path.is_empty());
        Self { code: misfit.code.to_owned(), param, message }
    }
}

/// Ids of one session. The session's number in each keeps ids of different sessions apart.
#[derive(Debug)]
pub(super) struct Ids {
    session: usize,
    last: u64,
}

impl Ids {
    pub(super) const fn new(session: usize) -> Self {
        Self { session, last: 0 }
    }

    /// `PREFIX_` and 14 hexadecimal digits.
    pub(super) fn next(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}_{:06x}{:08x}", self.session, self.last)
    }
}

/// An event: `type` and `event_id` beside its own keys.
pub(super) fn event(ids: &mut Ids, kind: &str, mut body: Value) -> Value {
    merge(&mut body, &json!({"type": kind, "event_id": ids.next("event")}));
    body
}

/// The body of a refused upgrade, as OpenAI's HTTP errors look.
pub(super) fn http_error(code: &str, message: &str) -> String {
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    json!({ "error": error }).to_string()
}
