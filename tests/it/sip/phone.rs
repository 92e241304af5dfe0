//! A phone that writes its messages by hand and reads strictly what comes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::line::Line;
use super::{QUIET, SOON};

static CALLS: AtomicU32 = AtomicU32::new(0);

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                       m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// A header and a body with SDP beside something else, whose headers these are.
pub fn beside_sdp(headers: &str) -> (&'static str, String) {
    let body = format!(
        "--unique\r\n{headers}\r\n\u{1}\0\u{7f}\r\n--unique\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--unique--\r\n"
    );
    ("Content-Type: multipart/mixed;boundary=\"unique\"\r\n", body)
}

/// One call of a phone on a line of its own.
pub struct Phone {
    pub line: Line,
    router: SocketAddr,
    call_id: String,
    sequence: u32,
    invite: u32,
    branch: u32,
    /// The router's tag, once a response has it.
    pub tag: Option<String>,
    /// Where the router is in the dialog.
    target: String,
    /// The router's last sequence number.
    theirs: u32,
}

/// A message, read.
#[derive(Debug, Clone)]
pub struct Message {
    pub start: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    fn read(datagram: &[u8]) -> Self {
        let text = String::from_utf8(datagram.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("an end of the headers");
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let message = Self { start, headers: lines.map(header).collect(), body: body.to_owned() };
        assert_eq!(message.one("content-length"), body.len().to_string(), "{text}");
        message
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The header that stands there once.
    pub fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref other => panic!("{name} {} times in {self:?}", other.len()),
        }
    }

    pub fn status(&self) -> u16 {
        let status =
            self.start.strip_prefix("SIP/2.0 ").unwrap_or_else(|| panic!("{} is a request", self.start));
        status[..3].parse().unwrap()
    }
}

fn tag(value: &str) -> Option<String> {
    value.split(";tag=").nth(1).map(|tag| tag.split(';').next().unwrap().to_owned())
}

impl Phone {
    pub async fn new(router: SocketAddr) -> Self {
        Self::on(Line::udp(router).await, router)
    }

    /// At one of this machine's own addresses.
    pub async fn at(address: &str, router: SocketAddr) -> Self {
        Self::on(Line::Udp(UdpSocket::bind((address, 0)).await.unwrap()), router)
    }

    pub fn on(line: Line, router: SocketAddr) -> Self {
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        Self {
            line,
            router,
            call_id: format!("call-{number}-{}@phone", std::process::id()),
            sequence: 0,
            invite: 0,
            branch: 0,
            tag: None,
            target: format!("sip:+15557770001@{router}"),
            theirs: 0,
        }
    }

    /// Goes on over another line, to where the router hears that. Gives the old one.
    pub fn change_to(&mut self, line: Line, router: SocketAddr) -> Line {
        self.router = router;
        std::mem::replace(&mut self.line, line)
    }

    pub fn address(&self) -> SocketAddr {
        self.line.local()
    }

    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Another socket, as of a phone that moved.
    pub async fn elsewhere(&self) -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    pub async fn send(&self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub async fn send_bytes(&self, bytes: &[u8]) {
        self.line.send(bytes, self.router).await;
    }

    /// A new request, as it would be sent. `more` are whole header lines.
    pub fn request(&mut self, method: &str, more: &str, body: &str) -> String {
        self.sequence += 1;
        self.branch += 1;
        if method == "INVITE" {
            self.invite = self.sequence;
        }
        self.write(method, self.sequence, self.tag.as_deref(), more, body)
    }

    fn write(&self, method: &str, sequence: u32, tag: Option<&str>, more: &str, body: &str) -> String {
        let (address, call_id, branch) = (self.address(), &self.call_id, self.branch);
        let to = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let uri = &self.target;
        let kind = if body.is_empty() || more.to_ascii_lowercase().contains("content-type:") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let forwards = if more.contains("Max-Forwards") { "" } else { "Max-Forwards: 70\r\n" };
        let contact = if more.contains("Contact:") {
            String::new()
        } else {
            format!("Contact: <sip:ada@{address}{}>\r\n", self.line.parameter())
        };
        let transport = self.line.transport();
        let length = if more.contains("Content-Length") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch=z9hG4bK{call_id}-{branch};rport\r\n\
             From: \"Ada\" <sip:+15551230001@carrier.example>;tag=phone\r\nTo: <sip:+15557770001@router>{to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n{contact}{forwards}{more}{kind}{length}\r\n{body}"
        )
    }

    /// Calls with an offer.
    pub async fn invite(&mut self) -> String {
        let invite = self.request("INVITE", "", SDP);
        self.send(&invite).await;
        invite
    }

    /// Sends a new request in the dialog.
    pub async fn ask(&mut self, method: &str, more: &str, body: &str) {
        let request = self.request(method, more, body);
        self.send(&request).await;
    }

    /// The ACK of a 200: a transaction of its own.
    pub async fn ack(&mut self, body: &str) {
        self.ack_with("", body).await;
    }

    pub async fn ack_with(&mut self, more: &str, body: &str) {
        self.branch += 1;
        let ack = self.write("ACK", self.invite, self.tag.as_deref(), more, body);
        self.send(&ack).await;
    }

    /// The ACK of a refusal, or a CANCEL: of the INVITE's transaction.
    pub async fn follow_up(&self, method: &str) {
        let tag = if method == "CANCEL" { None } else { self.tag.as_deref() };
        self.send(&self.write(method, self.invite, tag, "", "")).await;
    }

    /// Whatever comes next.
    pub async fn message(&mut self) -> Message {
        let heard = timeout(SOON, self.line.hear(self.router)).await.expect("a message in time");
        let message = Message::read(&heard.expect("the connection is open"));
        assert_eq!(message.one("call-id"), self.call_id);
        if message.start.starts_with("SIP/2.0") {
            assert_eq!(tag(message.one("from")).as_deref(), Some("phone"), "{message:?}");
            self.note_tag(&message);
        } else {
            assert_eq!(tag(message.one("from")), self.tag, "{message:?}");
            assert_eq!(tag(message.one("to")).as_deref(), Some("phone"), "{message:?}");
            assert_eq!(message.one("max-forwards"), "70");
            assert!(message.one("via").contains(";branch=z9hG4bK"), "{message:?}");
        }
        message
    }

    /// All responses but 100 have the router's tag, and the same.
    fn note_tag(&mut self, message: &Message) {
        let Some(tag) = tag(message.one("to")) else {
            return assert_eq!(message.status(), 100, "{message:?}");
        };
        if message.one("cseq").ends_with("INVITE") && self.tag.is_none() {
            self.tag = Some(tag);
        }
    }

    /// The next message is this response to the request of that method.
    pub async fn status(&mut self, method: &str, status: u16) -> Message {
        let message = self.message().await;
        assert_eq!(message.status(), status, "{message:?}");
        let (_, of) = message.one("cseq").split_once(' ').unwrap();
        assert_eq!(of, method, "{message:?}");
        if method == "INVITE" && status > 100 && self.tag.is_some() {
            assert_eq!(tag(message.one("to")), self.tag, "one tag a call");
        }
        if method == "INVITE" && status == 200 {
            let contact = message.one("contact").trim_matches(['<', '>']).to_owned();
            assert_eq!(contact, format!("sip:{}{}", self.router, self.line.parameter()));
            self.target = contact;
        }
        message
    }

    /// The next message is this request; it is in order.
    pub async fn requested(&mut self, method: &str) -> Message {
        let message = self.message().await;
        assert!(message.start.starts_with(&format!("{method} ")), "{message:?}");
        let (sequence, of) = message.one("cseq").split_once(' ').unwrap();
        let sequence = sequence.parse().unwrap();
        assert!(sequence > self.theirs, "sequence numbers grow: {message:?}");
        assert_eq!(of, method);
        self.theirs = sequence;
        message
    }

    /// Answers a request of the router's.
    pub async fn answer(&self, request: &Message, status: &str) {
        let copied = |name: &str| request.one(name).to_owned();
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
            copied("via"),
            copied("from"),
            copied("to"),
            copied("call-id"),
            copied("cseq"),
        );
        self.send(&text).await;
    }

    /// Nothing comes for a while.
    pub async fn hears_nothing(&self) {
        if let Ok(heard) = timeout(QUIET, self.line.hear(self.router)).await {
            panic!("{:?}", heard.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        }
    }

    /// The router closes the connection, and says nothing more.
    pub async fn is_cut_off(&self) {
        let heard = timeout(SOON, self.line.hear(self.router)).await.expect("an end in time");
        assert_eq!(heard.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), None);
    }

    /// The status of the next response, if one comes.
    pub async fn quiet_status(&mut self) -> Option<u16> {
        let heard = timeout(QUIET, self.line.hear(self.router)).await.ok()?;
        Some(Message::read(&heard?).status())
    }

    /// As far as ringing.
    pub async fn ring(&mut self) {
        self.ring_with("", SDP).await;
    }

    /// The same, with more headers and any body.
    pub async fn ring_with(&mut self, headers: &str, body: &str) {
        self.ask("INVITE", headers, body).await;
        self.status("INVITE", 100).await;
        self.status("INVITE", 180).await;
    }

    /// A BYE of the router's comes, and is answered.
    pub async fn let_go(&mut self) -> Message {
        let bye = self.requested("BYE").await;
        self.answer(&bye, "200 OK").await;
        bye
    }
}
