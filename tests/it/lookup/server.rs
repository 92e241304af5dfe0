//! A backend that answers every request as it is told, byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What follows on a request.
#[derive(Clone)]
pub enum Script {
    /// These bytes, then the connection closes.
    Say(String),
    /// These bytes, then nothing until the client is gone.
    SayAndHang(String),
    /// These bytes, then this many of filling.
    SayAndFill(String, usize),
}

pub struct Request {
    pub line: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

pub struct Server {
    pub port: u16,
    pub requests: mpsc::Receiver<Request>,
    pub sent: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub async fn start(script: Script) -> Self {
        Self::start_with(script, None).await
    }

    pub async fn start_with(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, requests) = mpsc::channel(16);
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                match &tls {
                    None => serve(socket, &script, &seen, &count).await,
                    Some(acceptor) => match acceptor.accept(socket).await {
                        Ok(socket) => serve(socket, &script, &seen, &count).await,
                        Err(_) => continue,
                    },
                }
            }
        });
        Self { port, requests, sent, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/call-config", self.port)
    }
}

/// A whole answer.
pub fn answer(status: &str, content_type: &str, body: &str) -> Script {
    let length = body.len();
    Script::Say(format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

pub fn json(body: &str) -> Script {
    answer("200 OK", "application/json; charset=utf-8", body)
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    script: &Script,
    seen: &mpsc::Sender<Request>,
    sent: &AtomicUsize,
) {
    let Some(request) = read(&mut socket).await else { return };
    seen.send(request).await.unwrap();
    let (Script::Say(text) | Script::SayAndHang(text) | Script::SayAndFill(text, _)) = script;
    socket.write_all(text.as_bytes()).await.unwrap();
    match script {
        Script::Say(_) => {}
        Script::SayAndHang(_) => {
            let _ = socket.read_u8().await;
        }
        Script::SayAndFill(_, filling) => {
            while sent.load(Ordering::SeqCst) < *filling {
                let Ok(n) = socket.write(&[b' '; 4096]).await else { return };
                sent.fetch_add(n, Ordering::SeqCst);
            }
        }
    }
    let _ = socket.shutdown().await;
}

async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    Some(Request { line, headers, body })
}
