//! How a call is brought to its end, and a session that leaves.

use super::*;

#[test]
fn hanging_up_takes_one_way_after_the_other() {
    let mut rig = Rig::active();
    assert_eq!(rig.on(hang_up()), ["end call"]);
    assert!(rig.on(hang_up()).is_empty(), "it is under way");
    assert_eq!(rig.wait(), (1000, vec!["remove".to_owned()]));
    assert_eq!(rig.on(Input::StepFailed), ["delete room"], "a refusal needs no waiting");
    assert_eq!(rig.wait(), (1000, vec!["ended HungUp".to_owned()]), "the session is not kept waiting");
    let behind = rig.machine.left_behind().expect("nobody has said that the caller is gone");
    assert_eq!(behind.caller, Some(caller("active").identity));

    for last in [Input::StepFailed, Input::StepDone] {
        let mut rig = Rig::active();
        rig.on(hang_up());
        rig.wait();
        rig.wait();
        assert_eq!(rig.on(last), ["ended HungUp"]);
        assert!(rig.machine.left_behind().is_none(), "LiveKit has answered");
    }
}

#[test]
fn the_caller_going_ends_the_hang_up_at_any_step() {
    for steps in 0..3 {
        let mut rig = Rig::active();
        rig.on(Input::Command(LegCommand::HangUp(Some(Refusal::Busy))));
        for _ in 0..steps {
            rig.on(Input::StepFailed);
        }
        assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["ended HungUp"], "after {steps} steps");
    }
    let mut rig = Rig::active();
    rig.on(hang_up());
    rig.on(Input::StepFailed);
    assert_eq!(rig.on(Input::StepDone), ["ended HungUp"]);
}

#[test]
fn losing_the_room_while_hanging_up_goes_on_from_outside() {
    let mut rig = Rig::active();
    rig.on(hang_up());
    assert_eq!(rig.on(Input::CutOff), ["disconnect", "remove"]);
    assert_eq!(rig.on(Input::CutOff), ["disconnect"]);
    assert_eq!(rig.on(Input::Left(Departure::RoomClosed)), ["ended HungUp"]);
}

#[test]
fn a_session_that_leaves_without_hanging_up_leaves_nobody_behind() {
    let mut rig = Rig::active();
    assert_eq!(rig.on(leave(None)), ["end call"]);
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["leave"]);

    let mut rig = Rig::ringing();
    assert_eq!(rig.on(Input::SessionGone), ["end call"]);
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["leave internal"]);

    let mut rig = Rig::active();
    rig.on(hang_up());
    assert!(rig.on(leave(Some(Fault::ModelLost))).is_empty(), "not before the caller is gone");
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["leave model-lost"]);
}

#[test]
fn a_session_that_never_says_goodbye_is_not_waited_for() {
    for (mut rig, input, expected) in [
        (Rig::active(), Input::Changed(vec![caller("hangup")]), "leave"),
        (Rig::active(), Input::Left(Departure::RoomClosed), "leave room"),
    ] {
        rig.on(input);
        assert_eq!(rig.wait(), (5000, vec![expected.to_owned()]));
        assert!(rig.on(leave(None)).is_empty());
        assert!(rig.on(Input::SessionGone).is_empty());
    }
}
