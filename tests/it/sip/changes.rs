//! Requests within an answered call.

use std::time::Duration;

use super::World;
use super::answered::up;
use super::phone::{Phone, SDP};

fn held(sdp: &str) -> String {
    format!("{sdp}a=sendonly\r\n")
}

#[tokio::test]
async fn a_caller_holds_and_comes_back() {
    let (_world, mut phone, mut session) = up().await;
    for (method, sdp, answered, told) in [
        ("INVITE", held(SDP), "a=recvonly", "Away"),
        ("INVITE", SDP.to_owned(), "a=sendrecv", "Back"),
        ("UPDATE", held(SDP), "a=recvonly", "Away"),
        ("UPDATE", SDP.to_owned(), "a=sendrecv", "Back"),
    ] {
        phone.ask(method, "", &sdp).await;
        let ok = phone.status(method, 200).await;
        assert!(ok.body.contains(answered), "{}", ok.body);
        assert!(ok.one("contact").starts_with("<sip:"), "{ok:?}");
        if method == "INVITE" {
            phone.ack("").await;
        }
        session.expect(told).await;
    }
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn an_offer_that_nothing_fits_is_refused_and_the_call_goes_on() {
    let (_world, mut phone, mut session) = up().await;
    let t38 = SDP.replace("m=audio 4000 RTP/AVP 0 101", "m=image 4000 udptl t38");
    for (sdp, status) in [(t38.as_str(), 488), (&SDP.replace(" 0 101", " 18"), 488), ("nonsense", 400)] {
        phone.ask("INVITE", "", sdp).await;
        phone.status("INVITE", status).await;
        phone.follow_up("ACK").await;
    }
    for method in ["INVITE", "UPDATE"] {
        phone.ask(method, "Content-Type: application/isup\r\n", "nonsense").await;
        assert_eq!(phone.status(method, 415).await.one("accept"), "application/sdp, multipart/mixed");
        if method == "INVITE" {
            phone.follow_up("ACK").await;
        }
    }
    phone.ask("INVITE", "", SDP).await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_re_invite_without_an_offer_is_made_one() {
    let (_world, mut phone, mut session) = up().await;
    phone.ask("INVITE", "", "").await;
    let ok = phone.status("INVITE", 200).await;
    assert!(ok.body.contains("m=audio "), "{}", ok.body);
    phone.ack(SDP).await;
    phone.ask("UPDATE", "", "").await;
    assert_eq!(phone.status("UPDATE", 200).await.body, "");
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_caller_who_moved_is_let_go_where_it_is_now() {
    let (_world, mut phone, session) = up().await;
    let moved = phone.elsewhere().await;
    let contact = format!("Contact: <sip:ada@{}>\r\n", moved.local_addr().unwrap());
    phone.ask("INVITE", &contact, SDP).await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    drop(session);
    let mut buffer = vec![0; 2000];
    let (length, _) = tokio::time::timeout(super::SOON, moved.recv_from(&mut buffer)).await.unwrap().unwrap();
    let bye = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(bye.starts_with(&format!("BYE sip:ada@{} SIP/2.0\r\n", moved.local_addr().unwrap())), "{bye}");
}

#[tokio::test]
async fn keys_in_info_reach_the_session() {
    let (_world, mut phone, mut session) = up().await;
    phone.ask("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n").await;
    phone.status("INFO", 200).await;
    session.expect("Digit([redacted])").await;
    phone.ask("INFO", "Content-Type: application/x-what\r\n", "5").await;
    assert!(phone.status("INFO", 415).await.one("accept").contains("dtmf"));
}

#[tokio::test]
async fn what_is_out_of_order_or_unknown_is_refused() {
    let (_world, mut phone, mut session) = up().await;
    let late = phone.request("OPTIONS", "", "");
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 200).await;
    phone.send(&late).await;
    assert_eq!(phone.status("OPTIONS", 500).await.one("retry-after"), "0");
    phone.ask("MESSAGE", "Content-Type: text/plain\r\n", "hi").await;
    assert!(phone.status("MESSAGE", 405).await.one("allow").contains("INVITE"));
    phone.ask("INFO", "Require: x-magic\r\n", "").await;
    assert_eq!(phone.status("INFO", 420).await.one("unsupported"), "x-magic");
    phone.ask("NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", "").await;
    phone.status("NOTIFY", 481).await;
    let ours = phone.tag.replace("another".into());
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 481).await;
    phone.tag = ours;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_session_timer_is_agreed_on_and_refreshed() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    let timer = |seconds: u32| format!("Supported: timer\r\nSession-Expires: {seconds}\r\n");
    phone.ask("INVITE", &timer(60), SDP).await;
    assert_eq!(phone.status("INVITE", 422).await.one("min-se"), "90");
    phone.follow_up("ACK").await;
    phone.tag = None;
    phone.ring_with(&timer(90), SDP).await;
    let mut session = world.call().await;
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    assert_eq!((ok.one("session-expires"), ok.one("require")), ("90;refresher=uac", "timer"));
    phone.ack("").await;
    session.expect("Active").await;
    for (method, body) in [("UPDATE", ""), ("INVITE", SDP)] {
        phone.ask(method, &timer(120), body).await;
        assert_eq!(phone.status(method, 200).await.one("session-expires"), "120;refresher=uac");
    }
    phone.ack("").await;
    phone.ask("UPDATE", &timer(30), "").await;
    phone.status("UPDATE", 422).await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

/// So many seconds later, once what was said until now is dealt with.
async fn later(phone: &mut Phone, seconds: u64) {
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 200).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_answer_to_our_refresh_says_when_the_next_is_due_and_whose_it_is() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    // On hold nobody minds that nothing is heard of the caller.
    phone.ring_with("Allow: UPDATE\r\nSession-Expires: 120;refresher=uas\r\n", &held(SDP)).await;
    let mut session = world.call().await;
    session.answer().await;
    assert_eq!(phone.status("INVITE", 200).await.one("session-expires"), "120;refresher=uas");
    phone.ack("").await;
    session.expect("Active").await;

    for (due, asked, answered) in
        [(61, "120;refresher=uac", "90;refresher=uac"), (46, "90;refresher=uac", "90;refresher=uas")]
    {
        later(&mut phone, due).await;
        let update = phone.requested("UPDATE").await;
        assert_eq!(update.one("session-expires"), asked);
        phone.answer(&update, &format!("200 OK\r\nSession-Expires: {answered}")).await;
    }
    later(&mut phone, 46).await;
    phone.hears_nothing().await;
    later(&mut phone, 14).await;
    phone.let_go().await;
}
