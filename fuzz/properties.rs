//! What holds of whatever arrives. The fuzzers look for what breaks it; a plain test (`tests/it/hostile/fuzzed.rs`) tries
//! the same with so many inputs of a fixed seed.

use std::time::Duration;

use dialplane::admission::Slots;
use dialplane::call::CallId;
use dialplane::ingress::sip::dialog::Dialog;
use dialplane::ingress::sip::digest::Authorization;
use dialplane::ingress::sip::digest::nonces::Nonces;
use dialplane::ingress::sip::door::judge;
use dialplane::ingress::sip::message::{Reply, call_id, header, response};
use dialplane::ingress::sip::repair::{LONGEST, repair};
use dialplane::ingress::sip::rtp::reception::Reception;
use dialplane::ingress::sip::rtp::report::{self, Reports};
use dialplane::ingress::sip::rtp::wire::{Rtp, is_rtcp};
use dialplane::ingress::sip::sdp::{Answer, Description, KeyEvents, Local, Rtcp, Stream};
use dialplane::ingress::sip::socket::{Content, read};
use dialplane::ingress::sip::srtp::{Incoming, Key, Suite};
use dialplane::ingress::sip::stream::frame::{Broken, Framed, Framer};
use dialplane::ingress::sip::transport::{Peer, Transport};
use dialplane::ingress::sip::{facts, timer};
use dialplane::media::codec::{Codec, Codecs};
use dialplane::media::hearing::Hearing;
use dialplane::media::lateness::Lateness;
use jiff::Timestamp;
use rsipstack::sip::{Method, Request, SipMessage};
use tokio::time::Instant;

const OURS: u32 = 7;

/// A description is read or not. What answers it is one, says something of every stream, and is understood as it is meant.
pub fn sdp(body: &[u8]) {
    let Ok(offer) = Description::parse(body) else { return };
    let (address, port, session, version) = ([192, 0, 2, 1].into(), 4_000, 1, 1);
    for (codec, secure) in [(None, false), (Some(Codec::Pcma), true), (Some(Codec::Opus), false)] {
        let local = Local { address, port, session, version, codecs: Codecs::default(), codec, secure };
        let _ = offer.accept(&local, None);
        let Ok(Answer { stream, sdp, .. }) = offer.answer(&local, Key::fresh) else { continue };
        let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        let sdp = sdp.reveal();
        assert_eq!(sections(sdp), sections(&String::from_utf8_lossy(body)), "a section each");
        let answer = Description::parse(sdp.as_bytes()).expect("what we write is read");
        let local = Local { codec: Some(stream.codec), ..local };
        let theirs = answer.answer(&local, Key::fresh).expect("what we answer is agreed on").stream;
        assert_eq!((theirs.codec, theirs.sends), (stream.codec, stream.receives));
        // A call that is held by an address of zeros (RFC 2543) may be answered as if we spoke.
        assert!(theirs.receives || !stream.sends);
    }
}

/// A call's audio: datagrams, each behind a byte of its length and one of the milliseconds since the one before. None of them
/// is sealed with our key.
pub fn media(call: &[u8]) {
    let Some((kind, mut rest)) = call.split_first() else { return };
    let (codec, payload_type) = if kind % 2 == 0 { (Codec::Pcma, 8) } else { (Codec::Opus, 111) };
    let (rtp, rtcp) = (None, Rtcp::Together);
    let keys = Some(KeyEvents { payload_type: 101, rate: codec.clock_rate() });
    let stream =
        Stream { codec, payload_type, keys, comfort: Some(13), rtp, rtcp, sends: true, receives: true };
    let start = Instant::now();
    let (mut now, mut hearing) = (start, Hearing::new(start, codec));
    let mut sealed = Incoming::new(&Key::fresh(Suite::Aes128Sha1Tag80), u64::MAX);
    let (mut reception, mut reports) = (Reception::default(), Reports::default());
    while let Some(([length, pause], more)) = rest.split_first_chunk::<2>() {
        let (datagram, more) = more.split_at(usize::from(*length).min(more.len()));
        (rest, now) = (more, now + Duration::from_millis((*pause).into()));
        let _ = hearing.on_time(now);
        assert!(sealed.rtp(datagram).is_err() && sealed.rtcp(datagram).is_err());
        if is_rtcp(datagram) {
            reports.told(&report::read(datagram, OURS), now);
        }
        let Some(packet) = Rtp::read(datagram) else { continue };
        assert!(packet.payload.len() + 12 <= datagram.len());
        let Some(received) = reception.receive(now, &packet, &stream) else { continue };
        reports.received(&packet, received.packet.sequence, codec.clock_rate(), now - start);
        let frames = hearing.packet(now, &received.packet);
        assert!(frames.len() < 1_000, "{} frames of one packet", frames.len());
    }
    let written = reports.write(OURS, 0, Timestamp::UNIX_EPOCH, now);
    assert!(is_rtcp(&written) && written.len() % 4 == 0);
}

/// A datagram is mended once and for all. What is a request can be answered, and neither the answer nor a request of ours in
/// the dialog that it begins says anything that we did not mean to say.
pub fn datagram(datagram: &[u8]) {
    if let Ok(mended) = repair(datagram) {
        assert_eq!(repair(&mended).as_deref(), Ok(&*mended), "what is mended is in order");
    }
    match read(datagram) {
        Some(Content::Message(SipMessage::Request(request))) => taken(&request),
        Some(Content::Wrong(request, reply)) => answered(&request, reply),
        Some(Content::Message(SipMessage::Response(_))) | None => {}
    }
}

fn taken(request: &Request) {
    let slots = Slots::new(1, Lateness::new(Instant::now()).into());
    let _ = judge(&mut request.clone(), &slots, Instant::now());
    let _ = timer::agree(request);
    let _ = facts::read(request, CallId::fresh(), Timestamp::UNIX_EPOCH, None);
    answered(request, Reply::abilities(200));
    let peer = Peer { transport: Transport::Udp, address: ([192, 0, 2, 1], 5060).into() };
    if let Ok(mut dialog) = Dialog::begun_by(request, "ours".into(), peer) {
        assert!(dialog.owns(request));
        let via = header("Via", "SIP/2.0/UDP a;branch=z9hG4bK1");
        let (bye, _) = dialog.request(Method::Bye, "<sip:us@b>", vec![via]);
        let bye = SipMessage::from(bye).to_bytes();
        let Some(Content::Message(SipMessage::Request(read))) = read(&bye) else {
            panic!("what we ask is not read: {}", String::from_utf8_lossy(&bye));
        };
        assert_eq!(*read.method(), Method::Bye);
        assert_eq!(call_id(&read), call_id(request));
    }
}

fn answered(request: &Request, reply: Reply) {
    let status = reply.status;
    let answer = response(request, reply, "ours");
    let answer = SipMessage::from(answer).to_bytes();
    let Some(Content::Message(SipMessage::Response(answer))) = read(&answer) else {
        panic!("what we answer is not read: {}", String::from_utf8_lossy(&answer));
    };
    assert_eq!(answer.status_code.code(), status);
    assert!(answer.body.is_empty());
}

/// However a stream is cut into pieces, the same messages come out of it; none is longer than may be.
pub fn stream(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = framed(&[bytes]);
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(*size) + 1).collect();
    assert_eq!(framed(&pieces), whole);
    for message in whole.0 {
        assert!(
            matches!(message, Framed::Ping)
                || matches!(message, Framed::Message(bytes) if bytes.len() <= LONGEST)
        );
    }
}

fn framed(pieces: &[&[u8]]) -> (Vec<Framed>, Option<Broken>) {
    let (mut framer, mut messages) = (Framer::default(), Vec::new());
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next_framed() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(broken) => return (messages, Some(broken)),
            }
        }
    }
    (messages, None)
}

/// A header is read or not. It proves nothing, and its nonce is none that we gave out.
pub fn authorization(value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    let Some(read) = Authorization::parse(&value) else { return };
    let _ = read.is_for("sip:+15557770001@192.0.2.1");
    assert!(!read.proves("INVITE", "a password that nobody has said"));
    let nonces = Nonces::new(Instant::now()).expect("a random key");
    assert!(nonces.known(read.nonce, [192, 0, 2, 1].into(), Instant::now()).is_err());
}
