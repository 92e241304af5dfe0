//! Callers who are handed on before they are answered.

use super::resumed::{machine_with, record};
use super::*;
use crate::lookup::Answer;
use crate::tenant::CallConfig;

fn destination() -> Destination {
    Destination::parse("tel:+15557770099").expect("a destination")
}

/// A call that has arrived and is to be handed on.
fn handed_on(redirects: bool) -> (Machine, Instant, Vec<Action>) {
    let now = Instant::now();
    let mut machine = machine_with(None, now);
    let call = Call { redirects, ..Call::example() };
    machine.handle(Event::Leg(LegEvent::Arrived(Box::new(call))), now);
    let actions = machine.handle(looked(Decision::Instead(Instead::Transfer(destination()))), now);
    (machine, now, actions)
}

fn looked(decision: Decision) -> Event {
    let report = Report {
        source: ConfigSource::Dialplan,
        why: None,
        took: Duration::ZERO,
        attempts: 0,
        coalesced: false,
        age: None,
        warnings: vec![],
    };
    Event::Looked { answer: Box::new(Answer { tenant: None, decision, report }), shut: Vec::new() }
}

fn is_transfer(actions: &[Action]) -> bool {
    matches!(actions, [Action::Leg(LegCommand::Transfer(_))])
}

fn ended(machine: &mut Machine, end: LegEnd, now: Instant) -> CallRecord {
    record(machine.handle(Event::Leg(LegEvent::Ended(end)), now))
}

#[test]
fn a_caller_who_can_be_told_is_never_answered() {
    let (mut machine, now, actions) = handed_on(true);
    assert!(is_transfer(&actions), "{actions:?}");
    assert_eq!(machine.handle(Event::Leg(LegEvent::Transferred), now).len(), 0, "the caller is gone");
    let record = ended(&mut machine, LegEnd::HungUp, now);
    assert_eq!(record.ending, Ending::Transferred);
    assert_eq!((record.timing.gate, record.timing.active, record.failed_transfers), (None, None, 0));
}

#[test]
fn a_caller_who_cannot_is_answered_first() {
    let (_, _, actions) = handed_on(false);
    assert!(matches!(actions.as_slice(), [Action::Leg(LegCommand::Answer)]), "{actions:?}");
}

#[test]
fn a_caller_who_gives_up_meanwhile_has_cancelled() {
    let (mut machine, now, _) = handed_on(true);
    assert_eq!(ended(&mut machine, LegEnd::Caller, now).ending, Ending::CallerCancelled);
}

#[test]
fn a_leg_that_does_not_hand_its_caller_on_refuses_the_call() {
    let refused =
        |actions: &[Action]| matches!(actions, [Action::Leg(LegCommand::HangUp(Some(Refusal::Unavailable)))]);
    let (mut machine, now, _) = handed_on(true);
    let actions = machine.handle(Event::Leg(LegEvent::NotTransferred), now);
    assert!(refused(&actions), "{actions:?}");
    assert_eq!(ended(&mut machine, LegEnd::HungUp, now).ending, Ending::Failed(Fault::Transfer));

    let (mut machine, _, _) = handed_on(true);
    let due = machine.deadline().expect("it waits for the leg");
    let actions = machine.on_time(true, due);
    assert!(refused(&actions), "{actions:?}");
    let record = ended(&mut machine, LegEnd::HungUp, due);
    assert_eq!((record.ending, record.failed_transfers), (Ending::Failed(Fault::Transfer), 1));
}

#[test]
fn a_caller_whom_no_model_serves_is_told_where_else_to_call() {
    let now = Instant::now();
    let mut machine = machine_with(Some(Instead::Transfer(destination())), now);
    let call = Call { redirects: true, ..Call::example() };
    machine.handle(Event::Leg(LegEvent::Arrived(Box::new(call))), now);
    let config = CallConfig::of(Agent::default(), [].into());
    machine.handle(looked(Decision::Answer(Box::new(config))), now);
    let mut actions = Vec::new();
    while !is_transfer(&actions) {
        let due = machine.deadline().expect("it waits for a model");
        assert!(due <= now + Timings::default().gate, "{actions:?}");
        actions = machine.on_time(true, due);
        actions.retain(|action| matches!(action, Action::Leg(_)));
    }
    machine.handle(Event::Leg(LegEvent::Transferred), now);
    assert_eq!(ended(&mut machine, LegEnd::HungUp, now).ending, Ending::Transferred);
}
