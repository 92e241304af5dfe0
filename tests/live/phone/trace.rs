//! SIPp's message log: every SIP message of a call with its time to the microsecond.

use std::net::SocketAddr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A SIP message as SIPp logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub at: Timestamp,
    /// By the phone; else it was received.
    pub sent: bool,
    pub text: String,
}

impl Message {
    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        self.text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// `INVITE`, of a request and of the responses to it.
    pub fn method(&self) -> Option<&str> {
        self.header("CSeq")?.split_whitespace().nth(1)
    }

    pub fn is_request(&self, method: &str) -> bool {
        self.status().is_none() && self.method() == Some(method)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.text.lines().take_while(|line| !line.is_empty());
        let mut fields = headers.filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Where its SDP wants audio to go.
    pub fn audio(&self) -> Option<SocketAddr> {
        let line = |prefix: &str| self.text.lines().find_map(|line| line.strip_prefix(prefix));
        let host = line("c=IN IP4 ")?.trim();
        let port = line("m=audio ")?.split_whitespace().next()?;
        format!("{host}:{port}").parse().ok()
    }
}

/// Reads what the log holds so far; SIPp must run with `TZ=UTC`. A message that is still being written is left out.
pub fn read(log: &str) -> Vec<Message> {
    // "----...---- 2026-11-22 20:15:00.281785\nUDP message sent (640 bytes):\n\nINVITE ..."
    let blocks = log.split("-----------------------------------------------").skip(1);
    blocks.filter_map(message).collect()
}

fn message(block: &str) -> Option<Message> {
    let (time, rest) = block.split_once('\n')?;
    let (head, rest) = rest.split_once("\n\n")?;
    let at = time.trim().parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let length: usize = head.split(['(', '[']).nth(1)?.split([' ', ']']).next()?.parse().ok()?;
    let text = rest.get(..length)?.replace("\r\n", "\n");
    Some(Message { at, sent: head.contains("sent"), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n";
    const OK: &str = "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nTo: <sip:x>;tag=1\r\n\r\nv=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 6000 RTP/AVP 0\r\n";

    fn log() -> String {
        let rule = "-".repeat(47);
        format!(
            "{rule} 2026-11-22 20:15:00.281785\nUDP message sent ({} bytes):\n\n{INVITE}\n\
             {rule} 2026-11-22 20:15:00.282967\nUDP message received [{}] bytes :\n\n{OK}\n",
            INVITE.len(),
            OK.len()
        )
    }

    #[test]
    fn messages_are_read_with_their_times_and_directions() {
        let messages = read(&log());
        assert_eq!(messages.len(), 2);
        assert!(messages[0].sent && messages[0].is_request("INVITE"));
        assert!(!messages[1].sent && !messages[1].is_request("INVITE"));
        assert_eq!((messages[1].status(), messages[1].method()), (Some(200), Some("INVITE")));
        assert_eq!(messages[1].header("to"), Some("<sip:x>;tag=1"));
        assert_eq!(messages[1].audio(), "127.0.0.1:6000".parse().ok());
        assert_eq!(messages[1].at.duration_since(messages[0].at).as_micros(), 1182);
    }

    #[test]
    fn a_message_that_is_still_being_written_is_left_out() {
        let log = log();
        assert_eq!(read(&log[..log.len() - 5]).len(), 1);
        assert_eq!(read(&log[..30]).len(), 0);
    }
}
