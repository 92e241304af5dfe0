//! A router served on a loopback port until it is stopped.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// How long a stop waits for connections to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running server. Dropping it ends it; [`Self::stop`] also waits for its connections.
#[derive(Debug)]
pub(super) struct Serving {
    addr: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
    accept: AbortOnDropHandle<()>,
}

/// What a handler needs to end with its server.
#[derive(Debug, Clone)]
pub(super) struct Stopping {
    pub(super) stop: CancellationToken,
    /// Tracks what outlives its request, such as a WebSocket.
    pub(super) connections: TaskTracker,
}

impl Serving {
    pub(super) async fn start(addr: SocketAddr, router: impl FnOnce(Stopping) -> Router) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        // With Nagle's algorithm a small frame would wait for the client's delayed acknowledgement, 40 ms.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        let router = router(Stopping { stop: stop.clone(), connections: connections.clone() });
        let serve = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let accept = AbortOnDropHandle::new(connections.spawn(async move {
            // axum answers every error of a connection itself; this future only ends by the signal.
            let _ = serve.await;
        }));
        Ok(Self { addr, stop, connections, accept })
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends every connection and waits until they are gone, but no longer than [`PATIENCE`]: a client that is in the
    /// middle of its request may never finish it.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.connections.close();
        let _ = tokio::time::timeout(PATIENCE, self.connections.wait()).await;
        self.accept.abort();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        self.accept.abort();
    }
}

/// By lower-case name.
pub(super) fn headers_of(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
