//! Whatever happens in whatever order, a leg ends once and leaves once.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Anything that can happen but time.
fn input() -> impl Strategy<Value = Input> {
    let presence =
        prop::sample::select(vec![Presence::Here, Presence::Left, Presence::Removed, Presence::Dropped]);
    let status = prop_oneof![Just("ringing"), Just("active"), Just("hangup")];
    let joined_at = prop_oneof![3 => Just(seconds(0)), 1 => Just(seconds(50)), 1 => Just(seconds(60))];
    let caller = (status, presence, any::<bool>(), joined_at).prop_map(
        |(status, presence, has_headers, joined_at)| {
            let mut caller = Participant { presence, joined_at, ..caller(status) };
            if !has_headers {
                caller.attributes.remove("sip.h.from");
            }
            caller
        },
    );
    let agent = any::<bool>().prop_map(|speaks| Participant {
        identity: "agent-AJ_2".into(),
        is_sip: false,
        is_agent: true,
        tracks: speaks.then(|| "TR_2".to_owned()).into_iter().collect(),
        ..bare_caller()
    });
    let here = prop::collection::vec(prop_oneof![6 => caller, 1 => agent], 0..2);
    let node = prop_oneof![Just("ND_1".to_owned()), Just("ND_2".to_owned())];
    let key = || Digit::from_code(1).expect("a key");
    prop_oneof![
        4 => (here.clone(), node).prop_map(|(participants, node)| Input::Joined {
            participants,
            node,
            at: seconds(100)
        }),
        4 => here.prop_map(Input::Changed),
        3 => Just(()).prop_map(|()| Input::Connected),
        3 => Just(()).prop_map(|()| Input::Subscribed),
        2 => Just(()).prop_map(|()| Input::CutOff),
        3 => Just(()).prop_map(|()| Input::Command(LegCommand::Answer)),
        1 => Just(()).prop_map(|()| Input::Asked),
        1 => Just(()).prop_map(|()| Input::Headers(Told::new())),
        1 => Just(()).prop_map(move |()| Input::Digit { sender: "sip_+15551230001".into(), digit: key() }),
        1 => Just(()).prop_map(|()| Input::Left(Departure::Rejoin)),
        1 => Just(()).prop_map(|()| Input::Left(Departure::Dismissed)),
        1 => Just(()).prop_map(|()| Input::Left(Departure::RoomClosed)),
        1 => Just(()).prop_map(|()| Input::Terminated),
        1 => Just(()).prop_map(|()| hang_up()),
        1 => Just(()).prop_map(|()| transfer()),
        1 => any::<bool>().prop_map(Input::Transferred),
        1 => Just(()).prop_map(|()| Input::StepDone),
        1 => Just(()).prop_map(|()| Input::StepFailed),
    ]
}

fn transfer() -> Input {
    let to = crate::call::Destination::parse("tel:+15557770099").expect("a destination");
    Input::Command(LegCommand::Transfer(to))
}

/// What was seen of a leg so far.
#[derive(Default)]
struct Seen {
    away: bool,
    ended: usize,
    left: usize,
}

impl Seen {
    fn note(&mut self, actions: &[Action]) {
        for action in actions {
            assert_eq!(self.left, 0, "{action:?} after the last action");
            if let Action::Emit(event) = action {
                assert_eq!(self.ended, 0, "{event:?} after the end");
            }
            match action {
                Action::Emit(LegEvent::Away) => assert!(!std::mem::replace(&mut self.away, true)),
                Action::Emit(LegEvent::Back) => assert!(std::mem::replace(&mut self.away, false)),
                Action::Emit(LegEvent::Ended(_)) => self.ended += 1,
                Action::Leave { .. } => self.left += 1,
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_leg_ends_once_and_leaves_once(inputs in prop::collection::vec((input(), 0..3000u64), 0..40)) {
        let mut rig = Rig::new();
        let mut seen = Seen::default();
        for (input, pause) in inputs {
            rig.pass(Duration::from_millis(pause), &mut seen);
            let actions = rig.machine.handle(input, rig.now);
            seen.note(&actions);
        }
        // The session goes, and with it whatever was still to come.
        let actions = rig.machine.handle(Input::SessionGone, rig.now);
        seen.note(&actions);
        rig.pass(Duration::from_secs(60), &mut seen);
        prop_assert!(seen.ended <= 1);
        prop_assert_eq!(seen.left, 1);
        prop_assert_eq!(rig.machine.deadline(), None);
    }
}

impl Rig {
    /// Lets time pass, and everything that is due meanwhile happen.
    fn pass(&mut self, time: Duration, seen: &mut Seen) {
        let end = self.now + time;
        for _ in 0..1000 {
            let Some(due) = self.machine.deadline().filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            let actions = self.machine.handle(Input::Timeout, self.now);
            seen.note(&actions);
        }
        panic!("a deadline that passes and stays");
    }
}
