//! Our own SIP sockets: what arrives is filtered, mended and parsed here, one message after the other. What comes faster
//! waits in the system's buffers, which are bounded.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rsipstack::sip::{HeadersExt, Method, Request, Scheme, SipMessage, Uri};
use rsipstack::transport::udp::UdpConnection;
use tokio::net::{TcpStream, UdpSocket};
use tokio::select;
use tokio::time::Instant;

use super::flow::Flow;
use super::message::{self, Reply, call_id, cseq, fresh_tag, from_tag, values};
use super::repair::{Unfit, repair};
use super::sources::{Admitted, Purpose, Source, Sources};
use super::stream::places::{OF_STRANGERS, OF_TRUNKS, Share};
use super::stream::{Arrival, Event, Streams, TooMany};
use super::transport::Peer;
use super::uas;
use crate::telemetry::{Dropped, Metrics};

/// The longest that a datagram can be.
const DATAGRAM: usize = 65_535;

pub struct Socket {
    udp: Arc<UdpSocket>,
    /// The same, as the SIP stack sends by it.
    sender: UdpConnection,
    streams: Streams,
    gate: Gate,
    buffer: Vec<u8>,
}

/// Whom we listen to.
struct Gate {
    sources: Sources,
    metrics: Metrics,
}

/// A message of someone who may call.
pub struct Received {
    pub flow: Flow,
    pub from: Source,
    /// Of the message, in bytes.
    pub length: usize,
    pub content: Content,
}

pub enum Content {
    Message(SipMessage),
    /// A request that can only be answered so.
    Wrong(Request, Reply),
}

impl Socket {
    pub fn new(
        udp: Arc<UdpSocket>,
        sender: UdpConnection,
        streams: Streams,
        sources: Sources,
        metrics: Metrics,
    ) -> Self {
        let gate = Gate { sources, metrics };
        Self { udp, sender, streams, gate, buffer: vec![0; DATAGRAM] }
    }

    /// Whoever sends from there is no stranger.
    pub fn prove(&mut self, address: IpAddr, now: Instant) {
        self.gate.sources.prove(address, now);
    }

    /// Whether whoever sends from there is no stranger.
    pub fn has_proved(&self, address: IpAddr, now: Instant) -> bool {
        self.gate.sources.has_proved(address, now)
    }

    /// The next message. Cancel safe.
    pub async fn next(&mut self) -> io::Result<Received> {
        loop {
            let received = select! {
                datagram = self.udp.recv_from(&mut self.buffer) => {
                    let (length, source) = datagram?;
                    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
                    let flow = Flow::datagrams(self.sender.clone(), source);
                    self.gate.pass(flow, self.buffer.get(..length).unwrap_or_default())
                }
                event = self.streams.next() => match event {
                    Event::Knock(stream, peer) => {
                        self.knocked(stream, peer);
                        None
                    }
                    Event::Arrival(Arrival { flow, message }) => self.gate.pass(flow, &message),
                },
            };
            if let Some(received) = received {
                return Ok(received);
            }
        }
    }

    /// Serves who has connected, if it may call; else the connection is closed, and nothing of it was read.
    fn knocked(&mut self, stream: TcpStream, peer: Peer) {
        let why = match self.gate.sources.admit(peer.address.ip(), Purpose::Begin, Instant::now()) {
            Admitted::From(from) => {
                match self.streams.admit(stream, peer, self.gate.connections(&from, peer)) {
                    Ok(()) => return,
                    Err(TooMany) => Dropped::Rate,
                }
            }
            Admitted::Stranger => Dropped::Stranger,
            Admitted::TooMuch => Dropped::Rate,
        };
        self.gate.metrics.sip_dropped(why);
    }

    /// Sends what is still to be sent, and closes every connection.
    pub async fn finish(self) {
        self.streams.finish().await;
    }
}

impl Gate {
    /// How much there may be for another connection of theirs to be taken.
    fn connections(&self, from: &Source, peer: Peer) -> Share {
        let is_stranger =
            *from == Source::Anyone && !self.sources.has_proved(peer.address.ip(), Instant::now());
        if is_stranger { OF_STRANGERS } else { OF_TRUNKS }
    }

    fn pass(&mut self, flow: Flow, message: &[u8]) -> Option<Received> {
        let admitted = self.sources.admit(flow.peer.address.ip(), Purpose::of(message), Instant::now());
        let passed = match admitted {
            Admitted::From(from) => read(message).map(|content| (from, content)).ok_or(Dropped::Malformed),
            // It was us who connected, or who asked: it may answer.
            Admitted::Stranger if flow.peer.transport.is_stream() => match read(message) {
                Some(content @ Content::Message(SipMessage::Response(_))) => Ok((Source::Anyone, content)),
                _ => Err(Dropped::Stranger),
            },
            Admitted::Stranger => Err(Dropped::Stranger),
            Admitted::TooMuch => Err(Dropped::Rate),
        };
        match passed {
            Ok((from, content)) => Some(Received { flow, from, length: message.len(), content }),
            Err(why) => {
                self.metrics.sip_dropped(why);
                None
            }
        }
    }
}

/// The answer to a request whose headers are all that there is of it; `None` where they do not do.
pub fn refusal(head: &[u8], status: u16, peer: Peer) -> Option<Vec<u8>> {
    match wrong(head, Reply::status(status))? {
        Content::Wrong(request, reply) => Some(uas::answer(request, reply, &fresh_tag(), peer)?.to_bytes()),
        Content::Message(_) => None,
    }
}

/// What a message says; `None` where there is nothing that could be answered.
pub fn read(message: &[u8]) -> Option<Content> {
    match repair(message) {
        Ok(message) => match SipMessage::try_from(&*message) {
            Ok(SipMessage::Request(request)) if is_of_our_version(&message) => judged(request),
            Ok(SipMessage::Request(_)) => strange(&message),
            Ok(response @ SipMessage::Response(_)) => Some(Content::Message(response)),
            Err(_) => strange(&message),
        },
        Err(Unfit::TooLong { head }) => wrong(&head?, Reply::status(513)),
        Err(Unfit::WrongLength { head }) => wrong(&head, Reply::status(400)),
        Err(Unfit::Empty | Unfit::Endless) => None,
    }
}

/// A request whose headers are enough to be answered by goes on; one that lacks what RFC 3261, section 8.1.1, wants, or has
/// it twice, is answered with 400.
fn judged(request: Request) -> Option<Content> {
    request.top_via_header().ok()?;
    let method = request.cseq_header().ok().and_then(|cseq| cseq.method().ok());
    let once = |name: &&str| values(&request, name).count() == 1;
    let ends = |name: &&str| values(&request, name).all(quotations_end);
    let complete = ["from", "to", "call-id", "cseq"].iter().all(once)
        && ["from", "to"].iter().all(ends)
        && request.to_header().is_ok_and(|to| to.tag().is_ok())
        && from_tag(&request).is_some()
        && call_id(&request).is_some()
        && cseq(&request).is_some()
        && method == Some(*request.method());
    match (complete, request.method()) {
        (false, Method::Ack) => None,
        (false, _) => Some(Content::Wrong(request, Reply::status(400))),
        (true, Method::Ack) => Some(Content::Message(request.into())),
        (true, _) if !takes_calls(&request.uri) => Some(Content::Wrong(request, Reply::status(416))),
        (true, _) => Some(Content::Message(request.into())),
    }
}

/// Whether an address is of a kind that we can be called by.
fn takes_calls(uri: &Uri) -> bool {
    match &uri.scheme {
        Some(Scheme::Sip | Scheme::Sips) => true,
        Some(Scheme::Other(scheme)) => scheme.eq_ignore_ascii_case("tel"),
        None => false,
    }
}

/// Whether a header says where its quotations end.
fn quotations_end(value: &str) -> bool {
    let (mut quoted, mut letters) = (false, value.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => _ = letters.next(),
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// The parser takes any version for 2.0.
fn is_of_our_version(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == b'\n')
        .next()
        .is_some_and(|line| line.trim_ascii_end().ends_with(b" SIP/2.0"))
}

/// The parser does not know the method, the address or the version in the first line. The headers may still be good
/// enough to say so.
fn strange(message: &[u8]) -> Option<Content> {
    let end = message.windows(2).position(|window| window == b"\r\n")?;
    let line = std::str::from_utf8(message.get(..end)?).ok()?;
    let mut words = line.split(' ');
    let (method, _uri, version) = (words.next()?, words.next()?, words.next_back()?);
    let status = match (version, method.parse::<Method>()) {
        (_, Ok(Method::Ack)) => return None,
        ("SIP/2.0", Ok(_)) => 400,
        ("SIP/2.0", Err(_)) => 501,
        (other, _) if other.starts_with("SIP/") => 505,
        _ => return None,
    };
    let headers = [b"OPTIONS sip:unknown.invalid SIP/2.0", message.get(end..)?].concat();
    wrong(&headers, Reply::status(status).with("Allow", message::ALLOW))
}

fn wrong(head: &[u8], reply: Reply) -> Option<Content> {
    let request = Request::try_from(head).ok()?;
    let answerable = request.top_via_header().is_ok() && *request.method() != Method::Ack;
    answerable.then_some(Content::Wrong(request, reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str, more: &str) -> String {
        format!("{line}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n{more}\r\n")
    }

    const HEADERS: &str = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 7\r\nCSeq: 1 INVITE\r\n";

    #[test]
    fn a_request_is_passed_on_answered_or_dropped() {
        let invite = "INVITE sip:c@d SIP/2.0";
        let without = |name: &str| {
            let kept = HEADERS.split_inclusive("\r\n").filter(|line| !line.starts_with(name));
            message(invite, &kept.collect::<String>())
        };
        let foo = HEADERS.replace("1 INVITE", "1 FOO");
        let long = format!("{HEADERS}Content-Length: 20000\r\n\r\n{}", "x".repeat(20_000));
        for (text, status) in [
            (message(invite, HEADERS), Some(0)),
            (without("From"), Some(400)),
            (without("To"), Some(400)),
            (without("Call-ID"), Some(400)),
            (without("CSeq"), Some(400)),
            (message("OPTIONS sip:c@d SIP/2.0", HEADERS), Some(400)),
            (message(invite, &HEADERS.replace(";tag=1", "")), Some(400)),
            (message(invite, &format!("{HEADERS}Content-Length: 50\r\n")), Some(400)),
            (message(invite, &format!("{HEADERS}Call-ID: 8\r\n")), Some(400)),
            (message(invite, &HEADERS.replace("<sip:c@d>", "\"C <sip:c@d>")), Some(400)),
            (message(invite, &HEADERS.replace("<sip:c@d>", "\"C \\\" \" <sip:c@d>")), Some(0)),
            (message("INVITE tel:+15557770001 SIP/2.0", HEADERS), Some(0)),
            (message("INVITE isbn:2983792873 SIP/2.0", HEADERS), Some(416)),
            (message("ACK isbn:2983792873 SIP/2.0", &HEADERS.replace("INVITE", "ACK")), Some(0)),
            (message("FOO sip:c@d SIP/2.0", &foo), Some(501)),
            (message("INVITE sip:c@d SIP/7.0", HEADERS), Some(505)),
            (message("INVITE sip: SIP/2.0", HEADERS), Some(400)),
            (message("ACK sip:c@d SIP/2.0", &HEADERS.replace("Call-ID: 7\r\n", "")), None),
            (message("ACK sip: SIP/2.0", HEADERS), None),
            (message("GET / HTTP/1.1", HEADERS), None),
            (format!("{invite}\r\n{HEADERS}\r\n"), None),
            ("\r\n\r\n".into(), None),
            (message(invite, &long), Some(513)),
        ] {
            let found = read(text.as_bytes()).map(|content| match content {
                Content::Message(_) => 0,
                Content::Wrong(_, reply) => reply.status,
            });
            assert_eq!(found, status, "{}", text.lines().next().unwrap_or_default());
        }
    }
}
