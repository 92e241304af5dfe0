use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;

use super::Why;
use super::memory::Said;
use super::retry::Failure;
use super::wire::Request;
use crate::call::Call;
use crate::dialplan::{Backend, Routed};
use crate::http::sign;
use crate::http::{Client, HttpError, Reply};
use crate::tenant::wire::BackendAnswer;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// One signed request to a call's backend, and its whole answer within `limit`, with its weight in bytes.
pub(super) async fn ask(
    client: &Client,
    (backend, call, routed): (&Backend, &Call, Option<&Routed>),
    attempt: u8,
    now: Timestamp,
    limit: Duration,
) -> Result<(Said, u32), Failure> {
    let id = format!("cfg_{}", call.id);
    let body = serde_json::to_vec(&Request::new(call, routed, &id, attempt, limit))
        .expect("a request is strings, numbers and maps with string keys");
    let headers = headers(backend, call, &id, now, &body);
    let exchange = async {
        let reply = client.post(&backend.url, &headers, body).await.map_err(|error| failed(why(error)))?;
        read(reply, now).await
    };
    timeout(limit, exchange).await.unwrap_or(Err(failed(Why::Timeout)))
}

const fn failed(why: Why) -> Failure {
    Failure { why, retry_after: None }
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

async fn read(reply: Reply, now: Timestamp) -> Result<(Said, u32), Failure> {
    match reply.status() {
        204 | 404 => return Ok((Said::Unknown, 0)),
        200..=299 => {}
        status => {
            let retry_after = reply.header("retry-after").and_then(|value| retry_after(value, now));
            return Err(Failure { why: Why::Status(status), retry_after });
        }
    }
    let media_type = reply.media_type().unwrap_or_default();
    if media_type != "application/json" && !media_type.ends_with("+json") {
        return Err(failed(Why::ContentType));
    }
    let body = reply.body(MAX_ANSWER).await.map_err(|error| failed(why(error)))?;
    let answer = BackendAnswer::parse(&body).map_err(|_| failed(Why::Malformed))?;
    let weight =
        body.len() + answer.metadata.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>();
    Ok((Said::Answer(Arc::new(answer)), u32::try_from(weight).unwrap_or(u32::MAX)))
}

/// What a JSON value takes in memory, about: small ones take many times their text.
fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            // A key's own place in the map is larger than a value's.
            Value::Object(fields) => fields.iter().map(|(key, value)| 64 + key.len() + weight(value)).sum(),
        }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        for (value, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
