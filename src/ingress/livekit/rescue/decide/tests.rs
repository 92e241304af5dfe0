use super::*;
use crate::livekit::rescue_agent;

const NOW: i64 = 1000;
const OVERDUE: Duration = Duration::from_secs(11);

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW - seconds).expect("a time")
}

fn project() -> Project {
    Project {
        name: "main".into(),
        url: url::Url::parse("ws://127.0.0.1:7880").expect("a valid URL"),
        api_key: "key".into(),
        api_secret: "secret".into(),
        agent_names: vec!["voice".into()],
        orphans: Orphans::default(),
    }
}

fn participant(key: &str, value: &str, joined: i64) -> Participant {
    Participant {
        identity: "someone".into(),
        name: "Someone".into(),
        is_sip: key.starts_with("sip."),
        is_agent: key.starts_with("lk."),
        presence: Presence::Here,
        joined_at: ago(joined),
        attributes: [(key.to_owned(), value.into())].into(),
        tracks: Vec::new(),
    }
}

fn caller(status: &str, joined: i64) -> Participant {
    participant("sip.callStatus", status, joined)
}

fn agent(name: &str, joined: i64) -> Participant {
    participant("lk.agent_name", name, joined)
}

fn speaking(agent: Participant) -> Participant {
    Participant { tracks: vec!["TR_1".to_owned()], ..agent }
}

fn gone(participant: Participant) -> Participant {
    Participant { presence: Presence::Left, ..participant }
}

#[test]
fn a_caller_is_alone_when_no_agent_of_ours_attends() {
    let another = rescue_agent(uuid::Uuid::nil());
    let ringing = || caller("ringing", 5);
    let active = || caller("active", 300);
    let table = [
        ("nobody is there", vec![], None),
        ("an agent alone", vec![agent("voice", 5)], None),
        ("a ringing caller", vec![ringing()], Some(false)),
        ("an answered caller", vec![active()], Some(true)),
        ("one who hangs up", vec![caller("hangup", 5)], None),
        ("one who is called by us", vec![caller("dialing", 5)], None),
        ("one who has left", vec![gone(ringing())], None),
        ("a caller on the web", vec![participant("x", "ringing", 5)], None),
        ("our agent, on the way to the answer", vec![ringing(), agent("voice", 4)], None),
        ("our agent, who talks", vec![active(), speaking(agent("voice", 299))], None),
        ("another router's own agent", vec![active(), speaking(agent(&another, 299))], None),
        ("our agent has left", vec![active(), gone(agent("voice", 299))], Some(true)),
        ("an agent of others", vec![ringing(), agent("recorder", 4)], Some(false)),
        ("our agent never answers", vec![caller("ringing", 12), agent("voice", 11)], Some(false)),
        ("our agent has answered late", vec![caller("ringing", 12), speaking(agent("voice", 11))], None),
        ("our agent returns in a call", vec![active(), agent("voice", 20)], None),
    ];
    for (what, participants, expected) in table {
        let found = lone_caller(&participants, &project(), OVERDUE, ago(0));
        assert_eq!(found.map(|lone| lone.answered), expected, "{what}");
    }
}

#[test]
fn an_agent_that_was_there_long_before_its_caller_may_be_one_that_a_crashed_server_left() {
    let doubts = |caller, agents: &[Participant]| {
        let found = lone_caller(&[&[caller], agents].concat(), &project(), OVERDUE, ago(0));
        found.map(|lone| lone.doubted)
    };
    let talks = |joined| speaking(agent("voice", joined));
    for (what, found, expected) in [
        ("it came with the caller", doubts(caller("active", 300), &[talks(301)]), None),
        ("as early as any that waits", doubts(caller("active", 300), &[talks(304)]), None),
        ("long before", doubts(caller("active", 10), &[talks(300)]), Some(true)),
        ("and another one since", doubts(caller("active", 10), &[talks(300), talks(5)]), None),
        ("to a caller who is listed as ringing", doubts(caller("ringing", 10), &[talks(300)]), Some(true)),
        ("nobody", doubts(caller("active", 10), &[]), Some(false)),
    ] {
        assert_eq!(found, expected, "{what}");
    }

    // The caller came 10 s ago; the latest dispatch, a slot, the policy.
    for (dispatched, has_room, orphans, expected) in [
        (300, true, Orphans::Resume, Decision::Take),
        (300, true, Orphans::HangUp, Decision::Take),
        (300, false, Orphans::HangUp, Decision::Wait),
        (10, true, Orphans::Resume, Decision::Take),
        (5, true, Orphans::Resume, Decision::Leave),
        (5, false, Orphans::HangUp, Decision::Leave),
    ] {
        let lone =
            lone_caller(&[caller("active", 10), talks(300)], &project(), OVERDUE, ago(0)).expect("one");
        let dispatches = [Dispatch { agent_name: "voice".to_owned(), created_at: ago(dispatched) }];
        let means = Means { has_room, watched: PATIENCE, orphans };
        let decision = decide(&lone, &dispatches, &project(), means, ago(0));
        assert_eq!(decision, expected, "dispatched {dispatched} s ago, {has_room}, {orphans:?}");
    }
}

#[test]
fn a_lone_caller_is_taken_waited_for_or_let_go() {
    const RINGS: bool = false;
    const TALKS: bool = true;
    let (ours, others, rescue) = ("voice", "recorder", &*rescue_agent(uuid::Uuid::nil()));
    let (resume, hang_up) = (Orphans::Resume, Orphans::HangUp);
    // answered, waited, (dispatch, its age), room, watched, policy
    let table = [
        ("just came", (RINGS, 3, ours, 3, true, 0, resume), Decision::Wait),
        ("the first dispatch is young", (RINGS, 5, ours, 5, true, 0, resume), Decision::Wait),
        ("nobody came", (RINGS, 7, ours, 7, true, 0, resume), Decision::Take),
        ("not here, where all slots are taken", (RINGS, 7, ours, 7, false, 0, resume), Decision::Wait),
        ("dispatched a moment ago", (RINGS, 15, ours, 2, true, 8, resume), Decision::Wait),
        ("not for us", (RINGS, 15, others, 15, true, 8, resume), Decision::Leave),
        ("rings too long", (RINGS, 20, ours, 13, true, 2, resume), Decision::Refuse),
        ("rings too long and we are full", (RINGS, 20, ours, 13, false, 2, resume), Decision::Refuse),
        (
            "rings too long by a clock that may be wrong",
            (RINGS, 40, ours, 40, true, 0, resume),
            Decision::Take,
        ),
        ("rings too long by our own clock", (RINGS, 5, ours, 0, false, 20, resume), Decision::Refuse),
        ("left alone", (TALKS, 300, ours, 300, true, 0, resume), Decision::Take),
        ("left alone, taken by another router", (TALKS, 300, ours, 1, true, 2, resume), Decision::Wait),
        ("left alone, and we are full", (TALKS, 300, ours, 300, false, 0, resume), Decision::Wait),
        ("left alone for too long", (TALKS, 300, ours, 6, false, 20, resume), Decision::HangUp),
        ("left alone, to be let go", (TALKS, 300, ours, 1, false, 0, hang_up), Decision::HangUp),
        ("just back in a room that is new", (TALKS, 2, ours, 2, true, 0, hang_up), Decision::Wait),
        ("left alone by others", (TALKS, 300, others, 300, true, 60, hang_up), Decision::Leave),
        ("and once taken by one of them", (TALKS, 300, rescue, 300, true, 60, hang_up), Decision::Leave),
    ];
    for (what, (answered, waited, name, age, has_room, watched, orphans), expected) in table {
        let lone = Lone {
            identity: "someone".into(),
            sip_call: None,
            answered,
            since: ago(i64::try_from(waited).expect("seconds")),
            waited: Duration::from_secs(waited),
            doubted: false,
        };
        let dispatches = [("recorder", 600), (name, age)]
            .map(|(name, age)| Dispatch { agent_name: name.to_owned(), created_at: ago(age) });
        let means = Means { has_room, watched: Duration::from_secs(watched), orphans };
        assert_eq!(decide(&lone, &dispatches, &project(), means, ago(0)), expected, "{what}");
    }
}

#[test]
fn a_server_whose_clock_is_ahead_is_waited_for() {
    let found = lone_caller(&[caller("ringing", -30)], &project(), OVERDUE, ago(0)).expect("a caller");
    assert!(!is_missed(&found));
    let other = agent("voice", -30);
    assert_eq!(lone_caller(&[caller("ringing", -30), other], &project(), OVERDUE, ago(0)), None);
}
