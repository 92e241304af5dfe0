//! Calls that are not answered: cancelled, refused, given up.

use dialplane::call::Refusal;
use dialplane::ingress::leg::LegCommand;

use super::World;
use super::answered::answering;
use super::phone::{Phone, SDP};

#[tokio::test]
async fn a_caller_who_cancels_is_answered_487() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let mut session = world.call().await;
    phone.follow_up("CANCEL").await;
    phone.status("CANCEL", 200).await;
    phone.status("INVITE", 487).await;
    phone.follow_up("ACK").await;
    session.expect("Ended(Caller)").await;
    session.leave().await;
    phone.hears_nothing().await;
}

#[tokio::test]
async fn a_cancel_that_meets_our_200_has_no_effect() {
    let (_world, mut phone, mut session) = answering().await;
    phone.follow_up("CANCEL").await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let message = phone.message().await;
        statuses.push((message.one("cseq").to_owned(), message.status()));
    }
    statuses.sort();
    assert_eq!(statuses, [("1 CANCEL".to_owned(), 200), ("1 INVITE".to_owned(), 200)]);
    phone.ack("").await;
    session.expect("Active").await;
}

#[tokio::test]
async fn an_invitation_that_expires_is_answered_487() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring_with("Expires: 1\r\n", SDP).await;
    let mut session = world.call().await;
    phone.status("INVITE", 487).await;
    phone.follow_up("ACK").await;
    session.expect("Ended(Caller)").await;
    session.leave().await;
    phone.hears_nothing().await;
}

#[tokio::test]
async fn an_early_bye_ends_the_invite_too() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let mut session = world.call().await;
    phone.ask("BYE", "", "").await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let message = phone.message().await;
        statuses.push((message.one("cseq").to_owned(), message.status()));
    }
    statuses.sort();
    assert_eq!(statuses, [("1 INVITE".to_owned(), 487), ("2 BYE".to_owned(), 200)]);
    session.expect("Ended(Caller)").await;
    session.leave().await;
}

#[tokio::test]
async fn each_refusal_has_its_code_and_its_reason() {
    for (refusal, status, cause) in [
        (Some(Refusal::NotFound), 404, 1),
        (Some(Refusal::Declined), 603, 21),
        (Some(Refusal::Busy), 486, 17),
        (Some(Refusal::Unavailable), 503, 41),
        (None, 503, 41),
    ] {
        let mut world = World::new().await;
        let mut phone = Phone::new(world.address).await;
        phone.ring().await;
        let mut session = world.call().await;
        session.command(LegCommand::HangUp(refusal)).await;
        let refused = phone.status("INVITE", status).await;
        assert_eq!(refused.one("reason"), format!("Q.850;cause={cause}"));
        phone.follow_up("ACK").await;
        session.expect("Ended(HungUp)").await;
        session.leave().await;
        phone.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_refusal_that_is_lost_is_sent_again_until_its_ack() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let session = world.call().await;
    session.command(LegCommand::HangUp(Some(Refusal::Busy))).await;
    session.leave().await;
    phone.status("INVITE", 486).await;
    phone.status("INVITE", 486).await;
    phone.follow_up("ACK").await;
    phone.hears_nothing().await;
}

#[tokio::test]
async fn an_invite_that_comes_again_is_answered_again_and_no_second_call() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    let invite = phone.invite().await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    let mut session = world.call().await;
    phone.send(&invite).await;
    phone.status("INVITE", 180).await;
    assert!(world.is_quiet());
    session.answer().await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;
    phone.send(&invite).await;
    assert!(world.is_quiet());
}

#[tokio::test]
async fn a_copy_of_an_invite_that_came_another_way_is_merged() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    let invite = phone.invite().await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    let _session = world.call().await;
    let (copied, tag) = (invite.replace(";rport", "-copy;rport"), phone.tag.take());
    phone.send(&copied).await;
    phone.status("INVITE", 482).await;
    assert_ne!(phone.tag, tag, "of another dialog");
    assert!(world.is_quiet());
}

#[tokio::test]
async fn requests_before_the_answer_are_answered() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ring().await;
    let _session = world.call().await;
    for (method, body, status) in
        [("UPDATE", "", 200), ("UPDATE", SDP, 500), ("OPTIONS", "", 200), ("INFO", "", 415)]
    {
        phone.ask(method, "", body).await;
        phone.status(method, status).await;
    }
}
