use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::Why;
use super::wire::Request;
use crate::call::Call;
use crate::dialplan::{Backend, Routed};
use crate::http::sign;
use crate::http::{Client, HttpError, Reply};
use crate::tenant::wire::BackendAnswer;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// One signed request to a call's backend, and its whole answer within `limit`.
pub(super) async fn ask(
    client: &Client,
    backend: &Backend,
    call: &Call,
    routed: Option<&Routed>,
    now: Timestamp,
    limit: Duration,
) -> Result<BackendAnswer, Why> {
    let id = format!("cfg_{}", call.id);
    let body = serde_json::to_vec(&Request::new(call, routed, &id, 1, limit))
        .expect("a request is strings, numbers and maps with string keys");
    let headers = headers(backend, call, &id, now, &body);
    let exchange = async {
        let reply = client.post(&backend.url, &headers, body).await.map_err(why)?;
        read(reply).await
    };
    timeout(limit, exchange).await.unwrap_or(Err(Why::Timeout))
}

fn headers(
    backend: &Backend,
    call: &Call,
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
        ("traceparent", traceparent(call)),
    ];
    if !backend.secrets.is_empty() {
        let timestamp = now.as_second();
        headers.push((sign::ID, id.to_owned()));
        headers.push((sign::TIMESTAMP, timestamp.to_string()));
        headers.push((sign::SIGNATURE, sign::sign(&backend.secrets, id, timestamp, body)));
    }
    if let Some(bearer) = &backend.bearer {
        headers.push(("authorization", format!("Bearer {}", bearer.reveal())));
    }
    headers
}

/// W3C Trace Context: the trace is the call, sampled, so that a backend's own sampler is not overruled to
/// drop it. The call's id is a UUID v7: its second half is never zero.
fn traceparent(call: &Call) -> String {
    let trace = call.id.to_string().replace('-', "");
    let parent: String = trace.chars().skip(16).collect();
    format!("00-{trace}-{parent}-01")
}

async fn read(reply: Reply) -> Result<BackendAnswer, Why> {
    match reply.status() {
        204 | 404 => return Err(Why::Unknown),
        200..=299 => {}
        status => return Err(Why::Status(status)),
    }
    let media_type = reply.media_type().unwrap_or_default();
    if media_type != "application/json" && !media_type.ends_with("+json") {
        return Err(Why::ContentType);
    }
    let body = reply.body(MAX_ANSWER).await.map_err(why)?;
    BackendAnswer::parse(&body).map_err(|_| Why::Malformed)
}

fn why(error: HttpError) -> Why {
    match error {
        // A token that may not stand in a header: nothing could be sent.
        HttpError::Connect | HttpError::Header => Why::Connect,
        HttpError::Address => Why::Address,
        HttpError::Broken => Why::Broken,
        HttpError::TooLarge => Why::TooLarge,
    }
}
