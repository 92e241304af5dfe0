//! Requests that become no call.

use super::phone::{Phone, SDP, beside_sdp};
use super::{World, trunks};

/// Asks with an INVITE that is refused at once.
async fn refused(world: &World, more: &str, body: &str, status: u16) -> super::phone::Message {
    let mut phone = Phone::new(world.address).await;
    phone.ask("INVITE", more, body).await;
    let message = phone.status("INVITE", status).await;
    phone.follow_up("ACK").await;
    message
}

#[tokio::test]
async fn an_invite_that_cannot_be_served_is_refused_with_its_code() {
    let mut world = World::new().await;
    refused(&world, "Max-Forwards: 0\r\n", SDP, 483).await;
    let unsupported = refused(&world, "Require: x-magic, precondition\r\n", SDP, 420).await;
    assert!(unsupported.one("unsupported").contains("x-magic"));
    let strange = refused(&world, "Content-Type: text/plain\r\n", "hi", 415).await;
    assert_eq!(strange.one("accept"), "application/sdp, multipart/mixed");
    let zipped = refused(&world, "Content-Encoding: gzip\r\n", SDP, 415).await;
    assert_eq!(zipped.one("accept-encoding"), "identity");
    let insisting = "Content-Type: application/isup\r\nContent-Disposition: signal;handling=required\r\n";
    let (mixed, body) = beside_sdp(insisting);
    assert_eq!(refused(&world, mixed, &body, 415).await.one("accept"), "application/sdp, multipart/mixed");
    refused(&world, "", "nonsense", 400).await;
    let no_codec = refused(&world, "", &SDP.replace(" 0 101", " 18"), 488).await;
    assert_eq!(no_codec.one("warning").split(' ').next(), Some("305"), "{no_codec:?}");
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let sealed = refused(&world, "", &(SDP.replace("AVP", "SAVP") + key), 488).await;
    assert_eq!(sealed.one("warning"), r#"399 dialplane "SRTP keys are taken over TLS only""#);
    refused(&world, "Contact: nobody\r\n", SDP, 400).await;
    refused(&world, "Content-Length: 5000\r\n", SDP, 400).await;
    assert!(world.is_quiet());
    assert_eq!(world.slots.taken(), 0);
    let counted = world.metrics.render();
    for (status, times) in [(483, 1), (420, 1), (415, 3), (400, 3), (488, 2)] {
        let line = format!(r#"dialplane_sip_refused_total{{status="{status}"}} {times}"#);
        assert!(counted.contains(&line), "{line}: {counted}");
    }
}

#[tokio::test]
async fn a_full_or_draining_router_says_when_to_come_again() {
    let mut world = World::with(1, trunks("")).await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let session = world.call().await;
    let full = refused(&world, "", SDP, 503).await;
    assert_eq!((full.one("retry-after"), full.one("reason")), ("2", "Q.850;cause=42"));
    assert!(world.metrics.render().contains(r#"offers_turned_away_total{reason="full"} 1"#));

    world.drain();
    let mut last = Phone::new(world.address).await;
    loop {
        last.ask("OPTIONS", "", "").await;
        let message = last.status("OPTIONS", 503).await;
        if message.one("retry-after") == "30" {
            break;
        }
    }
    let draining = refused(&world, "", SDP, 503).await;
    assert_eq!(draining.one("retry-after"), "30");
    drop(session);
    phone.status("INVITE", 503).await;
    phone.follow_up("ACK").await;
    world.ended().await;
}

#[tokio::test]
async fn a_trunk_has_no_more_calls_than_its_settings_say() {
    let trunk = "[[trunk]]\nname = 'acme'\naddresses = ['127.0.0.0/8']\n";
    let mut world = World::with(10, trunks(&format!("{trunk}calls = 1\n"))).await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let session = world.call().await;
    let full = refused(&world, "", SDP, 503).await;
    assert_eq!((full.one("retry-after"), full.one("reason")), ("2", "Q.850;cause=34"));
    assert!(world.metrics.render().contains(r#"offers_turned_away_total{reason="trunk-calls"} 1"#));
    assert_eq!(world.slots.taken(), 1, "who is refused keeps no slot");
    let mut pinging = Phone::new(world.address).await;
    pinging.ask("OPTIONS", "", "").await;
    pinging.status("OPTIONS", 200).await;

    phone.follow_up("CANCEL").await;
    phone.status("CANCEL", 200).await;
    phone.status("INVITE", 487).await;
    phone.follow_up("ACK").await;
    session.leave().await;
    Phone::new(world.address).await.ring().await;

    let world = World::with(10, trunks(&format!("{trunk}calls_per_second = 0.01\n"))).await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let fast = refused(&world, "", SDP, 503).await;
    assert_eq!((fast.one("retry-after"), fast.one("reason")), ("1", "Q.850;cause=42"));
    assert!(world.metrics.render().contains(r#"turned_away_total{reason="trunk-calls-per-second"} 1"#));
}

#[tokio::test]
async fn a_stranger_hears_nothing_at_all() {
    let mut world = World::with(10, trunks("[[trunk]]\nname = 'acme'\naddresses = ['192.0.2.0/24']\n")).await;
    let mut phone = Phone::new(world.address).await;
    phone.invite().await;
    phone.ask("OPTIONS", "", "").await;
    phone.send_bytes(b"nonsense").await;
    phone.hears_nothing().await;
    assert!(world.is_quiet());
    assert!(world.metrics.render().contains(r#"sip_dropped_total{reason="stranger"} 3"#));
}

#[tokio::test]
async fn a_call_has_the_name_of_its_trunk() {
    let mut world = World::with(10, trunks("[[trunk]]\nname = 'acme'\naddresses = ['127.0.0.0/8']\n")).await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let session = world.call().await;
    assert_eq!(session.call().trunk.as_ref().map(|trunk| trunk.called()), Some("acme"));
}

#[tokio::test]
async fn options_is_answered_and_other_requests_outside_a_call_are_not_taken() {
    let world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    for (method, status) in
        [("OPTIONS", 200), ("BYE", 481), ("UPDATE", 481), ("REGISTER", 405), ("SUBSCRIBE", 405)]
    {
        phone.ask(method, "", "").await;
        let answer = phone.status(method, status).await;
        assert_eq!(answer.all("allow").len(), usize::from(matches!(status, 200 | 405)), "{answer:?}");
    }
    phone.follow_up("CANCEL").await;
    phone.status("CANCEL", 481).await;
}

#[tokio::test]
async fn what_is_broken_is_mended_or_answered_and_never_in_the_way() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    for garbage in [&b"\r\n\r\n"[..], b"\0\0\0", b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", &[0xff; 3000]] {
        phone.send_bytes(garbage).await;
    }
    let unknown = phone.request("FOO", "", "");
    phone.send(&unknown).await;
    phone.status("FOO", 501).await;

    // A name in Latin-1, a body that does not say how long it is, and a short form.
    let invite = phone.request("INVITE", "", SDP);
    let length = format!("Content-Length: {}\r\n", SDP.len());
    let broken = invite.replace(&length, "").replace("Call-ID:", "i:").replace("\"Ada\"", "\"Ad\u{1}\"");
    let bytes: Vec<u8> = broken.bytes().map(|byte| if byte == 1 { 0xE9 } else { byte }).collect();
    phone.send_bytes(&bytes).await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    let mut session = world.call().await;
    assert_eq!(session.call().caller_name, Some("Adé".into()));
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    assert!(ok.body.contains("RTP/AVP 0 101"), "the offer was read: {}", ok.body);

    let mut other = Phone::new(world.address).await;
    let long = format!("{SDP}{}", "a=x\r\n".repeat(4000));
    other.ask("INVITE", "", &long).await;
    other.status("INVITE", 513).await;
}

#[tokio::test]
async fn refused_calls_leave_nothing_behind() {
    let mut world = World::with(0, trunks("")).await;
    for _ in 0..50 {
        refused(&world, "", SDP, 503).await;
    }
    world.drain();
    world.ended().await;
    assert_eq!(world.slots.taken(), 0);
}
