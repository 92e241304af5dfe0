//! What arrives, in a datagram or out of a stream, made fit for the SIP stack's parser.
//!
//! The parser (0.7.14) loses every header behind one that is not UTF-8, and the body of a message that does not say
//! how long it is: both are to be had in the field. It finds no tag behind a blank (`tag = 1`), and takes the version for a
//! word of capitals.

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
    /// Content-Length says more than the body has, or nothing that could be understood.
    WrongLength { head: Vec<u8> },
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
    let head = legible(head);
    let length = match content_length(&head, |value| value.parse().ok()) {
        Ok(length) if length.is_none_or(|length| length <= body.len()) => length,
        Ok(_) | Err(Unclear) => return Err(Unfit::WrongLength { head: with_body_of(0, &head) }),
    };
    if matches!(head, Cow::Borrowed(_)) && (length.is_some() || body.is_empty()) {
        return Ok(Cow::Borrowed(datagram));
    }
    let mut message = with_body_of(length.unwrap_or(body.len()), &head);
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
    with_body_of(length, &legible(head))
}

fn with_body_of(length: usize, head: &str) -> Vec<u8> {
    let kept: Vec<&str> = head.split("\r\n").filter(|line| !is_content_length(line)).collect();
    format!("{}\r\nContent-Length: {length}\r\n\r\n", kept.join("\r\n")).into_bytes()
}

/// The headers as the parser can read them; borrowed where it can anyway.
fn legible(head: &[u8]) -> Cow<'_, str> {
    let head = match std::str::from_utf8(head) {
        Ok(text) => Cow::Borrowed(text),
        // Latin-1, where names are written so.
        Err(_) => Cow::Owned(head.iter().copied().map(char::from).collect()),
    };
    let is_folded = FOLDS.iter().any(|fold| head.contains(fold));
    let unfolded = || FOLDS.iter().fold(head.to_string(), |head, fold| head.replace(fold, " "));
    let whole = if is_folded { unfolded().into() } else { head };
    let (first, _) = whole.split_once("\r\n").unwrap_or((&whole, ""));
    let is_low = first.to_ascii_uppercase().ends_with(VERSION) && !first.ends_with(VERSION);
    if !is_low && !whole.split("\r\n").any(is_loose) {
        return whole;
    }
    let (end, mut whole) = (first.len(), whole.to_string());
    if is_low {
        whole.replace_range(end - VERSION.len()..end, VERSION);
    }
    let lines: Vec<String> = whole.split("\r\n").map(tightened).collect();
    lines.join("\r\n").into()
}

/// At the end of a request's first line.
const VERSION: &str = " SIP/2.0";
/// Where a header goes on in the next line.
const FOLDS: [&str; 2] = ["\r\n ", "\r\n\t"];
/// The headers whose parameters the parser looks into.
const LOOKED_INTO: [&str; 8] = ["from", "f", "to", "t", "via", "v", "contact", "m"];

fn is_loose(line: &str) -> bool {
    tightened(line) != line
}

/// A header without the blanks around what separates its parameters.
fn tightened(line: &str) -> String {
    let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !LOOKED_INTO.contains(&name.as_str()) || !line.contains(' ') && !line.contains('\t') {
        return line.to_owned();
    }
    let separates: &[char] = if name.starts_with('v') { &[';', '=', '/'] } else { &[';', '='] };
    let (mut tight, mut quoted, mut escaped) = (String::with_capacity(line.len()), false, false);
    for letter in line.chars() {
        if quoted || !separates.contains(&letter) {
            let follows = !quoted && tight.ends_with(separates);
            if follows && matches!(letter, ' ' | '\t') {
                continue;
            }
        } else {
            tight.truncate(tight.trim_end_matches([' ', '\t']).len());
        }
        quoted ^= letter == '"' && !escaped;
        escaped = quoted && letter == '\\' && !escaped;
        tight.push(letter);
    }
    tight
}

/// It says nothing, or two things.
pub(super) struct Unclear;

pub(super) fn content_length(
    head: &str,
    read: impl Fn(&str) -> Option<usize>,
) -> Result<Option<usize>, Unclear> {
    let mut said = None;
    for line in head.split("\r\n").filter(|line| is_content_length(line)) {
        let length = line.split_once(':').and_then(|(_, value)| read(value.trim())).ok_or(Unclear)?;
        if said.is_some_and(|other| other != length) {
            return Err(Unclear);
        }
        said = Some(length);
    }
    Ok(said)
}

fn is_content_length(line: &str) -> bool {
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
    fn blanks_folds_and_small_letters_cost_nothing() {
        let loose = "INVITE sip:a@b sip/2.0\r\nVia: SIP / 2.0\r\n / UDP c ; branch = z9hG4bK1\r\n\
                     f: \"A = \\\" ; B\" <sip:a@b>\r\n\t; tag =\r\n 7\r\nSubject: a ; b\r\nl:\r\n 4\r\n\r\nv=0\r\n";
        let request = parsed(loose.as_bytes());
        assert_eq!(request.from_header().unwrap().value(), "\"A = \\\" ; B\" <sip:a@b>;tag=7");
        assert_eq!(request.via_header().unwrap().value(), "SIP/2.0/UDP c;branch=z9hG4bK1");
        assert!(request.headers.iter().any(|header| header.value() == "a ; b"), "nobody's but its own");
        assert_eq!(request.body, b"v=0\r");
    }

    #[test]
    fn a_first_line_that_goes_on_in_the_next_is_mended_as_a_whole() {
        let folded = b"INVITE sip:a@b\r\n sip/2.0\r\nCall-ID: 7\r\n\r\n";
        assert!(repair(folded).unwrap().starts_with(b"INVITE sip:a@b SIP/2.0\r\n"));
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
            (&short, "WrongLength", true),
            (&message("Content-Length: -5\r\n", "v=0\r\n"), "WrongLength", true),
            (&message("Content-Length: 3\r\nl: 4\r\n", "v=0\r\n"), "WrongLength", true),
        ] {
            let unfit = repair(datagram).unwrap_err();
            assert!(format!("{unfit:?}").starts_with(name), "{unfit:?}");
            let head = match unfit {
                Unfit::TooLong { head } => head,
                Unfit::WrongLength { head } => Some(head),
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
