//! An edge between a phone, which speaks UDP and nothing sealed, and a router that is called over a connection.

use std::net::{Ipv4Addr, SocketAddr};

use dialplane::ingress::sip::srtp::{Incoming, Key, LIFETIME, Outgoing, Suite};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::*;

pub const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SUITE: Suite = Suite::Aes128Sha1Tag80;

/// What the edge has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Descriptions of the router's, by the key in each.
    pub keys: Vec<Key>,
    /// Packets of the router's that its key did not open.
    pub unopened: usize,
}

pub struct Edge {
    /// Where the phone calls.
    pub sip: SocketAddr,
    pub seen: watch::Receiver<Seen>,
    pub rekeys: watch::Sender<bool>,
    _task: JoinSet<()>,
}

pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection for C {}

/// How the router is called. Over TLS audio is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Tls,
}

impl Transport {
    /// As Via names it.
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

struct Passing<C> {
    phone_sip: UdpSocket,
    router_sip: C,
    transport: Transport,
    audio: UdpSocket,
    phone: Option<SocketAddr>,
    phone_audio: Option<SocketAddr>,
    router_audio: Option<SocketAddr>,
    key: Key,
    /// The offer's, until it is answered.
    next: Key,
    rekeys: watch::Receiver<bool>,
    outgoing: Outgoing,
    incoming: Option<Incoming>,
    seen: watch::Sender<Seen>,
    /// What came over TLS and is no whole message yet.
    bytes: Vec<u8>,
}

impl Edge {
    pub async fn open(router_sip: impl Connection, transport: Transport) -> Self {
        let phone_sip = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        let sip = phone_sip.local_addr().unwrap();
        let (told, seen) = watch::channel(Seen::default());
        let (rekeys, rekeying) = watch::channel(false);
        let key = Key::fresh(SUITE);
        let passing = Passing {
            phone_sip,
            router_sip,
            transport,
            audio: UdpSocket::bind((LOOPBACK, 0)).await.unwrap(),
            phone: None,
            phone_audio: None,
            router_audio: None,
            outgoing: Outgoing::new(&key),
            next: key.clone(),
            key,
            rekeys: rekeying,
            incoming: None,
            seen: told,
            bytes: Vec::new(),
        };
        let mut task = JoinSet::new();
        task.spawn(passing.run());
        Self { sip, seen, rekeys, _task: task }
    }

    /// Waits until the router has described itself so many times.
    pub async fn agreed(&mut self, times: usize) {
        let agreed = self.seen.wait_for(|seen| seen.keys.len() >= times);
        timeout(SOON, agreed).await.expect("an answer in time").unwrap();
    }
}

impl<C: Connection> Passing<C> {
    async fn run(mut self) {
        let (mut message, mut sound, mut chunk) = ([0; 4_096], [0; 2_048], [0; 4_096]);
        loop {
            tokio::select! {
                Ok((length, source)) = self.phone_sip.recv_from(&mut message) => {
                    self.phone = Some(source);
                    let text = String::from_utf8(message[..length].to_vec()).unwrap();
                    let text = self.sealed(&text);
                    self.router_sip.write_all(text.as_bytes()).await.unwrap();
                }
                Ok(length) = self.router_sip.read(&mut chunk) => {
                    if length == 0 {
                        return;
                    }
                    self.bytes.extend(&chunk[..length]);
                    while let Some(text) = self.whole_message() {
                        let text = self.opened(&text);
                        self.phone_sip.send_to(text.as_bytes(), self.phone.unwrap()).await.unwrap();
                    }
                }
                Ok((length, source)) = self.audio.recv_from(&mut sound) => {
                    self.pass_audio(&sound[..length], source).await;
                }
            }
        }
    }

    fn sealed(&mut self, text: &str) -> String {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.replace("SIP/2.0/UDP", &format!("SIP/2.0/{}", self.transport.name()));
        let Some(port) = self.sealed_port(body) else { return message(&head, body) };
        self.phone_audio = Some((LOOPBACK, port).into());
        self.next = if *self.rekeys.borrow() { Key::fresh(SUITE) } else { self.key.clone() };
        let crypto = format!("a=crypto:1 {} inline:{}\r\n", SUITE.name(), self.next.reveal());
        let own = self.audio.local_addr().unwrap().port();
        let body = body.replace(&format!("m=audio {port} RTP/AVP"), &format!("m=audio {own} RTP/SAVP"));
        message(&head, &(body + &crypto))
    }

    fn opened(&mut self, text: &str) -> String {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.replace(&format!("SIP/2.0/{}", self.transport.name()), "SIP/2.0/UDP");
        let Some(port) = self.sealed_port(body) else { return message(&head, body) };
        self.router_audio = Some((LOOPBACK, port).into());
        let (body, inline) = body.split_once("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:").expect("a key");
        let key = Key::read(SUITE, inline.trim()).expect("a key of the suite");
        if self.seen.borrow().keys.last() != Some(&key) {
            self.incoming = Some(Incoming::new(&key, LIFETIME));
        }
        if self.next != self.key {
            self.key = self.next.clone();
            self.outgoing = Outgoing::new(&self.key);
        }
        self.seen.send_modify(|seen| seen.keys.push(key));
        let own = self.audio.local_addr().unwrap().port();
        message(&head, &body.replace(&format!("m=audio {port} RTP/SAVP"), &format!("m=audio {own} RTP/AVP")))
    }

    /// The phone's goes on sealed. Before it goes what a stranger would send: the same in the clear, and spoilt.
    async fn pass_audio(&mut self, datagram: &[u8], source: SocketAddr) {
        let (Some(phone), Some(router)) = (self.phone_audio, self.router_audio) else { return };
        if source == phone {
            let sealed = self.outgoing.rtp(datagram.to_vec());
            let mut spoilt = sealed.clone();
            spoilt[20] ^= 1;
            for datagram in [datagram, &spoilt, &sealed] {
                self.audio.send_to(datagram, router).await.unwrap();
            }
        } else if source == router
            && let Some(incoming) = &mut self.incoming
        {
            match incoming.rtp(datagram) {
                Ok(packet) => drop(self.audio.send_to(&packet, phone).await.unwrap()),
                Err(_) => self.seen.send_modify(|seen| seen.unopened += 1),
            }
        }
    }

    /// Where a description wants audio that is to be sealed. What is not goes its way without us.
    fn sealed_port(&self, description: &str) -> Option<u16> {
        let media = description.lines().find_map(|line| line.strip_prefix("m=audio "))?;
        media.split(' ').next()?.parse().ok().filter(|_| self.transport == Transport::Tls)
    }

    fn whole_message(&mut self) -> Option<String> {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        let length: usize = length.parse().unwrap();
        let whole = head.len() + 4 + length;
        (body.len() >= length).then(|| String::from_utf8(self.bytes.drain(..whole).collect()).unwrap())
    }
}

/// With the length of what the body is now.
fn message(head: &str, body: &str) -> String {
    let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-Length:"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}
