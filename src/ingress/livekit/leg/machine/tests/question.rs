use super::*;

#[test]
fn headers_that_did_not_come_along_are_asked_for_and_waited_for_300_ms() {
    for (input, expected) in [
        (
            Input::Headers(vec![("Diversion".to_owned(), "<sip:+15556001234@carrier>".into())]),
            vec!["arrived"],
        ),
        (Input::Headers(Told::new()), vec!["arrived"]),
        (Input::Changed(vec![caller("ringing")]), vec!["arrived"]),
        (Input::Changed(vec![caller_without_headers()]), vec![]),
        (Input::Changed(vec![caller("hangup")]), vec!["ended Caller"]),
        (joined(vec![caller_without_headers()]), vec!["ask headers"]),
        (hang_up(), vec!["end call"]),
    ] {
        let mut rig = Rig::new();
        assert_eq!(rig.join(vec![caller_without_headers()]), ["ask headers"]);
        let shown = format!("{input:?}");
        assert_eq!(rig.on(input), expected, "{shown}");
    }
    let mut rig = Rig::new();
    rig.join(vec![caller_without_headers()]);
    assert_eq!(rig.wait(), (300, vec!["arrived".to_owned()]));
    assert!(rig.on(Input::Headers(Told::new())).is_empty(), "too late");
}

#[test]
fn what_the_bridge_tells_is_part_of_the_facts() {
    let mut rig = Rig::new();
    rig.join(vec![caller_without_headers()]);
    let told = vec![("Diversion".to_owned(), "<sip:+15556001234@carrier>".into())];
    let actions = rig.machine.handle(Input::Headers(told), rig.now);
    let [Action::Sign { .. }, Action::Emit(LegEvent::Arrived(call))] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(call.told_diverted_from().map(|number| number.best()), Some("+15556001234"));
}

#[test]
fn a_call_rings_on_until_the_bridge_hears_us() {
    let answer = || Input::Command(LegCommand::Answer);
    let told = || Input::Headers(Told::new());

    let mut rig = Rig::ringing();
    assert!(rig.on(answer()).is_empty());
    assert_eq!(rig.on(told()), ["publish"]);
    assert!(rig.on(told()).is_empty(), "once");
    assert_eq!(rig.on(Input::Subscribed), ["subscribed"]);

    let mut rig = Rig::ringing();
    assert!(rig.on(told()).is_empty());
    assert_eq!(rig.on(answer()), ["publish"]);

    let mut rig = Rig::ringing();
    rig.on(answer());
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["ended Caller"]);
    assert!(rig.on(told()).is_empty());

    let mut rig = Rig::ringing();
    rig.on(answer());
    assert_eq!(rig.on(hang_up()), ["end call"]);
}

#[test]
fn a_bridge_that_says_nothing_is_waited_for_from_the_question_on_and_not_for_ever() {
    let answer = || Input::Command(LegCommand::Answer);
    let later = Duration::from_millis(200);

    let mut rig = Rig::ringing();
    rig.on(Input::Asked);
    rig.now += later;
    // It is put again and again.
    rig.on(Input::Asked);
    assert!(rig.on(answer()).is_empty());
    assert_eq!(rig.wait(), (1000, vec!["publish".to_owned()]));

    let mut rig = Rig::ringing();
    rig.on(Input::Asked);
    rig.now += Duration::from_millis(1200);
    assert_eq!(rig.on(answer()), ["publish"], "a slow model has given it time enough");

    let mut rig = Rig::ringing();
    rig.on(answer());
    assert_eq!(rig.wait(), (1200, vec!["publish".to_owned()]), "it could not be asked");
}
