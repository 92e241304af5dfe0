//! LiveKit as a service: a project's address and keys, tokens, the server API, its WebSockets and wire types.
//!
//! [`wire`] is the only place, beside [`api`], that knows LiveKit's protobuf messages.

pub mod api;
pub mod socket;
pub mod token;
pub mod wire;

use std::sync::Arc;

use url::Url;

use crate::pii::Redacted;

/// One LiveKit project: a server or a cloud tenant of it, and the agent names this router answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub name: Arc<str>,
    /// `ws`, `wss`, `http` or `https`.
    pub url: Url,
    pub api_key: Redacted<String>,
    pub api_secret: Redacted<String>,
    pub agent_names: Vec<Arc<str>>,
}

/// `path` below a LiveKit address, as a `ws` or `wss` URL. A base path in the address is kept.
pub fn websocket_url(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let scheme = if matches!(base.scheme(), "https" | "wss") { "wss" } else { "ws" };
    url.set_scheme(scheme).expect("http and ws schemes are interchangeable");
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_url_keeps_security_port_and_base_path() {
        for (base, path, expected) in [
            ("ws://127.0.0.1:7880", "agent", "ws://127.0.0.1:7880/agent"),
            ("http://127.0.0.1:7880/", "rtc/v1", "ws://127.0.0.1:7880/rtc/v1"),
            ("wss://acme.livekit.cloud", "agent", "wss://acme.livekit.cloud/agent"),
            ("https://host/base/?x=1", "agent", "wss://host/base/agent"),
        ] {
            let base = Url::parse(base).expect("a valid URL");
            assert_eq!(websocket_url(&base, path).as_str(), expected);
        }
    }
}
