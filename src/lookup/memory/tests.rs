//! Calls, requests and hours in any order, without a socket or a clock.

use std::hash::RandomState;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::call::{Call, Caller, E164, Number, Trunk};
use crate::dialplan::Backend;
use crate::lookup::Why;
use crate::tenant::wire::BackendAnswer;
use crate::tenant::{Facet, TenantId};

mod interleavings;

const SECOND: Duration = Duration::from_secs(1);
const SHARED: By = By::of(&[Facet::Called, Facet::Trunk]);

/// What tells the calls of these tests apart. Caller 0 is anonymous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    caller: u8,
    called: u8,
    trunk: u8,
}

struct World {
    memory: Arc<Memory>,
    cache_by: Option<By>,
    seed: RandomState,
    now: Instant,
}

impl World {
    fn new(cache_by: Option<By>) -> Self {
        let memory = Arc::new(Memory::new(CacheBounds::default()));
        Self { memory, cache_by, seed: RandomState::new(), now: Instant::now() }
    }

    fn facts(&self, who: Who) -> Facts {
        let number = |digit| Number::read(&format!("+1555777000{digit}"), None);
        let call = Call {
            caller: if who.caller == 0 { Caller::Anonymous } else { Caller::Number(number(who.caller)) },
            called: number(who.called),
            trunk: Some(Trunk { id: who.trunk.to_string(), name: None }),
            ..Call::example()
        };
        let url = "https://a.example/".parse().unwrap();
        let backend = Backend { url, secrets: Vec::new(), bearer: None, cache_by: self.cache_by };
        Facts::of(&call, None, &backend, &self.seed)
    }

    fn plan(&self, who: Who) -> Plan {
        let of = Of { tenant: None, called: E164::parse(&format!("+1555777000{}", who.called)) };
        self.memory.plan(&self.facts(who), &of, self.cache_by, self.now)
    }

    /// The ticket of a call that is to ask.
    fn asks(&self, who: Who) -> Ticket {
        match self.plan(who) {
            Plan::Ask { ticket, .. } => ticket,
            other => panic!("{who:?} does not ask: {other:?}"),
        }
    }

    fn serves(&self, who: Who) -> bool {
        matches!(self.plan(who), Plan::Serve { .. })
    }

    fn land(&self, ticket: Ticket, answer: &Value) {
        ticket.land(Ok((said(answer), 100)), 1, self.now);
    }

    fn fail(&self, ticket: Ticket, why: Why) {
        ticket.land(Err(Failure { why, retry_after: None }), 1, self.now);
    }
}

fn said(answer: &Value) -> Said {
    Said::Answer(Arc::new(BackendAnswer::parse(answer.to_string().as_bytes()).unwrap()))
}

const ADA: Who = Who { caller: 1, called: 1, trunk: 1 };
const BOB: Who = Who { caller: 2, ..ADA };
const NOBODY: Who = Who { caller: 0, ..ADA };

#[test]
fn an_answer_serves_its_own_caller_until_the_windows_end() {
    let mut world = World::new(None);
    world.land(
        world.asks(ADA),
        &json!({"cache": {"ttlSeconds": 10, "revalidateSeconds": 10, "staleSeconds": 100}}),
    );
    assert!(!world.serves(BOB), "it may be personal");
    for (second, expected) in [
        (0, "serve"),
        (9, "serve"),
        (10, "refresh"),
        (19, "refresh"),
        (20, "stale"),
        (119, "stale"),
        (120, "ask"),
    ] {
        let start = world.now;
        world.now += second * SECOND;
        let found = match world.plan(ADA) {
            Plan::Serve { refresh: None, .. } => "serve",
            Plan::Serve { refresh: Some(_), .. } => "refresh",
            Plan::Ask { stale: Some(_), .. } => "stale",
            Plan::Ask { stale: None, .. } => "ask",
            Plan::Failed { .. } | Plan::Join { .. } => "something else",
        };
        assert_eq!(found, expected, "at {second} s");
        world.now = start;
    }
}

#[test]
fn one_refresh_of_an_entry_is_on_its_way_at_a_time() {
    let mut world = World::new(Some(SHARED));
    world.land(world.asks(ADA), &json!({}));
    world.now += 61 * SECOND;
    let Plan::Serve { refresh: Some(ticket), .. } = world.plan(ADA) else { panic!("a refresh is due") };
    assert!(matches!(world.plan(BOB), Plan::Serve { refresh: None, .. }), "it is on its way");
    world.fail(ticket, Why::Timeout);
    assert!(matches!(world.plan(BOB), Plan::Serve { refresh: None, .. }), "it failed a moment ago");
    world.now += 5 * SECOND;
    let Plan::Serve { refresh: Some(ticket), .. } = world.plan(BOB) else { panic!("it is due again") };
    world.land(ticket, &json!({}));
    assert!(matches!(world.plan(ADA), Plan::Serve { refresh: None, kept } if kept.age.is_zero()));
}

#[test]
fn several_callers_wait_for_one_request_only_where_by_is_known_to_exclude_them() {
    let world = World::new(None);
    let first = world.asks(ADA);
    assert!(matches!(world.plan(ADA), Plan::Join { .. }), "the same caller");
    let second = world.asks(BOB);
    world.land(first, &json!({"cache": {"by": ["called", "trunk"], "ttlSeconds": 1}}));
    assert!(world.serves(BOB) && world.serves(NOBODY), "the answer says whom it is for");
    drop(second);

    let mut world = world;
    world.now += 7 * 86_400 * SECOND;
    let _first = world.asks(ADA);
    assert!(matches!(world.plan(BOB), Plan::Join { .. }), "an earlier answer said so");
    let told = World::new(Some(SHARED));
    let _first = told.asks(NOBODY);
    assert!(matches!(told.plan(BOB), Plan::Join { .. }), "the file says so");
}

#[test]
fn anonymous_callers_never_share_what_may_be_personal() {
    let world = World::new(None);
    let first = world.asks(NOBODY);
    assert!(!first.is_shared());
    world.land(first, &json!({"systemPrompt": "for one anonymous caller"}));
    let again = world.asks(NOBODY);
    world.fail(again, Why::Timeout);
    assert!(matches!(world.plan(NOBODY), Plan::Failed { stale: None, .. }), "a failure is nobody's");
}

#[test]
fn a_call_that_waited_has_an_answer_only_if_it_is_for_it_too() {
    let world = World::new(Some(SHARED));
    for (answer, bob, nobody) in [
        (json!({}), true, true),
        (json!({"cache": {"by": ["called"]}}), true, true),
        (json!({"cache": {"by": ["caller", "called"]}}), false, false),
        (json!({"cache": {"by": ["caler"]}}), false, false),
        (json!({"cache": {"ttlSeconds": 0}}), false, false),
    ] {
        world.memory.purge(&Purge::All);
        let ticket = world.asks(ADA);
        let mut flight = ticket.flight();
        world.land(ticket, &answer);
        let landed = flight.borrow_and_update().clone().expect("landed");
        assert!(landed.outcome.is_ok(), "who asked has it: {answer}");
        let has = |who| landed.shared(&world.facts(who), world.now).is_some();
        assert_eq!((has(BOB), has(NOBODY)), (bob, nobody), "{answer}");
    }
}

#[test]
fn only_an_answer_is_ever_stale_and_a_no_replaces_it() {
    for (what, no) in [
        ("unknown", None),
        ("reject", Some(json!({"action": "reject"}))),
        ("default", Some(json!({"action": "default"}))),
    ] {
        let mut world = World::new(Some(SHARED));
        world.land(world.asks(ADA), &json!({}));
        world.now += 120 * SECOND;
        let Plan::Ask { ticket, stale: Some(_) } = world.plan(ADA) else { panic!("stale") };
        let no = no.as_ref().map_or(Said::Unknown, said);
        ticket.land(Ok((no, 0)), 1, world.now);
        assert!(world.serves(BOB), "{what} is kept for ttl");
        world.now += 60 * SECOND;
        assert!(matches!(world.plan(ADA), Plan::Ask { stale: None, .. }), "{what} is not kept longer");
    }
}

#[test]
fn a_failure_is_remembered_and_the_old_answer_serves_meanwhile() {
    let mut world = World::new(None);
    world.land(world.asks(ADA), &json!({}));
    world.now += 120 * SECOND;
    world.fail(world.asks(ADA), Why::Status(500));
    let Plan::Failed { failure, stale: Some(stale) } = world.plan(ADA) else { panic!("remembered") };
    assert_eq!((failure.why, stale.age), (Why::Status(500), 120 * SECOND));
    let bob = world.asks(BOB);
    world.fail(bob, Why::BreakerOpen);
    assert!(matches!(world.plan(BOB), Plan::Ask { .. }), "a breaker remembers by itself");
    world.now += 5 * SECOND;
    assert!(matches!(world.plan(ADA), Plan::Ask { stale: Some(_), .. }));
}

#[test]
fn a_request_that_is_given_up_makes_room_for_another() {
    let world = World::new(None);
    let ticket = world.asks(ADA);
    let Plan::Join { flight, .. } = world.plan(ADA) else { panic!("on its way") };
    drop(ticket);
    assert!(flight.has_changed().is_err(), "who waits is told");
    let _again = world.asks(ADA);
}

#[test]
fn a_purge_takes_what_it_names_and_what_is_on_its_way() {
    let other = Who { called: 2, ..ADA };
    let number = |digit| Purge::Number(E164::parse(&format!("+1555777000{digit}")).unwrap());
    let acme = TenantId::parse("acme").unwrap();
    let whole = |by: &str| json!({"tenantId": "acme", "cache": {"by": [by]}});
    for (what, answer, purge, gone) in [
        ("all", whole("called"), Purge::All, true),
        ("its tenant", whole("called"), Purge::Tenant(acme.clone()), true),
        ("another tenant", json!({}), Purge::Tenant(acme), false),
        ("its number", whole("called"), number(1), true),
        ("another number", whole("called"), number(2), false),
        ("a number that it could serve", whole("trunk"), number(2), true),
    ] {
        let world = World::new(None);
        world.land(world.asks(ADA), &answer);
        let late = world.asks(other.with_caller(3));
        world.memory.purge(&purge);
        assert_eq!(!world.serves(ADA), gone, "{what}");
        world.land(late, &json!({}));
        assert!(!world.serves(other.with_caller(3)), "{what}: asked before the purge, so not kept");
    }
}

#[test]
fn entries_and_bytes_are_bounded() {
    for (what, bounds, weight) in [
        ("many small ones", CacheBounds { entries: 50, bytes: 1 << 20 }, 0),
        ("few large ones", CacheBounds { entries: 10_000, bytes: 1 << 20 }, 200_000),
    ] {
        let world = World { memory: Arc::new(Memory::new(bounds)), ..World::new(None) };
        for call in 0..=u8::MAX {
            let ticket = world.asks(Who { caller: 1, called: 1, trunk: call });
            ticket.land(Ok((said(&json!({})), weight)), 1, world.now);
        }
        let (entries, bytes) = world.memory.size();
        assert!(
            entries > 0 && entries <= bounds.entries && bytes <= bounds.bytes,
            "{what}: {entries} {bytes}"
        );
    }
}

impl Who {
    fn with_caller(self, caller: u8) -> Self {
        Self { caller, ..self }
    }
}
