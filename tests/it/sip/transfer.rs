//! Callers that are handed on with REFER.

use dialplane::call::Destination;
use dialplane::ingress::leg::LegCommand;

use super::World;
use super::answered::up;
use super::phone::Phone;

async fn notify(phone: &mut Phone, state: &str, line: &str, status: u16) {
    notify_of(phone, "", state, line, status).await;
}

/// With the parameters of its event.
async fn notify_of(phone: &mut Phone, event: &str, state: &str, line: &str, status: u16) {
    let more =
        format!("Event: refer{event}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n");
    phone.ask("NOTIFY", &more, line).await;
    phone.status("NOTIFY", status).await;
}

fn transfer() -> LegCommand {
    LegCommand::Transfer(Destination::parse("tel:+15557770099").unwrap())
}

#[tokio::test]
async fn a_caller_is_handed_on_when_the_new_call_is_answered() {
    let (_world, mut phone, mut session) = up().await;
    session.command(transfer()).await;
    let refer = phone.requested("REFER").await;
    assert_eq!(refer.one("refer-to"), "<tel:+15557770099>");
    assert!(refer.one("referred-by").starts_with("<sip:"), "{refer:?}");
    phone.answer(&refer, "202 Accepted").await;
    notify(&mut phone, "active;expires=60", "SIP/2.0 100 Trying\r\n", 200).await;
    notify(&mut phone, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n", 200).await;
    session.expect("Transferred").await;
    session.leave().await;
    phone.let_go().await;
}

#[tokio::test]
async fn what_an_earlier_transfer_comes_to_says_nothing_of_the_one_under_way() {
    let (_world, mut phone, mut session) = up().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        session.command(transfer()).await;
        let refer = phone.requested("REFER").await;
        phone.answer(&refer, "202 Accepted").await;
        ids.push(format!(";id={}", refer.one("cseq").split_once(' ').unwrap().0));
        if ids.len() == 1 {
            notify_of(&mut phone, &ids[0], "active", "SIP/2.0 486 Busy Here\r\n", 200).await;
            session.expect("NotTransferred").await;
        }
    }
    notify_of(&mut phone, &ids[0], "terminated", "SIP/2.0 486 Busy Here\r\n", 481).await;
    notify_of(&mut phone, &ids[1], "terminated", "SIP/2.0 200 OK\r\n", 200).await;
    session.expect("Transferred").await;
    session.leave().await;
    phone.let_go().await;
}

#[tokio::test]
async fn a_number_that_is_not_taken_as_such_is_named_as_one_of_the_callers_switch() {
    let (_world, mut phone, mut session) = up().await;
    session.command(transfer()).await;
    let refer = phone.requested("REFER").await;
    phone.answer(&refer, "400 Bad Request").await;
    let refer = phone.requested("REFER").await;
    assert_eq!(refer.one("refer-to"), format!("<sip:+15557770099@{};user=phone>", phone.address()));
    phone.answer(&refer, "202 Accepted").await;
    notify(&mut phone, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n", 200).await;
    session.expect("Transferred").await;
    session.leave().await;
    phone.let_go().await;
}

#[tokio::test]
async fn a_transfer_that_fails_leaves_the_caller_in_the_call() {
    let (_world, mut phone, mut session) = up().await;
    session.command(transfer()).await;
    let refer = phone.requested("REFER").await;
    phone.answer(&refer, "603 Decline").await;
    session.expect("NotTransferred").await;

    session.command(transfer()).await;
    let refer = phone.requested("REFER").await;
    phone.answer(&refer, "202 Accepted").await;
    notify(&mut phone, "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n", 200).await;
    session.expect("NotTransferred").await;
    notify(&mut phone, "terminated", "SIP/2.0 200 OK\r\n", 481).await;

    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_caller_who_still_rings_is_told_where_to_call() {
    for (to, expected) in [
        ("tel:+15557770099", "<sip:+15557770099@PHONE;user=phone>"),
        ("sip:sales@pbx.acme.example", "<sip:sales@pbx.acme.example>"),
    ] {
        let mut world = World::new().await;
        let mut phone = Phone::new(world.address).await;
        phone.ring().await;
        let mut session = world.call().await;
        assert!(session.call().redirects);
        session.command(LegCommand::Transfer(Destination::parse(to).unwrap())).await;
        let moved = phone.status("INVITE", 302).await;
        assert_eq!(moved.one("contact"), expected.replace("PHONE", &phone.address().to_string()));
        let called = format!("<sip:+15557770001@{}>;reason=deflection", world.address);
        assert_eq!(moved.one("diversion"), called);
        phone.follow_up("ACK").await;
        session.expect("Transferred").await;
        session.expect("Ended(HungUp)").await;
        session.leave().await;
        phone.hears_nothing().await;
    }
}
