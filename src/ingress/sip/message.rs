//! SIP messages that we write (RFC 3261).

use rsipstack::sip::{
    ContentLength, Header, Headers, HeadersExt, Method, Request, Response, StatusCode, To, Version,
};
use rsipstack::transaction::make_tag;

use crate::admission::NoSlot;
use crate::call::Refusal;
use crate::fleet::calls::Limit;

/// What we take, in a dialog or before one.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, NOTIFY";
/// What we read of a body.
pub const ACCEPT: &str = "application/sdp, multipart/mixed";
/// The extensions that we know.
pub const SUPPORTED: [&str; 2] = ["timer", "100rel"];
pub const SERVER: &str = concat!("Dialplane/", env!("CARGO_PKG_VERSION"));

/// When a caller of a router that is full may come again, in seconds; another router may well be free at once.
const RETRY_WHEN_FULL: u32 = 2;
/// The same of a router that is about to end.
const RETRY_WHEN_DRAINING: u32 = 30;

/// An answer to a request: what is not copied from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

impl Reply {
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(header(name, value));
        self
    }

    /// With what we can do: of OPTIONS, and of a request that asks for more.
    pub fn abilities(status: u16) -> Self {
        Self::status(status)
            .with("Allow", ALLOW)
            .with("Accept", ACCEPT)
            .with("Supported", SUPPORTED.join(", "))
    }

    pub fn with_all(mut self, headers: Vec<Header>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// With this session description.
    pub fn describing(mut self, sdp: Vec<u8>) -> Self {
        self.headers.push(header("Content-Type", "application/sdp"));
        self.body = sdp;
        self
    }

    /// The call is not taken, for the reason that the route, the backend or the session gave.
    pub fn refusal(refusal: Refusal) -> Self {
        Self::status(refusal.sip_status()).with("Reason", reason(refusal.q850_cause()))
    }

    /// The router takes no call now: cause 42, congestion.
    pub fn no_slot(why: NoSlot) -> Self {
        let seconds = match why {
            NoSlot::Full | NoSlot::Late => RETRY_WHEN_FULL,
            NoSlot::Draining => RETRY_WHEN_DRAINING,
        };
        Self::status(503).with("Retry-After", seconds.to_string()).with("Reason", reason(42))
    }

    /// The trunk has as many calls as it may have (cause 34, no circuit available), or they come too fast (cause 42): the
    /// carrier takes another of its routes.
    pub fn trunk_full(limit: Limit) -> Self {
        let (seconds, cause) = match limit {
            Limit::Calls => (RETRY_WHEN_FULL, 34),
            Limit::CallsPerSecond => (1, 42),
        };
        Self::status(503).with("Retry-After", seconds.to_string()).with("Reason", reason(cause))
    }

    /// The request is in the way of another: it may be sent again in so many seconds.
    pub fn later(seconds: u32) -> Self {
        Self::status(500).with("Retry-After", seconds.to_string())
    }
}

/// A Reason header of the telephone network's causes (RFC 3326).
pub fn reason(q850_cause: u8) -> String {
    format!("Q.850;cause={q850_cause}")
}

pub fn header(name: &str, value: impl Into<String>) -> Header {
    Header::Other(name.to_owned(), value.into())
}

/// A tag of our own: nobody guesses it.
pub fn fresh_tag() -> String {
    make_tag().to_string()
}

/// The response to `request` that `reply` says, with our tag in To.
pub fn response(request: &Request, reply: Reply, tag: &str) -> Response {
    let establishes = *request.method() == Method::Invite && (101..300).contains(&reply.status);
    let mut headers = Headers::default();
    for from in request.headers.iter() {
        match from {
            Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => {
                headers.push(from.clone())
            }
            Header::RecordRoute(_) if establishes => headers.push(from.clone()),
            Header::Timestamp(_) if reply.status == 100 => headers.push(from.clone()),
            Header::To(to) if reply.status == 100 || has_to_tag(request) => headers.push(to.clone().into()),
            Header::To(to) => headers.push(Header::To(To(format!("{};tag={tag}", to.0)))),
            _ => {}
        }
    }
    headers.extend(reply.headers);
    headers.push(header("Server", SERVER));
    let length = u32::try_from(reply.body.len()).unwrap_or(u32::MAX);
    headers.push(Header::ContentLength(ContentLength::from(length)));
    Response {
        status_code: StatusCode::from(reply.status),
        wire_reason: None,
        version: Version::V2,
        headers,
        body: reply.body,
    }
}

/// Whether it belongs to a dialog.
pub fn has_to_tag(request: &Request) -> bool {
    to_tag(request).is_some()
}

pub fn to_tag(request: &Request) -> Option<String> {
    let tag = request.to_header().ok()?.tag().ok()??;
    Some(tag.value().to_owned()).filter(|tag| !tag.is_empty())
}

pub fn from_tag(request: &Request) -> Option<String> {
    let tag = request.from_header().ok()?.tag().ok()??;
    Some(tag.value().to_owned()).filter(|tag| !tag.is_empty())
}

pub fn call_id(request: &Request) -> Option<&str> {
    Some(request.call_id_header().ok()?.0.trim()).filter(|id| !id.is_empty())
}

pub fn cseq(request: &Request) -> Option<u32> {
    request.cseq_header().ok()?.seq().ok()
}

/// Every value of a header, by its name or the short form of it.
pub fn values<'r>(request: &'r Request, name: &'r str) -> impl Iterator<Item = &'r str> {
    values_in(&request.headers, name)
}

pub fn values_in<'h>(headers: &'h Headers, name: &'h str) -> impl Iterator<Item = &'h str> {
    let named = headers.iter().filter(move |header| header.name().eq_ignore_ascii_case(name));
    named.map(|header| header.value().trim())
}

/// A value without its parameters.
pub fn main_of(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// A parameter of a value, without its quotes.
pub fn parameter<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, said) = parameters.find(|(known, _)| known.trim().eq_ignore_ascii_case(name))?;
    Some(said.trim().trim_matches('"'))
}

/// Whether a header that lists tokens has this one.
pub fn has_token(request: &Request, name: &str, token: &str) -> bool {
    values(request, name)
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}
