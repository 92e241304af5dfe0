//! The HTTP server: `/healthz`, `/readyz` and `/metrics` for the operator, `/livekit/webhook` for LiveKit.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::livekit::webhook::{BODY_MAX, Webhooks};
use crate::media::lateness::Lateness;
use crate::telemetry::{Metrics, Posted, Readiness};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages show.
#[derive(Debug, Clone)]
pub struct Shown {
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub lateness: Arc<Lateness>,
    pub webhooks: Webhooks,
}

/// The pages without a socket.
pub fn router(shown: Shown) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/livekit/webhook", post(livekit_webhook).layer(DefaultBodyLimit::max(BODY_MAX)))
        .with_state(shown)
}

/// How long requests that are under way at the end may take.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until `stop`, and then a moment longer for the requests that are under way.
pub async fn serve(listener: TcpListener, shown: Shown, stop: CancellationToken) -> io::Result<()> {
    let stopped = stop.clone().cancelled_owned();
    let serving = axum::serve(listener, router(shown)).with_graceful_shutdown(stopped);
    let over = async {
        stop.cancelled().await;
        sleep(GRACE).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = over => Ok(()),
    }
}

/// 200 while calls are taken, else 503; either way with what that hangs on.
async fn readyz(State(shown): State<Shown>) -> impl IntoResponse {
    let ready = shown.readiness.now();
    let status = if ready.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let projects: serde_json::Map<_, _> =
        ready.projects.iter().map(|(project, registered)| (project.to_string(), json!(registered))).collect();
    let body = json!({
        "ready": ready.is_ready(),
        "registered": projects,
        "sip": ready.sip,
        "dialplan_problems": ready.dialplan_problems,
        "draining": ready.draining,
    });
    (status, [(CONTENT_TYPE, "application/json")], body.to_string())
}

/// LiveKit's token is the header's whole value.
async fn livekit_webhook(State(shown): State<Shown>, headers: HeaderMap, body: String) -> StatusCode {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let (posted, status) = match shown.webhooks.receive(token, &body) {
        Ok(()) => (Posted::Accepted, StatusCode::OK),
        Err(_unsigned) => (Posted::Unsigned, StatusCode::UNAUTHORIZED),
    };
    shown.metrics.webhook(posted);
    status
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    shown.metrics.late(shown.lateness.share(Instant::now()));
    shown.metrics.tasks(Handle::current().metrics().num_alive_tasks());
    ([(CONTENT_TYPE, OPEN_METRICS)], shown.metrics.render())
}
