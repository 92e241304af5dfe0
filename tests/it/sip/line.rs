//! What a phone sends and hears by: a UDP socket, or a connection.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::SOON;

pub enum Line {
    Udp(UdpSocket),
    Stream { local: SocketAddr, transport: &'static str, wire: Mutex<Wire> },
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub struct Wire {
    stream: Box<dyn Stream>,
    /// What came and is no whole message yet.
    bytes: Vec<u8>,
}

impl Line {
    pub async fn udp(router: SocketAddr) -> Self {
        let any = SocketAddr::new(router.ip(), 0);
        Self::Udp(UdpSocket::bind(any).await.unwrap())
    }

    pub async fn tcp(router: SocketAddr) -> Self {
        Self::of_tcp(TcpStream::connect(router).await.unwrap())
    }

    fn of_tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::stream(stream.local_addr().unwrap(), "TCP", stream)
    }

    pub fn stream(local: SocketAddr, transport: &'static str, stream: impl Stream + 'static) -> Self {
        let wire = Wire { stream: Box::new(stream), bytes: Vec::new() };
        Self::Stream { local, transport, wire: Mutex::new(wire) }
    }

    /// The connection that the router opens to the phone.
    pub async fn taken(listener: &TcpListener) -> Self {
        let (stream, _) = timeout(SOON, listener.accept()).await.expect("a connection in time").unwrap();
        Self::of_tcp(stream)
    }

    pub fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Stream { local, .. } => *local,
        }
    }

    /// As Via names it.
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Stream { transport, .. } => transport,
        }
    }

    /// What a Contact says of it.
    pub fn parameter(&self) -> &'static str {
        match self.transport() {
            "TCP" => ";transport=tcp",
            "TLS" => ";transport=tls",
            _ => "",
        }
    }

    pub async fn send(&self, bytes: &[u8], router: SocketAddr) {
        match self {
            Self::Udp(socket) => {
                socket.send_to(bytes, router).await.unwrap();
            }
            Self::Stream { wire, .. } => {
                let mut wire = wire.lock().await;
                wire.stream.write_all(bytes).await.unwrap();
                wire.stream.flush().await.unwrap();
            }
        }
    }

    /// The next message; `None` when there will be none.
    pub async fn hear(&self, router: SocketAddr) -> Option<Vec<u8>> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = vec![0; 65_535];
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                assert_eq!(from, router, "answers come from where the calls go");
                buffer.truncate(length);
                Some(buffer)
            }
            Self::Stream { wire, .. } => wire.lock().await.message().await,
        }
    }

    /// Says that nothing more will be sent.
    pub async fn shut(&self) {
        let Self::Stream { wire, .. } = self else { panic!("no stream") };
        wire.lock().await.stream.shutdown().await.unwrap();
    }

    /// So many bytes, whatever they are.
    pub async fn bytes(&self, length: usize) -> Vec<u8> {
        let Self::Stream { wire, .. } = self else { panic!("no stream") };
        let mut wire = wire.lock().await;
        while wire.bytes.len() < length {
            assert!(wire.fill().await, "closed after {:?}", String::from_utf8_lossy(&wire.bytes));
        }
        wire.bytes.drain(..length).collect()
    }
}

impl Wire {
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let length = self.stream.read(&mut chunk).await.unwrap_or_default();
        self.bytes.extend(&chunk[..length]);
        length > 0
    }

    async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            let text = String::from_utf8_lossy(&self.bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split("Content-Length: ").nth(1).expect("a length");
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if body.len() >= length {
                    return Some(self.bytes.drain(..head.len() + 4 + length).collect());
                }
            }
            if !self.fill().await {
                assert_eq!(text, "", "the connection ends within a message");
                return None;
            }
        }
    }
}
