//! Tokens minted from a project's key.

use std::time::Duration;

use livekit_api::access_token::{AccessToken, VideoGrants};

use crate::livekit::Project;
use crate::pii::Redacted;

/// A token is used at once, to open one socket; an open socket outlives it.
const LIFETIME: Duration = Duration::from_secs(600);

/// The project's key or secret is empty.
#[derive(Debug, thiserror::Error)]
#[error("the project's API key and secret make no token")]
pub struct Unsigned;

/// The token of an agent worker: it may register at `/agent` and do nothing else.
pub fn worker(project: &Project) -> Result<Redacted<String>, Unsigned> {
    AccessToken::with_api_key(project.api_key.reveal(), project.api_secret.reveal())
        .with_ttl(LIFETIME)
        .with_grants(VideoGrants { agent: true, ..VideoGrants::default() })
        .to_jwt()
        .map(Redacted::new)
        .map_err(|_| Unsigned)
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::TokenVerifier;

    use super::*;
    use crate::livekit::Orphans;

    fn project(secret: &str) -> Project {
        Project {
            name: "main".into(),
            url: url::Url::parse("ws://127.0.0.1:7880").expect("a valid URL"),
            api_key: "key".into(),
            api_secret: secret.into(),
            agent_names: Vec::new(),
            orphans: Orphans::default(),
        }
    }

    #[test]
    fn a_workers_token_is_signed_and_grants_the_agent_role_alone() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token = worker(&project(secret)).expect("a token");
        let claims =
            TokenVerifier::with_api_key("key", secret).verify(token.reveal()).expect("our signature");
        assert!(claims.video.agent);
        assert!(!claims.video.room_join && !claims.video.room_admin && !claims.video.room_create);
    }

    #[test]
    fn an_empty_secret_makes_no_token() {
        assert!(worker(&project("")).is_err());
    }
}
