use super::*;
use crate::media::FRAME;
use crate::media::lateness::Lateness;

fn job(name: &str) -> JobId {
    name.to_owned().into()
}

fn assignment(name: &str) -> FromServer {
    FromServer::Assigned(Assignment { job: job(name), room: "room".into(), url: None, token: "token".into() })
}

/// Of a process without calls.
fn slots(limit: usize) -> Slots {
    Slots::new(limit, Arc::new(Lateness::new(Instant::now())))
}

/// A registered worker, and the moment it was.
fn registered(slots: &Slots) -> (Registration, Instant) {
    let now = Instant::now();
    let mut registration = Registration::new("agent".into(), slots.clone(), 0, now);
    let actions = registration.handle(FromServer::Registered, now);
    assert!(matches!(actions[..], [Action::Registered, Action::Send(ToServer::Status(_))]));
    (registration, now)
}

fn sent(actions: Vec<Action>) -> Vec<ToServer> {
    let sent = actions.into_iter().filter_map(|action| match action {
        Action::Send(message) | Action::TurnAway { answer: message, .. } => Some(message),
        Action::Report(_)
        | Action::Registered
        | Action::Start { .. }
        | Action::Stop(_)
        | Action::GiveUp(_) => None,
    });
    sent.collect()
}

fn statuses(actions: Vec<Action>) -> Vec<Status> {
    let statuses = sent(actions).into_iter().filter_map(|message| match message {
        ToServer::Status(status) => Some(status),
        _ => None,
    });
    statuses.collect()
}

#[test]
fn with_room_the_load_stays_below_the_servers_limit_and_without_it_is_full() {
    for (taken, limit, available, expected) in [
        (0, 1, true, 0.0),
        (1, 2, true, 0.345),
        (99, 100, true, 0.6831),
        (100, 100, false, 1.0),
        (0, 0, false, 1.0),
    ] {
        let load = load(taken, limit, available);
        assert!((load - expected).abs() < 1e-6, "{taken} of {limit}: {load}");
        assert!(!available || load < 0.70);
    }
}

#[test]
fn a_process_that_is_late_is_full_until_it_is_in_time_again() {
    let lateness = Arc::new(Lateness::new(Instant::now()));
    let slots = Slots::new(10, Arc::clone(&lateness));
    let (mut registration, mut now) = registered(&slots);
    let tick = |from: Instant, count: u32, late: Duration| {
        (1..=count).for_each(|n| lateness.note(late, from + FRAME * n));
        from + FRAME * count
    };
    now = tick(now, 200, Duration::from_millis(1));
    assert_eq!(sent(registration.handle(FromServer::Offered(job("a")), now))[0], ToServer::Accept(job("a")));

    now = tick(now, 50, Duration::from_millis(15));
    let offered = registration.handle(FromServer::Offered(job("b")), now);
    assert!(matches!(offered[0], Action::TurnAway { why: NoSlot::Late, .. }), "{offered:?}");
    let answers = sent(offered);
    assert_eq!(answers[0], ToServer::Refuse(job("b")), "another worker may take it");
    assert!(matches!(answers[1], ToServer::Status(status) if !status.available && status.load >= 0.70));
    assert_eq!(slots.taken(), 1, "no slot is lost by it");
    assert_eq!(registration.deadline(now), now + FULL_RECHECK);

    // Hardly late any more is late still, or it would change its mind with every call.
    now = tick(now, 1, Duration::from_millis(1));
    assert_eq!(statuses(registration.tick(now)), []);
    now = tick(now, 400, Duration::from_millis(1));
    let told = statuses(registration.tick(now));
    assert!(matches!(told[..], [status] if status.available && status.load < 0.70), "{told:?}");
    assert_eq!(sent(registration.handle(FromServer::Offered(job("c")), now))[0], ToServer::Accept(job("c")));
}

#[test]
fn every_offer_is_answered_at_once_until_the_slots_are_out() {
    let slots = slots(2);
    let (mut registration, now) = registered(&slots);
    for (name, expected) in [
        ("a", ToServer::Accept(job("a"))),
        ("b", ToServer::Accept(job("b"))),
        ("c", ToServer::Refuse(job("c"))),
        ("b", ToServer::Accept(job("b"))),
    ] {
        let sent = sent(registration.handle(FromServer::Offered(job(name)), now));
        assert_eq!(sent[0], expected, "the answer to {name} comes first");
    }
    assert_eq!(slots.taken(), 2, "an offer repeated takes no second slot");
}

#[test]
fn the_status_follows_every_change_and_says_full_at_the_last_slot() {
    let slots = slots(2);
    let (mut registration, now) = registered(&slots);
    let first = statuses(registration.handle(FromServer::Offered(job("a")), now));
    assert_eq!(first, [Status { available: true, load: 0.345, jobs: 1, draining: false }]);
    let second = statuses(registration.handle(FromServer::Offered(job("b")), now));
    assert_eq!(second, [Status { available: false, load: 1.0, jobs: 2, draining: false }]);
    assert_eq!(statuses(registration.handle(FromServer::Other, now)), [], "nothing changed");
    assert_eq!(registration.deadline(now), now + FULL_RECHECK);
}

#[test]
fn an_offer_without_an_assignment_gives_its_slot_back() {
    let slots = slots(1);
    let (mut registration, now) = registered(&slots);
    registration.handle(FromServer::Offered(job("a")), now);
    registration.tick(now + ASSIGNED_WITHIN - Duration::from_millis(1));
    assert_eq!(slots.taken(), 1);
    let statuses = statuses(registration.tick(now + ASSIGNED_WITHIN));
    assert_eq!(slots.taken(), 0);
    assert!(statuses.iter().all(|status| status.available), "and says so: {statuses:?}");
    assert!(registration.is_idle());
}

#[test]
fn an_assignment_starts_the_job_with_the_slot_of_its_offer() {
    let slots = slots(1);
    let (mut registration, now) = registered(&slots);
    registration.handle(FromServer::Offered(job("a")), now);
    let later = now + Duration::from_secs(1);
    let actions = registration.handle(assignment("a"), later);
    let Some(Action::Start { assignment, slot, offered }) = actions.into_iter().next() else {
        panic!("the job starts")
    };
    assert_eq!((assignment.job, offered, slots.taken()), (job("a"), now, 1));
    drop(slot);
    let over = Over { job: Some(job("a")), panicked: false };
    let statuses = statuses(registration.job_ended(over, later));
    assert_eq!(statuses, [Status { available: true, load: 0.0, jobs: 0, draining: false }]);
}

#[test]
fn a_late_assignment_takes_a_free_slot_and_fails_without_one() {
    let slots = slots(1);
    let (mut registration, now) = registered(&slots);
    registration.handle(FromServer::Offered(job("a")), now);
    let late = now + ASSIGNED_WITHIN;
    registration.tick(late);
    let actions = registration.handle(assignment("a"), late);
    let Some(Action::Start { slot: _held, .. }) = actions.into_iter().next() else {
        panic!("a slot is free")
    };
    let actions = registration.handle(assignment("b"), late);
    let Action::TurnAway { answer, why } = &actions[0] else { panic!("no slot is free") };
    assert_eq!((answer, *why), (&ToServer::Job(job("b"), JobState::Failed("full")), NoSlot::Full));
}

#[test]
fn a_job_whose_leg_panicked_is_reported_failed() {
    let (mut registration, now) = registered(&slots(1));
    for (panicked, expected) in
        [(true, vec![ToServer::Job(job("a"), JobState::Failed("internal"))]), (false, vec![])]
    {
        let over = Over { job: Some(job("a")), panicked };
        assert_eq!(sent(registration.job_ended(over, now)), expected);
    }
}

#[test]
fn a_draining_worker_refuses_and_says_so() {
    let slots = slots(2);
    let (mut registration, now) = registered(&slots);
    slots.drain();
    let statuses = statuses(registration.tick(now));
    assert_eq!(statuses, [Status { available: false, load: 1.0, jobs: 0, draining: true }]);
    let actions = registration.handle(FromServer::Offered(job("a")), now);
    let [Action::TurnAway { answer, why }] = &actions[..] else { panic!("nothing else: {actions:?}") };
    assert_eq!((answer, *why), (&ToServer::Refuse(job("a")), NoSlot::Draining));
}

#[test]
fn the_status_is_repeated_pings_go_out_and_a_silent_server_is_given_up() {
    let (mut registration, start) = registered(&slots(1));
    let (mut statuses, mut pings, mut now) = (0, 0, start);
    let gave_up = loop {
        now = registration.deadline(now);
        assert!(now > start && now <= start + SILENT_PEER, "always something due");
        let actions = registration.tick(now);
        if actions.iter().any(|action| matches!(action, Action::GiveUp(_))) {
            break now - start;
        }
        for message in sent(actions) {
            match message {
                ToServer::Status(_) => statuses += 1,
                ToServer::Ping { .. } => pings += 1,
                other => panic!("unasked: {other:?}"),
            }
        }
    };
    assert_eq!((gave_up, pings), (SILENT_PEER, 2));
    assert_eq!(statuses, 9, "every 2.5 s, until 22.5 s");
}

#[test]
fn a_server_that_does_not_register_us_is_given_up() {
    let now = Instant::now();
    let mut registration = Registration::new("agent".into(), slots(1), 0, now);
    assert!(registration.tick(now + REGISTERED_WITHIN - Duration::from_millis(1)).is_empty());
    assert_eq!(registration.deadline(now), now + REGISTERED_WITHIN);
    assert!(matches!(registration.tick(now + REGISTERED_WITHIN)[..], [Action::GiveUp(_)]));
}
