//! The connection to the room, lost and found again.

use std::time::Duration;

use super::*;

fn dropped() -> Participant {
    Participant { presence: Presence::Dropped, ..caller("active") }
}

fn agent(tracks: &[&str]) -> Participant {
    Participant {
        identity: "agent-AJ_2".into(),
        is_sip: false,
        is_agent: true,
        tracks: tracks.iter().map(|track| (*track).to_owned()).collect(),
        ..bare_caller()
    }
}

fn joined_at(node: &str, participants: Vec<Participant>) -> Input {
    Input::Joined { participants, node: node.to_owned(), at: seconds(100) }
}

/// An answered call whose room has just been lost.
fn away() -> Rig {
    let mut rig = Rig::active();
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "away", "join in 0"]);
    rig
}

#[test]
fn a_room_is_tried_three_times_of_two_seconds_each() {
    let mut rig = Rig::new();
    assert_eq!(rig.wait(), (2000, vec!["disconnect".into(), "join in 250".into()]));
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "join in 500"]);
    assert_eq!(rig.wait(), (2500, vec!["disconnect".into(), "delete room".into()]), "nobody was seen");
    assert_eq!(rig.on(Input::StepDone), ["ended Failed(Join)"]);
}

#[test]
fn an_unanswered_call_that_lost_its_room_publishes_again_and_the_bridge_has_its_time_again() {
    let mut rig = Rig::published();
    rig.now += Duration::from_millis(1900);
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "join in 250"]);
    rig.now += Duration::from_secs(4);
    assert_eq!(rig.join(vec![caller("ringing")]), ["publish"]);
    assert_eq!(rig.wait(), (2000, vec!["publish".to_owned()]));
}

#[test]
fn a_call_that_rings_is_let_go_when_its_room_cannot_be_had_again() {
    let mut rig = Rig::ringing();
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "join in 250"]);
    assert_eq!(rig.wait(), (2250, vec!["disconnect".into(), "join in 500".into()]));
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "remove"]);
    assert_eq!(rig.on(Input::StepDone), ["ended Failed(Room)"]);
}

#[test]
fn an_answered_call_is_back_once_livekit_sip_has_subscribed_again() {
    for lost in [Input::CutOff, Input::Left(Departure::Rejoin)] {
        let mut rig = Rig::active();
        assert_eq!(rig.on(lost), ["disconnect", "away", "join in 0"]);
        let heard = Participant { tracks: vec!["TR_2".to_owned()], ..caller("active") };
        assert_eq!(rig.join(vec![heard]), ["publish", "hear TR_2"]);
        assert_eq!(rig.on(Input::Subscribed), ["back"]);
        assert_eq!(rig.machine.deadline(), None, "as before");
        assert_eq!(rig.on(hang_up()), ["end call"]);
    }
}

#[test]
fn attempts_to_come_back_get_rarer_and_end_after_twenty_seconds() {
    let mut rig = away();
    let start = rig.now;
    for pause in [250, 500, 500, 500] {
        assert_eq!(rig.on(Input::CutOff), ["disconnect".to_owned(), format!("join in {pause}")]);
    }
    assert_eq!(rig.wait(), (2500, vec!["disconnect".into(), "join in 500".into()]), "no media in time");
    let mut actions = Vec::new();
    while !actions.contains(&"ended Failed(Room)".to_owned()) {
        (_, actions) = rig.wait();
        assert!(!actions.contains(&"remove".to_owned()), "another router may have them by now");
    }
    assert_eq!(rig.now - start, Duration::from_secs(20));
    assert_eq!(rig.on(leave(Some(Fault::Room))), ["leave room"]);
}

#[test]
fn our_track_is_published_twice_before_the_call_is_given_up() {
    let mut rig = away();
    assert_eq!(rig.join(vec![caller("active")]), ["publish"]);
    assert_eq!(rig.wait(), (2000, vec!["publish".to_owned()]));
    assert_eq!(rig.wait(), (18_000, vec!["remove".to_owned()]));
}

#[test]
fn a_caller_who_hung_up_meanwhile_is_missing_from_the_room_for_more_than_a_moment() {
    let mut rig = away();
    assert!(rig.join(Vec::new()).is_empty());
    assert_eq!(rig.wait(), (3000, vec!["ended Caller".to_owned()]));

    let mut rig = away();
    rig.join(Vec::new());
    assert_eq!(rig.on(Input::Changed(vec![caller("active")])), ["publish"], "cut off as we were");
    assert_eq!(rig.on(Input::Subscribed), ["back"]);

    let mut rig = away();
    let gone = Participant { presence: Presence::Left, ..caller("hangup") };
    assert_eq!(rig.join(vec![gone]), ["ended Caller"]);
}

#[test]
fn a_caller_may_come_later_than_we_to_a_server_that_started_anew() {
    let mut rig = away();
    assert!(rig.on(joined_at("ND_2", Vec::new())).is_empty());
    rig.on(Input::Connected);
    rig.now += Duration::from_secs(15);
    assert_eq!(rig.on(Input::Changed(vec![caller("active")])), ["publish"]);

    let mut rig = away();
    rig.on(joined_at("ND_2", Vec::new()));
    rig.on(Input::Connected);
    assert_eq!(rig.wait(), (20_000, vec!["remove".to_owned()]));
    assert_eq!(rig.on(Input::StepDone), ["ended Failed(Room)"], "nobody knows whether they hung up");
}

#[test]
fn a_room_that_closes_before_the_caller_is_back_in_it_is_joined_again() {
    let mut rig = away();
    rig.on(joined_at("ND_2", Vec::new()));
    rig.on(Input::Connected);
    let tries = rig.on(Input::Left(Departure::RoomClosed));
    assert!(
        matches!(&tries[..], [gone, join] if gone == "disconnect" && join.starts_with("join in")),
        "{tries:?}"
    );
    rig.on(joined_at("ND_2", vec![caller("active")]));
    assert_eq!(rig.on(Input::Connected), Vec::<String>::new());
    assert_eq!(rig.on(Input::Subscribed), ["back"]);
    assert_eq!(rig.on(Input::Left(Departure::RoomClosed)), ["ended Failed(Room)"], "now it is meant");
}

#[test]
fn a_caller_whose_bridge_reconnects_is_published_to_again() {
    let mut rig = Rig::active();
    assert_eq!(rig.on(Input::Changed(vec![dropped()])), ["away"]);
    assert!(rig.on(Input::Subscribed).is_empty(), "what was published before is heard by nobody new");
    let moved = Participant { tracks: vec!["TR_9".to_owned()], ..caller("active") };
    assert_eq!(rig.on(Input::Changed(vec![moved])), ["publish", "hear TR_9"]);
    assert_eq!(rig.on(Input::Subscribed), ["back"]);

    let mut rig = Rig::active();
    rig.on(Input::Changed(vec![dropped()]));
    assert_eq!(rig.wait(), (20_000, vec!["remove".to_owned()]));

    assert!(Rig::ringing().on(Input::Changed(vec![dropped()])).is_empty(), "they may come back");

    let hung_up = Participant { presence: Presence::Dropped, ..caller("hangup") };
    assert_eq!(Rig::active().on(Input::Changed(vec![hung_up])), ["ended Caller"], "they will not");
}

#[test]
fn a_caller_whose_bridge_joined_anew_without_a_word_is_published_to_again() {
    let here = |status, second| {
        let tracks = vec![format!("TR_{second}")];
        vec![Participant { joined_at: seconds(second), tracks, ..caller(status) }]
    };
    let anew = |status, second| Input::Changed(here(status, second));
    let mut rig = Rig::active();
    for second in [50, 60] {
        let heard = format!("hear TR_{second}");
        assert_eq!(rig.on(anew("active", second)), ["away", "publish", &heard]);
        assert_eq!(rig.on(anew("active", second)), [heard], "they are the same");
        assert_eq!(rig.on(Input::Subscribed), ["back"]);
    }

    let mut rig = Rig::active();
    rig.on(Input::Changed(vec![dropped()]));
    assert_eq!(rig.on(anew("active", 50)), ["publish", "hear TR_50"], "once, though both are told");

    let mut rig = away();
    assert_eq!(rig.join(here("active", 50)), ["publish", "hear TR_50"]);

    let mut rig = Rig::published();
    assert_eq!(rig.on(anew("ringing", 50)), ["hear TR_50"]);
    assert_eq!(rig.wait(), (2000, vec!["publish".to_owned()]), "as for any that does not subscribe");
}

#[test]
fn what_the_bridge_has_time_for_waits_for_the_connection() {
    let mut rig = Rig::published();
    rig.on(Input::Subscribed);
    rig.on(Input::CutOff);
    rig.now += Duration::from_secs(3);
    rig.join(vec![caller("ringing")]);
    assert_eq!(rig.on(Input::Subscribed), ["back"]);
    assert_eq!(rig.wait(), (1500, vec!["active".to_owned()]));

    let mut rig = Rig::new();
    assert_eq!(rig.on(joined(vec![caller_without_headers()])), ["ask headers"]);
    rig.now += Duration::from_millis(900);
    rig.on(Input::Connected);
    rig.now += Duration::from_millis(200);
    rig.on(Input::Asked);
    assert_eq!(rig.wait(), (300, vec!["arrived".to_owned()]));
}

#[test]
fn a_session_that_hangs_up_on_a_caller_who_is_away_does_so_from_outside() {
    let mut rig = away();
    assert_eq!(rig.on(hang_up()), ["end call"]);
    assert_eq!(rig.on(Input::StepFailed), ["remove"]);
    assert!(rig.join(vec![caller("active")]).is_empty(), "nothing is published any more");
    assert_eq!(rig.on(Input::StepDone), ["ended HungUp"]);
}

#[test]
fn agents_that_are_none_of_ours_do_not_keep_us_from_our_caller() {
    let mut rig = away();
    assert_eq!(rig.join(vec![caller("active"), agent(&["TR_7"])]), ["publish"]);
}

#[test]
fn a_job_that_livekit_takes_back_ends_the_call_unless_the_room_says_why() {
    let mut rig = Rig::active();
    assert!(rig.on(Input::Terminated).is_empty());
    assert_eq!(rig.wait(), (500, vec!["end call".to_owned()]));
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["ended Failed(Room)"]);

    let mut rig = Rig::active();
    rig.on(Input::Terminated);
    assert_eq!(rig.on(Input::Left(Departure::RoomClosed)), ["ended Failed(Room)"]);
    assert_eq!(Rig::active().on(Input::Left(Departure::Dismissed)), ["remove"]);

    let mut rig = Rig::active();
    rig.on(Input::Terminated);
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "away", "join in 0"], "that was why");
    rig.join(vec![caller("active")]);
    assert_eq!(rig.on(Input::Subscribed), ["back"]);
    assert!(rig.on(Input::Terminated).is_empty(), "the job of the participant that we replaced");
    assert_eq!(rig.machine.deadline(), None);

    let mut rig = Rig::new();
    assert_eq!(rig.on(Input::Terminated), ["delete room"], "it will not let us in");
}

#[test]
fn only_the_callers_keys_count_and_only_once_the_call_is_answered() {
    let five = || Digit::from_code(5).expect("a key");
    let by_caller = || Input::Digit { sender: caller("active").identity, digit: five() };
    assert_eq!(Rig::active().on(by_caller()), ["digit 5"]);
    assert!(Rig::published().on(by_caller()).is_empty());
    let by_other = Input::Digit { sender: "sip_other".into(), digit: five() };
    assert!(Rig::active().on(by_other).is_empty());
}
