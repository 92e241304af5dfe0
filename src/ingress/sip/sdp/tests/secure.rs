//! SRTP's keys in descriptions (RFC 4568).

use super::*;

const SECURE: Local = Local { secure: true, ..LOCAL };
/// 30 bytes: a key and its salt.
const THEIRS: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn key(text: &str) -> Key {
    Key::read(Suite::Aes128Sha1Tag80, text).expect("a key")
}

fn offer(lines: &str) -> Description {
    parse(&format!("m=audio 4000 RTP/SAVP 0\r\n{lines}"))
}

fn crypto(keys: &str) -> String {
    format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {keys}\r\n")
}

#[test]
fn an_offer_of_srtp_is_answered_with_its_tag_and_a_key_of_ours() {
    let lines = format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{THEIRS}|2^20\r\n");
    let answer = offer(&lines).answer(&SECURE, |_| key(OTHER)).expect("it fits");
    assert_eq!(answer.keys, Some(Keys { ours: key(OTHER), theirs: key(THEIRS), lifetime: 1 << 20 }));
    assert!(
        answer.sdp.reveal().ends_with(&format!(
            "m=audio 20000 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n\
             a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{OTHER}\r\n"
        )),
        "{}",
        answer.sdp.reveal()
    );
    let shown = format!("{answer:?} {:?}", offer(&lines));
    assert!(!shown.contains(THEIRS) && !shown.contains(OTHER), "{shown}");
}

#[test]
fn each_suite_is_taken_in_the_offers_order() {
    for suite in Suite::ALL {
        let theirs = Key::fresh(suite);
        let lines = format!(
            "a=crypto:1 F8_128_HMAC_SHA1_80 inline:{THEIRS}\r\n\
             a=crypto:2 {} inline:{}\r\na=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{OTHER}\r\n",
            suite.name(),
            theirs.reveal()
        );
        let answer = offer(&lines).answer(&SECURE, Key::fresh).expect("it fits");
        let keys = answer.keys.expect("keys");
        assert_eq!((keys.theirs, keys.ours.suite()), (theirs, suite));
        let line = format!("a=crypto:2 {} inline:{}\r\n", suite.name(), keys.ours.reveal());
        assert!(answer.sdp.reveal().ends_with(&line), "{}", answer.sdp.reveal());
    }
}

#[test]
fn what_a_line_asks_for_is_kept_to_or_the_line_is_of_no_use() {
    let most = crate::ingress::sip::srtp::LIFETIME;
    for (parameters, lifetime) in [
        ("", Some(most)),
        ("|2^20", Some(1 << 20)),
        ("|1048576", Some(1 << 20)),
        ("|2^48", Some(most)),
        ("|2^20 WSH=128", Some(1 << 20)),
        (" -X=1", Some(most)),
        ("|2^49", None),
        ("|2^64", None),
        ("|0", None),
        ("|x", None),
        ("|1:4", None),
        ("|2^20|1:4", None),
        (";inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|2:4", None),
        ("|2^20 KDR=0", None),
        (" UNENCRYPTED_SRTP", None),
        (" UNENCRYPTED_SRTCP", None),
        (" UNAUTHENTICATED_SRTP", None),
        (" FEC_ORDER=FEC_SRTP", None),
        (" X=1", None),
    ] {
        let answer = offer(&crypto(&format!("inline:{THEIRS}{parameters}"))).answer(&SECURE, Key::fresh);
        let found = answer.map(|answer| answer.keys.expect("keys").lifetime);
        assert_eq!(found, lifetime.ok_or(Unacceptable::NoKey), "{parameters}");
    }
    for line in [
        String::new(),
        crypto(&format!("inline:{}", THEIRS.split_at(4).1)),
        crypto("inline:?"),
        crypto(THEIRS),
        crypto(""),
        format!("a=crypto:x AES_CM_128_HMAC_SHA1_80 inline:{THEIRS}\r\n"),
        format!("a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{THEIRS}\r\n"),
        "a=crypto:1\r\n".to_owned(),
        "a=crypto:\r\n".to_owned(),
    ] {
        let answer = offer(&line).answer(&SECURE, Key::fresh);
        assert_eq!(answer, Err(Unacceptable::NoKey), "{line}");
    }
}

#[test]
fn keys_are_taken_only_where_nobody_else_reads_them() {
    let good = crypto(&format!("inline:{THEIRS}"));
    let (sealed, plain) = (format!("m=audio 4000 RTP/SAVP 0\r\n{good}"), "m=audio 5000 RTP/AVP 0\r\n");
    let (sealed_too, useless) =
        (format!("m=audio 6000 RTP/SAVPF 0\r\n{good}"), "m=audio 7000 RTP/SAVP 0\r\n");
    for (lines, local, expected) in [
        (sealed.clone(), &SECURE, Ok(Some("RTP/SAVP"))),
        (sealed_too.clone(), &SECURE, Ok(Some("RTP/SAVPF"))),
        (format!("{plain}{sealed}"), &SECURE, Ok(Some("RTP/SAVP"))),
        (format!("{sealed}{plain}{sealed_too}"), &SECURE, Ok(Some("RTP/SAVP"))),
        (format!("{useless}{plain}"), &SECURE, Ok(None)),
        (plain.to_owned(), &SECURE, Ok(None)),
        (useless.to_owned(), &SECURE, Err(Unacceptable::NoKey)),
        (format!("{sealed}{plain}"), &LOCAL, Ok(None)),
        (sealed, &LOCAL, Err(Unacceptable::KeysInClear)),
    ] {
        let answer = parse(&lines).answer(local, Key::fresh);
        let found = answer.as_ref().map(|answer| {
            let taken: Vec<&str> = answer
                .sdp
                .reveal()
                .lines()
                .filter(|line| line.starts_with("m=") && !line.starts_with("m=audio 0 "))
                .collect();
            assert_eq!(taken.len(), 1, "{}", answer.sdp.reveal());
            assert_eq!(
                answer.sdp.reveal().matches("a=crypto").count(),
                usize::from(answer.keys.is_some()),
                "{}",
                answer.sdp.reveal()
            );
            answer.keys.as_ref().map(|_| taken[0].split(' ').nth(2).expect("a protocol"))
        });
        assert_eq!(found.map_err(|why| *why), expected, "{lines}");
    }
}

#[test]
fn our_offer_is_answered_by_another_dialplane_and_by_no_other_key() {
    let ours = key(OTHER);
    let text = SECURE.offer(Some(&ours)).reveal().clone();
    let offer = Description::parse(text.as_bytes()).expect("it is read");
    let other = Local { port: 30_000, ..SECURE };
    let answer = offer.answer(&other, |_| key(THEIRS)).expect("it fits");
    let accept = |sdp: &str, key| {
        let accepted = Description::parse(sdp.as_bytes()).expect("it is read").accept(&SECURE, key);
        accepted.map(|(_, keys)| keys)
    };
    let keys = accept(answer.sdp.reveal(), Some(&ours)).expect("it fits").expect("keys");
    assert_eq!((&keys.ours, &keys.theirs), (&ours, &key(THEIRS)));
    assert_eq!(answer.keys.map(|keys| (keys.theirs, keys.ours)), Some((keys.ours, keys.theirs)));
    for changed in [
        answer.sdp.reveal().replace("crypto:1", "crypto:2"),
        answer.sdp.reveal().replace("SHA1_80", "SHA1_32"),
        answer.sdp.reveal().replace("SAVP", "AVP"),
    ] {
        assert_eq!(accept(&changed, Some(&ours)), Err(Unacceptable::NoKey), "{changed}");
    }
    assert_eq!(accept(answer.sdp.reveal(), None), Err(Unacceptable::NoKey), "we offered none");
}
