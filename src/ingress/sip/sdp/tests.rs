use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const LOCAL: Local = Local {
    address: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    port: 20_000,
    session: 7,
    version: 1,
    codecs: Codecs::ALL,
    codec: None,
    secure: false,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n";

fn parse(media: &str) -> Description {
    Description::parse(format!("{HEAD}{media}").as_bytes()).expect("a description")
}

/// Answers without a key.
fn plain_answer(offer: &Description, local: &Local) -> Result<Answer, Unacceptable> {
    offer.answer(local, |suite| panic!("no key of {suite:?} is wanted"))
}

fn at(address: &str) -> Option<SocketAddr> {
    Some(address.parse().expect("an address"))
}

#[test]
fn a_phones_offer_is_answered_line_by_line() {
    let offer = parse(
        "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
    );
    let answer = plain_answer(&offer, &LOCAL).expect("it fits");
    assert_eq!(
        answer.stream,
        Stream {
            codec: Codec::Pcmu,
            payload_type: 0,
            keys: Some(KeyEvents { payload_type: 101, rate: 8_000 }),
            comfort: None,
            rtp: at("203.0.113.9:4000"),
            rtcp: Rtcp::Apart(at("203.0.113.9:4001")),
            sends: true,
            receives: true,
        }
    );
    assert_eq!(
        answer.sdp.reveal(),
        "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn the_first_codec_of_the_offer_that_we_and_the_call_speak_is_taken() {
    let opus = "a=rtpmap:95 G722/8000\r\na=rtpmap:96 OPUS/48000/2\r\na=rtpmap:98 telephone-event/48000\r\na=rtpmap:97 telephone-event/8000\r\n";
    for (formats, call, expected) in [
        ("0 8", None, Ok((Codec::Pcmu, 0, None))),
        ("8 0", None, Ok((Codec::Pcma, 8, None))),
        ("18 3 8", None, Ok((Codec::Pcma, 8, None))),
        ("9 0 97 98", None, Ok((Codec::G722, 9, Some(97)))),
        ("95 0", None, Ok((Codec::G722, 95, None))),
        ("96 0 97 98", None, Ok((Codec::Opus, 96, Some(98)))),
        ("96 0 97 98", Some(Codec::Pcma), Ok((Codec::Pcmu, 0, Some(97)))),
        ("0 96 97", Some(Codec::Opus), Ok((Codec::Opus, 96, Some(97)))),
        ("0 8", Some(Codec::Opus), Ok((Codec::Pcmu, 0, None))),
        ("0 9", Some(Codec::G722), Ok((Codec::G722, 9, None))),
        ("18 97", None, Err(Unacceptable::NoCodec)),
        ("300 *", None, Err(Unacceptable::NoCodec)),
    ] {
        let local = Local { codec: call, ..LOCAL };
        let answer = plain_answer(&parse(&format!("m=audio 4000 RTP/AVP {formats}\r\n{opus}")), &local);
        let found = answer.map(|answer| {
            let keys = answer.stream.keys;
            // What is offered at a rate is answered at it.
            let named =
                keys.map(|keys| format!("rtpmap:{} telephone-event/{}\r\n", keys.payload_type, keys.rate));
            assert!(named.is_none_or(|named| answer.sdp.reveal().contains(&named)), "{keys:?}");
            (answer.stream.codec, answer.stream.payload_type, keys.map(|keys| keys.payload_type))
        });
        assert_eq!(found, expected, "{formats} in {call:?}");
    }
    let wide = plain_answer(&parse("m=audio 4000 RTP/AVP 9\r\n"), &LOCAL).expect("it fits");
    assert!(wide.sdp.reveal().contains("a=rtpmap:9 G722/8000\r\n"), "{}", wide.sdp.reveal());
    let narrow = plain_answer(&parse("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\n"), &LOCAL);
    assert_eq!(narrow, Err(Unacceptable::NoCodec), "a name at another rate");
}

#[test]
fn comfort_noise_is_taken_with_codecs_of_its_rate() {
    let maps = "a=rtpmap:96 opus/48000/2\r\na=rtpmap:97 CN/16000\r\na=rtpmap:98 cn/8000\r\n";
    for (formats, comfort, line) in [
        ("0 13", Some(13), "RTP/AVP 0 13\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:13 CN/8000\r\n"),
        ("9 97 98 13", Some(98), "RTP/AVP 9 98\r\na=rtpmap:9 G722/8000\r\na=rtpmap:98 CN/8000\r\n"),
        ("8", None, "RTP/AVP 8\r\n"),
        ("96 13", None, "RTP/AVP 96\r\n"),
    ] {
        let answer = plain_answer(&parse(&format!("m=audio 4000 RTP/AVP {formats}\r\n{maps}")), &LOCAL);
        let answer = answer.expect("it fits");
        assert_eq!(answer.stream.comfort, comfort, "{formats}");
        assert!(answer.sdp.reveal().contains(line), "{formats}: {}", answer.sdp.reveal());
    }
    let only = plain_answer(&parse("m=audio 4000 RTP/AVP 13\r\n"), &LOCAL);
    assert_eq!(only, Err(Unacceptable::NoCodec));
}

#[test]
fn a_trunk_has_no_other_codecs_than_its_own() {
    let codecs = Codecs::new(&[Codec::G722, Codec::Pcma, Codec::G722]).expect("it is not empty");
    let local = Local { codecs, ..LOCAL };
    let chosen = |formats: &str| {
        let answer = plain_answer(&parse(&format!("m=audio 4000 RTP/AVP {formats}\r\n")), &local);
        answer.map(|answer| answer.stream.codec)
    };
    assert_eq!(chosen("0 8 9"), Ok(Codec::Pcma), "the caller's order counts");
    assert_eq!(chosen("0"), Err(Unacceptable::NoCodec));
    let offer = Local { codec: Some(codecs.first()), ..local }.offer(None);
    assert!(offer.reveal().contains("m=audio 20000 RTP/AVP 9 8 13 101\r\n"), "{}", offer.reveal());
}

#[test]
fn a_held_call_is_answered_from_the_other_side_and_nothing_is_sent() {
    for (lines, answered, sends, receives) in [
        ("a=sendrecv\r\n", "a=sendrecv\r\n", true, true),
        ("a=sendonly\r\n", "a=recvonly\r\n", false, true),
        ("a=recvonly\r\n", "a=sendonly\r\n", true, false),
        ("a=inactive\r\n", "a=inactive\r\n", false, false),
        ("c=IN IP4 0.0.0.0\r\n", "a=sendrecv\r\n", false, true),
    ] {
        let answer =
            plain_answer(&parse(&format!("m=audio 4000 RTP/AVP 0\r\n{lines}")), &LOCAL).expect("it fits");
        assert!(answer.sdp.reveal().ends_with(answered), "{lines}: {}", answer.sdp.reveal());
        assert_eq!((answer.stream.sends, answer.stream.receives), (sends, receives), "{lines}");
    }
    let of_session = Description::parse(b"v=0\nc=IN IP4 203.0.113.9\na=sendonly\nm=audio 4000 RTP/AVP 0\n");
    assert!(!plain_answer(&of_session.expect("it is read"), &LOCAL).expect("it fits").stream.sends);
}

#[test]
fn everything_but_one_audio_stream_is_refused_in_its_place() {
    let t38 = "m=image 4002 udptl t38\r\n";
    let offer = parse(&format!(
        "m=video 5000 RTP/AVP 31 32\r\nm=audio 0 RTP/AVP 0\r\n{t38}m=audio 4000 RTP/AVP 8\r\nm=audio 6000 RTP/AVP 0\r\n"
    ));
    let answer = plain_answer(&offer, &LOCAL).expect("it fits");
    let sections: Vec<&str> = answer.sdp.reveal().lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        sections,
        [
            "m=video 0 RTP/AVP 31 32",
            "m=audio 0 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=audio 20000 RTP/AVP 8",
            "m=audio 0 RTP/AVP 0",
        ]
    );
    for lines in [t38, "", "m=audio 4000 UDP/TLS/RTP/SAVP 0\r\n", "m=audio 0 RTP/AVP 0\r\n"] {
        assert_eq!(plain_answer(&parse(lines), &LOCAL), Err(Unacceptable::NoAudio), "{lines}");
    }
}

#[test]
fn addresses_are_of_our_ip_version_or_shown_by_the_callers_packets() {
    let six = Local { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..LOCAL };
    let stream = |lines: &str, local: &Local| {
        let answer = plain_answer(&parse(&format!("m=audio 4000 RTP/AVP 0\r\n{lines}")), local);
        answer.map(|answer| (answer.stream.rtp, answer.stream.rtcp))
    };
    for (lines, local, expected) in [
        ("c=IN IP4 192.0.2.5/127\r\n", &LOCAL, Ok((at("192.0.2.5:4000"), Rtcp::Apart(at("192.0.2.5:4001"))))),
        ("a=rtcp:4444\r\n", &LOCAL, Ok((at("203.0.113.9:4000"), Rtcp::Apart(at("203.0.113.9:4444"))))),
        (
            "a=rtcp:4444 IN IP4 192.0.2.6\r\n",
            &LOCAL,
            Ok((at("203.0.113.9:4000"), Rtcp::Apart(at("192.0.2.6:4444")))),
        ),
        ("a=rtcp-mux\r\n", &LOCAL, Ok((at("203.0.113.9:4000"), Rtcp::Together))),
        ("c=IN IP4 phone.example\r\n", &LOCAL, Ok((None, Rtcp::Apart(None)))),
        ("c=IN IP6 2001:db8::1\r\n", &LOCAL, Err(Unacceptable::Address)),
        (
            "c=IN IP6 2001:db8::1\r\n",
            &six,
            Ok((at("[2001:db8::1]:4000"), Rtcp::Apart(at("[2001:db8::1]:4001")))),
        ),
        ("", &six, Err(Unacceptable::Address)),
    ] {
        assert_eq!(stream(lines, local), expected, "{lines}");
    }
    let offer = parse("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n");
    let answer = plain_answer(&offer, &six).expect("it fits");
    assert!(answer.sdp.reveal().contains("c=IN IP6 ::1\r\n"), "{}", answer.sdp.reveal());
}

#[test]
fn a_caller_who_offers_nothing_is_offered_what_the_call_is_encoded_in() {
    let only = |codec| Codecs::new(&[codec]).expect("one");
    for (codecs, codec, formats, comfort, keys) in [
        (Codecs::ALL, None, "0 8 9 111 13 101 110", Some(13), 101),
        (Codecs::ALL, Some(Codec::Pcma), "8 0 9 111 13 101 110", Some(13), 101),
        // Keys of either clock: the answer takes that of its codec.
        (Codecs::ALL, Some(Codec::Opus), "111 0 8 9 13 101 110", None, 110),
        (only(Codec::Opus), Some(Codec::Opus), "111 110", None, 110),
        (only(Codec::G722), Some(Codec::G722), "9 13 101", Some(13), 101),
    ] {
        let local = Local { codecs, codec, ..LOCAL };
        let offer = local.offer(None).reveal().clone();
        assert!(offer.contains(&format!("m=audio 20000 RTP/AVP {formats}\r\n")), "{offer}");
        let maps = offer.matches("a=rtpmap:").count();
        assert_eq!(maps, formats.split(' ').count(), "each is named: {offer}");
        // Another Dialplane answers it, and that answer is one to us.
        let other = Local { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 30_000, ..LOCAL };
        let offer = Description::parse(offer.as_bytes()).expect("it is read");
        let answer = plain_answer(&offer, &other).expect("it fits");
        let accepted =
            Description::parse(answer.sdp.reveal().as_bytes()).expect("it is read").accept(&local, None);
        let (stream, _) = accepted.expect("it fits");
        assert_eq!((stream.codec, stream.payload_type), (answer.stream.codec, answer.stream.payload_type));
        assert_eq!(stream.rtp, at("127.0.0.1:30000"));
        let rate = stream.codec.clock_rate();
        assert_eq!((stream.comfort, stream.keys), (comfort, Some(KeyEvents { payload_type: keys, rate })));
    }
}

#[test]
fn a_body_that_is_no_description_says_why() {
    let many = |line: &str, times| format!("{HEAD}{}", line.repeat(times));
    for (body, why) in [
        (String::new(), Malformed::Version),
        ("o=- 1 1 IN IP4 1.2.3.4\r\n".to_owned(), Malformed::Version),
        (many("nonsense\r\n", 1), Malformed::Line),
        (many("m=audio x RTP/AVP 0\r\n", 1), Malformed::Line),
        (many("m=audio 70000 RTP/AVP 0\r\n", 1), Malformed::Line),
        (many("m=audio 4000 RTP/AVP\r\n", 1), Malformed::Line),
        (many("m=audio 4000 RTP/AVP 0\r\na=rtpmap:x\r\n", 1), Malformed::Line),
        (many("c=IN IP4 2001:db8::1\r\n", 1), Malformed::Line),
        (many("m=audio 4000 RTP/AVP 0\r\n", 17), Malformed::TooMany),
        (many(&format!("m=audio 4000 RTP/AVP{}\r\n", " 0".repeat(65)), 1), Malformed::TooMany),
        (many("a=x\r\n", 2_000), Malformed::TooLong),
    ] {
        assert_eq!(Description::parse(body.as_bytes()), Err(why), "{body}");
    }
}

mod secure;

proptest! {
    #[test]
    fn whatever_is_offered_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _either = Description::parse(&bytes);
        let _either = Description::parse(&[b"v=0\r\n", &bytes[..]].concat());
    }

    #[test]
    fn whatever_is_answered_is_a_description_of_as_many_media(
        lines in prop::collection::vec(
            prop_oneof![
                "m=(audio|video|image) [0-9]{1,5}(/2)? (RTP/AVP|RTP/SAVP|udptl)( [0-9]{1,3}){1,5}",
                "c=IN IP4 (0\\.0\\.0\\.0|192\\.0\\.2\\.[0-9]|host)",
                "a=rtpmap:[0-9]{1,3} (PCMU|pcma|opus|telephone-event|G729)/(8000|48000)(/2)?",
                "a=crypto:[12] AES_CM_128_HMAC_SHA1_(80|32) inline:[A-P]{40}(\\|2\\^20)?",
                "a=(sendonly|recvonly|inactive|rtcp-mux|rtcp:[0-9]{1,4}|ptime:30|x)",
            ],
            0..20,
        ),
        secure: bool,
    ) {
        let Ok(offer) = Description::parse(format!("v=0\r\n{}\r\n", lines.join("\r\n")).as_bytes()) else {
            return Ok(());
        };
        let local = Local { secure, ..LOCAL };
        if let Ok(answer) = offer.answer(&local, Key::fresh) {
            let read = Description::parse(answer.sdp.reveal().as_bytes()).expect("ours is read");
            prop_assert_eq!(read.sections.len(), offer.sections.len());
            let taken: Vec<_> = read.sections.iter().filter(|section| section.port != 0).collect();
            prop_assert_eq!(taken.len(), 1);
            prop_assert_eq!(taken[0].is_srtp(), answer.keys.is_some());
            prop_assert!(secure || answer.keys.is_none());
            prop_assert_eq!(read.agree(&local).map(|agreed| agreed.stream.codec), Ok(answer.stream.codec));
        }
    }
}
