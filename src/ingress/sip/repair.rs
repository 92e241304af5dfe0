//! What arrives, in a datagram or out of a stream, made fit for the SIP stack's parser.
//!
//! The parser (0.7.14) loses every header behind one that is not UTF-8, and the body of a message that does not say
//! how long it is. Both are to be had in the field.

use std::borrow::Cow;

/// Longer messages are refused.
pub const LONGEST: usize = 16 * 1024;

/// Why a datagram is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// A ping that keeps a way through a NAT open (RFC 5626, section 4.4.1), or nothing at all.
    Empty,
    /// No end of the headers: no SIP message.
    Endless,
    /// [`LONGEST`] is exceeded; by the headers alone, where there are none.
    TooLong { head: Option<Vec<u8>> },
    /// The body is shorter than its Content-Length says.
    CutShort { head: Vec<u8> },
}

/// The message in `datagram`; what is in order is not copied.
pub fn repair(datagram: &[u8]) -> Result<Cow<'_, [u8]>, Unfit> {
    let datagram = datagram.trim_ascii_start();
    if datagram.is_empty() {
        return Err(Unfit::Empty);
    }
    let Some((head, body)) = split(datagram) else { return Err(Unfit::Endless) };
    if datagram.len() > LONGEST {
        let head = (head.len() <= LONGEST).then(|| with_length(head, 0));
        return Err(Unfit::TooLong { head });
    }
    let length = content_length(head);
    if length.is_some_and(|length| length > body.len()) {
        return Err(Unfit::CutShort { head: with_length(head, 0) });
    }
    if std::str::from_utf8(head).is_ok() && (length.is_some() || body.is_empty()) {
        return Ok(Cow::Borrowed(datagram));
    }
    let mut message = with_length(head, length.unwrap_or(body.len()));
    message.extend(body);
    Ok(Cow::Owned(message))
}

/// Headers and body, without the empty line between them.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((message.get(..end)?, message.get(end + 4..)?))
}

/// The headers with this length of the body, to the empty line.
pub(super) fn with_length(head: &[u8], length: usize) -> Vec<u8> {
    let head = readable(head);
    let kept: Vec<&str> = head.split("\r\n").filter(|line| !is_content_length(line)).collect();
    format!("{}\r\nContent-Length: {length}\r\n\r\n", kept.join("\r\n")).into_bytes()
}

/// Text that is not UTF-8 is Latin-1, where names are written so.
fn readable(head: &[u8]) -> String {
    match std::str::from_utf8(head) {
        Ok(text) => text.to_owned(),
        Err(_) => head.iter().copied().map(char::from).collect(),
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = readable(head);
    let lines = head.split("\r\n").filter(|line| is_content_length(line));
    lines.filter_map(|line| line.split_once(':')?.1.trim().parse().ok()).last()
}

pub(super) fn is_content_length(line: &str) -> bool {
    let name = line.split_once(':').map(|(name, _)| name.trim()).unwrap_or_default();
    name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsipstack::sip::{HeadersExt, Request};

    use super::*;

    fn parsed(datagram: &[u8]) -> Request {
        Request::try_from(&*repair(datagram).unwrap()).unwrap()
    }

    fn message(more: &str, body: &str) -> Vec<u8> {
        format!("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\n{more}Call-ID: 7\r\n\r\n{body}").into_bytes()
    }

    #[test]
    fn a_body_that_does_not_say_how_long_it_is_goes_to_the_end_of_the_datagram() {
        assert_eq!(parsed(&message("", "v=0\r\n")).body, b"v=0\r\n");
        assert_eq!(parsed(&message("l: 3\r\n", "v=0\r\n")).body, b"v=0");
        assert_eq!(parsed(&message("", "")).body, b"");
    }

    #[test]
    fn a_byte_that_is_no_utf_8_costs_no_header_behind_it() {
        let mut datagram = message("From: \"Jos?\" <sip:j@b>;tag=1\r\n", "");
        let at = datagram.iter().position(|byte| *byte == b'?').unwrap();
        datagram[at] = 0xE9;
        let request = parsed(&datagram);
        assert_eq!(request.call_id_header().unwrap().value(), "7");
        assert_eq!(request.from_header().unwrap().value(), "\"José\" <sip:j@b>;tag=1");
    }

    #[test]
    fn what_is_no_message_says_why() {
        let long = message("", &"x".repeat(LONGEST));
        let short = message("Content-Length: 9\r\n", "v=0\r\n");
        for (datagram, name, answerable) in [
            (&b""[..], "Empty", false),
            (b"\r\n\r\n", "Empty", false),
            (b"INVITE sip:a@b SIP/2.0\r\nVia: x", "Endless", false),
            (&long, "TooLong", true),
            (&short, "CutShort", true),
        ] {
            let unfit = repair(datagram).unwrap_err();
            assert!(format!("{unfit:?}").starts_with(name), "{unfit:?}");
            let head = match unfit {
                Unfit::TooLong { head } => head,
                Unfit::CutShort { head } => Some(head),
                Unfit::Empty | Unfit::Endless => None,
            };
            assert_eq!(head.is_some(), answerable, "{name}");
            if let Some(head) = head {
                assert_eq!(Request::try_from(head).unwrap().call_id_header().unwrap().value(), "7");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_taken_or_refused(
            head in prop::collection::vec(any::<u8>(), 0..80), body in prop::collection::vec(any::<u8>(), 0..80)
        ) {
            let datagram = [&head[..], b"\r\n\r\n", &body[..]].concat();
            if let Ok(message) = repair(&datagram) {
                prop_assert!(split(&message).is_some());
                prop_assert_eq!(&repair(&message).unwrap(), &message, "what is repaired is in order");
            }
        }
    }
}
