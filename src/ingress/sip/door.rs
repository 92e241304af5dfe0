//! What becomes of a request that begins a transaction: a call, a part of one, or an answer at once.

use rsipstack::sip::{Method, Request};
use tokio::time::Instant;

use super::body::unpack;
use super::message::{self, ACCEPT, Reply, main_of, to_tag, values};
use crate::admission::{NoSlot, Slots};

/// What a request is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The first INVITE of a call.
    Call,
    /// Of the dialog that has this tag of ours.
    Within(String),
    Answer(Reply),
}

/// Judges a request by itself, before any call or slot is looked for. Of a body that may describe the session nothing is left
/// but that.
pub fn judge(request: &mut Request, slots: &Slots, now: Instant) -> Judged {
    let judged = judge_head(request, slots, now);
    let describes = matches!(request.method(), Method::Invite | Method::Update | Method::PRack);
    if matches!(judged, Judged::Answer(_)) || !describes {
        return judged;
    }
    unpack(request).err().map_or(judged, Judged::Answer)
}

fn judge_head(request: &Request, slots: &Slots, now: Instant) -> Judged {
    if let Some(reply) = unmet(request) {
        return Judged::Answer(reply);
    }
    if let Some(tag) = to_tag(request) {
        return Judged::Within(tag);
    }
    match request.method() {
        Method::Invite => match refused_at_sight(request) {
            Some(reply) => Judged::Answer(reply),
            None => Judged::Call,
        },
        Method::Options => Judged::Answer(options(slots, now)),
        Method::Bye | Method::Update | Method::Info | Method::Notify | Method::PRack | Method::Cancel => {
            Judged::Answer(Reply::status(481))
        }
        Method::Ack
        | Method::Message
        | Method::Publish
        | Method::Refer
        | Method::Register
        | Method::Subscribe => Judged::Answer(Reply::status(405).with("Allow", message::ALLOW)),
    }
}

/// Extensions that are required of us and that we lack (RFC 3261, section 8.2.2.3).
fn unmet(request: &Request) -> Option<Reply> {
    let required = values(request, "require").flat_map(|value| value.split(',')).map(str::trim);
    let lacking: Vec<&str> = required
        .filter(|tag| {
            !tag.is_empty() && !message::SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(tag))
        })
        .collect();
    (!lacking.is_empty()).then(|| Reply::status(420).with("Unsupported", lacking.join(", ")))
}

/// A call that went through too many hops goes round and round; and who takes no SDP cannot be answered.
fn refused_at_sight(invite: &Request) -> Option<Reply> {
    if values(invite, "max-forwards").any(|hops| hops.parse() == Ok(0)) {
        return Some(Reply::status(483));
    }
    let mut accepted = values(invite, "accept").flat_map(|value| value.split(',')).map(main_of).peekable();
    let takes_sdp = |kind: &str| {
        ["application/sdp", "application/*", "*/*"].iter().any(|ours| kind.eq_ignore_ascii_case(ours))
    };
    if accepted.peek().is_some() && !accepted.any(takes_sdp) {
        return Some(Reply::status(406).with("Accept", ACCEPT));
    }
    None
}

/// As an INVITE would be answered (RFC 3261, section 11.2): a carrier asks whether calls may come.
fn options(slots: &Slots, now: Instant) -> Reply {
    if slots.is_draining() {
        return Reply::no_slot(NoSlot::Draining);
    }
    if slots.has_room(now) { Reply::abilities(200) } else { Reply::no_slot(NoSlot::Full) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::media::lateness::Lateness;

    fn request(method: &str, headers: &str) -> Request {
        let text =
            format!("{method} sip:us@b SIP/2.0\r\nTo: <sip:us@b>\r\nCSeq: 8 {method}\r\n{headers}\r\n");
        Request::try_from(text).unwrap()
    }

    fn slots() -> Slots {
        Slots::new(1, Arc::new(Lateness::new(Instant::now())))
    }

    fn status(judged: &Judged) -> u16 {
        match judged {
            Judged::Call => 100,
            Judged::Within(_) => 0,
            Judged::Answer(reply) => reply.status,
        }
    }

    #[test]
    fn a_request_is_a_call_a_part_of_one_or_answered_at_once() {
        let slots = slots();
        let ours = "To: <sip:us@b>;tag=ours\r\n";
        for (method, headers, expected) in [
            ("INVITE", "", 100),
            ("INVITE", "Max-Forwards: 0\r\n", 483),
            ("INVITE", "Max-Forwards: 1\r\n", 100),
            ("INVITE", "Require: 100rel, x-magic\r\n", 420),
            ("INVITE", "Require: 100rel, timer\r\n", 100),
            ("INVITE", "Require: timer\r\n", 100),
            ("INVITE", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", 415),
            ("INVITE", "c: Application/SDP;x=y\r\nContent-Length: 2\r\n\r\nv=", 100),
            ("INVITE", "Accept: text/plain\r\n", 406),
            ("INVITE", "Accept:\r\n", 406),
            ("INVITE", "Accept: text/plain\r\nAccept: x/y, Application/SDP;level=1\r\n", 100),
            ("INVITE", "Accept: */*\r\n", 100),
            ("BYE", "", 481),
            ("UPDATE", "", 481),
            ("OPTIONS", "Max-Forwards: 0\r\n", 200),
            ("REGISTER", "", 405),
            ("MESSAGE", "", 405),
        ] {
            assert_eq!(
                status(&judge(&mut request(method, headers), &slots, Instant::now())),
                expected,
                "{method} {headers}"
            );
        }
        let mut within =
            Request::try_from(format!("BYE sip:us@b SIP/2.0\r\n{ours}CSeq: 8 BYE\r\n\r\n")).unwrap();
        assert_eq!(judge(&mut within, &slots, Instant::now()), Judged::Within("ours".into()));
    }

    #[test]
    fn options_says_whether_a_call_would_be_taken() {
        let slots = slots();
        let ask = |slots: &Slots| judge(&mut request("OPTIONS", ""), slots, Instant::now());
        let retry = |judged: &Judged| match judged {
            Judged::Answer(reply) => reply.headers.iter().any(|header| header.name() == "Retry-After"),
            Judged::Call | Judged::Within(_) => false,
        };
        assert_eq!((status(&ask(&slots)), retry(&ask(&slots))), (200, false));
        let slot = slots.reserve(Instant::now()).unwrap();
        assert_eq!((status(&ask(&slots)), retry(&ask(&slots))), (503, true));
        drop(slot);
        slots.drain();
        assert_eq!((status(&ask(&slots)), retry(&ask(&slots))), (503, true));
    }

    #[test]
    fn what_is_lacking_is_named() {
        let Judged::Answer(reply) = judge(
            &mut request("INVITE", "Require: precondition, 100rel, x-magic\r\n"),
            &slots(),
            Instant::now(),
        ) else {
            panic!("taken")
        };
        assert_eq!(reply, Reply::status(420).with("Unsupported", "precondition, x-magic"));
    }
}
