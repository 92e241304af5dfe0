//! Calls as their records tell them, to be placed once more: on other dialplans.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::call::{Call, CallId, Caller, Diverter, E164, Number, Origin, Trunk};

/// A longer line is no record of ours.
const LONGEST_LINE: u64 = 1024 * 1024;

/// One line of a file of records.
#[derive(Debug)]
pub enum Replayed {
    Call(Box<Call>),
    /// It is cut off, is of another version or not a record at all, or its call ended before it said what was called.
    Nothing,
}

/// Line by line, the empty ones left out. A record does not tell who diverted a call and asked not to be named, nor
/// who withheld the number.
pub fn replay(mut records: impl BufRead) -> impl Iterator<Item = io::Result<Replayed>> {
    std::iter::from_fn(move || {
        loop {
            match next_line(&mut records).transpose()? {
                Ok(line) if line.trim_ascii().is_empty() => {}
                Ok(line) => return Some(Ok(read(&line))),
                Err(error) => return Some(Err(error)),
            }
        }
    })
}

/// The rest of a line that is too long is skipped; what is left of it can't be read.
fn next_line(records: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if records.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let is_cut = |line: &[u8]| line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n");
    if is_cut(&line) {
        records.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn read(line: &[u8]) -> Replayed {
    let call = serde_json::from_slice(line).ok().and_then(call);
    call.map_or(Replayed::Nothing, |call| Replayed::Call(Box::new(call)))
}

/// What of a record says where its call went. Fields that later versions add are of no account.
#[derive(Deserialize)]
struct Line {
    version: u8,
    id: String,
    call: Option<CallPart>,
}

#[derive(Deserialize)]
struct CallPart {
    ingress: String,
    project: Option<String>,
    received_at: String,
    caller: Option<NumberPart>,
    called: NumberPart,
    diverted_from: Option<NumberPart>,
    trunk: Option<TrunkPart>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct NumberPart {
    number: Option<String>,
    raw: String,
}

#[derive(Deserialize)]
struct TrunkPart {
    id: String,
    name: Option<String>,
}

fn call(Line { version, id, call }: Line) -> Option<Call> {
    let part = call.filter(|_| version == 1)?;
    let id = CallId::from_u128(Uuid::parse_str(&id).ok()?.as_u128());
    let origin = match part.ingress.as_str() {
        "livekit" => Origin::LiveKit { project: part.project?.into() },
        "sip" => Origin::Sip,
        _ => return None,
    };
    let received_at = part.received_at.parse::<Timestamp>().ok()?;
    Some(Call {
        diverter: part.diverted_from.map(number).map(Diverter::open),
        caller: part.caller.map_or(Caller::Anonymous, |caller| Caller::Number(number(caller))),
        trunk: part.trunk.map(|TrunkPart { id, name }| Trunk { id, name: name.map(Into::into) }),
        headers: part.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
        ..Call::new(id, origin, received_at, number(part.called))
    })
}

/// As the router read it, when the call came in.
fn number(part: NumberPart) -> Number {
    Number { e164: part.number.as_deref().and_then(E164::parse), raw: part.raw.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_costs_itself_only() {
        let call = r#"{"version":1,"id":"00000000-0000-0000-0000-000000000001","call":{"ingress":"livekit",
            "project":"main","received_at":"2026-11-23T12:00:00Z","caller":null,"called":{"number":"+15557770001",
            "raw":"5557770001"},"diverted_from":null,"trunk":null}}"#
            .replace('\n', " ");
        let endless = "x".repeat(3 * LONGEST_LINE as usize);
        let text = format!("{call}\n\n{endless}\n{call}\n{{\"version\":1,\"id\"");
        let lines: Vec<_> = replay(text.as_bytes()).map(Result::unwrap).collect();
        let called = |line: &Replayed| match line {
            Replayed::Call(call) => Some(call.called.best().to_owned()),
            Replayed::Nothing => None,
        };
        let number = || Some("+15557770001".to_owned());
        assert_eq!(lines.iter().map(called).collect::<Vec<_>>(), [number(), None, number(), None]);
    }
}
