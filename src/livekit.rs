//! LiveKit as a service: a project's address and keys, tokens, the server API, its WebSockets and wire types.

use std::sync::Arc;

use crate::pii::Redacted;

/// One LiveKit project: a server or a cloud tenant of it, and the agent names this router answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub name: Arc<str>,
    /// `ws`, `wss`, `http` or `https`.
    pub url: url::Url,
    pub api_key: Redacted<String>,
    pub api_secret: Redacted<String>,
    pub agent_names: Vec<Arc<str>>,
}
