use std::net::{IpAddr, Ipv4Addr};

use tokio::net::UdpSocket;

use super::ports::Ports;
use super::*;
use crate::media::g711::FRAME_BYTES;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Time is what the test says, and sockets only take what is sent.
struct World {
    session: Session,
    /// Where the caller announced itself, for audio and for reports.
    announced: (UdpSocket, UdpSocket),
    /// Where it is, behind a NAT.
    behind: UdpSocket,
    now: Instant,
    sequence: u16,
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((LOOPBACK, 0)).await.unwrap()
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

/// A datagram that has arrived.
fn taken(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 2048];
    // Loopback delivers before the call that sends returns.
    std::iter::repeat_with(|| socket.try_recv(&mut buffer))
        .take(1)
        .find_map(Result::ok)
        .map(|length| buffer[..length].to_vec())
}

impl World {
    async fn new(encoded: Codec) -> Self {
        let ports = Ports::new(LOOPBACK, &(20_000..=60_000));
        let announced = (socket().await, socket().await);
        let stream = Stream {
            codec: Codec::Pcma,
            payload_type: 8,
            keys: Some(crate::ingress::sip::sdp::KeyEvents { payload_type: 101, rate: 8_000 }),
            comfort: Some(13),
            rtp: Some(address(&announced.0)),
            rtcp: Rtcp::Apart(Some(address(&announced.1))),
            sends: true,
            receives: true,
        };
        let now = Instant::now();
        let port = ports.take().await.unwrap();
        // The runtime has seen that they take datagrams.
        port.rtp.writable().await.unwrap();
        port.rtcp.writable().await.unwrap();
        let mut session = Session::new(port, stream, None, encoded, now, Metrics::default());
        session.answer(now);
        Self { session, announced, behind: socket().await, now, sequence: 0 }
    }

    fn send(&mut self, byte: u8) {
        self.session.send(&[byte; FRAME_BYTES].into(), self.now);
        self.now += FRAME;
    }

    /// A call in Opus from its beginning.
    fn in_opus(&mut self) {
        let opus = Stream { codec: Codec::Opus, payload_type: 111, ..self.session.stream };
        (self.session.stream, self.session.encoded) = (opus, Codec::Opus);
        self.session.outlet = Outlet::new(Codec::Opus, Codec::Opus);
        self.session.hearing = Some(Hearing::new(self.now, Codec::Opus));
    }

    /// The caller sends a packet from there.
    fn receive(&mut self, source: SocketAddr, payload_type: u8, payload: &[u8]) {
        let timestamp = u32::from(self.sequence) * 160;
        let rtp = Rtp { payload_type, marker: false, sequence: self.sequence, timestamp, ssrc: 5, payload };
        self.sequence += 1;
        self.session.received(&rtp.write(), source, self.now);
    }

    /// What happened since it was last asked.
    fn happened(&mut self) -> Vec<Heard> {
        self.session.happened.drain(..).collect()
    }

    fn keys(&mut self) -> String {
        let digits = self.happened().into_iter().filter_map(|heard| match heard {
            Heard::Digit(digit) => Some(digit.reveal()),
            Heard::Audio(_) | Heard::Pressed(_) | Heard::Nothing => None,
        });
        digits.collect()
    }

    async fn heard_at(socket: &UdpSocket) -> Vec<u8> {
        tokio::time::timeout(Duration::from_secs(5), socket.readable()).await.expect("a datagram").unwrap();
        taken(socket).expect("a datagram")
    }
}

#[tokio::test]
async fn frames_leave_as_one_stream_in_the_law_that_was_agreed_on() {
    let mut world = World::new(Codec::Pcmu).await;
    for _ in 0..3 {
        world.send(0xFF);
    }
    world.now += Duration::from_millis(980);
    world.send(0x80);
    let mut packets = Vec::new();
    for _ in 0..4 {
        packets.push(World::heard_at(&world.announced.0).await);
    }
    let read: Vec<Rtp<'_>> = packets.iter().map(|packet| Rtp::read(packet).expect("RTP")).collect();
    let (first, begun) = (read[0].sequence, read[0].timestamp);
    for (rtp, (frames, marker, byte)) in
        read.iter().zip([(0, true, 0xD5), (1, false, 0xD5), (2, false, 0xD5), (52, true, 0xAA)])
    {
        let expected = (8, marker, begun.wrapping_add(frames * 160), read[0].ssrc);
        assert_eq!((rtp.payload_type, rtp.marker, rtp.timestamp, rtp.ssrc), expected);
        assert_eq!(rtp.payload, [byte; FRAME_BYTES]);
    }
    assert_eq!(read[3].sequence, first.wrapping_add(3), "a pause skips no numbers");
    let sent = world.session.quality(world.now).expect("media").sent;
    assert_eq!((sent.packets, sent.longest_gap.as_millis()), (4, 1_000));
    // Of three frames that followed another, two kept the pace.
    let pace = world.session.metrics.render();
    for line in ["bucket{le=\"0.001\"} 2", "bucket{le=\"+Inf\"} 3", "sum 0.98"] {
        assert!(pace.contains(&format!("dialplane_frame_jitter_seconds_{line}")), "{line}: {pace}");
    }
}

#[tokio::test]
async fn the_caller_is_where_it_is_heard_first_unless_where_it_announced_itself() {
    let mut world = World::new(Codec::Pcma).await;
    let (behind, announced, stranger) =
        (address(&world.behind), address(&world.announced.0), address(&socket().await));
    world.receive(stranger, 96, &[0; 160]);
    world.receive(behind, 8, &[0xAA; 160]);
    world.receive(stranger, 8, &[0x55; 160]);
    assert_eq!(world.happened().len(), 1, "one caller, not two");
    world.send(0xD5);
    World::heard_at(&world.behind).await;
    world.receive(announced, 8, &[0xAA; 160]);
    world.receive(behind, 8, &[0x55; 160]);
    world.send(0xD5);
    World::heard_at(&world.announced.0).await;
    assert_eq!(taken(&world.behind), None);
    // A new place in a new offer is to be seen anew.
    let moved = Stream { rtp: Some(behind), ..*world.session.stream() };
    world.session.change(moved, None, world.now);
    world.receive(stranger, 8, &[0x55; 160]);
    assert_eq!(world.session.source, Some(stranger), "behind another NAT");
}

#[tokio::test]
async fn comfort_noise_is_no_sound_and_no_loss() {
    let mut world = World::new(Codec::Pcma).await;
    let caller = address(&world.announced.0);
    for n in 0..30 {
        // The loudest byte of A-law, then a packet of 7 coefficients.
        let (payload_type, payload) = if n % 10 == 9 { (13, &[30; 8][..]) } else { (8, &[0xAA; 160][..]) };
        world.receive(caller, payload_type, payload);
        world.now += FRAME;
    }
    assert_eq!(world.happened().len(), 27);
    let quality = world.session.quality(world.now).expect("media");
    assert_eq!((quality.received.packets, quality.received.lost), (30, Some(0)));
}

#[tokio::test]
async fn keys_are_told_once_and_only_of_an_answered_call() {
    let mut world = World::new(Codec::Pcma).await;
    let caller = address(&world.announced.0);
    world.session.hearing = None;
    world.receive(caller, 101, &[1, 10, 0, 160]);
    world.session.answer(world.now);
    for step in 1..=4u8 {
        let timestamp = 9_000;
        let rtp = Rtp {
            payload_type: 101,
            marker: step == 1,
            sequence: 100 + u16::from(step),
            timestamp,
            ssrc: 5,
            payload: &[11, 10, 0, step * 40],
        };
        world.session.received(&rtp.write(), caller, world.now);
    }
    assert_eq!(world.keys(), "#");
    let received = world.session.quality(world.now).expect("media").received;
    assert_eq!((received.packets, received.lost), (4, Some(0)));
}

#[tokio::test]
async fn a_caller_who_holds_is_sent_nothing_and_its_music_not_heard() {
    let mut world = World::new(Codec::Pcma).await;
    let caller = address(&world.announced.0);
    let held = Stream { sends: false, ..*world.session.stream() };
    world.session.change(held, None, world.now);
    world.send(0xD5);
    for _ in 0..10 {
        world.receive(caller, 8, &[0xAA; 160]);
    }
    assert_eq!((world.happened().len(), taken(&world.announced.0)), (0, None));
    // It may hold as long as it likes; the model hears silence meanwhile.
    let start = world.now;
    while world.now < start + 2 * SILENCE {
        world.now = world.session.deadline();
        world.session.on_time(world.now);
        assert!(!world.happened().contains(&Heard::Nothing));
    }
    let back = Stream { sends: true, ..held };
    world.session.change(back, None, world.now);
    world.receive(caller, 8, &[0xAA; 160]);
    assert_eq!(world.happened().len(), 1);
    let received = world.session.quality(world.now).expect("there was audio").received;
    assert_eq!((received.packets, received.lost), (11, Some(0)), "music is not heard, but it is not lost");
}

#[tokio::test]
async fn a_caller_of_whom_nothing_comes_is_heard_as_silence_and_then_as_nothing() {
    let mut world = World::new(Codec::Pcma).await;
    let (start, mut frames) = (world.now, 0);
    loop {
        world.now = world.session.deadline();
        world.session.on_time(world.now);
        let happened = world.happened();
        frames += happened.iter().filter(|heard| matches!(heard, Heard::Audio(_))).count();
        if happened.contains(&Heard::Nothing) {
            break;
        }
    }
    assert_eq!(world.now - start, SILENCE);
    assert!((2_990..=3_000).contains(&frames), "{frames}");
}

#[tokio::test]
async fn each_side_tells_the_other_how_the_media_arrives() {
    let mut world = World::new(Codec::Pcma).await;
    let (caller, answered) = (address(&world.announced.0), world.now);
    for n in 0..50 {
        world.now += FRAME;
        // Every fifth is lost.
        if n % 5 == 2 {
            world.sequence += 1;
        } else {
            world.receive(caller, 8, &[0xD5; 160]);
        }
        world.send(0xD5);
    }
    let waits = world.session.report_due - answered;
    assert!(FIRST_REPORT.mul_f64(0.5) <= waits && waits < FIRST_REPORT.mul_f64(1.5), "{waits:?}");
    world.now = world.session.report_due;
    world.session.on_time(world.now);
    let report = World::heard_at(&world.announced.1).await;
    assert_eq!(report::read(&report, 5).lost.map(|(lost, _)| lost), Some(10));
    // The caller says the same of ours: 3 lost, 80 ticks of jitter.
    let ssrc = world.session.sender.ssrc;
    let block = [
        &[0x81, 201, 0, 7, 0, 0, 0, 5][..],
        &ssrc.to_be_bytes(),
        &[9, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 80],
        &[0; 8],
    ]
    .concat();
    world.session.told(&block, address(&world.announced.1), world.now);
    let sent = world.session.quality(world.now).expect("media").sent;
    assert_eq!((sent.lost, sent.jitter), (Some(3), Some(Duration::from_millis(10))));
    world.session.told(&block, SocketAddr::from(([127, 0, 0, 2], 9)), world.now);
    assert_eq!(world.session.reports_to, Some(address(&world.announced.1)), "a stranger's report is none");
    // At the end of the call all is told once more, and that it is the end.
    world.receive(caller, 8, &[0xD5; 160]);
    world.session.leave(world.now);
    let last = World::heard_at(&world.announced.1).await;
    assert_eq!(report::read(&last, 5).lost.map(|(lost, _)| lost), Some(10));
    assert_eq!(last[last.len() - 8..], [&[0x81, 203, 0, 1][..], &ssrc.to_be_bytes()].concat());
}

#[tokio::test]
async fn opus_goes_both_ways_as_it_is_at_48_khz() {
    let mut world = World::new(Codec::Pcma).await;
    world.in_opus();
    let mut encoder = crate::media::opus::Encoder::new();
    let tone = std::array::from_fn(|n| if (n / 24) % 2 == 0 { 8_000 } else { -8_000 });
    let frames: Vec<Frame> = (0..3).map(|_| encoder.encode(&tone)).collect();
    for frame in &frames {
        world.session.send(frame, world.now);
        world.receive(address(&world.announced.0), 111, frame);
        world.now += FRAME;
    }
    let mut times = Vec::new();
    for frame in &frames {
        let datagram = World::heard_at(&world.announced.0).await;
        let rtp = Rtp::read(&datagram).expect("RTP");
        assert_eq!((rtp.payload_type, rtp.payload), (111, &frame[..]));
        times.push(rtp.timestamp);
    }
    assert!(times.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 960), "{times:?}");
    let loud = |heard: &Heard| matches!(heard, Heard::Audio(audio) if audio.samples().iter().any(|sample| *sample > 2_000));
    assert_eq!(world.happened().iter().filter(|heard| loud(heard)).count(), 3);
}
