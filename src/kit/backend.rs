//! A customer's backend: `POST /call-config`, strict about what it is asked, answering by script.
//!
//! A request must be signed with one of the script's secrets (when there are any), carry its bearer token (when there
//! is one) and keep the contract to the letter; one that does not is refused and recorded with the reason.

mod contract;
pub mod script;
mod signature;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::contract::problem;
use self::script::{Answer, Fault, Script};
use self::signature::{key_of, verify};
use super::journal::{Journal, TimedOut};
use super::serving::{Serving, headers_of};

/// The largest request that is read.
const MAX_REQUEST: usize = 1024 * 1024;

/// A mock backend on a loopback port. It ends when dropped; [`Self::stop`] also waits for that.
#[derive(Debug)]
pub struct Backend {
    serving: Serving,
    path: String,
    journal: Arc<Journal<Received>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Null if it was no JSON.
    pub body: Value,
    /// Why it was refused, if it was; then the script was not asked.
    pub refused: Option<String>,
}

#[derive(Debug, Clone)]
struct Shared {
    script: Arc<Script>,
    keys: Arc<[hmac::Key]>,
    journal: Arc<Journal<Received>>,
    stop: CancellationToken,
}

impl Backend {
    /// Listens from now on. A secret that cannot be a key is an error.
    pub async fn start(script: Script) -> io::Result<Self> {
        let (addr, path) = (script.addr, script.path.clone());
        let keys: Result<Arc<[_]>, _> = script.secrets.iter().map(|secret| key_of(secret)).collect();
        let keys = keys.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let journal = Arc::new(Journal::new());
        let script = Arc::new(script);
        let serving = Serving::start(addr, |stopping| {
            let shared = Shared { script, keys, journal: Arc::clone(&journal), stop: stopping.stop };
            Router::new().route(&path, post(call_config)).with_state(shared)
        })
        .await?;
        Ok(Self { serving, path, journal })
    }

    pub const fn addr(&self) -> SocketAddr {
        self.serving.addr()
    }

    /// `http://127.0.0.1:PORT/call-config`
    pub fn url(&self) -> String {
        format!("http://{}{}", self.addr(), self.path)
    }

    /// What was asked so far, refused requests included, in the order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.journal.snapshot()
    }

    /// Waits until `found` makes something of the requests. It is called at every change, under a lock.
    pub async fn wait_for<T>(
        &self,
        found: impl FnMut(&[Received]) -> Option<T>,
        timeout: Duration,
    ) -> Result<T, TimedOut> {
        self.journal.wait_for(found, timeout).await
    }

    /// Ends every connection and waits until they are gone. The record stays.
    pub async fn stop(&self) {
        self.serving.stop().await;
    }
}

async fn call_config(State(shared): State<Shared>, request: Request) -> Response {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_REQUEST).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off");
    };
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let verdict = judge(&shared, &parts.headers, &bytes, &body);
    let received = Received {
        at,
        headers: headers_of(&parts.headers),
        body,
        refused: verdict.as_ref().err().map(|(_, reason)| reason.clone()),
    };
    shared.journal.add(received.clone());
    match verdict {
        Err((status, reason)) => refuse(status, &reason),
        Ok(()) => answer(shared.script.answer(&received), shared.stop).await,
    }
}

fn judge(
    shared: &Shared,
    headers: &HeaderMap,
    bytes: &[u8],
    body: &Value,
) -> Result<(), (StatusCode, String)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(bearer) = &shared.script.bearer
        && text("authorization") != format!("Bearer {bearer}")
    {
        return Err((StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong".to_owned()));
    }
    if !shared.keys.is_empty() {
        verify(&shared.keys, text, bytes, Timestamp::now())
            .map_err(|error| (StatusCode::UNAUTHORIZED, error.to_string()))?;
    }
    if text("content-type") != "application/json" {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json".to_owned()));
    }
    match problem(body) {
        Some(problem) => Err((StatusCode::UNPROCESSABLE_ENTITY, problem)),
        None => Ok(()),
    }
}

async fn answer(answer: Answer, stop: CancellationToken) -> Response {
    // A stopped server must not wait for the rest of a scripted delay.
    let _ = stop.run_until_cancelled(tokio::time::sleep(answer.delay)).await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
    match answer.fault {
        Fault::None if text.is_empty() => status.into_response(),
        Fault::None => json_response(status, Body::from(text)),
        Fault::HangUp => json_response(status, no_answer()),
        Fault::HangMidBody => json_response(status, half_then_hang(&text, stop)),
        Fault::CutMidBody => json_response(status, half_then_cut(&text)),
        Fault::Garbage => json_response(status, Body::from(&b"{\"systemPrompt\": \"You are\xff"[..])),
        Fault::ContentType(kind) => (status, [(header::CONTENT_TYPE, kind)], text).into_response(),
        Fault::Huge(bytes) => json_response(status, huge(bytes)),
        Fault::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Fault::RetryAfter(when) => (status, [(header::RETRY_AFTER, when)]).into_response(),
    }
}

/// Half of the answer, and then nothing until the server stops.
fn half_then_hang(text: &str, stop: CancellationToken) -> Body {
    let half = stream::iter([Ok::<_, io::Error>(half_of(text))]);
    let rest = stream::once(async move {
        stop.cancelled().await;
        Err(io::Error::other("stopped"))
    });
    Body::from_stream(half.chain(rest))
}

/// Half of the answer, and then the connection breaks.
fn half_then_cut(text: &str) -> Body {
    let half = stream::iter([Ok(half_of(text))]);
    let rest = stream::once(async {
        // A body that isn't ready makes hyper send what it has; an error at once would take that with it.
        tokio::task::yield_now().await;
        Err(io::Error::other("cut by script"))
    });
    Body::from_stream(half.chain(rest))
}

/// A prompt of that many bytes and a few more, never all of it in memory.
fn huge(bytes: usize) -> Body {
    const PIECE: usize = 64 * 1024;
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let filling = stream::iter(0..bytes.div_ceil(PIECE)).map(move |_| piece.clone());
    let ends = |text: &'static [u8]| stream::iter([Bytes::from_static(text)]);
    let all = ends(b"{\"systemPrompt\":\"").chain(filling).chain(ends(b"\"}"));
    Body::from_stream(all.map(Ok::<_, io::Error>))
}

/// The connection ends with nothing sent: hyper holds the head back until the body's first piece.
fn no_answer() -> Body {
    Body::from_stream(stream::iter([Err::<Bytes, _>(io::Error::other("hung up by script"))]))
}

fn half_of(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes().split_at(text.len() / 2).0)
}

fn json_response(status: StatusCode, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    json_response(status, Body::from(json!({ "error": reason }).to_string()))
}
