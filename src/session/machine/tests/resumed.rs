//! Calls that another router had before, or has.

use super::*;
use crate::lookup::{Answer, ConfigSource, Decision, Report};
use crate::media::codec::Codec;
use crate::session::sounds::SoundsByCodec;
use crate::tenant::{Agent, CallConfig};

fn machine(now: Instant) -> Machine {
    machine_with(None, now)
}

pub(super) fn machine_with(when_model_down: Option<Instead>, now: Instant) -> Machine {
    let context = Context { when_model_down, ..context() };
    Machine::new(CallId::from_u128(2), Timestamp::UNIX_EPOCH, now, context)
}

pub(super) fn context() -> Context {
    Context {
        dialplan: Arc::default(),
        servers: models::servers(&mut SmallRng::seed_from_u64(2)),
        timings: Timings::default(),
        sounds: SoundsByCodec::default().of(Codec::Opus).clone(),
        held_back: Duration::ZERO,
        when_model_down: None,
        phase: Duration::ZERO,
    }
}

fn answered() -> Event {
    let first = Some(CallId::from_u128(1));
    let call = Call { answered: true, resumed_from: first, ..Call::example() };
    Event::Leg(LegEvent::Arrived(Box::new(call)))
}

pub(super) fn record(actions: Vec<Action>) -> CallRecord {
    let record = actions.into_iter().find_map(|action| match action {
        Action::Record(record) => Some(*record),
        _ => None,
    });
    record.expect("a record")
}

#[test]
fn a_caller_whose_call_is_answered_is_not_refused_but_let_go() {
    let now = Instant::now();
    let mut machine = machine(now);
    machine.handle(answered(), now);
    let actions = machine.handle(Event::Drain, now);
    assert!(
        matches!(actions.as_slice(), [Action::Leg(LegCommand::HangUp(None))]),
        "without a refusal: {actions:?}"
    );
    let record = record(machine.handle(Event::Leg(LegEvent::Ended(LegEnd::HungUp)), now));
    assert_eq!(record.call.expect("the facts").resumed_from, Some(CallId::from_u128(1)));
}

#[test]
fn a_caller_who_is_gone_before_we_speak_has_hung_up() {
    let now = Instant::now();
    let mut machine = machine(now);
    machine.handle(answered(), now);
    let ended = machine.handle(Event::Leg(LegEvent::Ended(LegEnd::Caller)), now);
    assert_eq!(record(ended).ending, Ending::CallerHungUp);
}

#[test]
fn a_call_that_is_already_answered_waits_no_longer_than_any_other_for_our_voice() {
    let now = Instant::now();
    let mut machine = machine(now);
    machine.handle(answered(), now);
    let deadline = machine.deadline().expect("the lookup has one");
    assert!(deadline <= now + Timings::default().gate);
}

#[test]
fn a_call_that_another_router_has_leaves_no_record() {
    let now = Instant::now();
    let mut machine = machine(now);
    let actions = machine.handle(Event::Leg(LegEvent::Ended(LegEnd::Yielded)), now);
    let [Action::Leg(LegCommand::Leave { failed: None }), Action::Forget] = actions.as_slice() else {
        panic!("not {actions:?}")
    };
    assert!(machine.is_over());
}

#[test]
fn a_caller_of_a_dead_router_whom_no_model_serves_hears_so() {
    let start = Instant::now();
    let mut machine = machine(start);
    machine.handle(answered(), start);
    let decision = Decision::Answer(Box::new(CallConfig::of(Agent::default(), [].into())));
    let (source, took) = (ConfigSource::Backend, Duration::from_millis(1));
    let report =
        Report { source, why: None, took, attempts: 1, coalesced: false, age: None, warnings: Vec::new() };
    let answer = Box::new(Answer { tenant: None, decision, report });
    let mut actions = machine.handle(Event::Looked { answer, shut: Vec::new() }, start);
    let mut now = start;
    let answers = |action: &Action| matches!(action, Action::Leg(LegCommand::Answer));
    // No model answers anything.
    for _ in 0..20 {
        if actions.iter().any(answers) {
            break;
        }
        now = machine.deadline().expect("somebody is waited for").max(now);
        actions = machine.on_time(true, now);
    }
    assert!(actions.iter().any(answers), "nothing comes of it within {:?}", now - start);
    assert!(machine.deadline().is_some_and(|deadline| deadline > now), "it goes round and round");
}
