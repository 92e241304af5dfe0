//! Calls that are answered, and how they end.

use dialplane::call::{Caller, Number, Origin};
use dialplane::ingress::leg::LegCommand;

use super::phone::{Phone, SDP, beside_sdp};
use super::{Session, World};

/// A call whose 200 is on its way.
pub async fn answering() -> (World, Phone, Session) {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let mut session = world.call().await;
    session.answer().await;
    (world, phone, session)
}

/// A call that is up.
pub async fn up() -> (World, Phone, Session) {
    let (world, mut phone, mut session) = answering().await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;
    (world, phone, session)
}

#[tokio::test]
async fn a_call_rings_is_answered_and_ends_with_the_callers_bye() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let mut session = world.call().await;
    let call = session.call().clone();
    assert_eq!(call.origin, Origin::Sip);
    assert_eq!(call.called.best(), "+15557770001");
    assert!(matches!(&call.caller, Caller::Number(number) if Number::best(number) == "+15551230001"));
    assert_eq!(call.sip_call_id_full.as_deref(), Some(phone.call_id()));
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    assert_eq!(ok.one("content-type"), "application/sdp");
    assert!(ok.one("allow").contains("UPDATE"), "{ok:?}");
    assert!(ok.body.contains("m=audio ") && ok.body.contains("RTP/AVP 0 101"), "{}", ok.body);
    phone.ack("").await;
    session.expect("Active").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
    session.leave().await;
    phone.hears_nothing().await;
    world.drain();
    world.ended().await;
    assert_eq!(world.slots.taken(), 0);
}

#[tokio::test]
async fn we_hang_up_with_a_bye() {
    let (mut world, mut phone, mut session) = up().await;
    session.command(LegCommand::HangUp(None)).await;
    session.expect("Ended(HungUp)").await;
    session.leave().await;
    phone.let_go().await;
    world.drain();
    world.ended().await;
}

#[tokio::test]
async fn a_session_that_is_gone_lets_the_caller_go() {
    let (_world, mut phone, session) = up().await;
    drop(session);
    phone.let_go().await;
}

#[tokio::test]
async fn a_bye_that_is_lost_is_sent_again() {
    let (mut world, mut phone, session) = up().await;
    drop(session);
    let first = phone.requested("BYE").await;
    let again = phone.message().await;
    assert_eq!((again.one("via"), again.one("cseq")), (first.one("via"), first.one("cseq")));
    phone.answer(&again, "200 OK").await;
    world.drain();
    world.ended().await;
}

#[tokio::test]
async fn byes_may_cross() {
    let (_world, mut phone, session) = up().await;
    session.command(LegCommand::HangUp(None)).await;
    let bye = phone.requested("BYE").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    phone.answer(&bye, "200 OK").await;
}

#[tokio::test]
async fn a_bye_waits_for_the_ack() {
    let (_world, mut phone, session) = answering().await;
    phone.status("INVITE", 200).await;
    session.command(LegCommand::HangUp(None)).await;
    phone.hears_nothing().await;
    phone.ack("").await;
    phone.let_go().await;
}

#[tokio::test]
async fn a_200_that_is_lost_is_sent_again_until_its_ack() {
    let (_world, mut phone, mut session) = answering().await;
    let first = phone.status("INVITE", 200).await;
    let again = phone.status("INVITE", 200).await;
    assert_eq!(first.body, again.body);
    phone.ack("").await;
    session.expect("Active").await;
    phone.ack("").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_caller_without_an_offer_is_made_one_and_answers_it_in_the_ack() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring_with("", "").await;
    let mut session = world.call().await;
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    assert!(ok.body.contains("m=audio "), "{}", ok.body);
    phone.ack(SDP).await;
    session.expect("Active").await;
}

#[tokio::test]
async fn an_ack_that_answers_our_offer_with_nothing_we_speak_ends_the_call() {
    for answer in ["", &SDP.replace(" 0 101", " 18"), "nonsense"] {
        let mut world = World::new().await;
        let mut phone = Phone::new(world.address).await;
        phone.ring_with("", "").await;
        let mut session = world.call().await;
        session.answer().await;
        phone.status("INVITE", 200).await;
        phone.ack(answer).await;
        session.expect("Ended(Caller)").await;
        phone.let_go().await;
    }
}

#[tokio::test]
async fn the_way_back_goes_through_the_proxies_that_recorded_it() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    let proxy = phone.address();
    let routes = format!("Record-Route: <sip:{proxy};lr>\r\nRecord-Route: <sip:192.0.2.1;lr>\r\n");
    phone.ask("INVITE", &format!("{routes}Contact: <sip:ada@192.0.2.9:5070>\r\n"), SDP).await;
    let trying = phone.status("INVITE", 100).await;
    assert_eq!(trying.all("record-route"), [""; 0]);
    phone.status("INVITE", 180).await;
    let mut session = world.call().await;
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    assert_eq!(ok.all("record-route"), [format!("<sip:{proxy};lr>"), "<sip:192.0.2.1;lr>".to_owned()]);
    phone.ack("").await;
    session.expect("Active").await;
    drop(session);
    let bye = phone.let_go().await;
    assert_eq!(bye.start, "BYE sip:ada@192.0.2.9:5070 SIP/2.0");
    assert_eq!(bye.all("route"), [format!("<sip:{proxy};lr>"), "<sip:192.0.2.1;lr>".to_owned()]);
}

#[tokio::test]
async fn a_description_beside_isup_or_a_location_is_an_offer_or_an_answer_as_any_other() {
    let isup = "Content-Type: application/ISUP;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n";
    let location = "Content-Type: application/pidf+xml\r\nContent-ID: <ada@carrier.example>\r\n";
    for beside in [isup, location] {
        let (mixed, body) = beside_sdp(beside);
        let mut world = World::new().await;
        let mut phone = Phone::new(world.address).await;
        phone.ring_with(mixed, &body).await;
        let mut session = world.call().await;
        session.answer().await;
        let ok = phone.status("INVITE", 200).await;
        assert!(ok.body.contains("RTP/AVP 0 101"), "the offer was read: {}", ok.body);
        phone.ack("").await;
        session.expect("Active").await;
        for method in ["INVITE", "UPDATE"] {
            phone.ask(method, mixed, &body.replace("a=rtpmap", "a=sendonly\r\na=rtpmap")).await;
            assert!(phone.status(method, 200).await.body.contains("a=recvonly"));
            if method == "INVITE" {
                phone.ack("").await;
                session.expect("Away").await;
            }
        }
        phone.ask("INVITE", "", "").await;
        phone.status("INVITE", 200).await;
        phone.ack_with(mixed, &body).await;
        session.expect("Back").await;
    }
}

#[tokio::test]
async fn an_invite_with_nothing_but_what_may_be_left_out_is_made_an_offer() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    let isup = "Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n";
    phone.ring_with(isup, "\u{1}\0\u{7f}").await;
    let mut session = world.call().await;
    session.answer().await;
    assert!(phone.status("INVITE", 200).await.body.contains("m=audio "));
    phone.ack(SDP).await;
    session.expect("Active").await;
}
