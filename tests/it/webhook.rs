//! LiveKit's webhooks over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialplane::admin::{Shown, serve};
use dialplane::livekit::webhook::{BODY_MAX, Happening, Webhooks, What};
use dialplane::livekit::{Orphans, Project};
use dialplane::media::lateness::Lateness;
use dialplane::telemetry::{Metrics, Readiness};
use livekit_api::access_token::AccessToken;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn project(name: &str) -> Project {
    Project {
        name: name.into(),
        url: "ws://127.0.0.1:7880".parse().unwrap(),
        api_key: format!("key of {name}").into(),
        api_secret: format!("a secret of {name} that is long enough").into(),
        agent_names: vec!["voice".into()],
        orphans: Orphans::default(),
    }
}

/// Two projects, and what their rescues are told.
struct Listening {
    address: SocketAddr,
    main: mpsc::Receiver<Happening>,
    spare: mpsc::Receiver<Happening>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Listening {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ((one, main), (two, spare)) = (Webhooks::channel(), Webhooks::channel());
        let projects = [(&project("main"), one), (&project("spare"), two)];
        let webhooks = Webhooks::new(projects.into_iter());
        let shown = Shown {
            metrics: Metrics::new(),
            readiness: Readiness::new([]),
            lateness: Arc::new(Lateness::new(Instant::now())),
            webhooks,
        };
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shown, CancellationToken::new()));
        Self { address, main, spare, _server: server }
    }

    /// The status of the answer.
    async fn post(&self, token: &str, body: &str) -> u16 {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST /livekit/webhook HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\n\
             content-type: application/webhook+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // A body that is too long may be refused before it is read.
        let _ = socket.write_all(body.as_bytes()).await;
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
    }
}

fn token(project: &Project, body: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    let token = AccessToken::with_api_key(project.api_key.reveal(), project.api_secret.reveal());
    token.with_sha256(&STANDARD.encode(hash)).to_jwt().unwrap()
}

fn event(event: &str, kind: &str) -> String {
    format!(
        r#"{{"event": "{event}", "id": "EV_1", "createdAt": "1", "aFieldOfTomorrow": {{"a": [1]}},
            "room": {{"sid": "RM_1", "name": "call-1"}}, "participant": {{"sid": "PA_1", "kind": "{kind}"}}}}"#
    )
}

#[tokio::test]
async fn what_a_project_has_signed_reaches_its_own_rescue() {
    let mut listening = Listening::start().await;
    let left = event("participant_left", "AGENT");
    assert_eq!(listening.post(&token(&project("spare"), &left), &left).await, 200);
    let happening = listening.spare.try_recv().unwrap();
    assert_eq!((&*happening.room.id, happening.what), ("RM_1", What::AgentLeft));
    assert!(listening.main.try_recv().is_err());
    let tomorrow = event("an_event_of_tomorrow", "SIP");
    let bearer = format!("Bearer {}", token(&project("main"), &tomorrow));
    assert_eq!(listening.post(&bearer, &tomorrow).await, 200, "it is none of ours, and no mistake");
    assert!(listening.main.try_recv().is_err());
}

#[tokio::test]
async fn what_nobody_has_signed_as_it_stands_is_refused() {
    let mut listening = Listening::start().await;
    let body = event("participant_left", "AGENT");
    let stranger = Project { api_secret: "another secret that is long enough".into(), ..project("main") };
    let no_hash = AccessToken::with_api_key("key of main", "a secret of main that is long enough");
    for (what, token) in [
        ("another body's", token(&project("main"), "{}")),
        ("without a hash", no_hash.to_jwt().unwrap()),
        ("a stranger's", token(&stranger, &body)),
        ("no token", String::new()),
    ] {
        assert_eq!(listening.post(&token, &body).await, 401, "{what}");
    }
    assert!(listening.main.try_recv().is_err());
}

#[tokio::test]
async fn a_body_is_bounded_and_so_are_the_rooms_that_wait() {
    let mut listening = Listening::start().await;
    let long = " ".repeat(BODY_MAX + 1);
    assert_eq!(listening.post(&token(&project("main"), &long), &long).await, 413);
    let body = event("participant_left", "AGENT");
    let token = token(&project("main"), &body);
    for _ in 0..300 {
        assert_eq!(listening.post(&token, &body).await, 200);
    }
    assert_eq!(std::iter::from_fn(|| listening.main.try_recv().ok()).count(), 256);
}
