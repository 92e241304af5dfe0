//! The outbound HTTP client: one per router, bounded in every direction, and the signing of what it sends.
//!
//! It follows no redirect, retries nothing and uses no proxy: a signed request goes to the address that the
//! operator wrote and nowhere else. How long a whole exchange may take is its caller's budget.

pub mod address;
pub mod sign;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::tls::Tls;
use address::{Allowed, Filter, NotPublic, Reach};

/// How long finding the host, TCP and TLS may take together.
pub const CONNECT: Duration = Duration::from_millis(500);
/// Idle connections go after this long, so changes of DNS are followed.
const IDLE: Duration = Duration::from_secs(30);

/// The client could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP client could not be built")]
pub struct Unbuilt;

/// An exchange that brought no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("no connection")]
    Connect,
    #[error("the address is not public")]
    Address,
    #[error("the connection broke before the answer was whole")]
    Broken,
    #[error("the answer is larger than the bound")]
    TooLarge,
    #[error("a header's value may not stand in HTTP")]
    Header,
}

/// Connections to any number of servers. Clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    kept: reqwest::Client,
    fresh: reqwest::Client,
    /// `None`: anywhere.
    allowed: Option<Arc<[Allowed]>>,
}

/// The head of an answer; the body is still on its way.
#[derive(Debug)]
pub struct Reply(reqwest::Response);

impl Client {
    /// One that goes anywhere.
    pub fn new(tls: &Tls) -> Result<Self, Unbuilt> {
        Self::with_connect_timeout(tls, CONNECT)
    }

    /// With another bound than [`CONNECT`].
    pub fn with_connect_timeout(tls: &Tls, connect: Duration) -> Result<Self, Unbuilt> {
        Self::reaching(Reach::Anywhere, tls, connect)
    }

    /// One that goes no further than `reach`. Its connections are its own.
    pub fn reaching(reach: Reach, tls: &Tls, connect: Duration) -> Result<Self, Unbuilt> {
        let allowed: Option<Arc<[Allowed]>> = match reach {
            Reach::Anywhere => None,
            Reach::Public(allowed) => Some(allowed.into()),
        };
        let build = |idle: usize| Self::build(allowed.as_ref(), tls, connect, idle);
        Ok(Self { kept: build(32)?, fresh: build(0)?, allowed })
    }

    /// The same, but every request has a connection of its own: for one whose first try may have failed by the
    /// connection it was on.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self { kept: self.fresh.clone(), ..self.clone() }
    }

    /// Keeps up to `idle` connections to each host.
    fn build(
        allowed: Option<&Arc<[Allowed]>>,
        tls: &Tls,
        connect: Duration,
        idle: usize,
    ) -> Result<reqwest::Client, Unbuilt> {
        let mut builder = reqwest::Client::builder();
        if let Some(allowed) = allowed {
            builder = builder.dns_resolver(Arc::new(Filter { allowed: Arc::clone(allowed) }));
        }
        builder
            .tls_backend_preconfigured(tls.config().as_ref().clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(connect)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle)
            .user_agent(concat!("dialplane/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| Unbuilt)
    }

    /// Sends `body` and waits for the head of the answer. Header names are lower case.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Reply, HttpError> {
        if let Some(allowed) = &self.allowed {
            address::check_literal(url, allowed).map_err(|NotPublic| HttpError::Address)?;
        }
        let request = self.kept.post(url.clone()).headers(header_map(headers)?).body(body);
        let reply = request.send().await;
        reply.map(Reply).map_err(|error| match error.is_connect() {
            true if NotPublic::caused(&error) => HttpError::Address,
            true => HttpError::Connect,
            false => HttpError::Broken,
        })
    }
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header's value by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The media type in lower case, without its parameters.
    pub fn media_type(&self) -> Option<String> {
        let value = self.0.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
        Some(essence.trim().to_ascii_lowercase())
    }

    /// The whole body, at most `limit` bytes. A longer one is noticed by its announced length, else while it
    /// arrives; the rest is never read.
    pub async fn body(mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let announced = self.0.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > limit as u64) {
            return Err(HttpError::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.0.chunk().await.map_err(|_| HttpError::Broken)? {
            if body.len() + chunk.len() > limit {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn header_map(headers: &[(&'static str, String)]) -> Result<HeaderMap, HttpError> {
    let pairs = headers.iter().map(|(name, value)| {
        let mut value = HeaderValue::from_str(value).map_err(|_| HttpError::Header)?;
        value.set_sensitive(true);
        Ok((HeaderName::from_static(name), value))
    });
    pairs.collect()
}
