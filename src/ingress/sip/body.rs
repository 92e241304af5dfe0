//! A message's body as far as it describes the session: SDP, by itself or beside other parts (RFC 5621).
//!
//! Carriers put ISUP, a location or what a recorder needs beside it, of which nothing is ours. Who insists on a part says so
//! (`handling=required`) and is refused. Where nothing is said RFC 3261 means the same, but hardly anybody who sends the
//! location of an emergency call says more, and Asterisk does not ask: beside SDP such a part is left out.

use rsipstack::sip::Request;

use super::message::{ACCEPT, Reply, main_of, parameter, values};

/// A body of more parts is none that a carrier sends.
const MOST_PARTS: usize = 16;

/// Leaves of the body what describes the session, or nothing. `Err` says what the request is answered instead.
pub fn unpack(request: &mut Request) -> Result<(), Reply> {
    if !request.body.is_empty() {
        request.body = description(request)?;
    }
    Ok(())
}

fn description(request: &Request) -> Result<Vec<u8>, Reply> {
    let header = |name: &str| values(request, name).next().unwrap_or_default().to_owned();
    let parts = Part::new(header, &request.body).parts()?;
    let known = parts.iter().find(|part| part.is_known());
    let insisted_on = |part: &&Part<'_>| match part.handling() {
        Handling::Required => !part.is_known(),
        Handling::Unsaid => known.is_none(),
        Handling::Optional => false,
    };
    match parts.iter().find(insisted_on) {
        Some(part) => Err(part.refused()),
        None => Ok(known.map(|part| part.content.to_vec()).unwrap_or_default()),
    }
}

/// A body, or one of several in it.
struct Part<'b> {
    kind: String,
    disposition: String,
    encoding: String,
    content: &'b [u8],
}

/// What becomes of a request with a part that we do not know.
enum Handling {
    Required,
    Optional,
    Unsaid,
}

impl<'b> Part<'b> {
    fn new(header: impl Fn(&str) -> String, content: &'b [u8]) -> Self {
        let (kind, disposition) = (header("content-type"), header("content-disposition"));
        Self { kind, disposition, encoding: header("content-encoding"), content }
    }

    /// As it stands between two boundaries: headers, an empty line and the content.
    fn read(part: &'b [u8]) -> Self {
        let (head, content) = match part.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => part.split_at(end),
            None => (&[][..], part),
        };
        let head = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
        let header = |name: &str| {
            let mut named = head.lines().filter_map(|line| line.split_once(':'));
            let value = named.find(|(known, _)| known.trim().eq_ignore_ascii_case(name));
            value.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        Self::new(header, content.trim_ascii_start())
    }

    /// Those of a multipart body; a body of another kind is its own.
    fn parts(self) -> Result<Vec<Self>, Reply> {
        let is_multipart = main_of(&self.kind).to_ascii_lowercase().starts_with("multipart/");
        if !is_multipart || self.is_encoded() {
            return Ok(vec![self]);
        }
        let boundary = parameter(&self.kind, "boundary").filter(|boundary| !boundary.is_empty());
        let parts = boundary.map(|boundary| between(boundary, self.content)).unwrap_or_default();
        match parts.len() {
            1..=MOST_PARTS => Ok(parts.into_iter().map(Self::read).collect()),
            _ => Err(Reply::status(400)),
        }
    }

    /// Whether it describes the session: not what is to be heard before the answer (RFC 3959).
    fn is_known(&self) -> bool {
        main_of(&self.kind).eq_ignore_ascii_case("application/sdp")
            && !main_of(&self.disposition).eq_ignore_ascii_case("early-session")
            && !self.is_encoded()
    }

    fn is_encoded(&self) -> bool {
        !self.encoding.is_empty() && !self.encoding.eq_ignore_ascii_case("identity")
    }

    fn handling(&self) -> Handling {
        match parameter(&self.disposition, "handling") {
            Some(said) if said.eq_ignore_ascii_case("required") => Handling::Required,
            Some(said) if said.eq_ignore_ascii_case("optional") => Handling::Optional,
            Some(_) | None => Handling::Unsaid,
        }
    }

    /// With what we would take in its place (RFC 3261, section 8.2.3).
    fn refused(&self) -> Reply {
        let reply = Reply::status(415);
        if self.is_encoded() {
            reply.with("Accept-Encoding", "identity")
        } else {
            reply.with("Accept", ACCEPT)
        }
    }
}

/// What stands between the boundaries (RFC 2046, section 5.1.1). A last one that is not there costs nothing.
fn between<'b>(boundary: &str, content: &'b [u8]) -> Vec<&'b [u8]> {
    let (delimiter, last) = (format!("--{boundary}"), format!("--{boundary}--"));
    let (mut parts, mut begun, mut at) = (Vec::new(), None, 0);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let (start, text) = (at, line.trim_ascii_end());
        at += line.len();
        let is_last = text == last.as_bytes();
        if is_last || text == delimiter.as_bytes() {
            parts.extend(begun.and_then(|begun| content.get(begun..start)));
            begun = (!is_last).then_some(at);
        }
        if is_last || parts.len() > MOST_PARTS {
            break;
        }
    }
    parts.extend(begun.and_then(|begun| content.get(begun..)));
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SDP: &str = "v=0\r\ns=-\r\n";

    fn request(headers: &str, body: &[u8]) -> Request {
        let head = format!("INVITE sip:us@b SIP/2.0\r\n{headers}\r\nContent-Length: {}\r\n\r\n", body.len());
        Request::try_from([head.as_bytes(), body].concat().as_slice()).unwrap()
    }

    /// What is left of the body, or the answer.
    fn unpacked(headers: &str, body: &str) -> Result<String, Reply> {
        let mut request = request(headers, body.as_bytes());
        unpack(&mut request)?;
        Ok(String::from_utf8(request.body).unwrap())
    }

    const MIXED: &str = "Content-Type: multipart/mixed;boundary=b1";

    /// Parts with these headers, the first with SDP and the others with what we don't know.
    fn mixed(parts: &[&str]) -> String {
        let part = |(at, headers): (usize, &&str)| {
            let content = if at == 0 { SDP } else { "\u{1}\0?\r\n\r\n--b" };
            format!("--b1\r\n{headers}\r\n\r\n{content}\r\n")
        };
        format!("nobody reads this\r\n{}--b1--\r\n", parts.iter().enumerate().map(part).collect::<String>())
    }

    fn accept() -> Reply {
        Reply::status(415).with("Accept", "application/sdp, multipart/mixed")
    }

    fn encoding() -> Reply {
        Reply::status(415).with("Accept-Encoding", "identity")
    }

    #[test]
    fn a_description_is_found_beside_what_we_do_not_know() {
        const SESSION: &str = "Content-Type: application/sdp";
        const ISUP: &str = "Content-Type: application/ISUP;version=nxv3;base=etsi121";
        const LOCATION: &str = "Content-ID: <target@b>\r\nContent-Type: application/pidf+xml";
        let early = "Content-Type: application/sdp\r\nContent-Disposition: early-session; handling=optional";
        let optional = format!("{ISUP}\r\nContent-Disposition: signal; Handling = Optional");
        let required = format!("{ISUP}\r\nContent-Disposition: signal;handling=required");
        let zipped = format!("{SESSION}\r\nContent-Encoding: gzip");
        let folded =
            "Content-Type:\r\n application/SDP;x=y\r\nContent-Disposition: session;handling=required";
        let found = || Ok(SDP);
        for (parts, expected) in [
            (&[SESSION, &optional, LOCATION][..], found()),
            (&[folded, &optional], found()),
            (&[SESSION, &required], Err(accept())),
            (&["Content-Type: text/plain", &optional], Err(accept())),
            (&["", LOCATION], Err(accept())),
            (&[&*optional, &optional], Ok("")),
            (&[early, &optional], Ok("")),
            (&[&*zipped, &optional], Err(encoding())),
            (&[SESSION; MOST_PARTS], found()),
            (&[SESSION; MOST_PARTS + 1], Err(Reply::status(400))),
            (&[], Err(Reply::status(400))),
        ] {
            let left = unpacked(MIXED, &mixed(parts));
            assert_eq!(
                left.as_deref().map(str::trim_end),
                expected.as_deref().map(|s| s.trim_end()),
                "{parts:?}"
            );
        }
    }

    #[test]
    fn a_body_by_itself_is_a_description_or_refused_unless_it_is_optional() {
        for (headers, expected) in [
            ("Content-Type: application/sdp", Ok(SDP)),
            ("c: Application/SDP ;x=y\r\nContent-Disposition: session", Ok(SDP)),
            ("c: application/sdp\r\ne: Identity", Ok(SDP)),
            ("c: application/sdp\r\nContent-Encoding: gzip", Err(encoding())),
            ("Content-Type: application/isup", Err(accept())),
            (
                "Content-Type: application/isup\r\nContent-Disposition: signal;handling=required",
                Err(accept()),
            ),
            ("Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional", Ok("")),
            ("X-Type: none", Err(accept())),
            ("Content-Type: multipart/mixed;boundary=b1\r\nContent-Encoding: gzip", Err(encoding())),
            ("Content-Type: multipart/mixed", Err(Reply::status(400))),
            ("Content-Type: multipart/mixed;boundary=\"\"", Err(Reply::status(400))),
            ("Content-Type: multipart/mixed;boundary=b1", Err(Reply::status(400))),
        ] {
            assert_eq!(unpacked(headers, SDP).as_deref(), expected.as_deref(), "{headers}");
        }
        assert_eq!(unpacked("Content-Type: text/plain\r\nContent-Encoding: gzip", ""), Ok(String::new()));
    }

    #[test]
    fn boundaries_are_found_as_they_come() {
        let part = format!("Content-Type: application/sdp\r\n\r\n{SDP}");
        for (kind, body) in [
            ("multipart/mixed; boundary=\"a=b:c\"", format!("--a=b:c\r\n{part}\r\n--a=b:c--\r\nafter")),
            ("Multipart/Related;type=x;BOUNDARY=b1", format!("--b1 \t\r\n{part}--b1--")),
            ("multipart/mixed;boundary=b1", format!("--b12\r\n--b1\r\n{part}")),
            (
                "multipart/mixed;boundary=b1",
                format!("--b1\r\n{part}--b1--\r\n--b1\r\nContent-Disposition: x;handling=required\r\n\r\n"),
            ),
        ] {
            let left = unpacked(&format!("Content-Type: {kind}"), &body);
            assert_eq!(left.as_deref().map(str::trim_end), Ok(SDP.trim_end()), "{body}");
        }
    }

    const PIECES: [&[u8]; 9] = [
        b"--b1",
        b"--b1--",
        b"\r\n",
        b"\r\n\r\n",
        b"Content-Type: application/sdp",
        b"Content-Disposition: x;handling=optional",
        b"content-encoding:",
        b";=\"",
        b"\xff\0v=0",
    ];

    proptest! {
        #[test]
        fn what_is_left_stands_in_the_body(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)
        ) {
            let body = pieces.concat();
            let mut request = request(MIXED, &body);
            if unpack(&mut request).is_ok() {
                let left = &*request.body;
                prop_assert!(left.is_empty() || body.windows(left.len()).any(|window| window == left));
            }
        }
    }
}
