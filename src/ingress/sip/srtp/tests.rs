use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cipher::{apply, counter_mode, derived};
use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn key(suite: Suite, secret: &str) -> Key {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(hex(secret));
    Key::read(suite, &text).expect("a key of the suite")
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let payload = &[0xD5; 160];
    wire::Rtp { payload_type: 8, marker: false, sequence, timestamp: 7, ssrc, payload }.write()
}

/// A receiver's report of nothing.
fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1], &ssrc.to_be_bytes()[..]].concat()
}

/// RFC 3711, B.2.
#[test]
fn the_key_stream_is_that_of_the_rfc() {
    let mut stream = vec![0; 48];
    let counter = u128::from_str_radix("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000", 16).unwrap();
    apply(&counter_mode(&hex("2b7e151628aed2a6abf7158809cf4f3c")), counter, &mut stream);
    let expected = "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab
                    41e95b3bb0a2e8dd477901e4fca894c0";
    assert_eq!(stream, hex(expected));
}

/// RFC 3711, B.3, and RFC 6188, section 7.2: for encryption, authentication and salt.
#[test]
fn session_keys_are_derived_as_in_the_rfcs() {
    let b3 = key(Suite::Aes128Sha1Tag80, "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    assert_eq!(derived(&b3, 0, 16), hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(derived(&b3, 1, 20), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    assert_eq!(derived(&b3, 2, 14), hex("30cbbc08863d8c85d49db34a9ae1"));
    let long = key(Suite::Aes256Sha1Tag80, LONG_KEY);
    assert_eq!(
        derived(&long, 0, 32),
        hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
    );
    assert_eq!(derived(&long, 1, 20), hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    assert_eq!(derived(&long, 2, 14), hex("fa31791685ca444a9e07c6c64e93"));
}

const LONG_KEY: &str = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6
                        3b04803de51ee7c96423ab5b78d2";

/// RFC 7714, sections 16 and 17, which begin with session keys.
#[test]
fn packets_are_sealed_by_gcm_as_in_the_rfc() {
    let words = "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    let rtp = format!("8040f17b8041f8d35501a0b2{words}");
    let report = "81c8000d4d6172734e545031 4e54503252545020 0000042a0000e930 4c756e61
                  deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    let secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for (suite, length, protocol, clear, index, packet, sealed) in [
        (
            Suite::Aes128Gcm,
            16,
            Protocol::Rtp,
            12,
            0xF17B,
            rtp.as_str(),
            "8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::Aes256Gcm,
            32,
            Protocol::Rtp,
            12,
            0xF17B,
            rtp.as_str(),
            "8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
        (
            Suite::Aes128Gcm,
            16,
            Protocol::Rtcp,
            8,
            0x5D4,
            report,
            "81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded
             0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::Aes256Gcm,
            32,
            Protocol::Rtcp,
            8,
            0x5D4,
            report,
            "81c8000d4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047
             6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let secret = &hex(secret)[..length];
        let cipher = Cipher::new(suite, protocol, secret, &[], &hex("517569642070726f2071756f"));
        let ssrc = u32::from_be_bytes(hex(packet)[clear - 4..clear].try_into().unwrap());
        let mut found = hex(packet);
        cipher.seal(&mut found, clear, ssrc, index);
        assert_eq!(found, hex(sealed), "{suite:?}, {protocol:?}");
        assert_eq!(cipher.open(&found, clear, ssrc, index), Some(hex(packet)), "{suite:?}, {protocol:?}");
    }
}

/// What libsrtp makes of the same packets under the same keys.
#[test]
fn packets_are_sealed_as_other_phones_do() {
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let report = hex("81c8000bcafebabe abababababababababababababababab");
    for (suite, secret, sealed, sealed_report) in [
        (
            Suite::Aes128Sha1Tag80,
            "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
            "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
            Some("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798"),
        ),
        (
            Suite::Aes128Sha1Tag32,
            "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
            "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc",
            Some("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798"),
        ),
        (
            Suite::Aes256Sha1Tag80,
            LONG_KEY,
            "800f1234decafbadcafebabe f1d9de17ff251ff1aa007774b0b4b40d a08d9d9a5b3a55d8873b",
            None,
        ),
        (
            Suite::Aes128Gcm,
            "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab",
            "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
            Some(
                "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
            ),
        ),
    ] {
        let mut outgoing = Outgoing::new(&key(suite, secret));
        let mut incoming = Incoming::new(&key(suite, secret), LIFETIME);
        assert_eq!(outgoing.rtp(plain.clone()), hex(sealed), "{suite:?}");
        assert_eq!(incoming.rtp(&hex(sealed)), Ok(plain.clone()), "{suite:?}");
        let Some(sealed) = sealed_report else { continue };
        // Theirs begins to count at 1.
        let _first = outgoing.rtcp(report.clone());
        assert_eq!(outgoing.rtcp(report.clone()), hex(sealed), "{suite:?}");
        assert_eq!(incoming.rtcp(&hex(sealed)), Ok(report.clone()), "{suite:?}");
    }
}

#[test]
fn a_key_is_of_its_suites_length_and_shown_to_nobody() {
    for suite in Suite::ALL {
        let fresh = Key::fresh(suite);
        let text = fresh.reveal().to_string();
        assert_eq!(Key::read(suite, &text), Some(fresh.clone()));
        assert_eq!(Key::read(suite, text.trim_end_matches('=')), Some(fresh.clone()), "without padding");
        assert_eq!(Key::read(suite, text.split_at(4).1), None, "too short");
        assert_ne!(Key::fresh(suite), fresh);
        let keys = Keys { ours: fresh.clone(), theirs: fresh.clone(), lifetime: 1 };
        let (outgoing, incoming) = (Outgoing::new(&fresh), Incoming::new(&fresh, 1));
        let shown = format!("{keys:?} {outgoing:?} {incoming:?}");
        let salt = derived(&fresh, 2, suite.salt_length());
        for secret in [text, format!("{:?}", fresh.parts().0), format!("{salt:?}")] {
            assert!(!shown.contains(&secret), "{suite:?}: {shown}");
        }
        assert!(shown.contains("[redacted]"), "{shown}");
    }
    assert_eq!(Key::read(Suite::Aes128Gcm, "no base64!"), None);
}

#[test]
fn copies_and_what_is_too_old_are_refused() {
    let key = Key::fresh(Suite::Aes128Sha1Tag80);
    let (mut outgoing, mut incoming) = (Outgoing::new(&key), Incoming::new(&key, LIFETIME));
    let sealed: Vec<Vec<u8>> = (0..100).map(|n| outgoing.rtp(rtp(1, n))).collect();
    let mut take = |n: usize| incoming.rtp(&sealed[n]).map(|_| n);
    for (n, expected) in [
        (10, Ok(10)),
        (8, Ok(8)),
        (8, Err(Refused::Replayed)),
        (10, Err(Refused::Replayed)),
        (73, Ok(73)),
        (10, Err(Refused::Replayed)),
        (9, Err(Refused::Replayed)),
        (11, Ok(11)),
        (99, Ok(99)),
        (36, Ok(36)),
        (35, Err(Refused::Replayed)),
    ] {
        assert_eq!(take(n), expected, "{n}");
    }
    let report = outgoing.rtcp(rtcp(1));
    assert_eq!(incoming.rtcp(&report), Ok(rtcp(1)));
    assert_eq!(incoming.rtcp(&report), Err(Refused::Replayed));
    let stranger = Outgoing::new(&Key::fresh(Suite::Aes128Sha1Tag80)).rtp(rtp(1, 200));
    for datagram in [&stranger[..], &rtp(1, 200), &stranger[..14], &report, &[0x80], &[]] {
        assert_eq!(incoming.rtp(datagram), Err(Refused::Unauthentic), "{datagram:?}");
    }
    for datagram in [&rtcp(1)[..], &sealed[99], &report[..8], &[]] {
        assert_eq!(incoming.rtcp(datagram), Err(Refused::Unauthentic), "{datagram:?}");
    }
}

#[test]
fn a_report_that_says_it_is_not_encrypted_is_refused_though_it_is_authentic() {
    let key = Key::fresh(Suite::Aes128Sha1Tag80);
    let mut datagram = rtcp(1);
    datagram.extend([0, 0, 0, 0]);
    let auth = derived(&key, 4, 20);
    let auth = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
    let tag = aws_lc_rs::hmac::sign(&auth, &datagram);
    datagram.extend(&tag.as_ref()[..10]);
    assert_eq!(Incoming::new(&key, LIFETIME).rtcp(&datagram), Err(Refused::Unauthentic));
}

#[test]
fn rounds_are_counted_for_each_source() {
    let key = Key::fresh(Suite::Aes256Gcm);
    let (mut a, mut b) = (Outgoing::new(&key), Outgoing::new(&key));
    let mut incoming = Incoming::new(&key, LIFETIME);
    let mut late = None;
    for n in 0..200_000_u32 {
        let plain = rtp(1, n as u16);
        let sealed = a.rtp(plain.clone());
        // Nine of ten are lost, and one overtakes the change of rounds.
        match n {
            65_530 => late = Some((sealed, plain)),
            _ if n % 10 == 3 => assert_eq!(incoming.rtp(&sealed), Ok(plain), "{n}"),
            _ => {}
        }
        if n == 65_543
            && let Some((sealed, plain)) = late.take()
        {
            assert_eq!(incoming.rtp(&sealed), Ok(plain), "late");
        }
    }
    // Another source begins its own count, and the first goes on with its.
    assert_eq!(incoming.rtp(&b.rtp(rtp(2, 40_000))), Ok(rtp(2, 40_000)));
    assert_eq!(incoming.rtp(&a.rtp(rtp(1, 200_000_u32 as u16))), Ok(rtp(1, 200_000_u32 as u16)));
}

#[test]
fn a_new_key_takes_over_when_its_first_packet_comes() {
    for counts_on in [true, false] {
        let (old, new) = (Key::fresh(Suite::Aes128Sha1Tag80), Key::fresh(Suite::Aes128Sha1Tag80));
        let (mut first, mut second) = (Outgoing::new(&old), Outgoing::new(&new));
        let mut incoming = Incoming::new(&old, LIFETIME);
        for n in 60_000..70_000_u32 {
            incoming.rtp(&first.rtp(rtp(1, n as u16))).expect("it is sealed");
        }
        incoming.change(&new, LIFETIME);
        let under_way = first.rtp(rtp(1, 4_464));
        assert_eq!(incoming.rtp(&under_way), Ok(rtp(1, 4_464)), "sealed with the old key");
        assert_eq!(incoming.rtcp(&second.rtcp(rtcp(1))), Ok(rtcp(1)));
        if counts_on {
            let _ = second.rtp(rtp(1, 65_535));
        }
        assert_eq!(incoming.rtp(&second.rtp(rtp(1, 4_465))), Ok(rtp(1, 4_465)), "{counts_on}");
        assert_eq!(incoming.rtp(&first.rtp(rtp(1, 4_466))), Err(Refused::Unauthentic), "the old key is over");
        assert_eq!(incoming.rtp(&second.rtp(rtp(1, 4_466))), Ok(rtp(1, 4_466)));
        assert_eq!(incoming.rtp(&under_way), Err(Refused::Unauthentic));
    }
}

#[test]
fn a_key_opens_no_more_than_it_is_for() {
    let key = Key::fresh(Suite::Aes128Sha1Tag32);
    let (mut outgoing, mut incoming) = (Outgoing::new(&key), Incoming::new(&key, 3));
    let opened = (0..5).map(|n| incoming.rtp(&outgoing.rtp(rtp(1, n))).is_ok());
    assert_eq!(opened.collect::<Vec<_>>(), [true, true, true, false, false]);
    assert_eq!(incoming.rtcp(&outgoing.rtcp(rtcp(1))), Ok(rtcp(1)), "reports are counted apart");
    let mut incoming = Incoming::new(&key, LIFETIME);
    for ssrc in 0..256 {
        assert!(incoming.rtp(&Outgoing::new(&key).rtp(rtp(ssrc, 1))).is_ok());
    }
    let one_more = Outgoing::new(&key).rtp(rtp(256, 1));
    assert_eq!(incoming.rtp(&one_more), Err(Refused::Spent));
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_and_nothing_else(
        suite in select(&Suite::ALL[..]),
        sequence: u16,
        payload in prop::collection::vec(any::<u8>(), 0..300),
        dressed: bool,
        flipped: Index,
        is_report: bool,
    ) {
        let key = Key::fresh(suite);
        let (mut outgoing, mut incoming) = (Outgoing::new(&key), Incoming::new(&key, LIFETIME));
        let mut plain = if is_report { rtcp(9) } else { rtp(9, sequence)[..12].to_vec() };
        if dressed && !is_report {
            plain[0] |= 0x11;
            plain.extend([9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 7, 7, 7, 7]);
        }
        let clear = plain.len();
        plain.extend(payload);
        let sealed = if is_report { outgoing.rtcp(plain.clone()) } else { outgoing.rtp(plain.clone()) };
        prop_assert_eq!(&sealed[..clear], &plain[..clear]);
        if plain.len() > clear + 8 {
            prop_assert_ne!(&sealed[clear..plain.len()], &plain[clear..], "it is encrypted");
        }
        let mut open = |datagram: &[u8]| {
            if is_report { incoming.rtcp(datagram) } else { incoming.rtp(datagram) }
        };
        let mut forged = sealed.clone();
        let bit = flipped.index(forged.len() * 8);
        forged[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(open(&forged), Err(Refused::Unauthentic));
        prop_assert_eq!(open(&sealed[..sealed.len() - 1]), Err(Refused::Unauthentic));
        prop_assert_eq!(open(&sealed), Ok(plain));
        prop_assert_eq!(open(&sealed), Err(Refused::Replayed));
    }

    #[test]
    fn any_order_of_packets_is_opened_each_once(
        start: u16,
        order in prop::collection::vec(0..60_u16, 1..150),
    ) {
        let key = Key::fresh(Suite::Aes128Gcm);
        let (mut outgoing, mut incoming) = (Outgoing::new(&key), Incoming::new(&key, LIFETIME));
        // The first is there before the others, so that the rounds are known.
        let sealed: Vec<_> = (0..60).map(|n| outgoing.rtp(rtp(1, start.wrapping_add(n)))).collect();
        prop_assert!(incoming.rtp(&sealed[0]).is_ok());
        let mut seen = std::collections::HashSet::from([0]);
        for n in order {
            let expected =
                if seen.insert(n) { Ok(rtp(1, start.wrapping_add(n))) } else { Err(Refused::Replayed) };
            prop_assert_eq!(incoming.rtp(&sealed[usize::from(n)]), expected);
        }
    }

    #[test]
    fn whatever_arrives_is_refused(datagram in prop::collection::vec(any::<u8>(), 0..100), suite in select(&Suite::ALL[..])) {
        let mut incoming = Incoming::new(&Key::fresh(suite), LIFETIME);
        prop_assert!(incoming.rtp(&datagram).is_err());
        prop_assert!(incoming.rtcp(&datagram).is_err());
    }
}
