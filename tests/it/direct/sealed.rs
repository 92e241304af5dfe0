//! Calls over TLS with SRTP. Between a phone that speaks neither and the router stands an edge that speaks both.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use dialplane::ingress::sip::srtp::{Incoming, Key, LIFETIME, Outgoing, Suite};
use dialplane::kit::model::log::SessionLog;
use dialplane::tls::Tls;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SUITE: Suite = Suite::Aes128Sha1Tag80;

/// What the edge has seen so far.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Descriptions of the router's, by the key in each.
    keys: Vec<Key>,
    /// Packets of the router's that its key did not open.
    unopened: usize,
}

struct Edge {
    /// Where the phone calls.
    sip: SocketAddr,
    seen: watch::Receiver<Seen>,
    rekeys: watch::Sender<bool>,
    _task: JoinSet<()>,
}

struct Passing {
    phone_sip: UdpSocket,
    router_sip: TlsStream<TcpStream>,
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
    async fn open(router: SocketAddr, connector: TlsConnector) -> Self {
        let stream = TcpStream::connect(router).await.unwrap();
        let router_sip = connector.connect(ServerName::from(router.ip()), stream).await.unwrap();
        let phone_sip = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        let sip = phone_sip.local_addr().unwrap();
        let (told, seen) = watch::channel(Seen::default());
        let (rekeys, rekeying) = watch::channel(false);
        let key = Key::fresh(SUITE);
        let passing = Passing {
            phone_sip,
            router_sip,
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
    async fn agreed(&mut self, times: usize) {
        let agreed = self.seen.wait_for(|seen| seen.keys.len() >= times);
        timeout(SOON, agreed).await.expect("an answer in time").unwrap();
    }
}

impl Passing {
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
        let head = head.replace("SIP/2.0/UDP", "SIP/2.0/TLS");
        let Some(port) = audio_port(body) else { return message(&head, body) };
        self.phone_audio = Some((LOOPBACK, port).into());
        self.next = if *self.rekeys.borrow() { Key::fresh(SUITE) } else { self.key.clone() };
        let crypto = format!("a=crypto:1 {} inline:{}\r\n", SUITE.name(), self.next.reveal());
        let own = self.audio.local_addr().unwrap().port();
        let body = body.replace(&format!("m=audio {port} RTP/AVP"), &format!("m=audio {own} RTP/SAVP"));
        message(&head, &(body + &crypto))
    }

    fn opened(&mut self, text: &str) -> String {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.replace("SIP/2.0/TLS", "SIP/2.0/UDP");
        let Some(port) = audio_port(body) else { return message(&head, body) };
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

    fn whole_message(&mut self) -> Option<String> {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        let length: usize = length.parse().unwrap();
        let whole = head.len() + 4 + length;
        (body.len() >= length).then(|| String::from_utf8(self.bytes.drain(..whole).collect()).unwrap())
    }
}

fn audio_port(description: &str) -> Option<u16> {
    let media = description.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    media.split(' ').next()?.parse().ok()
}

/// With the length of what the body is now.
fn message(head: &str, body: &str) -> String {
    let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-Length:"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A router that takes TLS too, where it does, and one who trusts it.
async fn world(behaviour: Behaviour) -> (World, SocketAddr, TlsConnector) {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![LOOPBACK.to_string()]).unwrap().self_signed(&key).unwrap();
    let free = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
    let settings = format!(
        "[sip]\nlisten = '127.0.0.1:0'\ntls = {{ listen = '{free}', certificate = 'own.pem', key = 'own.key' }}\n"
    );
    let files =
        [("/r/settings.toml", settings), ("/r/own.pem", own.pem()), ("/r/own.key", key.serialize_pem())];
    let connector = Tls::trusting([own.der().clone()]).config().into();
    (World::with_files(Script::always(behaviour), json!({}), files).await, free, connector)
}

/// The model has heard the caller say something for the nth time.
async fn understood(world: &World, times: usize) {
    let said = |session: &SessionLog| {
        let last = session.utterances.get(times - 1).filter(|said| said.stopped.is_some())?;
        Some((last.voiced, last.tone_hz))
    };
    let (voiced, tone) = world.model.wait_for(|sessions| said(sessions.first()?), SOON).await.unwrap();
    assert!(voiced.abs_diff(ms(600)) <= ms(120), "{voiced:?}");
    assert!((tone.expect("a pure tone") - TONE).abs() < 5.0, "{tone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_call_is_heard_both_ways_through_forgeries_and_new_keys() {
    let behaviour = Behaviour { greeting: ms(1_000), reply: ms(700), ..Behaviour::default() };
    let (world, router, connector) = world(behaviour).await;
    let voice = tone_of("marin");
    let mut edge = Edge::open(router, connector).await;
    let mut call =
        Call::place(&Dial { jitter_buffer: ms(200), ..Dial::new(edge.sip, CALLED, CALLER) }).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let said = |heard: &Recording| {
        find(heard, voice).map_or(Duration::ZERO, |tone| tone.length.mul_f64(1.0 - tone.missing))
    };
    call.hears(|heard| said(heard) >= ms(950), SOON).await.unwrap();
    // First as it began, then after a hold with the same key, and then after one with new keys.
    for (round, rekeys) in [false, false, true].into_iter().enumerate() {
        if round > 0 {
            edge.rekeys.send_replace(rekeys);
            call.hold(true).await;
            edge.agreed(round * 2).await;
            call.hold(false).await;
            edge.agreed(round * 2 + 1).await;
        }
        call.say(vec![Say::Tone { hz: TONE, length: ms(600) }]).await;
        understood(&world, round + 1).await;
        let so_far = ms(950) + ms(650) * (u32::try_from(round).unwrap() + 1);
        call.hears(|heard| said(heard) >= so_far, SOON).await.unwrap();
    }
    call.say("15#".chars().flat_map(|key| [Say::Key(key), Say::Silence(ms(60))]).collect()).await;
    let end = call.heard().length() + ms(1_500);
    call.hears(|heard| heard.length() >= end, SOON).await.unwrap();
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));

    let seen = edge.seen.borrow().clone();
    assert_eq!(seen.unopened, 0, "everything is sealed with the key that was told");
    assert!(seen.keys.windows(2).all(|pair| pair[0] == pair[1]), "our key stays");
    let record = world.end().await;
    assert_eq!(record["digits"], 3, "{record}");
    let timing = |name: &str| record["timing_ms"][name].as_u64().unwrap();
    let most = (timing("ended") - timing("active")) / 20 + 10;
    let packets = record["media"]["received"]["packets"].as_u64().unwrap();
    assert!((200..=most).contains(&packets), "the forged ones are not counted: {record}");
    for key in &seen.keys {
        assert!(!record.to_string().contains(&key.reveal().to_string()));
    }
}
