//! The peer against another str0m, in virtual time: what is told to one side is heard by the other.

mod reuse;

use str0m::change::SdpOffer;
use str0m::media::{Frequency, MediaTime};

use super::*;

const OURS: &str = "127.0.0.1:4000";
const THEIRS: &str = "127.0.0.1:5000";
const STEP: Duration = Duration::from_millis(5);

/// A server's end of the connection, and the clock of both.
struct Rig {
    now: Instant,
    peer: Peer,
    server: Rtc,
    events: Vec<PeerEvent>,
    heard: Vec<u64>,
    server_data: Vec<Vec<u8>>,
    reliable: Option<ChannelId>,
    server_mids: Vec<Mid>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl Rig {
    fn joined() -> Self {
        let (mut rig, offer) = Self::offered();
        rig.server.add_local_candidate(Candidate::host(address(THEIRS), "udp").expect("a candidate"));
        rig.answer(&offer);
        rig.run(Duration::from_secs(1));
        assert!(rig.events.contains(&PeerEvent::Connected));
        rig
    }

    fn offered() -> (Self, Offer) {
        let now = tokio::time::Instant::now().into_std();
        let (peer, offer) = Peer::new(now, address(OURS)).expect("a peer");
        let server = Rtc::builder().clear_codecs().enable_opus(true, false).build(now);
        let rig = Self {
            now,
            peer,
            server,
            events: Vec::new(),
            heard: Vec::new(),
            server_data: Vec::new(),
            reliable: None,
            server_mids: Vec::new(),
        };
        (rig, offer)
    }

    fn answer(&mut self, offer: &Offer) {
        self.answer_with(offer, HashMap::new());
    }

    fn answer_with(&mut self, offer: &Offer, track_of_mid: HashMap<String, String>) {
        let sdp = SdpOffer::from_sdp_string(&offer.sdp).expect("an offer");
        let answer = self.server.sdp_api().accept_offer(sdp).expect("an answer");
        let answer = Answer { id: offer.id, sdp: answer.to_sdp_string(), track_of_mid };
        self.peer.accept_answer(answer).expect("accepted");
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.exchange();
            self.now += STEP;
        }
    }

    fn exchange(&mut self) {
        loop {
            match self.peer.poll(self.now).expect("the peer is well") {
                Out::Transmit(t) => {
                    let contents = (&*t.contents).try_into().expect("a datagram");
                    let receive = Receive {
                        proto: Protocol::Udp,
                        source: address(OURS),
                        destination: address(THEIRS),
                        contents,
                    };
                    self.server.handle_input(Input::Receive(self.now, receive)).expect("the server is well");
                }
                Out::Event(event) => self.events.push(event),
                Out::Wait(_) => break,
            }
        }
        loop {
            match self.server.poll_output().expect("the server is well") {
                Output::Transmit(t) => {
                    self.peer
                        .handle_datagram(self.now, address(THEIRS), &t.contents)
                        .expect("the peer is well");
                }
                Output::Event(Event::MediaData(media)) => self.heard.push(media.time.numer()),
                Output::Event(Event::ChannelOpen(id, label)) if label == "_reliable" => {
                    self.reliable = Some(id)
                }
                Output::Event(Event::ChannelData(data)) => self.server_data.push(data.data),
                Output::Event(Event::MediaAdded(media)) => self.server_mids.push(media.mid),
                Output::Event(_) => {}
                Output::Timeout(at) if at <= self.now => {
                    self.server.handle_input(Input::Timeout(self.now)).expect("the server is well");
                }
                Output::Timeout(_) => break,
            }
        }
    }

    fn caller_says(&mut self, index: u64, packet: u8) {
        let writer = self.server.writer(self.server_mids[0]).expect("a receiving section");
        let payload_type = writer.payload_params().next().expect("Opus").pt();
        let time = MediaTime::new(index * u64::from(FRAME_TICKS), Frequency::FORTY_EIGHT_KHZ);
        writer.write(payload_type, self.now, time, vec![packet]).expect("written");
        self.run(Duration::from_millis(20));
    }

    fn audio(&self) -> Vec<&Packet> {
        let audio = self.events.iter().filter_map(|event| match event {
            PeerEvent::Audio(packet) => Some(packet),
            _ => None,
        });
        audio.collect()
    }

    /// With our track published and answered.
    fn published() -> Self {
        let mut rig = Self::joined();
        rig.peer.publish("cid-1".to_owned());
        let (_, offer) = rig.peer.next_offer().expect("an offer");
        rig.answer(&offer);
        rig
    }
}

#[test]
fn the_first_offer_sends_nothing_and_the_published_one_names_its_track() {
    let now = tokio::time::Instant::now().into_std();
    let (_, first) = Peer::new(now, address(OURS)).expect("a peer");
    assert!(!first.sdp.contains("sendonly") && !first.sdp.contains("sendrecv"));
    assert!(first.sdp.contains("recvonly") && first.sdp.contains("m=application"));
    assert!(!first.sdp.to_ascii_lowercase().contains("red/48000"), "no redundant audio");

    let mut rig = Rig::joined();
    rig.peer.publish("cid-1".to_owned());
    let (announced, offer) = rig.peer.next_offer().expect("an offer");
    assert_eq!((announced.as_deref(), offer.id), (Some("cid-1"), 2));
    assert!(offer.sdp.contains("a=msid:agent cid-1"), "the server finds the track by its msid");
}

#[test]
fn the_answer_is_acted_upon_at_once_and_not_at_ices_next_turn() {
    let (mut rig, offer) = Rig::offered();
    let sdp = SdpOffer::from_sdp_string(&offer.sdp).expect("an offer");
    let answer = rig.server.sdp_api().accept_offer(sdp).expect("an answer").to_sdp_string();
    // As livekit-server does it: its checks come before the answer, its candidate after.
    let candidate = Candidate::host(address(THEIRS), "udp").expect("a candidate");
    rig.server.add_local_candidate(candidate.clone());
    let check = loop {
        match rig.server.poll_output().expect("the server is well") {
            Output::Transmit(transmit) => break transmit.contents,
            Output::Timeout(_) => {
                rig.server.handle_input(Input::Timeout(rig.now)).expect("the server is well")
            }
            Output::Event(_) => {}
        }
    };
    rig.exchange();
    for _ in 0..3 {
        rig.peer.handle_datagram(rig.now, address(THEIRS), &check).expect("the peer is well");
    }
    rig.now += STEP;
    let answer = Answer { id: offer.id, sdp: answer, track_of_mid: HashMap::new() };
    rig.peer.accept_answer(answer).expect("accepted");
    rig.peer.add_candidate(&candidate.to_sdp_string());
    let mut sent = 0;
    while let Out::Transmit(_) = rig.peer.poll(rig.now).expect("the peer is well") {
        sent += 1;
    }
    assert_eq!(sent, 4, "three answers to its checks and a check of our own");
}

#[test]
fn one_offer_is_out_at_a_time_and_the_next_takes_what_came_meanwhile() {
    let now = tokio::time::Instant::now().into_std();
    let (mut peer, _) = Peer::new(now, address(OURS)).expect("a peer");
    peer.publish("cid-1".to_owned());
    assert!(peer.next_offer().is_none(), "the first offer is still out");

    let mut rig = Rig::joined();
    rig.peer.want_sections(2);
    let (announced, offer) = rig.peer.next_offer().expect("an offer");
    assert_eq!(announced, None);
    assert_eq!(offer.sdp.matches("a=recvonly").count(), 2, "one is free, so one is added");
    rig.peer.publish("cid-1".to_owned());
    assert!(rig.peer.next_offer().is_none());
    rig.answer(&offer);
    assert!(rig.peer.next_offer().is_some_and(|(announced, _)| announced.is_some()));
}

#[test]
fn a_track_that_no_answer_has_named_is_asked_for_with_another_offer() {
    let mut rig = Rig::joined();
    rig.peer.want_sections(0);
    let (announced, offer) = rig.peer.next_offer().expect("an offer");
    assert_eq!((announced, offer.sdp.matches("a=inactive").count()), (None, 1));
    let mid = rig.server_mids[0].to_string();
    rig.answer_with(&offer, [(mid, "TR_1".to_owned())].into());
    rig.peer.want_sections(0);
    assert!(rig.peer.next_offer().is_none(), "every section's track is known");
}

#[test]
fn a_later_offer_does_not_silence_us() {
    let mut rig = Rig::joined();
    rig.peer.publish("cid-1".to_owned());
    let (_, offer) = rig.peer.next_offer().expect("an offer");
    rig.answer(&offer);
    rig.peer.want_sections(2);
    assert!(rig.peer.next_offer().is_some());
    assert!(rig.peer.write_frame(rig.now, vec![1].into()));
    rig.run(Duration::from_millis(20));
    assert_eq!(rig.heard.len(), 1);
}

#[test]
fn an_answer_to_no_offer_is_refused() {
    let mut rig = Rig::joined();
    let answer = Answer { id: 9, sdp: String::new(), track_of_mid: HashMap::new() };
    assert!(matches!(rig.peer.accept_answer(answer), Err(PeerError::NoOffer)));
}

#[test]
fn frames_leave_only_once_published_and_each_counts_960_ticks() {
    let mut rig = Rig::joined();
    let frame: Frame = vec![1, 2, 3].into();
    assert!(!rig.peer.write_frame(rig.now, frame.clone()));
    rig.peer.publish("cid-1".to_owned());
    let (_, offer) = rig.peer.next_offer().expect("an offer");
    assert!(!rig.peer.write_frame(rig.now, frame.clone()));
    rig.answer(&offer);
    for _ in 0..5 {
        assert!(rig.peer.write_frame(rig.now, frame.clone()));
        rig.run(Duration::from_millis(20));
    }
    let steps: Vec<u64> = rig.heard.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!((rig.heard.len(), steps.as_slice()), (5, &[960; 4][..]));
}

#[test]
fn a_track_published_again_replaces_the_first() {
    let mut rig = Rig::joined();
    for (cid, sending) in [("cid-1", 1), ("cid-2", 1)] {
        rig.peer.publish(cid.to_owned());
        let (_, offer) = rig.peer.next_offer().expect("an offer");
        assert_eq!(offer.sdp.matches("a=sendonly").count(), sending, "{cid}");
        rig.answer(&offer);
    }
    assert!(rig.peer.write_frame(rig.now, vec![1].into()));
    rig.run(Duration::from_millis(20));
    assert_eq!(rig.heard.len(), 1);
}

#[test]
fn frames_that_leave_together_all_leave_at_once() {
    let mut rig = Rig::published();
    for _ in 0..3 {
        assert!(rig.peer.write_frame(rig.now, vec![1].into()));
    }
    let mut sent = 0;
    while let Out::Transmit(datagram) = rig.peer.poll(rig.now).expect("the peer is well") {
        // Reports leave too; their types are 72 and up, without the marker bit.
        sent += u32::from(datagram.contents[1] & 0x7F > 95);
    }
    assert_eq!(sent, 3);
}

#[test]
fn the_server_reports_what_it_lost_of_our_stream() {
    let mut rig = Rig::published();
    for index in 0..500 {
        assert!(rig.peer.write_frame(rig.now, vec![1].into()));
        if index % 50 == 7 {
            while let Out::Transmit(_) = rig.peer.poll(rig.now).expect("the peer is well") {}
        }
        rig.run(Duration::from_millis(20));
    }
    let mut reports = rig.events.iter().filter_map(|event| match event {
        PeerEvent::Report(report) => Some(*report),
        _ => None,
    });
    let last = reports.next_back().expect("a report in ten seconds");
    assert!((5..=10).contains(&last.lost) && last.jitter < Duration::from_millis(5), "{last:?}");
}

#[test]
fn the_caller_is_heard_and_other_tracks_are_not() {
    let mut rig = Rig::joined();
    let mid = rig.server_mids[0].to_string();
    let (ours, other) = (mid.as_str(), "another");
    for (known, audible, expected) in [
        (&[][..], None, true),
        (&[], Some("TR_1"), true),
        (&[(ours, "TR_1")], None, true),
        (&[(ours, "TR_1")], Some("TR_1"), true),
        (&[(ours, "TR_1")], Some("TR_2"), false),
        (&[(other, "TR_1")], None, true),
        (&[(other, "TR_1")], Some("TR_1"), false),
    ] {
        rig.events.clear();
        let known = known.iter().map(|(mid, track)| ((*mid).to_owned(), (*track).to_owned()));
        rig.peer.track_of_mid = known.collect();
        rig.peer.hear_only(audible.map(str::to_owned));
        let index = rig.now.elapsed().as_millis() as u64;
        rig.caller_says(index, 7);
        let known = &rig.peer.track_of_mid;
        assert_eq!(!rig.audio().is_empty(), expected, "{known:?} heard by {audible:?}");
    }
}

#[test]
fn packets_are_told_as_they_arrive_with_their_numbers_and_times() {
    let mut rig = Rig::joined();
    let before = rig.now;
    for index in 0..3 {
        rig.caller_says(index, 7);
    }
    let audio = rig.audio();
    let steps: Vec<_> = audio
        .windows(2)
        .map(|pair| {
            let (earlier, later) = (pair[0], pair[1]);
            assert_eq!((earlier.source, &*earlier.payload), (later.source, &[7][..]));
            (later.sequence - earlier.sequence, later.time - earlier.time, later.arrived - earlier.arrived)
        })
        .collect();
    assert_eq!(steps, [(1, 960, Duration::from_millis(20)); 2]);
    assert!(audio[0].arrived.into_std() - before < Duration::from_millis(20));
}

#[test]
fn data_goes_both_ways_once_the_channel_is_open() {
    let now = tokio::time::Instant::now().into_std();
    let (mut peer, _) = Peer::new(now, address(OURS)).expect("a peer");
    assert!(!peer.send_data(b"too early"));

    let mut rig = Rig::joined();
    assert!(rig.peer.send_data(b"hello"));
    rig.run(Duration::from_millis(100));
    assert_eq!(rig.server_data, [b"hello"]);

    let channel = rig.reliable.expect("an open channel");
    let empty_packet = [0x80, 0x01, 0x01];
    assert_eq!(rig.server.channel(channel).expect("a channel").write(true, &empty_packet).ok(), Some(true));
    rig.run(Duration::from_millis(100));
    assert!(rig.events.contains(&PeerEvent::Data(FromPeer::Other)));
}

#[test]
fn a_network_that_falls_silent_is_lost_after_six_seconds() {
    let mut rig = Rig::joined();
    let mut lost_after = None;
    let started = rig.now;
    while lost_after.is_none() && rig.now < started + Duration::from_secs(120) {
        rig.now += Duration::from_millis(100);
        loop {
            match rig.peer.poll(rig.now).expect("the peer is well") {
                Out::Event(PeerEvent::Lost) => lost_after = Some(rig.now - started),
                Out::Transmit(_) | Out::Event(_) => {}
                Out::Wait(_) => break,
            }
        }
    }
    let lost_after = lost_after.expect("lost in the end");
    // What arrived last came a moment before.
    let wait = liveness::SILENT.checked_sub(lost_after);
    assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(1)), "{lost_after:?}");
}

#[test]
fn candidates_our_socket_cannot_reach_are_passed_over() {
    let mut rig = Rig::joined();
    for line in [
        "candidate:1 1 udp 2130706431 fd00::2 7882 typ host",
        "candidate:1 1 tcp 1518280447 127.0.0.1 7881 typ host tcptype passive",
        "nonsense",
    ] {
        rig.peer.add_candidate(line);
    }
    rig.run(Duration::from_secs(1));
    assert!(!rig.events.contains(&PeerEvent::Lost));
}
