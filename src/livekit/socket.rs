//! LiveKit's WebSockets: one protobuf message per binary frame.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

use crate::livekit::wire::{Received, Sent};
use crate::pii::Redacted;
use crate::tls::Tls;

/// livekit-server's own limit.
const LARGEST_MESSAGE: usize = 2 << 20;
/// Buffers of a socket that carries small messages: tungstenite clears its read buffer at every poll.
const BUFFER: usize = 4096;
/// TCP takes a small message at once; a socket that does not within this time is dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(250);

/// Opens sockets. Clones share its TLS.
#[derive(Clone)]
pub struct Dialer(Connector);

impl Dialer {
    pub fn new(tls: &Tls) -> Self {
        Self(Connector::Rustls(tls.config()))
    }

    /// Opens `url` with `token` as bearer.
    pub async fn connect<S: Sent, R: Received>(
        &self,
        url: &Url,
        token: &Redacted<String>,
    ) -> Result<Socket<S, R>, ConnectError> {
        let mut request = url.as_str().into_client_request().map_err(|_| ConnectError::Address)?;
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", token.reveal())).map_err(|_| ConnectError::Token)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(LARGEST_MESSAGE + BUFFER)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let (stream, _) =
            connect_async_tls_with_config(request, Some(config), true, Some(self.0.clone())).await?;
        Ok(Socket { stream, messages: PhantomData })
    }
}

/// An open socket that sends `S` and receives `R`.
pub struct Socket<S, R> {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    messages: PhantomData<fn(S) -> R>,
}

/// What came in.
#[derive(Debug, PartialEq)]
pub enum Incoming<R> {
    Message(R),
    /// A WebSocket ping or pong: the peer lives.
    Heartbeat,
}

impl<S: Sent, R: Received> Socket<S, R> {
    /// Sends one message. Not cancel safe.
    pub async fn send(&mut self, message: S) -> Result<(), SocketError> {
        let frame = Message::Binary(message.encode().into());
        match timeout(SEND_TIMEOUT, self.stream.send(frame)).await {
            Ok(sent) => sent.map_err(|_| SocketError::Closed),
            Err(_) => Err(SocketError::Stalled),
        }
    }

    /// The next message. Cancel safe.
    pub async fn next(&mut self) -> Result<Incoming<R>, SocketError> {
        match self.stream.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                R::decode(&bytes).map(Incoming::Message).ok_or(SocketError::Garbled)
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Incoming::Heartbeat),
            Some(Ok(Message::Text(_) | Message::Frame(_))) => Err(SocketError::Garbled),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(SocketError::Closed),
        }
    }

    /// Says goodbye, and waits only briefly for it to leave.
    pub async fn close(mut self) {
        let _ = timeout(CLOSE_TIMEOUT, self.stream.close(None)).await;
    }
}

/// Why no socket was opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the LiveKit address is not usable")]
    Address,
    #[error("the token does not fit a header")]
    Token,
    #[error("LiveKit answered with HTTP status {0}")]
    Status(u16),
    #[error("LiveKit could not be reached")]
    Unreachable(#[source] io::Error),
    #[error("the WebSocket handshake failed")]
    Handshake,
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        match error {
            Error::Http(response) => Self::Status(response.status().as_u16()),
            Error::Io(error) => Self::Unreachable(error),
            Error::Url(_) => Self::Address,
            _ => Self::Handshake,
        }
    }
}

/// Why an open socket is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    #[error("the socket closed")]
    Closed,
    #[error("the socket takes nothing more")]
    Stalled,
    #[error("the peer sent what its protocol does not have")]
    Garbled,
}
