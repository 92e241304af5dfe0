use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::*;
use crate::ingress::sip::rtp::wire::Rtp;
use crate::ingress::sip::srtp::{Incoming, LIFETIME, Outgoing};
use crate::media::g711::FRAME_BYTES;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SUITE: Suite = Suite::Aes128Sha1Tag80;
const SOON: Duration = Duration::from_secs(10);

/// A phone that seals what it sends; its clock is the test.
struct Phone {
    socket: UdpSocket,
    key: Key,
    outgoing: Outgoing,
    sequence: u16,
}

impl Phone {
    async fn new() -> Self {
        let key = Key::fresh(SUITE);
        let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        Self { socket, outgoing: Outgoing::new(&key), key, sequence: 1 }
    }

    fn description(&self, protocol: &str, more: &str) -> Vec<u8> {
        let port = self.socket.local_addr().unwrap().port();
        let key = self.key.reveal();
        format!(
            "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} {protocol} 8 101\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=rtcp-mux\r\na=crypto:1 {} inline:{key}{more}\r\n",
            SUITE.name(),
        )
        .into_bytes()
    }

    fn offer(&self) -> Vec<u8> {
        self.description("RTP/SAVP", "")
    }

    fn change_key(&mut self) {
        self.key = Key::fresh(SUITE);
        self.outgoing = Outgoing::new(&self.key);
    }

    /// The next packet, in the clear.
    fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let (sequence, timestamp) = (self.sequence, u32::from(self.sequence) * 160);
        self.sequence = self.sequence.wrapping_add(1);
        Rtp { payload_type, marker: false, sequence, timestamp, ssrc: 5, payload }.write()
    }

    fn sealed(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let packet = self.packet(payload_type, payload);
        self.outgoing.rtp(packet)
    }

    async fn received(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let length = timeout(SOON, self.socket.recv(&mut buffer)).await.expect("a datagram").unwrap();
        buffer[..length].to_vec()
    }
}

struct World {
    ports: Ports,
    metrics: Metrics,
    phone: Phone,
}

impl World {
    async fn new() -> Self {
        let ports = Ports::new(LOOPBACK, &(20_000..=60_000));
        Self { ports, metrics: Metrics::default(), phone: Phone::new().await }
    }

    async fn open(&self, offer: &[u8], secure: bool) -> Result<Media, Reply> {
        let (codecs, ports, metrics) = (Codecs::ALL, &self.ports, &self.metrics);
        let place = Place { address: LOOPBACK, codecs, secure, ports, metrics };
        Media::open(offer, place).await
    }

    async fn call(&self) -> Media {
        let mut media = self.open(&self.phone.offer(), true).await.expect("it fits");
        media.start();
        media
    }

    fn refused(&self, why: &str) -> u64 {
        let text = self.metrics.render();
        let line = format!(r#"srtp_refused_total{{reason="{why}"}} "#);
        text.split_once(&line).map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap())
    }
}

/// Our key, by our last description.
fn our_key(media: &Media) -> Key {
    let text = String::from_utf8(media.describe()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("a=crypto:1 ")).expect("a key");
    Key::read(SUITE, line.strip_prefix("AES_CM_128_HMAC_SHA1_80 inline:").expect("our suite")).expect("a key")
}

fn address(media: &Media) -> SocketAddr {
    (LOOPBACK, media.local.port).into()
}

fn received(media: &Media) -> u64 {
    media.quality().map_or(0, |quality| quality.received.packets)
}

/// Audio is taken, packet by packet as it is sent, until `count` have come in all.
async fn take(media: &mut Media, count: u64) {
    let taken = async {
        while received(media) < count {
            let _heard = media.next().await;
        }
    };
    timeout(SOON, taken).await.expect("the packets");
}

#[tokio::test]
async fn what_is_said_is_sealed_both_ways_and_keys_are_heard() {
    let mut world = World::new().await;
    let mut media = world.call().await;
    let to = address(&media);
    let sealed = world.phone.sealed(8, &[0xAA; FRAME_BYTES]);
    world.phone.socket.send_to(&sealed, to).await.unwrap();
    take(&mut media, 1).await;
    let mut theirs = Incoming::new(&our_key(&media), LIFETIME);
    media.send(&[0xFF; FRAME_BYTES].into());
    let datagram = world.phone.received().await;
    assert_ne!(Rtp::read(&datagram).expect("RTP").payload[..FRAME_BYTES], [0xD5; FRAME_BYTES]);
    let opened = theirs.rtp(&datagram).expect("it is sealed with our key");
    assert_eq!(
        Rtp::read(&opened).map(|rtp| (rtp.payload_type, rtp.payload)),
        Some((8, &[0xFF; FRAME_BYTES][..]))
    );
    let sealed = world.phone.sealed(101, &[11, 10, 0, 160]);
    world.phone.socket.send_to(&sealed, to).await.unwrap();
    let digit = async {
        loop {
            if let Heard::Digit(digit) = media.next().await {
                return digit;
            }
        }
    };
    assert_eq!(timeout(SOON, digit).await.expect("a key").reveal(), '#');
    assert_eq!((world.refused("unauthentic"), world.refused("replayed")), (0, 0));
}

#[tokio::test]
async fn a_packet_that_the_callers_key_does_not_open_moves_and_tells_nothing() {
    let mut world = World::new().await;
    let mut media = world.call().await;
    let to = address(&media);
    let stranger = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let plain = world.phone.packet(8, &[0x55; FRAME_BYTES]);
    let mut tampered = world.phone.sealed(8, &[0x55; FRAME_BYTES]);
    tampered[20] ^= 1;
    let report = [&[0x80, 201, 0, 1, 0, 0, 0, 5][..], &[0x80, 0, 0, 0], &[0; 10]].concat();
    for datagram in [&plain[..], &tampered, &report] {
        stranger.send_to(datagram, to).await.unwrap();
    }
    let refused = async {
        while world.refused("unauthentic") < 3 {
            let _silence = media.next().await;
        }
    };
    timeout(SOON, refused).await.expect("they are counted");
    assert_eq!(received(&media), 0);
    media.send(&[0xD5; FRAME_BYTES].into());
    world.phone.received().await;
    // The caller itself is heard, and what was overheard of it is of no use to another.
    let sealed = world.phone.sealed(8, &[0xAA; FRAME_BYTES]);
    world.phone.socket.send_to(&sealed, to).await.unwrap();
    take(&mut media, 1).await;
    world.phone.socket.send_to(&sealed, to).await.unwrap();
    let replayed = async {
        while world.refused("replayed") < 1 {
            let _silence = media.next().await;
        }
    };
    timeout(SOON, replayed).await.expect("it is counted");
    assert_eq!((received(&media), world.refused("unauthentic")), (1, 3));
}

#[tokio::test]
async fn the_same_key_goes_on_where_it_was_and_a_new_one_begins() {
    let mut world = World::new().await;
    let mut media = world.call().await;
    let (to, ours) = (address(&media), our_key(&media));
    let mut theirs = Incoming::new(&ours, LIFETIME);
    let mut streams = Vec::new();
    // The phone's numbers begin anew with 0 after the first packet: a second round.
    world.phone.sequence = u16::MAX;
    for step in 1..=6 {
        let sealed = world.phone.sealed(8, &[0xAA; FRAME_BYTES]);
        world.phone.socket.send_to(&sealed, to).await.unwrap();
        take(&mut media, step).await;
        media.send(&[0xD5; FRAME_BYTES].into());
        let opened = theirs.rtp(&world.phone.received().await).expect("our key and our count stay");
        streams.push(Rtp::read(&opened).expect("RTP").ssrc);
        match step {
            2 => drop(media.negotiate(&world.phone.offer(), Transport::Tls).expect("it fits")),
            // As it is when the phone restarts its encoder.
            3 => drop(
                media
                    .negotiate(&world.phone.description("RTP/SAVP", "|2^20"), Transport::Tls)
                    .expect("it fits"),
            ),
            4 => {
                world.phone.change_key();
                drop(media.negotiate(&world.phone.offer(), Transport::Tls).expect("it fits"));
            }
            _ => {}
        }
        assert_eq!(our_key(&media), ours);
    }
    assert!(streams.windows(2).all(|pair| pair[0] == pair[1]), "{streams:?}");
    assert_eq!(world.refused("unauthentic"), 0);
}

#[tokio::test]
async fn another_suite_is_another_key_of_ours_and_another_stream() {
    let mut world = World::new().await;
    let mut media = world.call().await;
    let mut theirs = Incoming::new(&our_key(&media), LIFETIME);
    let sealed = world.phone.sealed(8, &[0xAA; FRAME_BYTES]);
    world.phone.socket.send_to(&sealed, address(&media)).await.unwrap();
    take(&mut media, 1).await;
    media.send(&[0xD5; FRAME_BYTES].into());
    let first = theirs.rtp(&world.phone.received().await).expect("our key");
    let suite = Suite::Aes256Gcm;
    let (old, new) = (world.phone.offer(), Key::fresh(suite));
    let line = format!("a=crypto:1 {} inline:{}\r\n", suite.name(), new.reveal());
    let offer = String::from_utf8(old).unwrap().replace("a=crypto:1 ", &format!("{line}a=crypto:2 "));
    let answer =
        String::from_utf8(media.negotiate(offer.as_bytes(), Transport::Tls).expect("it fits")).unwrap();
    let key = answer.lines().find_map(|line| line.strip_prefix("a=crypto:1 AEAD_AES_256_GCM inline:"));
    let mut theirs = Incoming::new(&Key::read(suite, key.expect("a key")).expect("a key"), LIFETIME);
    media.send(&[0xD5; FRAME_BYTES].into());
    let second = theirs.rtp(&world.phone.received().await).expect("our new key");
    assert_ne!(Rtp::read(&first).map(|rtp| rtp.ssrc), Rtp::read(&second).map(|rtp| rtp.ssrc));
}

#[tokio::test]
async fn keys_in_the_clear_are_refused_with_the_reason() {
    let world = World::new().await;
    for (offer, secure, warning) in [
        (world.phone.offer(), false, r#"399 dialplane "SRTP keys are taken over TLS only""#),
        (
            world.phone.description("RTP/SAVP", "|2^20|1:4"),
            true,
            r#"306 dialplane "no SRTP key that we can use""#,
        ),
        (
            world.phone.description("UDP/TLS/RTP/SAVP", ""),
            true,
            r#"304 dialplane "no audio over RTP or SRTP""#,
        ),
    ] {
        let reply = world.open(&offer, secure).await.expect_err("it does not fit");
        let shown = format!("{:?}", reply.headers);
        assert!(reply.status == 488 && shown.contains(&warning.escape_debug().to_string()), "{reply:?}");
        assert!(!shown.contains(&world.phone.key.reveal().to_string()), "{shown}");
    }
    let plain = world.open(&world.phone.description("RTP/AVP", ""), true).await.expect("it fits");
    assert!(!String::from_utf8(plain.describe()).unwrap().contains("crypto"));
}

#[tokio::test]
async fn an_offer_of_ours_is_sealed_over_tls() {
    let mut world = World::new().await;
    let plain = world.open(&[], false).await.expect("an offer");
    assert!(String::from_utf8(plain.describe()).unwrap().contains("RTP/AVP 0 8 9 111 13 101 110\r\n"));
    let mut media = world.open(&[], true).await.expect("an offer");
    media.start();
    let answer = world.phone.offer();
    media.answered(&answer).expect("it fits");
    let sealed = world.phone.sealed(8, &[0xAA; FRAME_BYTES]);
    world.phone.socket.send_to(&sealed, address(&media)).await.unwrap();
    take(&mut media, 1).await;
    media.send(&[0xFF; FRAME_BYTES].into());
    let mut theirs = Incoming::new(&our_key(&media), LIFETIME);
    assert!(theirs.rtp(&world.phone.received().await).is_ok());
    // Asked once more, we offer the same key.
    let key = our_key(&media);
    media.offer(Transport::Tls).unwrap();
    assert_eq!(our_key(&media), key);
    for key in [key, world.phone.key] {
        assert!(!format!("{media:?}").contains(&key.reveal().to_string()), "{media:?}");
    }
}

#[tokio::test]
async fn a_sealed_call_is_described_over_tls_alone_and_another_may_become_one() {
    let world = World::new().await;
    let mut sealed = world.call().await;
    let described = sealed.describe();
    for over in [Transport::Udp, Transport::Tcp] {
        for protocol in ["RTP/SAVP", "RTP/AVP"] {
            let reply = sealed.negotiate(&world.phone.description(protocol, ""), over).expect_err("refused");
            assert_eq!(reply.status, 488, "{protocol} by {over:?}");
        }
        assert_eq!(sealed.offer(over).expect_err("refused").status, 488);
    }
    assert_eq!(sealed.describe(), described, "nothing has changed");
    sealed.offer(Transport::Tls).expect("our key");

    let mut open = world.open(&world.phone.description("RTP/AVP", ""), false).await.expect("it fits");
    open.offer(Transport::Udp).expect("there is no key");
    let reply = open.negotiate(&world.phone.offer(), Transport::Tcp).expect_err("refused");
    assert_eq!(reply.status, 488);
    open.negotiate(&world.phone.offer(), Transport::Tls).expect("it fits");
    our_key(&open);
}
