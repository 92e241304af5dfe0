//! LiveKit as a service: a project's address and keys, tokens, the server API, its webhooks and WebSockets, and wire types.
//!
//! [`wire`] is the only place, beside [`api`] and [`webhook`], that knows LiveKit's protobuf messages.

pub mod api;
pub mod socket;
pub mod token;
pub mod webhook;
pub mod wire;

use std::sync::Arc;

use url::Url;
use uuid::Uuid;

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
    pub orphans: Orphans,
}

/// What becomes of a caller who is left without an agent in an answered call, because its router died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orphans {
    /// Another session begins.
    #[default]
    Resume,
    HangUp,
}

/// Each router has an agent name of its own beside those that dispatch rules name: by it, it takes a call that nobody
/// came for, whoever else LiveKit might choose.
const RESCUE_AGENT: &str = "dialplane-rescue-";

/// A router's own agent name.
pub fn rescue_agent(router: Uuid) -> Arc<str> {
    format!("{RESCUE_AGENT}{}", router.simple()).into()
}

impl Project {
    /// Whether an agent of that name is this router, or another one of the same project.
    pub fn is_ours(&self, agent_name: &str) -> bool {
        agent_name.starts_with(RESCUE_AGENT) || self.answers_to(agent_name)
    }

    /// Whether calls that are meant for an agent of that name are this router's.
    pub fn answers_to(&self, agent_name: &str) -> bool {
        self.agent_names.iter().any(|name| **name == *agent_name)
    }
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
