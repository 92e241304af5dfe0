//! What the mock backend answers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Received;
use crate::kit::json::At as _;

/// How a backend behaves.
#[derive(Clone)]
pub struct Script {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    pub path: String,
    /// Signing secrets, any of which will do, as settings hold them (`whsec_` and base64, or plain). Empty: a
    /// signature is not asked for.
    pub secrets: Vec<String>,
    /// The bearer token that is asked for.
    pub bearer: Option<String>,
    answer: Arc<dyn Fn(&Received) -> Answer + Send + Sync>,
}

impl Script {
    /// Answers by a function of the request. It sees requests that keep the contract only.
    pub fn answering(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            path: "/call-config".to_owned(),
            secrets: Vec::new(),
            bearer: None,
            answer: Arc::new(answer),
        }
    }

    /// The same answer to everyone.
    pub fn always(answer: Answer) -> Self {
        Self::answering(move |_| answer.clone())
    }

    /// An answer by called number (`calledPhone`), and 404 for any other.
    pub fn by_called<N: Into<String>>(answers: impl IntoIterator<Item = (N, Answer)>) -> Self {
        let answers: BTreeMap<String, Answer> =
            answers.into_iter().map(|(number, answer)| (number.into(), answer)).collect();
        Self::answering(move |request| {
            let called = request.body.text("/calledPhone");
            answers.get(called).cloned().unwrap_or_else(|| Answer::status(404))
        })
    }

    /// Asks for signatures by this secret, beside those it has.
    #[must_use]
    pub fn signed_by(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    pub(super) fn answer(&self, request: &Received) -> Answer {
        (self.answer)(request)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("addr", &self.addr).field("path", &self.path).finish_non_exhaustive()
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Null: no body.
    pub body: Value,
    /// How long the answer is kept back.
    pub delay: Duration,
    pub fault: Fault,
}

impl Answer {
    /// 200 with this body.
    pub const fn ok(body: Value) -> Self {
        Self { status: 200, body, delay: Duration::ZERO, fault: Fault::None }
    }

    /// A status without a body.
    pub const fn status(status: u16) -> Self {
        Self { status, body: Value::Null, delay: Duration::ZERO, fault: Fault::None }
    }

    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
}

/// What goes wrong with an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    #[default]
    None,
    /// The connection ends without an answer.
    HangUp,
    /// Half of the body, and then nothing, the connection open.
    HangMidBody,
    /// Half of the body, and then the connection ends.
    CutMidBody,
    /// `application/json` that is none.
    Garbage,
    /// The body under another content type.
    ContentType(String),
    /// Good JSON that is at least this many bytes, in pieces without a length before them.
    Huge(usize),
    /// 307 to this address.
    Redirect(String),
    /// No body, and this `Retry-After`: seconds or a date.
    RetryAfter(String),
}
