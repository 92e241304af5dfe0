//! Other agents of ours in the room, and calls that another router had before.

use super::*;

/// An agent that joined so many seconds after the epoch.
fn agent(joined: i64) -> Participant {
    Participant {
        identity: "agent-2".into(),
        is_sip: false,
        is_agent: true,
        joined_at: seconds(joined),
        attributes: [("lk.agent_name".to_owned(), "voice".into())].into(),
        ..caller("")
    }
}

#[test]
fn a_caller_who_has_an_agent_is_left_to_it_untouched_and_unrecorded() {
    let mut rig = Rig::new();
    assert_eq!(rig.on(joined(vec![caller("ringing"), agent(99)])), ["ended Yielded"]);
    assert!(rig.on(Input::Changed(vec![caller("ringing")])).is_empty());
    assert_eq!(rig.on(leave(None)), ["leave"]);
}

#[test]
fn an_agent_that_comes_after_us_is_none_of_our_business() {
    let mut rig = Rig::ringing();
    assert!(rig.on(Input::Changed(vec![agent(101)])).is_empty());
}

#[test]
fn a_caller_is_taken_from_an_agent_that_is_dead() {
    let mut rig = Rig::new();
    assert_eq!(rig.on(joined(vec![caller("ringing"), agent(89)])), ["ask headers", "arrived"]);
}

#[test]
fn who_is_taken_for_dead_leaves_the_caller_to_who_came() {
    let mut rig = Rig::ringing();
    assert_eq!(rig.on(Input::Changed(vec![agent(111)])), ["ended Failed(Room)"]);
    assert_eq!(rig.on(leave(Some(Fault::Room))), ["leave room"]);

    let mut rig = Rig::active();
    assert!(rig.on(Input::Changed(vec![agent(111)])).is_empty(), "in a call it is we who stay");
}

#[test]
fn who_returns_to_a_call_and_finds_another_agent_leaves_the_caller_to_it() {
    let mut rig = Rig::active();
    assert_eq!(rig.on(joined(vec![caller("active"), agent(99)])), ["ended Failed(Room)"]);
    assert_eq!(rig.on(leave(Some(Fault::Room))), ["leave room"], "the caller is not sent away");
}

#[test]
fn who_came_to_a_caller_stays_when_another_one_returns() {
    let mut rig = Rig::new();
    rig.on(joined(vec![caller("active")]));
    assert!(rig.on(Input::Changed(vec![caller("active"), agent(101)])).is_empty());
}

#[test]
fn an_answered_call_is_taken_over_and_signed() {
    let mut rig = Rig::new();
    let actions = rig.machine.handle(joined(vec![caller("active")]), rig.now);
    let [Action::AskHeaders { .. }, Action::Sign { caller }, Action::Emit(LegEvent::Arrived(call))] =
        actions.as_slice()
    else {
        panic!("not {actions:?}")
    };
    assert_eq!(caller.reveal(), "sip_+15551230001");
    assert!(call.answered);
    assert!(rig.on(Input::Headers(Told::new())).is_empty());
    assert_eq!(rig.on(Input::Command(LegCommand::Answer)), ["publish"]);
    assert_eq!(rig.on(Input::Subscribed), ["subscribed", "active"], "it is so already");
    assert_eq!(rig.on(hang_up()), ["end call"]);
}
