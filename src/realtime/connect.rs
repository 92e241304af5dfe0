//! The way to a model server: its address, TLS, and the WebSocket handshake.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

use crate::realtime::{Closed, Dialect, Provider};
use crate::tls::Tls;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A larger buffer is cleared at every read, which shows in the CPU of a call.
const READ_BUFFER: usize = 4096;
const WRITE_BUFFER: usize = 4096;
/// What may wait for a server that does not read; a session's own bound on it is one message.
const MAX_WRITE_BUFFER: usize = 4 * 1024 * 1024;
/// The largest event: more than a minute of audio in one delta.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// However long a server wants to be left alone, it is tried again after this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What all sessions share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dialer {
    tls: Arc<ClientConfig>,
    pub(super) timing: Timing,
}

/// How long a session waits for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the start to the open socket: address, TCP, TLS and upgrade together.
    pub connect: Duration,
    /// Between two pings. A server that sends nothing at all from one to the next, or takes nothing for as
    /// long, is given up.
    pub heartbeat: Duration,
    /// For the server's part of a close.
    pub goodbye: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            heartbeat: Duration::from_secs(20),
            goodbye: Duration::from_secs(1),
        }
    }
}

impl Dialer {
    pub fn new(tls: &Tls) -> Self {
        Self { tls: tls.config(), timing: Timing::default() }
    }

    pub fn timed(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// Opens the socket for one session.
    pub(super) async fn connect(&self, provider: &Provider, model: &str) -> Result<Socket, Closed> {
        let request = request(provider, model)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(MAX_WRITE_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        // A frame of audio must not wait for the next one: no Nagle.
        let connecting = connect_async_tls_with_config(request, Some(config), true, Some(connector));
        match tokio::time::timeout(self.timing.connect, connecting).await {
            Ok(Ok((socket, _response))) => Ok(socket),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_elapsed) => Err(Closed::Lost { reason: "connect timed out" }),
        }
    }
}

/// `base/realtime?model=M` over `ws` or `wss`; other parts of the base stay. `None`: not a base address.
fn address(base: &Url, model: &str) -> Option<Url> {
    let mut url = base.clone();
    let scheme = match base.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return None,
    };
    url.set_scheme(scheme).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().push("realtime");
    url.query_pairs_mut().append_pair("model", model);
    Some(url)
}

fn request(provider: &Provider, model: &str) -> Result<Request, Closed> {
    let unusable = |code: &str| Closed::Refused { code: code.to_owned() };
    let url = address(&provider.url, model).ok_or_else(|| unusable("unusable-address"))?;
    let mut request = url.as_str().into_client_request().map_err(|_| unusable("unusable-address"))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", provider.api_key.reveal()))
        .map_err(|_| unusable("unusable-key"))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    match provider.dialect {
        // With the header of the older shape the server would refuse.
        Dialect::OpenAiRealtime => {}
        Dialect::OpenAiRealtimeBeta => {
            request.headers_mut().insert("openai-beta", HeaderValue::from_static("realtime=v1"));
        }
    }
    Ok(request)
}

/// What a failed handshake means: an answer of the server is its refusal, for now or for good.
fn failed(error: &Error) -> Closed {
    match error {
        Error::Http(response) => {
            let code = format!("http-{}", response.status().as_u16());
            match Closed::by_code(code) {
                Closed::Busy { code, .. } => {
                    Closed::Busy { code, retry_after: retry_after(response.headers()) }
                }
                other => other,
            }
        }
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            Closed::Lost { reason: "TLS failed" }
        }
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            Closed::Lost { reason: "closed by the server" }
        }
        Error::Protocol(_) => Closed::Lost { reason: "answer is no WebSocket's" },
        other => Closed::Lost { reason: reason(other) },
    }
}

/// `Retry-After` in seconds; the dates that it may also be, model servers don't send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.into()).min(MAX_RETRY_AFTER))
}

/// Why a socket broke, in words without the peer's.
pub(super) fn reason(error: &Error) -> &'static str {
    match error {
        Error::Io(_) => "connection failed",
        Error::Capacity(_) => "event too large",
        Error::ConnectionClosed | Error::AlreadyClosed => "closed by the server",
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => "connection reset",
        Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => "broken WebSocket",
        Error::WriteBufferFull(_) => "server does not read",
        Error::Tls(_) => "TLS failed",
        Error::Url(_) | Error::Http(_) | Error::HttpFormat(_) => "handshake failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_session_is_the_base_with_realtime_and_the_model() {
        let table = [
            ("https://api.openai.com/v1", "m", Some("wss://api.openai.com/v1/realtime?model=m")),
            ("https://api.openai.com/v1/", "m", Some("wss://api.openai.com/v1/realtime?model=m")),
            ("http://127.0.0.1:9999", "m", Some("ws://127.0.0.1:9999/realtime?model=m")),
            (
                "ws://[::1]:9999/v1",
                "gpt-realtime-2.1",
                Some("ws://[::1]:9999/v1/realtime?model=gpt-realtime-2.1"),
            ),
            (
                "wss://h/openai/v1?x=y",
                "a b&c=d/é",
                Some("wss://h/openai/v1/realtime?x=y&model=a+b%26c%3Dd%2F%C3%A9"),
            ),
            ("ftp://h/v1", "m", None),
            ("mailto:a@b", "m", None),
        ];
        for (base, model, expected) in table {
            let url = address(&Url::parse(base).unwrap(), model);
            assert_eq!(url.as_ref().map(Url::as_str), expected, "{base}");
        }
    }
}
