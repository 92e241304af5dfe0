//! The operator's pages over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dialplane::admin::{Shown, serve};
use dialplane::livekit::webhook::Webhooks;
use dialplane::media::lateness::Lateness;
use dialplane::telemetry::{Metrics, Readiness};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Status, content type and body.
async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (head[9..12].parse().unwrap(), content_type.to_owned(), body.to_owned())
}

#[tokio::test]
async fn the_router_is_ready_while_any_project_is_registered_and_it_does_not_drain() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (main, spare): (Arc<str>, Arc<str>) = ("main".into(), "spare".into());
    let readiness = Readiness::new([Arc::clone(&main), Arc::clone(&spare)]);
    let stop = CancellationToken::new();
    let mut server = JoinSet::new();
    let shown = Shown {
        metrics: Metrics::new(),
        readiness: readiness.clone(),
        lateness: Arc::new(Lateness::new(Instant::now())),
        webhooks: Webhooks::default(),
    };
    server.spawn(serve(listener, shown, stop.clone()));

    let ready = async |status: u16, main: bool, problems: usize, draining: bool| {
        let (got, content_type, body) = get(address, "/readyz").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let expected = json!({"ready": status == 200, "registered": {"main": main, "spare": false}, "sip": false,
            "dialplan_problems": problems, "draining": draining});
        assert_eq!((got, content_type.as_str(), body), (status, "application/json", expected));
    };
    ready(503, false, 0, false).await;
    readiness.registered(&main, true);
    ready(200, true, 0, false).await;
    readiness.dialplan_problems(2);
    ready(200, true, 2, false).await;
    readiness.registered(&main, false);
    ready(503, false, 2, false).await;
    readiness.registered(&main, true);
    readiness.draining();
    ready(503, true, 2, true).await;

    assert_eq!(get(address, "/healthz").await, (200, "text/plain; charset=utf-8".into(), "ok".into()));
    let (status, content_type, body) = get(address, "/metrics").await;
    assert_eq!((status, content_type.starts_with("application/openmetrics-text;")), (200, true));
    assert!(body.ends_with("# EOF\n"));
    assert_eq!(get(address, "/").await.0, 404);

    let mut unfinished = TcpStream::connect(address).await.unwrap();
    unfinished.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    get(address, "/healthz").await;
    stop.cancel();
    let ended = timeout(Duration::from_secs(5), server.join_next()).await.unwrap();
    assert!(ended.unwrap().unwrap().is_ok());
}
