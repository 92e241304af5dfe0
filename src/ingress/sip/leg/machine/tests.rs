use std::time::Duration;

use super::*;
use crate::ingress::sip::leg::reliable::{GIVE_UP, Rack};

mod timers;

/// What the machine does, in short.
fn shown(actions: &[Action]) -> String {
    let all: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Emit(LegEvent::Arrived(_)) => "arrived".into(),
            Action::Emit(LegEvent::Ended(end)) => format!("ended {end:?}"),
            Action::Emit(event) => format!("{event:?}").split('(').next().unwrap().to_lowercase(),
            Action::Refuse(reply) => format!("refuse {}", reply.status),
            Action::Reply(reply) => format!("reply {}", reply.status),
            Action::Redirect(_) => "redirect".into(),
            Action::Refer(_) => "refer".into(),
            Action::ReferBySwitch(_) => "refer by switch".into(),
            Action::Press(_) => "press".into(),
            Action::Refresh(_) => "refresh".into(),
            Action::Ring { described, .. } => with_sdp("ring", *described),
            // The offer in the INVITE, or its lack, is answered.
            Action::Answer { described: true } => "answer".into(),
            Action::Answer { described: false } => "answer without sdp".into(),
            Action::Negotiate | Action::Bye | Action::Silence => format!("{action:?}").to_lowercase(),
        })
        .collect();
    all.join(", ")
}

fn with_sdp(what: &str, described: bool) -> String {
    if described { format!("{what} with sdp") } else { what.into() }
}

fn destination() -> Destination {
    Destination::parse("tel:+15557770099").unwrap()
}

fn call() -> Input {
    Input::Start(Box::new(Call::example()), None)
}

const ANSWER: Input = Input::Command(LegCommand::Answer);
const HANG_UP: Input = Input::Command(LegCommand::HangUp(None));
const LEAVE: Input = Input::Command(LegCommand::Leave { failed: None });
const ACKED: Input = Input::Acked { fits: true };
const BYE: Input = Input::Asked(Asked::Bye);

fn transfer() -> Input {
    Input::Command(LegCommand::Transfer(destination()))
}

fn notify(status: u16) -> Input {
    Input::Asked(Asked::Notify { status: Some(status) })
}

fn change(method: Change, offer: bool) -> Input {
    Input::Asked(Asked::Change { offer, method })
}

/// Runs the steps of one call; each is what happens and what is done about it.
fn check(story: &str, offering: bool, steps: Vec<(Input, &str)>) {
    let (mut machine, now) = (Machine::new(offering), Instant::now());
    for (at, (input, expected)) in steps.into_iter().enumerate() {
        let happened = format!("{input:?}");
        let done = shown(&machine.handle(input, now));
        assert_eq!(done, expected, "{story}: step {at}: {happened}");
    }
}

#[test]
fn a_call_is_answered_talks_and_ends() {
    let up = || vec![(call(), "ring, arrived"), (ANSWER, "answer, subscribed"), (ACKED, "active")];
    let with = |more: Vec<(Input, &'static str)>| up().into_iter().chain(more).collect::<Vec<_>>();
    check("caller hangs up", false, with(vec![(BYE, "reply 200, silence, ended Caller"), (LEAVE, "")]));
    check(
        "we hang up",
        false,
        with(vec![(HANG_UP, "bye, silence, ended HungUp"), (BYE, "reply 200"), (LEAVE, "")]),
    );
    check("session gone", false, with(vec![(Input::Deserted, "bye, silence, ended HungUp")]));
    let press = || Input::Command(LegCommand::Press(Digits::parse("12#").unwrap()));
    check("keys", false, with(vec![(press(), "press")]));
    check("keys before the answer", false, vec![(call(), "ring, arrived"), (press(), "keysnotsent")]);
    check("caller vanished", false, with(vec![(Input::Silent, "bye, silence, ended Caller")]));
    check("a second ACK says nothing", false, with(vec![(ACKED, "")]));
    check("a late CANCEL has no effect", false, with(vec![(Input::Cancelled, "")]));
}

#[test]
fn an_unanswered_call_is_refused_or_given_up() {
    let ringing = |more: (Input, &'static str)| vec![(call(), "ring, arrived"), more];
    let refuse = |refusal| Input::Command(LegCommand::HangUp(Some(refusal)));
    check("unknown number", false, ringing((refuse(Refusal::NotFound), "refuse 404, ended HungUp")));
    check("busy", false, ringing((refuse(Refusal::Busy), "refuse 486, ended HungUp")));
    check("declined", false, ringing((refuse(Refusal::Declined), "refuse 603, ended HungUp")));
    check("unavailable", false, ringing((refuse(Refusal::Unavailable), "refuse 503, ended HungUp")));
    check("session gone", false, ringing((Input::Deserted, "refuse 503, ended HungUp")));
    check("CANCEL", false, ringing((Input::Cancelled, "refuse 487, silence, ended Caller")));
    check("early BYE", false, ringing((BYE, "reply 200, refuse 487, silence, ended Caller")));
    check("handed on", false, ringing((transfer(), "redirect, transferred, silence, ended HungUp")));
    let answered = vec![(call(), "ring, arrived"), (ANSWER, "answer, subscribed")];
    let early = (transfer(), "nottransferred");
    check("handed on before the ACK", false, answered.into_iter().chain([early]).collect());
}

#[test]
fn no_bye_goes_before_the_ack_of_our_200() {
    let answered = || vec![(call(), "ring, arrived"), (ANSWER, "answer, subscribed")];
    let with = |more: Vec<(Input, &'static str)>| answered().into_iter().chain(more).collect::<Vec<_>>();
    check("ACK comes", false, with(vec![(HANG_UP, "silence"), (ACKED, "bye, silence, ended HungUp")]));
    check(
        "ACK never comes",
        false,
        with(vec![(HANG_UP, "silence"), (Input::Unacked, "bye, silence, ended HungUp")]),
    );
    check("lost ACK", false, with(vec![(Input::Unacked, "bye, silence, ended Caller")]));
    check(
        "lost ACK of a re-INVITE",
        false,
        with(vec![(ACKED, "active"), (Input::Unacked, "bye, silence, ended Caller")]),
    );
    check("BYE before ACK", false, with(vec![(BYE, "reply 200, silence, ended Caller"), (ACKED, "")]));
    check("no answer fits", true, with(vec![(Input::Acked { fits: false }, "bye, silence, ended Caller")]));
}

#[test]
fn offers_come_one_at_a_time() {
    use Change::{Invite, Update};
    check(
        "ringing",
        false,
        vec![
            (call(), "ring, arrived"),
            (change(Update, false), "negotiate"),
            (change(Update, true), "reply 500"),
            (change(Invite, true), "reply 500"),
        ],
    );
    check(
        "our own offer waits",
        true,
        vec![
            (call(), "ring, arrived"),
            (ANSWER, "answer, subscribed"),
            (change(Update, true), "reply 491"),
            (change(Invite, false), "reply 491"),
            (change(Update, false), "negotiate"),
            (ACKED, "active"),
            (change(Update, true), "negotiate"),
            (change(Invite, false), "negotiate"),
        ],
    );
    check(
        "over",
        false,
        vec![
            (call(), "ring, arrived"),
            (HANG_UP, "refuse 503, ended HungUp"),
            (change(Invite, true), "reply 481"),
        ],
    );
}

#[test]
fn other_requests_are_answered_as_they_are_known() {
    let digit = || Input::Asked(Asked::Digit(Digit::parse('5').unwrap()));
    check(
        "requests",
        false,
        vec![
            (call(), "ring, arrived"),
            (digit(), "reply 200"),
            (ANSWER, "answer, subscribed"),
            (digit(), "reply 200, digit"),
            (Input::Asked(Asked::Info), "reply 415"),
            (Input::Asked(Asked::Options), "reply 200"),
            (Input::Asked(Asked::Other), "reply 405"),
            (notify(200), "reply 481"),
        ],
    );
}

#[test]
fn a_transfer_is_done_when_the_new_call_is_answered_and_else_the_caller_stays() {
    let up = || {
        vec![
            (call(), "ring, arrived"),
            (ANSWER, "answer, subscribed"),
            (ACKED, "active"),
            (transfer(), "refer"),
        ]
    };
    let with = |more: Vec<(Input, &'static str)>| up().into_iter().chain(more).collect::<Vec<_>>();
    let accepted = || (Input::ReferAnswered { status: 202 }, "");
    let handed_on = "reply 200, transferred, bye, silence, ended HungUp";
    let done = || (notify(200), handed_on);
    check(
        "done",
        false,
        with(vec![accepted(), (notify(100), "reply 200"), (notify(180), "reply 200"), done()]),
    );
    check("done before the 202 is here", false, with(vec![(notify(200), handed_on), accepted()]));
    check(
        "refused",
        false,
        with(vec![(Input::ReferAnswered { status: 603 }, "nottransferred"), (transfer(), "refer")]),
    );
    let answered = |status, then| (Input::ReferAnswered { status }, then);
    let again = || answered(400, "refer by switch");
    check("a number is named otherwise", false, with(vec![again(), accepted(), done()]));
    check("twice", false, with(vec![again(), answered(400, "nottransferred")]));
    check("a scheme that is not known", false, with(vec![answered(416, "refer by switch")]));
    let other = (Input::Asked(Asked::Event), "reply 489");
    check("something else", false, with(vec![accepted(), other, done()]));
    check(
        "busy",
        false,
        with(vec![accepted(), (notify(486), "reply 200, nottransferred"), (notify(200), "reply 481")]),
    );
    let silent = Input::Asked(Asked::Notify { status: None });
    check("no word of it", false, with(vec![accepted(), (silent, "reply 200, nottransferred")]));
    check("one at a time", false, with(vec![(transfer(), "nottransferred")]));
    check("caller hangs up", false, with(vec![accepted(), (BYE, "reply 200, silence, ended Caller")]));
}

#[test]
fn a_transfer_without_an_outcome_is_given_up() {
    let (mut machine, now) = (Machine::new(false), Instant::now());
    for input in [call(), ANSWER, ACKED, transfer()] {
        machine.handle(input, now);
    }
    let due = machine.deadline().unwrap();
    assert_eq!(shown(&machine.handle(Input::Time, due - Duration::from_millis(1))), "");
    assert_eq!(shown(&machine.handle(Input::Time, due)), "nottransferred");
    assert_eq!(machine.deadline(), None);
}

const RACK: Rack = Rack { response: 7, invite: 1 };

/// A caller who insists on reliable provisional responses.
fn insisting() -> Input {
    Input::Start(Box::new(Call::example()), Some(RACK))
}

fn pracked(response: u32, fits: bool) -> Input {
    Input::Pracked { rack: Some(Rack { response, ..RACK }), fits }
}

#[test]
fn a_reliable_180_is_acknowledged_once_and_in_nobodys_way() {
    let late = || vec![(pracked(7, true), "reply 200"), (pracked(7, true), "reply 481")];
    let rings = || vec![(insisting(), "ring, arrived"), (pracked(8, true), "reply 481")];
    let with = |more: Vec<(Input, &'static str)>| rings().into_iter().chain(more).collect::<Vec<_>>();
    let update = || change(Change::Update, true);
    check(
        "PRACK first",
        false,
        with(late().into_iter().chain([(update(), "reply 500"), (ANSWER, "answer, subscribed")]).collect()),
    );
    check(
        "answered first",
        false,
        with([(ANSWER, "answer, subscribed")].into_iter().chain(late()).collect()),
    );
    let refused = (HANG_UP, "refuse 503, ended HungUp");
    check("refused first", false, with([refused].into_iter().chain(late()).collect()));
    check("no PRACK is awaited", false, vec![(call(), "ring, arrived"), (pracked(7, true), "reply 481")]);
}

#[test]
fn a_reliable_180_makes_the_offer_that_the_invite_lacks() {
    let rings = || vec![(insisting(), "ring with sdp, arrived"), (change(Change::Update, true), "reply 491")];
    let with = |more: Vec<(Input, &'static str)>| rings().into_iter().chain(more).collect::<Vec<_>>();
    let update = || change(Change::Update, true);
    check(
        "PRACK first",
        true,
        with(vec![
            (pracked(7, true), "reply 200"),
            (update(), "negotiate"),
            (ANSWER, "answer without sdp, subscribed"),
            (ACKED, "active"),
        ]),
    );
    check(
        "the answer waits for the PRACK",
        true,
        with(vec![(ANSWER, ""), (pracked(7, true), "reply 200, answer without sdp, subscribed")]),
    );
    check("refused meanwhile", true, with(vec![(ANSWER, ""), (HANG_UP, "refuse 503, ended HungUp")]));
    check(
        "nothing fits",
        true,
        with(vec![(pracked(7, false), "reply 200, refuse 488, silence, ended Caller")]),
    );
}

#[test]
fn a_reliable_180_is_sent_again_until_its_prack_or_the_end() {
    let (mut machine, start) = (Machine::new(false), Instant::now());
    machine.handle(insisting(), start);
    for _ in 0..6 {
        let due = machine.deadline().unwrap();
        assert_eq!(shown(&machine.handle(Input::Time, due)), "ring");
    }
    let end = machine.deadline().unwrap();
    assert_eq!(end - start, GIVE_UP);
    assert_eq!(shown(&machine.handle(Input::Time, end)), "refuse 504, silence, ended Caller");
    assert_eq!(machine.deadline(), None);

    let (mut machine, start) = (Machine::new(false), Instant::now());
    for (input, quiet) in [(insisting(), false), (pracked(7, true), true)] {
        machine.handle(input, start);
        assert_eq!(machine.deadline().is_none(), quiet);
    }
    let (mut machine, start) = (Machine::new(false), Instant::now());
    machine.handle(insisting(), start);
    machine.handle(ANSWER, start);
    assert_eq!(machine.deadline(), None, "the 200 OK says it all");
}
