//! Messages out of a stream of bytes (RFC 3261, sections 7.5 and 18.3).

use crate::ingress::sip::repair::{LONGEST, content_length, with_length};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const END_OF_LINE: &[u8] = b"\r\n";

/// What has come of a stream and is not dealt with yet.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: Vec<u8>,
    /// So far there is no end of the headers.
    searched: usize,
    /// Empty lines since the last message or ping.
    empty_lines: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    Message(Vec<u8>),
    /// Two empty lines, which want to be answered with one (RFC 5626, section 4.4.1).
    Ping,
}

/// Where the next message begins nobody can say. The headers of the last one may do to answer it with this status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub answer: Option<(Vec<u8>, u16)>,
}

const NONSENSE: Broken = Broken { answer: None };

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a message has begun and is not whole.
    pub const fn is_amid_a_message(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next that is whole.
    pub fn next_framed(&mut self) -> Result<Option<Framed>, Broken> {
        while self.bytes.starts_with(END_OF_LINE) {
            self.take(END_OF_LINE.len());
            self.empty_lines += 1;
            if self.empty_lines == 2 {
                self.empty_lines = 0;
                return Ok(Some(Framed::Ping));
            }
        }
        check_first_line(&self.bytes)?;
        let from = self.searched.saturating_sub(END_OF_HEAD.len());
        let Some(end) = find(self.bytes.get(from..).unwrap_or_default(), END_OF_HEAD).map(|at| from + at)
        else {
            self.searched = self.bytes.len();
            return if self.bytes.len() > LONGEST { Err(self.too_long()) } else { Ok(None) };
        };
        let head = self.bytes.get(..end).unwrap_or_default();
        let Ok(Some(length)) = content_length(&String::from_utf8_lossy(head), digits) else {
            return Err(wrong(head, 400));
        };
        let whole = end + END_OF_HEAD.len();
        if whole > LONGEST || length > LONGEST - whole {
            return Err(wrong(head, 513));
        }
        if self.bytes.len() < whole + length {
            return Ok(None);
        }
        self.empty_lines = 0;
        Ok(Some(Framed::Message(self.take(whole + length))))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.searched = 0;
        self.bytes.drain(..length).collect()
    }

    /// Headers without an end: those that are whole may do.
    fn too_long(&self) -> Broken {
        let head = self.bytes.get(..LONGEST).unwrap_or_default();
        match head.windows(END_OF_LINE.len()).rposition(|window| window == END_OF_LINE) {
            Some(end) => wrong(head.get(..end).unwrap_or_default(), 513),
            None => NONSENSE,
        }
    }
}

/// A message begins with a word and has SIP in its first line. What doesn't is not waited for.
fn check_first_line(bytes: &[u8]) -> Result<(), Broken> {
    let (line, is_whole) = match find(bytes, END_OF_LINE) {
        Some(end) => (bytes.get(..end).unwrap_or_default(), true),
        None => (bytes.strip_suffix(b"\r").unwrap_or(bytes), false),
    };
    let begins = line.first().is_none_or(u8::is_ascii_alphabetic);
    let is_text = line.iter().all(|byte| !byte.is_ascii_control());
    let is_sip = !is_whole || find(line, b"SIP/").is_some();
    if begins && is_text && is_sip { Ok(()) } else { Err(NONSENSE) }
}

/// Of no more than nine digits, so that there is nothing to overflow.
fn digits(text: &str) -> Option<usize> {
    let plausible = text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plausible)
}

fn wrong(head: &[u8], status: u16) -> Broken {
    Broken { answer: Some((with_length(head, 0), status)) }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(body: &str) -> String {
        format!("INVITE sip:a@b SIP/2.0\r\nCall-ID: 7\r\nl: {}\r\n\r\n{body}", body.len())
    }

    /// Whatever comes of a stream whose reads end at `cuts`.
    fn read(stream: &[u8], cuts: &[usize]) -> (Vec<Framed>, Option<Broken>) {
        let (mut framer, mut all, mut from) = (Framer::default(), Vec::new(), 0);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
        ends.extend([stream.len()]);
        ends.sort_unstable();
        for end in ends {
            framer.push(&stream[from..end]);
            from = end;
            loop {
                match framer.next_framed() {
                    Ok(Some(framed)) => all.push(framed),
                    Ok(None) => break,
                    Err(broken) => return (all, Some(broken)),
                }
            }
        }
        (all, None)
    }

    #[test]
    fn pings_are_told_from_what_is_between_messages() {
        let whole = || Framed::Message(message("").into_bytes());
        for (stream, expected) in [
            ("\r\n\r\n".to_owned(), vec![Framed::Ping]),
            ("\r\n".to_owned(), vec![]),
            (format!("\r\n{}\r\n{}", message(""), message("")), vec![whole(), whole()]),
            (format!("{}\r\n\r\n\r\n{}", message(""), message("")), vec![whole(), Framed::Ping, whole()]),
        ] {
            assert_eq!(read(stream.as_bytes(), &[]), (expected, None), "{stream:?}");
        }
    }

    #[test]
    fn a_stream_that_cannot_be_followed_is_broken_and_answered_where_it_can_be() {
        let invite = "INVITE sip:a@b SIP/2.0\r\n";
        let long = "x".repeat(LONGEST + 1);
        for (stream, status) in [
            (format!("{invite}Call-ID: 7\r\n\r\n"), Some(400)),
            (format!("{invite}Content-Length: -1\r\n\r\n"), Some(400)),
            (format!("{invite}Content-Length: +1\r\n\r\n"), Some(400)),
            (format!("{invite}Content-Length: 18446744073709551615\r\n\r\n"), Some(400)),
            (format!("{invite}Content-Length: 1\r\nl: 2\r\n\r\n"), Some(400)),
            (format!("{invite}Content-Length: 999999999\r\n\r\n"), Some(513)),
            (format!("{invite}Call-ID: 7\r\nX: {long}"), Some(513)),
            (format!("{invite}Call-ID: 7\r\nX: {long}\r\nl: 0\r\n\r\n"), Some(513)),
            (long, None),
            ("GET / HTTP/1.1\r\n".into(), None),
            ("\u{16}\u{3}\u{1}".into(), None),
            (" INVITE".into(), None),
            (format!("INVITE \u{7}{invite}"), None),
        ] {
            let (framed, broken) = read(stream.as_bytes(), &[]);
            let line: String = stream.chars().take(60).collect();
            assert_eq!(framed, [], "{line}");
            let answer = broken.unwrap_or_else(|| panic!("{line:?} is waited for")).answer;
            assert_eq!(answer.as_ref().map(|(_, status)| *status), status, "{line}");
            if let Some((head, _)) = answer {
                assert!(head.starts_with(invite.as_bytes()) && head.ends_with(b"Content-Length: 0\r\n\r\n"));
            }
        }
        let same = format!("{invite}Content-Length: 0\r\nl: 0\r\n\r\n");
        assert_eq!(read(same.as_bytes(), &[]), (vec![Framed::Message(same.clone().into_bytes())], None));
    }

    proptest! {
        #[test]
        fn messages_are_the_same_wherever_the_reads_end(
            bodies in prop::collection::vec("[a-z\r\n]{0,40}", 1..5), cuts in prop::collection::vec(any::<usize>(), 0..20)
        ) {
            let messages: Vec<String> = bodies.iter().map(|body| message(body)).collect();
            let whole = messages.iter().map(|text| Framed::Message(text.clone().into_bytes())).collect();
            prop_assert_eq!(read(messages.concat().as_bytes(), &cuts), (whole, None));
        }

        #[test]
        fn a_stream_means_the_same_wherever_the_reads_end(
            stream in prop::collection::vec(any::<u8>(), 0..400), cuts in prop::collection::vec(any::<usize>(), 0..5)
        ) {
            let sip = [b"INVITE sip:a@b SIP/2.0\r\n".to_vec(), stream].concat();
            let (framed, broken) = read(&sip, &cuts);
            prop_assert_eq!(read(&sip, &[]), (framed, broken));
        }
    }
}
