//! The few SIP messages that a phone writes and reads (RFC 3261).

use std::net::SocketAddr;

use super::{Codec, Dial};

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    start: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Message {
    pub(super) fn read(datagram: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(datagram);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// Of a response.
    pub(super) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// `INVITE`, of a request and of the responses to it.
    pub(super) fn method(&self) -> Option<&str> {
        self.header("CSeq")?.split_whitespace().nth(1)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let known = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, value)| value.as_str())
    }

    /// Where its description wants audio to go.
    pub(super) fn audio(&self) -> Option<SocketAddr> {
        let line = |prefix: &str| self.body.lines().find_map(|line| line.strip_prefix(prefix));
        let host = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.trim();
        let port = line("m=audio ")?.split_whitespace().next()?;
        Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
    }

    /// The response to it as a request.
    pub(super) fn response(&self, status: &str, contact: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &self.headers {
            let is_copied = ["Via", "From", "To", "Call-ID", "CSeq"]
                .iter()
                .any(|copied| name.eq_ignore_ascii_case(copied));
            if is_copied {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        text + &format!("Contact: <{contact}>\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len())
    }
}

/// The phone's side of the one dialog that it has.
#[derive(Debug)]
pub(super) struct Dialog {
    id: String,
    address: SocketAddr,
    audio: SocketAddr,
    codec: Codec,
    keys: bool,
    caller: String,
    called: String,
    more: String,
    /// Where requests are sent to.
    pub(super) server: SocketAddr,
    /// What they name.
    target: String,
    to_tag: Option<String>,
    sequence: u32,
    versions: u32,
}

impl Dialog {
    pub(super) fn new(dial: &Dial, address: SocketAddr, audio: SocketAddr) -> Self {
        let Dial { to, called, caller, codec, keys, headers, .. } = dial;
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            address,
            audio,
            codec: *codec,
            keys: *keys,
            caller: caller.clone(),
            called: called.clone(),
            more: headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect(),
            server: *to,
            target: format!("sip:{called}@{to}"),
            to_tag: None,
            sequence: 0,
            versions: 0,
        }
    }

    pub(super) fn contact(&self) -> String {
        format!("sip:phone@{}", self.address)
    }

    /// What came is of this call.
    pub(super) fn owns(&self, message: &Message) -> bool {
        message.header("Call-ID") == Some(&self.id)
    }

    /// A response to the INVITE that has the other side's tag, and where to find it.
    pub(super) fn note(&mut self, response: &Message) {
        self.to_tag = response.header("To").and_then(|to| Some(to.split_once(";tag=")?.1.to_owned()));
        let contact = response.header("Contact").and_then(|contact| contact.split(['<', '>']).nth(1));
        if let Some(contact) = contact.filter(|_| response.status() == Some(200)) {
            contact.clone_into(&mut self.target);
        }
    }

    /// The INVITE that calls, and one that changes the call.
    pub(super) fn invite(&mut self, hold: bool) -> String {
        self.sequence += 1;
        let body = self.description(hold);
        let more = if self.to_tag.is_none() { self.more.clone() } else { String::new() };
        let more =
            format!("{more}Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nContent-Type: application/sdp\r\n");
        self.request("INVITE", self.sequence, &more, &body)
    }

    /// Offers another codec.
    pub(super) fn invite_in(&mut self, codec: Codec) -> String {
        self.codec = codec;
        self.invite(false)
    }

    /// Of a 200 it is a request of its own, of any other final response it is of the INVITE's transaction.
    pub(super) fn ack(&self, response: &Message) -> String {
        let ack = self.request("ACK", self.sequence, "", "");
        if response.status() == Some(200) { ack.replacen("z9hG4bK", "z9hG4bKack", 1) } else { ack }
    }

    pub(super) fn cancel(&self) -> String {
        let like_the_invite = self.request("CANCEL", self.sequence, "", "");
        match &self.to_tag {
            Some(tag) => like_the_invite.replacen(&format!(";tag={tag}"), "", 1),
            None => like_the_invite,
        }
    }

    pub(super) fn bye(&mut self) -> String {
        self.sequence += 1;
        self.request("BYE", self.sequence, "", "")
    }

    pub(super) fn description(&mut self, hold: bool) -> String {
        self.versions += 1;
        let (ip, port, codec) = (self.audio.ip(), self.audio.port(), self.codec);
        let version = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let direction = if hold { "sendonly" } else { "sendrecv" };
        let rate = codec.clock_rate();
        let (format, map) = match self.keys {
            true => (" 101", format!("a=rtpmap:101 telephone-event/{rate}\r\na=fmtp:101 0-15\r\n")),
            false => ("", String::new()),
        };
        format!(
            "v=0\r\no=phone 1 {} IN {version} {ip}\r\ns=-\r\nc=IN {version} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {payload_type}{format}\r\na=rtpmap:{payload_type} {}\r\n\
             {map}a=ptime:20\r\na={direction}\r\n",
            self.versions,
            codec.name(),
            payload_type = codec.payload_type(),
        )
    }

    fn request(&self, method: &str, sequence: u32, more: &str, body: &str) -> String {
        let Self { id, address, caller, called, target, server, .. } = self;
        let tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{id}{sequence};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{caller}@{address}>;tag={id}\r\nTo: <sip:{called}@{server}>{tag}\r\n\
             Call-ID: {id}\r\nCSeq: {sequence} {method}\r\nContact: <{}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.contact(),
            body.len(),
        )
    }
}
