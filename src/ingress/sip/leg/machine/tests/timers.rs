//! Session timers, and how long an INVITE may ring.

use rsipstack::sip::Request;

use super::*;
use crate::ingress::sip::timer;

fn request(headers: &str) -> Request {
    Request::try_from(format!("INVITE sip:us@b SIP/2.0\r\nCSeq: 8 INVITE\r\n{headers}\r\n")).unwrap()
}

/// A call that is up, with the timer that these headers ask for.
fn timed(headers: &str) -> (Machine, Timer, Instant) {
    let timer = timer::agree(&request(headers)).unwrap().unwrap();
    let (mut machine, now) = (Machine::new(false), Instant::now());
    for input in [call(), ANSWER, ACKED] {
        machine.handle(input, now);
    }
    machine.time(Some(timer), now);
    (machine, timer, now)
}

#[test]
fn a_call_that_its_caller_does_not_refresh_in_time_is_over() {
    let (mut machine, timer, start) = timed("Supported: timer\r\nSession-Expires: 90\r\n");
    let refreshed = start + Duration::from_secs(50);
    machine.time(Some(timer), refreshed);
    let end = machine.deadline().unwrap();
    assert_eq!(end - refreshed, Duration::from_secs(60));
    assert_eq!(shown(&machine.handle(Input::Time, start + Duration::from_secs(60))), "");
    assert_eq!(shown(&machine.handle(Input::Time, end)), "bye, silence, ended Caller");
    assert_eq!(machine.deadline(), None);
}

#[test]
fn we_refresh_a_call_whose_caller_wants_us_to() {
    let headers = "Allow: UPDATE\r\nSession-Expires: 90;refresher=uas\r\n";
    let (mut machine, _, mut now) = timed(headers);
    for _ in 0..3 {
        now += Duration::from_secs(45);
        assert_eq!(machine.deadline(), Some(now));
        assert_eq!(shown(&machine.handle(Input::Time, now)), "refresh");
        assert_eq!(shown(&machine.handle(Input::RefreshAnswered { status: 200, said: None }, now)), "");
    }
    for (status, done) in
        [(481, "bye, silence, ended Caller"), (408, "bye, silence, ended Caller"), (500, "")]
    {
        let (mut machine, _, start) = timed(headers);
        machine.handle(Input::Time, start + Duration::from_secs(45));
        let answered =
            machine.handle(Input::RefreshAnswered { status, said: None }, start + Duration::from_secs(46));
        assert_eq!(shown(&answered), done, "{status}");
        let end = machine.deadline();
        assert_eq!(
            end.map(|end| end - start),
            done.is_empty().then_some(Duration::from_secs(60)),
            "{status}"
        );
    }
}

#[test]
fn the_answer_to_our_refresh_sets_the_next_and_who_does_it() {
    let headers = "Allow: UPDATE\r\nSession-Expires: 1800;refresher=uas\r\n";
    for (expires, deadline, due) in [
        ("Session-Expires: 600;refresher=uac\r\n", 300, "refresh"),
        ("Session-Expires: 600;refresher=uas\r\n", 568, "bye, silence, ended Caller"),
    ] {
        let (mut machine, _, start) = timed(headers);
        let refreshed = start + Duration::from_secs(900);
        machine.handle(Input::Time, refreshed);
        let said = Said::in_headers(&request(expires).headers).unwrap();
        machine.handle(Input::RefreshAnswered { status: 200, said }, refreshed);
        let next = refreshed + Duration::from_secs(deadline);
        assert_eq!(machine.deadline(), Some(next), "{expires}");
        assert_eq!(shown(&machine.handle(Input::Time, next)), due, "{expires}");
    }
}

#[test]
fn an_invitation_that_is_over_is_given_up_unless_it_was_answered() {
    let now = Instant::now();
    let over = now + Duration::from_secs(2);
    for (answered, deadline, done) in
        [(false, Some(over), "refuse 487, silence, ended Caller"), (true, None, "")]
    {
        let mut machine = Machine::new(false);
        machine.expire(Some(over));
        machine.handle(call(), now);
        if answered {
            machine.handle(ANSWER, now);
        }
        assert_eq!(machine.deadline(), deadline);
        assert_eq!(shown(&machine.handle(Input::Time, over)), done);
        assert_eq!(machine.deadline(), None);
    }
}
