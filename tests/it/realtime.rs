//! The realtime client on real sockets: here against servers that misbehave, below against the scripted model.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use dialplane::media::audio::{Audio, Format};
use dialplane::pii::Redacted;
use dialplane::realtime::connect::{Dialer, Timing};
use dialplane::realtime::session::ModelSession;
use dialplane::realtime::{Closed, Dialect, ModelCommand, ModelEvent, Opening, Provider};
use dialplane::tenant::{Greeting, TurnDetection};
use dialplane::tls::Tls;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

mod conversation;
mod errands;
mod tls;

const CREATED: &str = r#"{"type":"session.created","session":{"id":"sess_1","expires_at":1800000000}}"#;
const UPDATED: &str = r#"{"type":"session.updated","session":{}}"#;
/// One sample, of value 1.
const CANCELLED: &str = r#"{"type":"response.done","response":{"id":"r","status":"cancelled",
    "status_details":{"type":"cancelled","reason":"client_cancelled"},
    "usage":{"output_token_details":{"audio_tokens":7,"text_tokens":0}}}}"#;
const DELTA: &str =
    r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"a","delta":"AQA="}"#;

/// One connection's server, and what it tells the test.
struct Server {
    address: SocketAddr,
    told: mpsc::UnboundedReceiver<String>,
    _task: JoinSet<()>,
}

impl Server {
    /// Serves the first connection with `serve`.
    async fn start<F>(
        serve: impl FnOnce(TcpStream, mpsc::UnboundedSender<String>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, tell).await;
        });
        Self { address, told, _task: task }
    }

    fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    async fn told(&mut self) -> String {
        timeout(PATIENCE, self.told.recv())
            .await
            .expect("the server tells in time")
            .expect("the server lives")
    }
}

/// For what must happen; far above what it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a session as the test's server asks for it and waits until it is configured.
async fn greet<S>(stream: S) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    socket.send(Message::text(CREATED)).await.unwrap();
    let update = socket.next().await.unwrap().unwrap();
    assert!(update.to_text().unwrap().contains("session.update"));
    socket.send(Message::text(UPDATED)).await.unwrap();
    socket
}

fn dialer() -> Dialer {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Dialer::new(&Tls::trusting([]))
}

fn impatient(heartbeat: Duration) -> Dialer {
    let (connect, goodbye) = (Duration::from_secs(1), Duration::from_millis(200));
    dialer().timed(Timing { connect, heartbeat, goodbye })
}

const SHORT: Duration = Duration::from_millis(500);

fn open(dialer: &Dialer, url: &str) -> ModelSession {
    let provider = Provider {
        name: "test".into(),
        dialect: Dialect::OpenAiRealtime,
        url: url.parse().unwrap(),
        api_key: Redacted::new("sk-test".to_owned()),
        model: "default-model".into(),
        fallback: Vec::new(),
        transcription: None,
        g711: false,
    };
    let opening = Opening { greeting: Greeting::None, voice: None, ..conversation::opening() };
    dialer.open(&provider, opening)
}

async fn next(session: &mut ModelSession) -> ModelEvent {
    timeout(PATIENCE, session.events.recv())
        .await
        .expect("an event in time")
        .expect("Closed is the last event")
}

async fn until_configured(session: &mut ModelSession) {
    assert!(matches!(next(session).await, ModelEvent::Ready { .. }));
    assert_eq!(next(session).await, ModelEvent::Configured { audio: Format::Pcm });
}

/// The end of the session, after which no event comes.
async fn closed(session: &mut ModelSession) -> Closed {
    loop {
        if let ModelEvent::Closed(closed) = next(session).await {
            assert_eq!(timeout(PATIENCE, session.events.recv()).await, Ok(None));
            return closed;
        }
    }
}

fn lost(reason: &'static str) -> Closed {
    Closed::Lost { reason }
}

fn busy(code: &str, retry_after: Option<u64>) -> Closed {
    Closed::Busy { code: code.into(), retry_after: retry_after.map(Duration::from_secs) }
}

fn refused(code: &str) -> Closed {
    Closed::Refused { code: code.into() }
}

#[tokio::test]
async fn a_session_names_model_and_key_carries_audio_both_ways_and_closes_with_1000() {
    let mut server = Server::start(|stream, tell| async move {
        let report = tell.clone();
        #[expect(clippy::result_large_err, reason = "the library's callback")]
        let look = move |request: &Request, response: Response| {
            let header =
                |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            report.send(format!("{} {:?}", request.uri(), header("authorization"))).unwrap();
            assert_eq!(header("openai-beta"), None);
            Ok(response)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, look).await.unwrap();
        for frame in [CREATED, UPDATED, DELTA] {
            socket.send(Message::text(frame)).await.unwrap();
        }
        while let Some(Ok(message)) = socket.next().await {
            let close = matches!(message, Message::Close(Some(ref frame)) if u16::from(frame.code) == 1000);
            let text = if close { "closed with 1000" } else { message.to_text().unwrap() };
            tell.send(text.to_owned()).unwrap();
            if text.contains("response.cancel") {
                socket.send(Message::text(CANCELLED)).await.unwrap();
            }
        }
    })
    .await;
    let mut session = open(&dialer(), &server.url());
    assert_eq!(server.told().await, r#"/v1/realtime?model=gpt-realtime-2.1 Some("Bearer sk-test")"#);
    until_configured(&mut session).await;
    assert!(matches!(next(&mut session).await, ModelEvent::AgentStarted { .. }));
    assert!(
        matches!(next(&mut session).await, ModelEvent::AgentAudio { audio, .. } if audio == Audio::Pcm(vec![1]))
    );
    assert!(server.told().await.contains("session.update"));
    session.commands.send(ModelCommand::Audio(Audio::Pcm(vec![1]))).await.unwrap();
    assert_eq!(server.told().await, r#"{"type":"input_audio_buffer.append","audio":"AQA="}"#);
    session.commands.send(ModelCommand::Close).await.unwrap();
    assert!(server.told().await.contains("response.cancel"), "what is being said is stopped first");
    assert_eq!(server.told().await, "closed with 1000");
    let cost = loop {
        if let ModelEvent::AgentDone { usage, .. } = next(&mut session).await {
            break usage.output_audio;
        }
    };
    assert_eq!(cost, 7, "the unfinished response is counted");
    assert_eq!(closed(&mut session).await, Closed::Asked);
}

#[tokio::test]
async fn an_http_answer_in_place_of_the_upgrade_is_a_refusal_but_for_a_server_error() {
    let table = [
        ("HTTP/1.1 401 Unauthorized", refused("http-401")),
        ("HTTP/1.1 403 Forbidden", refused("http-403")),
        ("HTTP/1.1 404 Not Found", refused("http-404")),
        ("HTTP/1.1 429 Too Many Requests", busy("http-429", None)),
        ("HTTP/1.1 429 Too Many Requests\r\nretry-after: 7", busy("http-429", Some(7))),
        ("HTTP/1.1 503 Service Unavailable\r\nretry-after: 99999999", busy("http-503", Some(3600))),
        ("HTTP/1.1 429 No\r\nretry-after: Thu, 26 Nov 2026 10:00:00 GMT", busy("http-429", None)),
        ("HTTP/1.1 200 OK", refused("http-200")),
        ("HTTP/1.1 503 Service Unavailable", busy("http-503", None)),
        ("HTTP/1.1 101 Switching Protocols", lost("answer is no WebSocket's")),
        ("HTTP/1.0 503 Service Unavailable", lost("answer is no WebSocket's")),
    ];
    for (head, expected) in table {
        let server = Server::start(move |mut stream, _| async move {
            let answer = format!("{head}\r\ncontent-length: 2\r\n\r\nno");
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        assert_eq!(closed(&mut open(&dialer(), &server.url())).await, expected, "{head}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_does_not_answer_is_lost_in_time_and_can_be_called_off() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = format!("http://127.0.0.1:{port}/v1");
    assert_eq!(closed(&mut open(&dialer(), &nobody)).await, lost("connection failed"));

    let mute = || {
        Server::start(|stream, tell| async move {
            tell.send("connected".into()).unwrap();
            std::future::pending::<()>().await;
            drop(stream);
        })
    };
    let server = mute().await;
    assert_eq!(closed(&mut open(&impatient(SHORT), &server.url())).await, lost("connect timed out"));
    let mut server = mute().await;
    let mut session = open(&dialer(), &server.url());
    server.told().await;
    session.commands.send(ModelCommand::Audio(Audio::Pcm(vec![0; 480]))).await.unwrap();
    session.commands.send(ModelCommand::Close).await.unwrap();
    assert_eq!(closed(&mut session).await, Closed::Asked);
}

#[tokio::test]
async fn a_socket_that_ends_in_the_middle_of_speech_ends_the_session_and_says_how() {
    let close =
        |code: u16| Some(Message::Close(Some(CloseFrame { code: code.into(), reason: "secret".into() })));
    let table = [
        (close(1001), lost("closed by the server")),
        (close(1011), lost("closed by the server")),
        (close(1008), refused("close-1008")),
        (close(4000), refused("close-4000")),
        (Some(Message::Close(None)), lost("closed by the server")),
        (None, lost("connection reset")),
        (Some(Message::text("x".repeat(5 * 1024 * 1024))), lost("event too large")),
        (
            Some(Message::text(r#"{"type":"error","error":{"code":"session_expired"}}"#)),
            refused("session_expired"),
        ),
    ];
    for (last, expected) in table {
        let label = format!("{:?}", last.as_ref().map(Message::len));
        let server = Server::start(|stream, _| async move {
            let mut socket = greet(stream).await;
            socket.send(Message::text(DELTA)).await.unwrap();
            if let Some(last) = last {
                // A client that refuses the size closes before it has all.
                let _ = socket.send(last).await;
                while let Some(Ok(_)) = socket.next().await {}
            }
        })
        .await;
        let mut session = open(&dialer(), &server.url());
        until_configured(&mut session).await;
        assert_eq!(closed(&mut session).await, expected, "{label}");
    }
}

#[tokio::test]
async fn garbage_is_a_warning_and_the_session_goes_on() {
    let server = Server::start(|stream, _| async move {
        let mut socket = greet(stream).await;
        for message in
            [Message::binary(vec![0xff; 40]), Message::text("\u{0}{\"type\":"), Message::text(DELTA)]
        {
            socket.send(message).await.unwrap();
        }
        socket.next().await;
    })
    .await;
    let mut session = open(&dialer(), &server.url());
    until_configured(&mut session).await;
    assert_eq!(next(&mut session).await, ModelEvent::Warning { code: "unreadable-event".into() });
    assert!(matches!(next(&mut session).await, ModelEvent::AgentStarted { .. }));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_lost_and_one_that_only_answers_pings_is_not() {
    let server = Server::start(|stream, _| async move {
        let _socket = greet(stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(closed(&mut open(&impatient(SHORT), &server.url())).await, lost("server is silent"));

    let mut server = Server::start(|stream, tell| async move {
        let mut socket = greet(stream).await;
        while let Some(Ok(message)) = socket.next().await {
            tell.send(format!("{message:?}")).unwrap();
        }
    })
    .await;
    let mut session = open(&impatient(SHORT), &server.url());
    until_configured(&mut session).await;
    for _ in 0..3 {
        assert_eq!(server.told().await, r#"Ping(b"")"#);
    }
    session.commands.send(ModelCommand::Close).await.unwrap();
    assert_eq!(closed(&mut session).await, Closed::Asked);
}

#[tokio::test]
async fn commands_go_out_while_the_call_does_not_take_its_events_and_no_event_is_lost() {
    const DELTAS: usize = 2000;
    let mut server = Server::start(|stream, tell| async move {
        let (mut sink, mut source) = greet(stream).await.split();
        let write = async {
            for _ in 0..DELTAS {
                sink.send(Message::text(DELTA)).await.unwrap();
            }
        };
        let read = async {
            while let Some(Ok(message)) = source.next().await {
                tell.send(message.to_text().unwrap().to_owned()).unwrap();
            }
        };
        tokio::join!(write, read);
    })
    .await;
    let mut session = open(&dialer(), &server.url());
    until_configured(&mut session).await;
    while session.events.len() < session.events.max_capacity() {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        session.commands.send(ModelCommand::Audio(Audio::Pcm(vec![0; 480]))).await.unwrap();
        assert!(server.told().await.contains("input_audio_buffer.append"));
    }
    assert!(matches!(next(&mut session).await, ModelEvent::AgentStarted { .. }));
    for _ in 0..DELTAS {
        assert!(matches!(next(&mut session).await, ModelEvent::AgentAudio { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_read_is_given_up() {
    let server = Server::start(|stream, _| async move {
        let (mut sink, _unread) = greet(stream).await.split();
        // Not silent: it goes on talking.
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        while sink.send(Message::text(DELTA)).await.is_ok() {
            beat.tick().await;
        }
    })
    .await;
    let mut session = open(&impatient(4 * SHORT), &server.url());
    until_configured(&mut session).await;
    let commands = session.commands.clone();
    let mut talk = JoinSet::new();
    talk.spawn(async move {
        while commands.send(ModelCommand::Audio(Audio::Pcm(vec![0; 24_000]))).await.is_ok() {}
    });
    assert_eq!(closed(&mut session).await, lost("server does not read"));
}

#[tokio::test]
async fn dropping_the_session_closes_the_socket() {
    let mut server = Server::start(|stream, tell| async move {
        let mut socket = greet(stream).await;
        while let Some(Ok(_)) = socket.next().await {}
        tell.send("gone".into()).unwrap();
    })
    .await;
    let mut session = open(&dialer(), &server.url());
    until_configured(&mut session).await;
    drop(session);
    assert_eq!(server.told().await, "gone");
}
