//! What a request in the dialog asks for.

use std::ops::Range;
use std::time::Duration;

use rsipstack::sip::{Method, Request};

use super::machine::{Asked, Change};
use crate::call::Digit;
use crate::ingress::sip::message::{main_of, parameter, values};

/// How long an INVITE may ring (RFC 3261, section 13.3.1), where it says so.
pub(super) fn expires(invite: &Request) -> Option<Duration> {
    let seconds: u32 = values(invite, "expires").next()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// What `request` asks for. Our REFERs were `referred`, from the first to the last.
pub(super) fn read(request: &Request, referred: Option<&Range<u32>>) -> Asked {
    let offer = !request.body.is_empty();
    match request.method() {
        Method::Bye => Asked::Bye,
        Method::Invite => Asked::Change { offer, method: Change::Invite },
        Method::Update => Asked::Change { offer, method: Change::Update },
        Method::Info => info(request),
        Method::Options => Asked::Options,
        Method::Notify => notify(request, referred),
        // Those before `Message` come another way.
        Method::Ack
        | Method::Cancel
        | Method::PRack
        | Method::Message
        | Method::Publish
        | Method::Refer
        | Method::Register
        | Method::Subscribe => Asked::Other,
    }
}

/// A key, as `application/dtmf-relay` (`Signal=5`) or `application/dtmf` (`5`) tells it.
fn info(request: &Request) -> Asked {
    let kind = values(request, "content-type").next().unwrap_or_default();
    let kind = main_of(kind).to_ascii_lowercase();
    let body = String::from_utf8_lossy(&request.body);
    let key = match kind.as_str() {
        "application/dtmf" => Some(body.trim()),
        "application/dtmf-relay" => body.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
        }),
        _ => None,
    };
    key.and_then(digit).map_or(Asked::Info, Asked::Digit)
}

/// Some name the keys beyond 9 by their event codes.
fn digit(key: &str) -> Option<Digit> {
    let mut letters = key.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Digit::parse(letter),
        _ => key.parse().ok().filter(|code| *code > 9).and_then(Digit::from_code),
    }
}

/// A NOTIFY that does not say of what is of a REFER, and of the last one unless it names an earlier (RFC 3515, section 2.4.6):
/// who stands between may have numbered them anew.
fn notify(request: &Request, referred: Option<&Range<u32>>) -> Asked {
    let event = values(request, "event").next().unwrap_or("refer");
    if !main_of(event).eq_ignore_ascii_case("refer") {
        return Asked::Event;
    }
    let id = parameter(event, "id").and_then(|id| id.parse().ok());
    let is_earlier = id.zip(referred).is_some_and(|(id, referred)| referred.contains(&id));
    if is_earlier { Asked::Gone } else { Asked::Notify { status: progress(request) } }
}

/// The status that the new call has, from the first line of a `message/sipfrag` (RFC 3420). A subscription that ends without
/// one leaves none; one that goes on has nothing to say yet.
fn progress(request: &Request) -> Option<u16> {
    let body = String::from_utf8_lossy(&request.body);
    let status = body.trim_start().strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let state = values(request, "subscription-state").next().unwrap_or_default();
    let goes_on = !state.trim_start().to_ascii_lowercase().starts_with("terminated");
    status.filter(|status| goes_on || *status >= 200).or(goes_on.then_some(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &str, body: &str) -> Request {
        let text = format!(
            "{method} sip:us@b SIP/2.0\r\nCSeq: 8 {method}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Request::try_from(text).unwrap()
    }

    #[test]
    fn keys_come_in_info_in_two_spellings() {
        let key = |kind: &str, body: &str| match read(
            &request("INFO", &format!("Content-Type: {kind}\r\n"), body),
            None,
        ) {
            Asked::Digit(digit) => Some(digit.reveal()),
            _ => None,
        };
        for (kind, body, expected) in [
            ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some('5')),
            ("application/dtmf-relay", "signal = #\r\n", Some('#')),
            ("Application/DTMF-Relay;x=y", "Signal=10\r\n", Some('*')),
            ("application/dtmf", "d", Some('D')),
            ("application/dtmf", "12", Some('A')),
            ("application/dtmf", "16", None),
            ("application/dtmf", "05", None),
            ("application/dtmf", "", None),
            ("application/media_control+xml", "5", None),
        ] {
            assert_eq!(key(kind, body), expected, "{kind} {body:?}");
        }
    }

    #[test]
    fn a_notify_of_something_else_says_nothing_of_the_transfer() {
        let terminated = "Subscription-State: terminated\r\n";
        for (event, expected) in [
            ("", Asked::Notify { status: None }),
            ("Event: refer\r\n", Asked::Notify { status: None }),
            ("o: Refer ;id=4\r\n", Asked::Notify { status: None }),
            ("Event: refer;id=2\r\n", Asked::Gone),
            ("Event: refer;id=102\r\n", Asked::Notify { status: None }),
            ("Event: refer;id=none\r\n", Asked::Notify { status: None }),
            ("Event: message-summary\r\n", Asked::Event),
            ("Event: presence;id=refer\r\n", Asked::Event),
        ] {
            assert_eq!(
                read(&request("NOTIFY", &format!("{event}{terminated}"), ""), Some(&(2..4))),
                expected,
                "{event}"
            );
        }
    }

    #[test]
    fn a_notify_says_how_the_transfer_goes() {
        let active = "Subscription-State: active;expires=60\r\n";
        let terminated = "Subscription-State: terminated;reason=noresource\r\n";
        for (state, body, expected) in [
            (active, "SIP/2.0 100 Trying\r\n", Some(100)),
            (active, "SIP/2.0 200 OK\r\n", Some(200)),
            (active, "", Some(100)),
            (terminated, "SIP/2.0 200 OK\r\n", Some(200)),
            (terminated, "SIP/2.0 486 Busy Here\r\n", Some(486)),
            (terminated, "SIP/2.0 180 Ringing\r\n", None),
            (terminated, "", None),
            ("", "SIP/2.0 603 Decline", Some(603)),
        ] {
            let asked = read(&request("NOTIFY", state, body), None);
            assert_eq!(asked, Asked::Notify { status: expected }, "{state} {body:?}");
        }
    }

    #[test]
    fn an_invite_says_how_long_it_may_ring() {
        for (headers, expected) in [
            ("", None),
            ("Expires: 20\r\n", Some(20)),
            ("Expires: 0\r\n", Some(0)),
            ("Expires: 4294967295\r\n", Some(u32::MAX)),
            ("Expires: 4294967296\r\n", None),
            ("Expires: Thu, 01 Dec 2044 16:00:00 GMT\r\n", None),
        ] {
            let expected = expected.map(|seconds| Duration::from_secs(seconds.into()));
            assert_eq!(expires(&request("INVITE", headers, "")), expected, "{headers}");
        }
    }
}
