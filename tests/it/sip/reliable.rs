//! Provisional responses that the caller wants to be acknowledged (RFC 3262).

use dialplane::call::Refusal;
use dialplane::ingress::leg::LegCommand;

use super::phone::{Message, Phone, SDP};
use super::{Session, World};

const INSISTS: &str = "Require: 100rel\r\n";

/// A call that rings, with its 180.
async fn ringing(more: &str, sdp: &str) -> (World, Phone, Session, Message) {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    phone.ask("INVITE", more, sdp).await;
    phone.status("INVITE", 100).await;
    let ringing = phone.status("INVITE", 180).await;
    let session = world.call().await;
    (world, phone, session, ringing)
}

/// The header that acknowledges this response to the phone's first request.
fn rack(ringing: &Message) -> String {
    format!("RAck: {} 1 INVITE\r\n", ringing.one("rseq"))
}

#[tokio::test]
async fn a_180_is_reliable_where_the_caller_insists_and_only_there() {
    for (more, reliable) in [("", false), ("Supported: 100rel\r\n", false), (INSISTS, true)] {
        let (_world, _phone, _session, ringing) = ringing(more, SDP).await;
        assert_eq!(ringing.all("require") == ["100rel"], reliable, "{more}");
        assert_eq!(ringing.all("rseq").len(), usize::from(reliable), "{more}");
        assert!(ringing.one("contact").starts_with("<sip:"), "where the PRACK goes");
        assert_eq!(ringing.body, "");
    }
}

#[tokio::test]
async fn a_180_whose_prack_does_not_come_is_sent_again_until_it_does() {
    let (_world, mut phone, mut session, first) = ringing(INSISTS, SDP).await;
    let again = phone.status("INVITE", 180).await;
    assert_eq!(again.one("rseq"), first.one("rseq"), "it is the same response");
    phone.ask("PRACK", "RAck: 1 99 INVITE\r\n", "").await;
    phone.status("PRACK", 481).await;
    phone.ask("PRACK", &rack(&first), "").await;
    phone.status("PRACK", 200).await;
    phone.ask("PRACK", &rack(&first), "").await;
    phone.status("PRACK", 481).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    phone.hears_nothing().await;

    // An INVITE's offer is open until its 200.
    phone.ask("UPDATE", "", SDP).await;
    assert_eq!(phone.status("UPDATE", 500).await.all("retry-after").len(), 1);
    phone.ask("UPDATE", "", "").await;
    assert!(phone.status("UPDATE", 200).await.one("contact").starts_with("<sip:"));
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    assert!(ok.one("supported").contains("100rel") && ok.one("allow").contains("PRACK"), "{ok:?}");
    assert!(ok.body.contains("m=audio "), "{}", ok.body);
    phone.ack("").await;
    session.expect("Active").await;
}

#[tokio::test]
async fn a_call_is_answered_or_refused_before_its_prack_which_is_taken_all_the_same() {
    let (_world, mut phone, mut session, first) = ringing(INSISTS, SDP).await;
    session.answer().await;
    phone.status("INVITE", 200).await;
    phone.ask("PRACK", &rack(&first), "").await;
    phone.status("PRACK", 200).await;
    phone.ack("").await;
    session.expect("Active").await;

    let (_world, mut phone, mut session, first) = ringing(INSISTS, SDP).await;
    session.command(LegCommand::HangUp(Some(Refusal::Busy))).await;
    phone.status("INVITE", 486).await;
    phone.ask("PRACK", &rack(&first), "").await;
    phone.status("PRACK", 200).await;
    session.expect("Ended(HungUp)").await;
}

#[tokio::test]
async fn a_caller_without_an_offer_is_made_one_in_the_180_and_answers_it_in_the_prack() {
    let (_world, mut phone, mut session, first) = ringing(INSISTS, "").await;
    assert!(first.body.contains("m=audio "), "{}", first.body);
    phone.ask("UPDATE", "", SDP).await;
    phone.status("UPDATE", 491).await;
    session.command(LegCommand::Answer).await;
    let again = phone.status("INVITE", 180).await;
    assert_eq!(again.body, first.body, "the 200 waits for the PRACK");
    phone.ask("PRACK", &rack(&first), SDP).await;
    phone.status("PRACK", 200).await;
    assert_eq!(phone.status("INVITE", 200).await.body, "", "all is described");
    session.expect("Subscribed").await;
    phone.ack("").await;
    session.expect("Active").await;
    // Media is as the PRACK says.
    phone.ask("UPDATE", "", &format!("{SDP}a=sendonly\r\n")).await;
    phone.status("UPDATE", 200).await;
    session.expect("Away").await;
}

#[tokio::test]
async fn a_prack_that_answers_our_offer_with_nothing_we_speak_ends_the_call() {
    let (_world, mut phone, mut session, first) = ringing(INSISTS, "").await;
    phone.ask("PRACK", &rack(&first), &SDP.replace(" 0 101", " 18")).await;
    phone.status("PRACK", 200).await;
    phone.status("INVITE", 488).await;
    session.expect("Ended(Caller)").await;
}
