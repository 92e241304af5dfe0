//! A scripted realtime model: OpenAI Realtime over WebSocket, without a model, in the generally available shape or in the
//! flat one before it.
//!
//! It is strict where the service is strict, and answers in a tone by voice ([`super::tone::tone_of`]), faster than
//! real time. It hears the caller with a voice detection of its own, on the clock of the audio it is sent, and
//! records what it was sent: [`SessionLog`].
//!
//! What the service has and this has not: idle timeout, semantic turns (they are cut like `server_vad`), several
//! responses at once.

mod beta;
mod config;
mod connection;
mod conversation;
pub mod log;
mod response;
mod schema;
pub mod script;
mod session;
mod vad;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocket;
use axum::extract::{FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use tokio::time::Instant;

use self::connection::Upgraded;
use self::log::SessionLog;
use self::script::{Dialect, Fault, Script};
use self::session::Session;
use super::journal::{Journal, TimedOut};
use super::serving::{Serving, Stopping, headers_of};

/// The largest message that is read: 15 MiB of audio in base64, and its frame.
const MAX_MESSAGE: usize = 21 * 1024 * 1024;

/// A scripted model server on a loopback port. It ends when dropped; [`Self::stop`] also waits for that.
#[derive(Debug)]
pub struct ModelServer {
    serving: Serving,
    base: String,
    dialect: Dialect,
    journal: Arc<Journal<SessionLog>>,
}

#[derive(Debug, Clone)]
struct Shared {
    script: Arc<Script>,
    journal: Arc<Journal<SessionLog>>,
    upgrades: Arc<AtomicUsize>,
    stopping: Stopping,
}

impl ModelServer {
    /// Listens from now on.
    pub async fn start(script: Script) -> io::Result<Self> {
        let (addr, base, dialect) = (script.addr, script.base.clone(), script.dialect);
        let journal = Arc::new(Journal::new());
        let path = format!("{base}/realtime");
        let shared = |stopping| Shared {
            script: Arc::new(script),
            journal: Arc::clone(&journal),
            upgrades: Arc::default(),
            stopping,
        };
        let serving = Serving::start(addr, |stopping| {
            Router::new().route(&path, get(upgrade)).with_state(shared(stopping))
        })
        .await?;
        Ok(Self { serving, base, dialect, journal })
    }

    pub const fn addr(&self) -> SocketAddr {
        self.serving.addr()
    }

    /// The base address as OpenAI's own clients read it: `http://127.0.0.1:PORT/v1`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.addr(), self.base)
    }

    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What was seen so far, a session an entry, in the order of their upgrades. Refused upgrades leave none.
    pub fn sessions(&self) -> Vec<SessionLog> {
        self.journal.snapshot()
    }

    /// Waits until `found` makes something of the sessions. It is called at every change, under a lock.
    pub async fn wait_for<T>(
        &self,
        found: impl FnMut(&[SessionLog]) -> Option<T>,
        timeout: Duration,
    ) -> Result<T, TimedOut> {
        self.journal.wait_for(found, timeout).await
    }

    /// Ends every session and waits until they are gone. The logs stay.
    pub async fn stop(&self) {
        self.serving.stop().await;
    }
}

async fn upgrade(State(shared): State<Shared>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let query = query_of(parts.uri.query().unwrap_or_default());
    let Some(model) = query.get("model").filter(|model| !model.is_empty()).cloned() else {
        return refuse(StatusCode::BAD_REQUEST, "missing_model", "The query names no model.");
    };
    if !knows(&shared.script.keys, &parts.headers) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_api_key", "Incorrect API key provided.");
    }
    let number = shared.upgrades.fetch_add(1, Ordering::Relaxed) + 1;
    match shared.script.behaviour(number, &model, None).fault {
        Fault::TooManyRequests { retry_after } => {
            let message = "Rate limit reached for requests.";
            let refused = refuse(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
            return ([(header::RETRY_AFTER, retry_after.to_string())], refused).into_response();
        }
        Fault::RefuseUpgrade(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return refuse(status, "server_error", "The upgrade is refused by script.");
        }
        Fault::HangUpgrade => {
            shared.stopping.stop.cancelled().await;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        _ => {}
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &shared).await {
        Ok(upgrade) => upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE),
        Err(rejection) => return rejection.into_response(),
    };
    let headers = headers_of(&parts.headers);
    upgrade.on_upgrade(move |socket| serve(shared, number, model, headers, query, socket))
}

async fn serve(
    shared: Shared,
    number: usize,
    model: String,
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    socket: WebSocket,
) {
    let now = Instant::now();
    let age = shared.script.behaviour(number, &model, None).age;
    let expires_at = Timestamp::now().as_second().saturating_add_unsigned(age.as_secs());
    let beta = headers.get("openai-beta").is_some_and(|value| value == "realtime=v1");
    let dialect = shared.script.dialect;
    let place = shared.journal.add(SessionLog::new(String::new(), model.clone(), headers, query, now));
    let mut session = Session::open(Arc::clone(&shared.script), number, &model, expires_at, now);
    shared.journal.change(place, |log| session.id().clone_into(&mut log.id));
    match (dialect, beta) {
        (Dialect::Ga, true) => session.refuse_shape("beta_api_shape_disabled"),
        (Dialect::Beta, false) => session.refuse_shape("missing_beta_header"),
        (Dialect::Ga, false) | (Dialect::Beta, true) => {}
    }
    let upgraded = Upgraded { socket, session, journal: Arc::clone(&shared.journal), place };
    let stop = shared.stopping.stop.clone();
    shared.stopping.connections.track_future(upgraded.run(stop)).await;
}

fn knows(keys: &[String], headers: &HeaderMap) -> bool {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match header.strip_prefix("Bearer ") {
        None | Some("") => false,
        Some(key) => keys.is_empty() || keys.iter().any(|known| known == key),
    }
}

fn query_of(query: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], wire::http_error(code, message)).into_response()
}
