use std::time::Duration;

use super::*;
use crate::media::audio::Format;
use crate::media::g711::Law;
use crate::media::opus::Encoder;
use crate::media::outlet::Outlet;
use crate::media::{FRAME, FRAME_SAMPLES};

/// Packets of a 500 Hz tone, in order and unhurried.
fn packets(start: Instant, count: u32) -> Vec<Packet> {
    let mut encoder = Encoder::new();
    let tone: Vec<i16> =
        (0..count as usize * FRAME_SAMPLES).map(|i| if (i / 24) % 2 == 0 { 8000 } else { -8000 }).collect();
    let frames = tone.chunks_exact(FRAME_SAMPLES).map(|chunk| chunk.try_into().expect("a whole frame"));
    frames
        .zip(0..)
        .map(|(frame, index)| Packet {
            source: 1,
            sequence: 100 + u64::from(index),
            time: 960 * u64::from(index),
            arrived: start + FRAME * index,
            payload: encoder.encode(frame),
        })
        .collect()
}

fn is_loud(frame: &Audio) -> bool {
    frame.samples().iter().any(|sample| sample.abs() > 1000)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets the time pass up to `end`; what was heard meanwhile.
fn wait(hearing: &mut Hearing, end: Instant) -> Vec<Audio> {
    let mut heard = Vec::new();
    while hearing.deadline() <= end {
        heard.extend(hearing.on_time(hearing.deadline()));
    }
    heard
}

/// Feeds the packets at their arrivals, asks at every deadline between, and returns what was heard, with the moments.
fn hear(start: Instant, packets: &[Packet], end: Instant) -> Vec<(Duration, Audio)> {
    let mut hearing = Hearing::new(start, Codec::Opus);
    let mut heard = Vec::new();
    for packet in packets {
        while hearing.deadline() < packet.arrived {
            let at = hearing.deadline();
            heard.extend(hearing.on_time(at).into_iter().map(|frame| (at - start, frame)));
        }
        let frames = hearing.packet(packet.arrived, packet);
        heard.extend(frames.into_iter().map(|frame| (packet.arrived - start, frame)));
    }
    while hearing.deadline() <= end {
        let at = hearing.deadline();
        heard.extend(hearing.on_time(at).into_iter().map(|frame| (at - start, frame)));
    }
    heard
}

#[test]
fn a_clean_call_is_heard_without_delay() {
    let start = Instant::now();
    let packets = packets(start, 50);
    let heard = hear(start, &packets, packets[49].arrived);
    let moments: Vec<Duration> = heard.iter().map(|(at, _)| *at).collect();
    let expected: Vec<Duration> = packets.iter().map(|packet| packet.arrived - start).collect();
    assert_eq!(moments, expected);
}

#[test]
fn lost_packets_are_replaced_by_as_many_frames_and_nothing_is_late_afterwards() {
    let start = Instant::now();
    for lost in [1, 2, 3, 4, 7, 20] {
        let all = packets(start, 60);
        let packets: Vec<Packet> =
            all.into_iter().filter(|packet| !(120..120 + lost).contains(&packet.sequence)).collect();
        let heard = hear(start, &packets, packets.last().expect("packets").arrived);
        let surplus = heard.len().abs_diff(60);
        assert!(surplus <= 1, "{lost} lost: {} frames", heard.len());
        let quiet = heard.iter().skip(2).filter(|(_, frame)| !is_loud(frame)).count() as u64;
        // What concealment makes up fades within its third frame.
        assert!(quiet <= lost.saturating_sub(CONCEALED_MAX - 1), "{lost} lost: {quiet} silent");
        let latest = heard.last().expect("frames").0;
        assert_eq!(latest, packets.last().expect("packets").arrived - start);
    }
}

#[test]
fn a_packet_up_to_70_ms_late_is_used_and_one_later_than_what_replaced_it_is_not() {
    let start = Instant::now();
    for (late, used) in [(1, true), (25, true), (69, true), (130, false)] {
        let mut packets = packets(start, 40);
        packets[20].arrived += ms(late);
        packets.sort_by_key(|packet| packet.arrived);
        let heard = hear(start, &packets, start + ms(40 * 20));
        assert_eq!(heard.len(), 40, "{late} ms late");
        let all_loud = heard.iter().skip(2).all(|(_, frame)| is_loud(frame));
        assert!(all_loud, "{late} ms late");
        // What is concealed is not what was said: without the packet another frame stands there.
        let mut clean = Hearing::new(start, Codec::Opus);
        let said: Vec<Audio> =
            self::packets(start, 40).iter().flat_map(|packet| clean.packet(packet.arrived, packet)).collect();
        let same = heard.iter().map(|(_, frame)| frame).eq(said.iter());
        assert_eq!(same, used, "{late} ms late");
    }
}

#[test]
fn a_silent_network_is_heard_as_silence() {
    let start = Instant::now();
    let mut hearing = Hearing::new(start, Codec::Opus);
    let heard = wait(&mut hearing, start + Duration::from_secs(1));
    assert!((46..=50).contains(&heard.len()), "{} frames in a second", heard.len());
    assert!(!heard.iter().any(is_loud));
}

#[test]
fn a_network_that_falls_silent_is_concealed_for_a_moment_and_then_silent() {
    let start = Instant::now();
    let packets = packets(start, 20);
    let heard = hear(start, &packets, start + ms(1000));
    assert!((46..=50).contains(&heard.len()), "{} frames in a second", heard.len());
    let loud = heard.iter().filter(|(_, frame)| is_loud(frame)).count();
    assert!((20..=23).contains(&loud), "{loud} frames of sound");
    assert!(heard.iter().skip(24).all(|(_, frame)| *frame == frame.silenced()));
}

#[test]
fn a_stall_of_ours_puts_no_silence_into_what_waited_meanwhile() {
    let start = Instant::now();
    let packets = packets(start, 40);
    let mut hearing = Hearing::new(start, Codec::Opus);
    let heard: Vec<Audio> = packets
        .iter()
        .flat_map(|packet| {
            // For 150 ms nobody looked at the socket, nor at the clock.
            let stalled = (start + ms(200)..start + ms(350)).contains(&packet.arrived);
            let now = if stalled { start + ms(350) } else { packet.arrived };
            hearing.packet(now, packet)
        })
        .collect();
    assert_eq!(heard.len(), 40);
    assert!(heard.iter().skip(2).all(is_loud));
}

#[test]
fn another_source_begins_anew_and_what_is_held_of_the_old_one_is_heard_first() {
    let start = Instant::now();
    let mut packets = packets(start, 30);
    packets.remove(17);
    for packet in packets.iter_mut().skip(18) {
        (packet.source, packet.sequence) = (2, packet.sequence - 90);
    }
    let heard = hear(start, &packets, start + ms(29 * 20));
    assert_eq!(heard.len(), 30);
}

#[test]
fn a_packet_that_is_not_opus_is_concealed() {
    let now = Instant::now();
    let packet = Packet { source: 1, sequence: 1, time: 0, arrived: now, payload: vec![3, 0].into() };
    assert_eq!(Hearing::new(now, Codec::Opus).packet(now, &packet).len(), 1);
}

#[test]
fn a_packet_without_audio_has_its_place_and_is_no_loss() {
    let start = Instant::now();
    for codec in Codec::ALL {
        let packet = |n: u64, payload: Vec<u8>| Packet {
            source: 1,
            sequence: n,
            time: 960 * n,
            arrived: start + ms(20 * n),
            payload: payload.into(),
        };
        let sound = Outlet::new(codec, codec).payload(&codec.silence()).to_vec();
        let packets: Vec<Packet> = (0..30)
            .map(|n| packet(n, if (10..20).contains(&n) { Vec::new() } else { sound.clone() }))
            .collect();
        let mut hearing = Hearing::new(start, codec);
        let mut heard = 0;
        for packet in &packets {
            heard += wait(&mut hearing, packet.arrived).len();
            heard += hearing.packet(packet.arrived, packet).len();
        }
        assert!((29..=31).contains(&heard), "{codec:?}: {heard} frames of 30");
    }
}

#[test]
fn a_caller_in_any_codec_is_heard_through_losses() {
    let start = Instant::now();
    for codec in Codec::ALL {
        let mut encoder = crate::media::codec::Encoder::new(codec);
        let mut outlet = Outlet::new(codec, codec);
        let tone = |n: usize| ((std::f64::consts::TAU * 440.0 * n as f64 / 24_000.0).sin() * 8_000.0) as i16;
        let packets: Vec<Packet> = (0..60u32)
            .map(|frame| Packet {
                source: 1,
                sequence: 100 + u64::from(frame),
                time: 960 * u64::from(frame),
                arrived: start + FRAME * frame,
                payload: outlet.payload(
                    &encoder.encode(&std::array::from_fn(|n| tone(frame as usize * FRAME_SAMPLES + n))),
                ),
            })
            .filter(|packet| !(120..122).contains(&packet.sequence))
            .collect();
        let mut hearing = Hearing::new(start, codec);
        let mut heard = Vec::new();
        for packet in &packets {
            heard.extend(wait(&mut hearing, packet.arrived));
            heard.extend(hearing.packet(packet.arrived, packet));
        }
        assert!((59..=61).contains(&heard.len()), "{codec:?}: {} frames of 60", heard.len());
        assert!(heard[1..].iter().all(is_loud), "{codec:?}");
    }
}

#[test]
fn a_caller_who_sends_comfort_noise_is_silent_and_then_heard_at_once() {
    let start = Instant::now();
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        let (mut encoder, mut outlet) = (crate::media::codec::Encoder::new(codec), Outlet::new(codec, codec));
        let mut speech = || {
            outlet
                .payload(&encoder.encode(&std::array::from_fn(|n| if n % 24 < 12 { 8_000 } else { -8_000 })))
        };
        let mut hearing = Hearing::new(start, codec);
        let (mut before, mut pause, mut after) = (Vec::new(), Vec::new(), Vec::new());
        // Speech for 600 ms, comfort noise for 400 ms in two packets, and speech for 600 ms.
        let spoken = (0..30).chain(50..80).map(|n| (n, true)).chain([(30, false), (40, false)]);
        let mut spoken: Vec<(u64, bool)> = spoken.collect();
        spoken.sort_unstable();
        for ((n, is_speech), sequence) in spoken.into_iter().zip(1..) {
            let arrived = start + ms(20 * n);
            let payload = if is_speech { speech() } else { [].into() };
            let heard = if n <= 30 { &mut before } else { &mut pause };
            heard.extend(wait(&mut hearing, arrived));
            let packet = Packet { source: 1, sequence, time: 960 * n, arrived, payload };
            let heard = if n < 50 { &mut before } else { &mut after };
            heard.extend(hearing.packet(arrived, &packet));
        }
        let frames = before.len() + pause.len() + after.len();
        assert!((78..=82).contains(&frames), "{codec:?}: {frames} frames of 80");
        assert_eq!((before.len(), after.len()), (30, 30), "{codec:?}");
        assert!(before[1..].iter().all(is_loud) && after[1..].iter().all(is_loud), "{codec:?}");
        assert!(pause.iter().all(|frame| *frame == frame.silenced()), "{codec:?}");
    }
}

/// G.711 as no encoder writes it, in packets of any length: every byte, both zeros of µ-law among them.
fn bytes_in_packets(start: Instant, lengths: &[usize]) -> (Vec<u8>, Vec<Packet>) {
    let count = lengths.iter().sum();
    let bytes: Vec<u8> = (0..=u8::MAX).chain([0x7F, 0xFF, 0x7F]).cycle().take(count).collect();
    let (mut packets, mut at) = (Vec::new(), 0);
    for (length, n) in lengths.iter().zip(0..) {
        let payload = bytes[at..at + length].into();
        let (time, arrived) = (6 * at as u64, start + ms(at as u64 / 8));
        packets.push(Packet { source: 1, sequence: n, time, arrived, payload });
        at += length;
    }
    (bytes, packets)
}

fn bytes_of(law: Law, heard: &[Audio]) -> Vec<u8> {
    let bytes = |frame: &Audio| match frame {
        Audio::G711(of, bytes) if *of == law => bytes.clone(),
        other => panic!("{other:?}"),
    };
    heard.iter().flat_map(bytes).collect()
}

#[test]
fn g711_is_passed_on_bit_for_bit_in_order_however_it_is_cut() {
    let start = Instant::now();
    for (codec, law) in [(Codec::Pcmu, Law::Mu), (Codec::Pcma, Law::A)] {
        for lengths in [[160; 40].as_slice(), &[240; 30], &[80; 60], &[480; 10], &[160, 80, 240, 320]] {
            let (bytes, mut packets) = bytes_in_packets(start, lengths);
            // One overtakes the one before it.
            packets[2].arrived = packets[3].arrived;
            packets.swap(2, 3);
            let mut hearing = Hearing::new(start, codec);
            let heard: Vec<Audio> =
                packets.iter().flat_map(|packet| hearing.packet(packet.arrived, packet)).collect();
            assert!(heard.iter().all(|frame| frame.samples().len() == 160));
            assert_eq!(bytes_of(law, &heard), bytes, "{codec:?} {lengths:?}");
        }
    }
}

#[test]
fn of_g711_that_is_lost_no_more_is_made_up_than_that_and_5_ms_behind_it() {
    let start = Instant::now();
    for (codec, law) in [(Codec::Pcmu, Law::Mu), (Codec::Pcma, Law::A)] {
        let (bytes, packets) = bytes_in_packets(start, &[160; 40]);
        let mut hearing = Hearing::new(start, codec);
        let mut heard = Vec::new();
        for packet in packets.iter().filter(|packet| packet.sequence != 20) {
            heard.extend(wait(&mut hearing, packet.arrived));
            heard.extend(hearing.packet(packet.arrived, packet));
        }
        let heard = bytes_of(law, &heard);
        let (lost, blended) = (20 * 160, 21 * 160 + 40);
        assert_eq!(heard.len(), bytes.len(), "{codec:?}");
        assert_eq!(heard[..lost], bytes[..lost], "{codec:?}");
        assert_ne!(heard[lost..blended], bytes[lost..blended], "{codec:?}");
        assert_eq!(heard[blended..], bytes[blended..], "{codec:?}");
        assert!(heard[lost..lost + 160].iter().any(|byte| *byte != law.silence()), "it is concealed");
    }
}

#[test]
fn a_caller_who_changes_the_codec_is_heard_in_what_they_speak() {
    let start = Instant::now();
    let mut hearing = Hearing::new(start, Codec::Pcmu);
    let mut formats = Vec::new();
    for (codec, n) in
        [Codec::Pcmu, Codec::Pcma, Codec::Opus, Codec::G722, Codec::Pcmu].into_iter().zip(0u64..)
    {
        hearing.change_codec(codec);
        let payload = Outlet::new(codec, codec).payload(&codec.silence());
        let arrived = start + ms(20 * n);
        let packet = Packet { source: 1, sequence: n, time: 960 * n, arrived, payload };
        formats.extend(hearing.packet(arrived, &packet).iter().map(|frame| match frame {
            Audio::Pcm(_) => Format::Pcm,
            Audio::G711(law, _) => Format::G711(*law),
        }));
    }
    let (mu, a) = (Format::G711(Law::Mu), Format::G711(Law::A));
    assert_eq!(formats, [mu, a, Format::Pcm, Format::Pcm, mu]);
}
