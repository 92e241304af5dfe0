use super::*;
use crate::ear::{Sound, first, segments, total};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Packets of 20 ms, each given as its arrival in ms, its sequence number and its timestamp in frames.
fn packets(start: Instant, parts: &[(u64, u16, u32)]) -> Vec<Packet> {
    let packet = |(arrived, sequence, frame): &(u64, u16, u32)| Packet {
        arrived: start + ms(*arrived),
        sequence: *sequence,
        timestamp: frame.wrapping_mul(160).wrapping_sub(320),
        source: 7,
        samples: vec![*sequence as i16; FRAME_SAMPLES],
    };
    parts.iter().map(packet).collect()
}

/// The sequence number heard in each 20 ms, 0 for silence.
fn heard(parts: &[(u64, u16, u32)]) -> Vec<i16> {
    let timeline = timeline(&packets(Instant::now(), parts)).unwrap();
    timeline.samples.chunks(FRAME_SAMPLES).map(|frame| frame[0]).collect()
}

#[test]
fn packets_stand_where_a_phone_would_play_them() {
    for (name, parts, expected) in [
        (
            "in order, over the wrap of the timestamp",
            &[(0, 1, 0), (20, 2, 1), (40, 3, 2)][..],
            &[1, 2, 3][..],
        ),
        ("one lost", &[(0, 1, 0), (40, 3, 2)], &[1, 0, 3]),
        ("two changed places", &[(0, 1, 0), (40, 3, 2), (41, 2, 1)], &[1, 2, 3]),
        ("a burst", &[(0, 1, 0), (0, 2, 1), (0, 3, 2)], &[1, 2, 3]),
        ("a little late", &[(0, 1, 0), (70, 2, 1), (70, 3, 2)], &[1, 2, 3]),
        ("too late: the phone ran dry", &[(0, 1, 0), (120, 2, 1), (140, 3, 2)], &[1, 0, 0, 0, 0, 0, 2, 3]),
        ("timestamps that jump a minute", &[(0, 1, 0), (20, 2, 3001)], &[1, 2]),
    ] {
        assert_eq!(heard(parts), expected, "{name}");
    }
}

#[test]
fn delivery_counts_what_never_came_and_the_longest_wait() {
    let start = Instant::now();
    let parts = [(0, 65534, 0), (20, 65535, 1), (60, 1, 3), (61, 0, 2), (200, 4, 6)];
    let delivery = delivery(&packets(start, &parts));
    assert_eq!(delivery, Delivery { packets: 5, lost: 2, longest_gap: ms(139) });
}

#[test]
fn only_rtp_with_g711_is_heard() {
    let now = Instant::now();
    let packet = |first: u8, kind: u8, rest: &[u8]| {
        let mut bytes = vec![first, kind, 0, 9, 0, 0, 0, 5, 0, 0, 0, 7];
        bytes.extend(rest);
        parse(&bytes, now).map(|p| p.samples)
    };
    assert_eq!(packet(0x80, 0, &[0xFF, 0x80]), Some(vec![0, 32124]));
    assert_eq!(packet(0x80, 0x88, &[0xD5]), Some(vec![8]), "the marker bit is no part of the type");
    assert_eq!(packet(0x91, 0, &[0, 0, 0, 0, 0xBE, 0xDE, 0, 1, 9, 9, 9, 9, 0xFF]), Some(vec![0]));
    assert_eq!(packet(0x80, 101, &[1, 2, 3, 4]), None, "a telephone event");
    assert_eq!(packet(0x80, 200, &[0xFF]), None, "RTCP");
    assert_eq!(packet(0x90, 0, &[0xBE, 0xDE, 0, 9]), None, "an extension cut short");
    assert_eq!(parse(&[0x80, 0, 0], now), None);
}

#[test]
fn one_endpoint_hears_what_another_says_when_it_says_it() {
    let (speaker, listener) = (Endpoint::open(Law::A), Endpoint::open(Law::Mu));
    speaker.say(vec![
        Say::Tone { hz: 440, length: ms(300) },
        Say::Silence(ms(200)),
        Say::Tone { hz: 600, length: ms(200) },
    ]);
    speaker.aim(SocketAddr::from(([127, 0, 0, 1], listener.port())));
    let deadline = Instant::now() + Duration::from_secs(5);
    while listener.delivery().packets < 45 && Instant::now() < deadline {
        thread::sleep(ms(5));
    }
    let (said, timeline) = (speaker.said(), listener.timeline().unwrap());
    let heard = segments(&timeline.samples, &[440, 600]);
    assert_eq!(heard[0].sound, Sound::Tone(440), "{heard:?}");
    assert!(total(&heard, 440).abs_diff(ms(300)) <= ms(20), "{heard:?}");
    assert!(total(&heard, 600).abs_diff(ms(200)) <= ms(20), "{heard:?}");
    assert_eq!(said.len(), 3);
    assert!(first(&heard, 600).unwrap().abs_diff(timeline.at(said[2].0)) <= ms(40), "{heard:?}");
    assert_eq!(listener.delivery().lost, 0);
}

#[test]
fn a_key_is_held_for_a_while_and_released_three_times() {
    let payloads: Vec<Vec<u8>> = (0..KEY_PACKETS).map(|sent| key(11, sent)).collect();
    for (at, payload) in payloads.iter().enumerate() {
        let (released, frames) = if at < 11 { (0, at + 1) } else { (0x80, 11) };
        let duration = (frames * FRAME_SAMPLES) as u16;
        assert_eq!(payload, &[&[11, released | 10], &duration.to_be_bytes()[..]].concat(), "packet {at}");
    }
}
