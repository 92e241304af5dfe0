//! A LiveKit server's `/agent`: it insists on a valid token and on registration first. Its rooms are no good.
#![expect(clippy::result_large_err, reason = "tungstenite's own signature")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use livekit_api::access_token::TokenVerifier;
use livekit_protocol::server_message::Message as Out;
use livekit_protocol::worker_message::Message as In;
use livekit_protocol::{
    AvailabilityRequest, AvailabilityResponse, Job, JobAssignment, JobTermination, JobType, JoinResponse,
    ParticipantInfo, RegisterWorkerResponse, Room, ServerMessage, SignalResponse, UpdateWorkerStatus,
    WorkerMessage, participant_info, signal_response,
};
use prost::Message as _;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::SOON;

pub(super) const KEY: &str = "key";
pub(super) const SECRET: &str = "a secret that is long enough for HS256";

/// The token of a job, and the one that follows it.
pub(super) const TOKEN: &str = "job token";
pub(super) const NEWER: &str = "newer token";

pub(super) struct AgentName;

impl AgentName {
    pub(super) fn ours() -> Arc<str> {
        "pstn-voice-agent".into()
    }
}

/// What becomes of a join.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rooms {
    /// The socket opens and says nothing.
    Silent,
    Refused,
    /// A caller is there.
    Called,
    /// A caller is there, and the connection ends right after a newer token came.
    Broken,
}

/// A request to the server API: its path, and its body as it came.
pub(super) struct ApiRequest {
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

pub(super) struct Server {
    address: std::net::SocketAddr,
    agents: mpsc::Receiver<WebSocketStream<TcpStream>>,
    /// The tokens that rooms were joined with, or were to be.
    joins: Arc<Mutex<Vec<String>>>,
    requests: mpsc::Receiver<ApiRequest>,
    /// Requests to the server API that still get no answer.
    unanswered: Arc<AtomicUsize>,
    left_alone: Vec<Agent>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(rooms: Rooms) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, agents) = mpsc::channel(8);
        let (request_sender, requests) = mpsc::channel(8);
        let joins = Arc::new(Mutex::new(Vec::new()));
        let unanswered = Arc::new(AtomicUsize::new(0));
        let down = Arc::clone(&unanswered);
        let mut tasks = JoinSet::new();
        let tokens = Arc::clone(&joins);
        tasks.spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                if is_post(&stream).await {
                    let less = |left: usize| left.checked_sub(1);
                    if down.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
                        continue;
                    }
                    request_sender.send(answer(&mut stream).await).await.expect("the test lives");
                    continue;
                }
                let (mut path, mut token) = (String::new(), None);
                let socket = accept_hdr_async(stream, |request: &Request, response: Response| {
                    path = request.uri().path().to_owned();
                    token = bearer(request).map(str::to_owned);
                    admit(request, rooms).map(|()| response)
                });
                let socket = socket.await;
                if path.starts_with("/rtc") {
                    tokens.lock().expect("no panic").extend(token);
                }
                match socket {
                    Ok(socket) if path == "/agent" => sender.send(socket).await.expect("the test lives"),
                    Ok(mut socket) => {
                        let messages = match rooms {
                            Rooms::Silent | Rooms::Refused => Vec::new(),
                            Rooms::Called => vec![joined()],
                            Rooms::Broken => {
                                let token = signal_response::Message::RefreshToken(NEWER.to_owned());
                                vec![joined(), token]
                            }
                        };
                        for message in messages {
                            let bytes = SignalResponse { message: Some(message) }.encode_to_vec();
                            socket.send(Message::Binary(bytes.into())).await.expect("sent");
                        }
                        if rooms != Rooms::Broken {
                            silent.push(socket);
                        }
                    }
                    Err(_) => {}
                }
            }
        });
        Self { address, agents, joins, requests, unanswered, left_alone: Vec::new(), _tasks: tasks }
    }

    pub(super) fn url(&self) -> url::Url {
        format!("ws://{}", self.address).parse().expect("a URL")
    }

    /// The tokens that rooms were to be joined with, in order.
    pub(super) fn joins(&self) -> Vec<String> {
        self.joins.lock().expect("no panic").clone()
    }

    /// The next so many requests to the server API break off.
    pub(super) fn leave_unanswered(&self, requests: usize) {
        self.unanswered.store(requests, Ordering::Relaxed);
    }

    /// Whether they all have.
    pub(super) fn answers(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) == 0
    }

    /// The next request to the server API, which has been answered.
    pub(super) async fn request(&mut self) -> ApiRequest {
        timeout(SOON, self.requests.recv()).await.expect("a request in time").expect("the server lives")
    }

    /// The next worker, once it has registered as it must. A router's own one is registered, and left alone.
    pub(super) async fn registered(&mut self) -> Agent {
        loop {
            let (agent, name) = self.next_registered().await;
            if name == *AgentName::ours() {
                return agent;
            }
            assert!(name.starts_with("dialplane-rescue-"), "{name}");
            self.left_alone.push(agent);
        }
    }

    /// The next worker, whichever it is, by the name that it has registered.
    pub(super) async fn next_registered(&mut self) -> (Agent, String) {
        let socket =
            timeout(SOON, self.agents.recv()).await.expect("a worker in time").expect("the server lives");
        let mut agent = Agent { socket, waiting: VecDeque::new() };
        let In::Register(register) = agent.receive().await else { panic!("register comes first") };
        assert_eq!(register.r#type, JobType::JtRoom as i32);
        let permissions = register.allowed_permissions.expect("permissions");
        assert!(permissions.can_publish && permissions.can_subscribe && permissions.can_publish_data);
        let response =
            RegisterWorkerResponse { worker_id: "AW_1".to_owned(), ..RegisterWorkerResponse::default() };
        agent.send(Out::Register(response)).await;
        (agent, register.agent_name)
    }
}

fn admit(request: &Request, rooms: Rooms) -> Result<(), ErrorResponse> {
    let refuse = |status| {
        let mut response = ErrorResponse::new(None);
        *response.status_mut() = status;
        Err(response)
    };
    match (request.uri().path(), bearer(request)) {
        ("/agent", Some(token)) => match TokenVerifier::with_api_key(KEY, SECRET).verify(token) {
            Ok(claims) if claims.video.agent => Ok(()),
            _ => refuse(StatusCode::UNAUTHORIZED),
        },
        ("/rtc/v1", Some(TOKEN | NEWER)) if rooms != Rooms::Refused => Ok(()),
        _ => refuse(StatusCode::NOT_FOUND),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn is_post(stream: &TcpStream) -> bool {
    let mut start = [0];
    stream.peek(&mut start).await.expect("a request") == 1 && start == *b"P"
}

/// Reads one request and grants it.
async fn answer(stream: &mut TcpStream) -> ApiRequest {
    let mut stream = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a head");
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("POST"), Some(target)) => path = target.to_owned(),
            (Some(name), Some(value)) if name.eq_ignore_ascii_case("content-length:") => {
                length = value.parse().expect("a length");
            }
            (Some(_), _) => {}
            (None, _) => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    let granted = b"HTTP/1.1 200 OK\r\ncontent-type: application/protobuf\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(granted).await.expect("answered");
    ApiRequest { path, body }
}

/// The answer to a join: a caller on a known trunk is there.
fn joined() -> signal_response::Message {
    let from = ("sip.h.from", "<sip:+15551230001@carrier>");
    let attributes = [("sip.callStatus", "ringing"), ("sip.trunkID", "ST_1"), from];
    let caller = ParticipantInfo {
        identity: "sip_caller".to_owned(),
        kind: participant_info::Kind::Sip as i32,
        attributes: attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..ParticipantInfo::default()
    };
    signal_response::Message::Join(JoinResponse {
        other_participants: vec![caller],
        ..JoinResponse::default()
    })
}

/// One worker's connection, seen from the server.
pub(super) struct Agent {
    socket: WebSocketStream<TcpStream>,
    /// Came while something else was waited for.
    waiting: VecDeque<In>,
}

impl Agent {
    pub(super) async fn offer(&mut self, job: &str) {
        self.send(Out::Availability(AvailabilityRequest { job: Some(self::job(job)), resuming: false }))
            .await;
    }

    pub(super) async fn assign(&mut self, job: &str) {
        self.assign_at(job, None, self::job(job).room.expect("a room").name).await;
    }

    /// Assigns the job of that room, to be joined at that address.
    pub(super) async fn assign_at(&mut self, job: &str, url: Option<String>, room: String) {
        let room = Some(Room { name: room, ..Room::default() });
        let (job, token) = (Some(Job { room, ..self::job(job) }), TOKEN.to_owned());
        self.send(Out::Assignment(JobAssignment { job, url, token })).await;
    }

    pub(super) async fn terminate(&mut self, job: &str) {
        self.send(Out::Termination(JobTermination { job_id: job.to_owned() })).await;
    }

    pub(super) async fn availability(&mut self) -> AvailabilityResponse {
        self.find(|message| match message {
            In::Availability(answer) => Some(answer.clone()),
            _ => None,
        })
        .await
    }

    pub(super) async fn status(&mut self) -> UpdateWorkerStatus {
        self.status_with(|_| true).await
    }

    pub(super) async fn status_with(
        &mut self,
        wanted: impl Fn(&UpdateWorkerStatus) -> bool,
    ) -> UpdateWorkerStatus {
        self.find(|message| match message {
            In::UpdateWorker(status) if wanted(status) => Some(*status),
            _ => None,
        })
        .await
    }

    /// The next state of this job.
    pub(super) async fn job(&mut self, job: &str) -> (i32, String) {
        self.find(|message| match message {
            In::UpdateJob(update) if update.job_id == job => Some((update.status, update.error.clone())),
            _ => None,
        })
        .await
    }

    /// The worker closes the connection.
    pub(super) async fn closed(mut self) {
        let closed = async {
            while let Some(Ok(message)) = self.socket.next().await
                && !message.is_close()
            {}
        };
        timeout(SOON, closed).await.expect("closed in time");
    }

    /// The first message that fits, in the order of arrival; others keep their place.
    async fn find<T>(&mut self, fits: impl Fn(&In) -> Option<T>) -> T {
        let mut searched = 0;
        loop {
            while let Some(message) = self.waiting.get(searched) {
                if let Some(found) = fits(message) {
                    self.waiting.remove(searched);
                    return found;
                }
                searched += 1;
            }
            let message = self.receive().await;
            self.waiting.push_back(message);
        }
    }

    async fn receive(&mut self) -> In {
        loop {
            let frame = timeout(SOON, self.socket.next()).await.expect("a message in time");
            match frame.expect("an open socket").expect("a sound socket") {
                Message::Binary(bytes) => {
                    return WorkerMessage::decode(bytes).expect("protobuf").message.expect("a message");
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not the agent protocol: {other:?}"),
            }
        }
    }

    async fn send(&mut self, message: Out) {
        let bytes = ServerMessage { message: Some(message) }.encode_to_vec();
        self.socket.send(Message::Binary(bytes.into())).await.expect("sent");
    }
}

fn job(id: &str) -> Job {
    let room = Room { name: format!("room of {id}"), ..Room::default() };
    Job { id: id.to_owned(), room: Some(room), ..Job::default() }
}
