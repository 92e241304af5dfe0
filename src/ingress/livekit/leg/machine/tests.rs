mod link;
mod others;
mod parting;
mod question;
mod random;

use jiff::Timestamp;

use super::*;
use crate::call::Refusal;

const OVERDUE: Duration = Duration::from_secs(11);

/// A machine, its clock, and what it has done since it was last asked.
struct Rig {
    machine: Machine,
    now: Instant,
}

fn caller(status: &str) -> Participant {
    let attributes = [
        ("sip.callStatus", status),
        ("sip.trunkPhoneNumber", "+15557770001"),
        ("sip.h.from", "<sip:+15551230001@carrier>"),
    ];
    Participant {
        identity: "sip_+15551230001".into(),
        name: "Phone".into(),
        is_sip: true,
        is_agent: false,
        presence: Presence::Here,
        joined_at: Timestamp::UNIX_EPOCH,
        attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect(),
        tracks: Vec::new(),
    }
}

/// The caller as an old livekit-sip shows it at first.
fn bare_caller() -> Participant {
    Participant { attributes: std::collections::BTreeMap::new(), ..caller("") }
}

impl Rig {
    fn new() -> Self {
        let context = Context {
            id: CallId::from_u128(1),
            project: "main".into(),
            room: "room".into(),
            received_at: Timestamp::UNIX_EPOCH,
        };
        let arbiter = Arbiter {
            identity: "agent-1".to_owned(),
            is_ours: Box::new(|name| name == "voice"),
            overdue: OVERDUE,
            joined_at: Timestamp::UNIX_EPOCH,
        };
        let machine = Machine::new(context, Box::new(|_| Plan::default()), arbiter);
        let mut rig = Self { machine, now: Instant::now() };
        assert_eq!(rig.on(Input::Start), ["join in 0"]);
        rig
    }

    /// In the room with a ringing caller.
    fn ringing() -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.join(vec![caller("ringing")]), ["ask headers", "arrived"]);
        rig
    }

    /// And the bridge answers us.
    fn heard() -> Self {
        let mut rig = Self::ringing();
        assert!(rig.on(Input::Headers(Told::new())).is_empty());
        rig
    }

    fn published() -> Self {
        let mut rig = Self::heard();
        assert_eq!(rig.on(Input::Command(LegCommand::Answer)), ["publish"]);
        rig
    }

    fn active() -> Self {
        let mut rig = Self::published();
        assert_eq!(rig.on(Input::Subscribed), ["subscribed"]);
        assert_eq!(rig.on(Input::Changed(vec![caller("active")])), ["active"]);
        rig
    }

    /// In the room with these, and media flows.
    fn join(&mut self, participants: Vec<Participant>) -> Vec<String> {
        let mut actions = self.on(joined(participants));
        actions.extend(self.on(Input::Connected));
        actions
    }

    fn on(&mut self, input: Input) -> Vec<String> {
        // That the call is signed goes with its arrival.
        let actions = self.machine.handle(input, self.now);
        actions.iter().filter(|action| !matches!(action, Action::Sign { .. })).map(name).collect()
    }

    /// Lets time pass up to the next deadline and says after how many milliseconds what happened.
    fn wait(&mut self) -> (u128, Vec<String>) {
        let deadline = self.machine.deadline().expect("something is due");
        let waited = deadline - self.now;
        self.now = deadline;
        (waited.as_millis(), self.on(Input::Timeout))
    }
}

fn seconds(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// We joined 100 s after the epoch.
fn joined(participants: Vec<Participant>) -> Input {
    Input::Joined { participants, node: "ND_1".to_owned(), at: seconds(100) }
}

fn name(action: &Action) -> String {
    match action {
        Action::Emit(LegEvent::Arrived(_)) => "arrived".to_owned(),
        Action::Emit(LegEvent::Subscribed) => "subscribed".to_owned(),
        Action::Emit(LegEvent::Active) => "active".to_owned(),
        Action::Emit(LegEvent::Audio(_)) => "audio".to_owned(),
        Action::Emit(LegEvent::Digit(digit)) => format!("digit {}", digit.reveal()),
        Action::Emit(LegEvent::Away) => "away".to_owned(),
        Action::Emit(LegEvent::Back) => "back".to_owned(),
        Action::Emit(LegEvent::Quality(_)) => "quality".to_owned(),
        Action::Emit(LegEvent::KeysSent) => "keys sent".to_owned(),
        Action::Emit(LegEvent::KeysNotSent) => "keys not sent".to_owned(),
        Action::Emit(LegEvent::Transferred) => "transferred".to_owned(),
        Action::Emit(LegEvent::NotTransferred) => "not transferred".to_owned(),
        Action::Emit(LegEvent::Ended(end)) => format!("ended {end:?}"),
        Action::Join { pause } => format!("join in {}", pause.as_millis()),
        Action::Disconnect => "disconnect".to_owned(),
        Action::Publish => "publish".to_owned(),
        Action::Sign { .. } => "sign".to_owned(),
        Action::AskHeaders { .. } => "ask headers".to_owned(),
        Action::HearOnly(tracks) => format!("hear {}", tracks.join(",")),
        Action::Press { .. } => "press".to_owned(),
        Action::Transfer { to, .. } => format!("transfer to {}", to.as_uri()),
        Action::EndCall { .. } => "end call".to_owned(),
        Action::RemoveParticipant { .. } => "remove".to_owned(),
        Action::DeleteRoom => "delete room".to_owned(),
        Action::Leave { failed: None } => "leave".to_owned(),
        Action::Leave { failed: Some(fault) } => format!("leave {}", fault.name()),
    }
}

fn leave(failed: Option<Fault>) -> Input {
    Input::Command(LegCommand::Leave { failed })
}

fn hang_up() -> Input {
    Input::Command(LegCommand::HangUp(None))
}

#[test]
fn an_answered_call_goes_its_way_until_the_caller_hangs_up() {
    let mut rig = Rig::active();
    assert_eq!(rig.machine.deadline(), None);
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["ended Caller"]);
    let gone = Participant { presence: Presence::Left, ..caller("hangup") };
    assert!(rig.on(Input::Changed(vec![gone])).is_empty(), "once is enough");
    assert_eq!(rig.on(leave(None)), ["leave"]);
}

#[test]
fn keys_are_pressed_for_the_caller_of_an_answered_call_only() {
    let press = || Input::Command(LegCommand::Press(crate::call::Digits::parse("12#").expect("keys")));
    let mut rig = Rig::active();
    assert_eq!(rig.on(press()), ["press"]);
    assert_eq!(rig.on(Input::Changed(vec![caller("hangup")])), ["ended Caller"]);
    assert!(rig.on(press()).is_empty(), "nobody is there");
    let mut rig = Rig::ringing();
    assert_eq!(rig.on(press()), ["keys not sent"]);
}

#[test]
fn a_transfer_ends_with_the_caller_gone_or_with_a_word_to_the_session() {
    let transfer = || {
        let to = crate::call::Destination::parse("tel:+15557770099").expect("a destination");
        Input::Command(LegCommand::Transfer(to))
    };
    let gone = || Input::Changed(vec![caller("hangup")]);
    let begun = || {
        let mut rig = Rig::active();
        assert_eq!(rig.on(transfer()), ["transfer to tel:+15557770099"]);
        assert_eq!(rig.machine.deadline(), None, "the request and the session have their own");
        rig
    };

    let mut rig = begun();
    assert_eq!(rig.on(Input::Transferred(true)), ["transferred"]);
    assert_eq!(rig.on(gone()), ["ended Caller"]);

    let mut rig = begun();
    assert!(rig.on(gone()).is_empty(), "it may be the success, whose answer is late");
    assert!(rig.on(gone()).is_empty());
    assert_eq!(rig.on(Input::Transferred(true)), ["transferred", "ended Caller"]);

    let mut rig = begun();
    rig.on(gone());
    assert_eq!(rig.wait(), (1000, vec!["ended Caller".to_owned()]), "a caller who just hung up");
    assert!(rig.on(Input::Transferred(true)).is_empty());

    let mut rig = begun();
    assert_eq!(rig.on(Input::Transferred(false)), ["not transferred"]);
    assert_eq!(rig.on(hang_up()), ["end call"]);

    let mut rig = begun();
    assert_eq!(rig.on(hang_up()), ["end call"], "the session does not wait for ever");
    assert!(rig.on(Input::Transferred(true)).is_empty());
    assert_eq!(rig.on(gone()), ["ended HungUp"]);

    assert_eq!(Rig::ringing().on(transfer()), ["not transferred"], "only an answered call can be");
}

#[test]
fn a_call_cancelled_while_it_rings_ends_by_the_caller() {
    let mut rig = Rig::ringing();
    let gone = Participant { presence: Presence::Left, ..caller("ringing") };
    assert_eq!(rig.on(Input::Changed(vec![gone.clone()])), ["ended Caller"]);

    let mut rig = Rig::new();
    rig.join(Vec::new());
    assert_eq!(rig.on(Input::Changed(vec![gone])), ["ended Caller"], "seen only as they left");
}

#[test]
fn the_caller_is_waited_for_three_seconds_and_only_a_sip_participant_will_do() {
    let mut rig = Rig::new();
    let web = Participant { is_sip: false, identity: "web".into(), ..caller("ringing") };
    assert!(rig.join(vec![web]).is_empty());
    assert_eq!(rig.wait(), (3000, vec!["ended Failed(Join)".to_owned()]), "and nobody else is sent away");

    let mut rig = Rig::new();
    assert!(rig.join(Vec::new()).is_empty());
    assert_eq!(rig.wait(), (3000, vec!["delete room".to_owned()]));
    assert_eq!(rig.on(Input::StepDone), ["ended Caller"]);
    assert_eq!(rig.on(leave(None)), ["leave"]);
}

#[test]
fn a_room_that_closes_on_us_alone_was_given_up_by_its_caller() {
    for (input, expected) in [
        (Input::Left(Departure::RoomClosed), vec!["ended Caller"]),
        (Input::Left(Departure::Dismissed), vec!["ended Caller"]),
        (Input::Left(Departure::Rejoin), vec!["disconnect", "ended Caller"]),
        (Input::CutOff, vec!["disconnect", "ended Caller"]),
    ] {
        let mut rig = Rig::new();
        rig.join(Vec::new());
        assert_eq!(rig.on(input), expected, "to join anew would make the room anew");
    }
}

#[test]
fn facts_that_come_late_are_waited_for_but_not_for_ever() {
    let mut rig = Rig::new();
    assert!(rig.join(vec![bare_caller()]).is_empty());
    assert_eq!(rig.on(Input::Changed(vec![caller("ringing")])), ["ask headers", "arrived"]);

    let mut rig = Rig::new();
    assert!(rig.join(vec![bare_caller()]).is_empty());
    assert_eq!(rig.wait(), (3000, vec!["ask headers".to_owned()]));
    assert_eq!(rig.wait(), (300, vec!["arrived".to_owned()]));
}

/// A caller whose trunk maps no headers to attributes.
fn caller_without_headers() -> Participant {
    let mut caller = caller("ringing");
    caller.attributes.remove("sip.h.from");
    caller
}

#[test]
fn a_caller_who_is_removed_has_not_hung_up() {
    let removed = Participant { presence: Presence::Removed, ..caller("active") };
    assert_eq!(Rig::active().on(Input::Changed(vec![removed])), ["ended Failed(Room)"]);
}

#[test]
fn a_second_phone_in_the_room_is_not_the_caller() {
    let mut rig = Rig::active();
    let other = Participant { identity: "sip_other".into(), presence: Presence::Left, ..caller("hangup") };
    assert!(rig.on(Input::Changed(vec![other])).is_empty());

    let later = Participant { identity: "sip_other".into(), joined_at: seconds(1), ..caller("hangup") };
    let mut rig = Rig::new();
    assert_eq!(rig.join(vec![later, caller("ringing")]), ["ask headers", "arrived"], "who came first is");
}

#[test]
fn only_the_callers_tracks_are_heard() {
    let mut rig = Rig::new();
    let with_track = Participant { tracks: vec!["TR_1".to_owned()], ..caller("ringing") };
    assert_eq!(rig.join(vec![with_track]), ["hear TR_1", "ask headers", "arrived"]);
}

#[test]
fn active_follows_the_subscription_by_word_or_by_time() {
    let mut rig = Rig::published();
    assert!(rig.on(Input::Changed(vec![caller("active")])).is_empty(), "nobody would hear the greeting yet");
    assert_eq!(rig.on(Input::Subscribed), ["subscribed", "active"]);

    for is_told in [true, false] {
        let mut rig = Rig::published();
        rig.on(Input::Changed(vec![caller("active")]));
        assert_eq!(
            rig.wait(),
            (1500, vec!["publish".to_owned()]),
            "it came before LiveKit knew of the track"
        );
        if is_told {
            assert_eq!(rig.on(Input::Subscribed), ["subscribed", "active"]);
        } else {
            assert_eq!(rig.wait(), (1500, vec!["subscribed".to_owned(), "active".to_owned()]));
        }
    }

    let mut rig = Rig::published();
    assert_eq!(rig.on(Input::Subscribed), ["subscribed"]);
    assert_eq!(rig.wait(), (1500, vec!["active".to_owned()]));
    assert!(rig.on(Input::Changed(vec![caller("active")])).is_empty());
}

#[test]
fn a_track_nobody_subscribes_to_is_published_again_and_then_given_up() {
    let mut rig = Rig::published();
    assert_eq!(rig.wait(), (2000, vec!["publish".to_owned()]));
    assert_eq!(rig.wait(), (2000, vec!["end call".to_owned()]));
    let gone = Participant { presence: Presence::Left, ..caller("ringing") };
    assert_eq!(rig.on(Input::Changed(vec![gone])), ["ended Failed(NotAnswered)"]);
}
