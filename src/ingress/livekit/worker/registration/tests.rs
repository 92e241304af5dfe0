use super::*;

fn job(name: &str) -> JobId {
    name.to_owned().into()
}

fn assignment(name: &str) -> FromServer {
    FromServer::Assigned(Assignment { job: job(name), room: "room".into(), url: None, token: "token".into() })
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
fn every_offer_is_answered_at_once_until_the_slots_are_out() {
    let slots = Slots::new(2);
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
    let slots = Slots::new(2);
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
    let slots = Slots::new(1);
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
    let slots = Slots::new(1);
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
    let slots = Slots::new(1);
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
    let (mut registration, now) = registered(&Slots::new(1));
    for (panicked, expected) in
        [(true, vec![ToServer::Job(job("a"), JobState::Failed("internal"))]), (false, vec![])]
    {
        let over = Over { job: Some(job("a")), panicked };
        assert_eq!(sent(registration.job_ended(over, now)), expected);
    }
}

#[test]
fn a_draining_worker_refuses_and_says_so() {
    let slots = Slots::new(2);
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
    let (mut registration, start) = registered(&Slots::new(1));
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
    let mut registration = Registration::new("agent".into(), Slots::new(1), 0, now);
    assert!(registration.tick(now + REGISTERED_WITHIN - Duration::from_millis(1)).is_empty());
    assert_eq!(registration.deadline(now), now + REGISTERED_WITHIN);
    assert!(matches!(registration.tick(now + REGISTERED_WITHIN)[..], [Action::GiveUp(_)]));
}
