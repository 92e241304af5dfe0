use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::call::{Call, CallId};
use crate::dialplan::Dialplan;
use crate::fleet::calls::{Caps, Limit};
use crate::ingress::leg::{LegCommand, LegEvent};
use crate::lookup::{Answer, ConfigSource, Report};
use crate::media::clip::samples::{SPEC, wav};
use crate::media::codec::Codec;
use crate::session::Event;
use crate::session::machine::Context;
use crate::session::machine::tests::models::servers;
use crate::session::sounds::SoundsByCodec;
use crate::session::timings::Timings;
use crate::tenant::{Agent, CallConfig};

/// The call goes to acme; the backend may name another.
fn dialplan(limits: &str) -> Arc<Dialplan> {
    let folder = std::env::temp_dir().join(format!("dialplane-full-{}", uuid::Uuid::now_v7()));
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("full.wav"), wav(SPEC, 400.0, 0.4)).expect("written");
    let berlin = "calls = 3\nmax_duration = '10m'\nwhen_full = { reject = 'declined' }";
    for (tenant, number, limits) in [("acme", "+15557770001", limits), ("berlin", "+493012345678", berlin)] {
        let route = format!("[[route]]\nid = 'all'\ncalled = '{number}'\n");
        let text = format!("tenant = '{tenant}'\n{route}[limits]\n{limits}\n");
        fs::write(folder.join(format!("{tenant}.toml")), text).expect("written");
    }
    let dialplan = Dialplan::of(&folder);
    fs::remove_dir_all(folder).expect("removed");
    Arc::new(dialplan)
}

fn machine(limits: &str) -> Machine {
    let context = Context {
        dialplan: dialplan(limits),
        servers: servers(&mut SmallRng::seed_from_u64(1)),
        timings: Timings::default(),
        sounds: SoundsByCodec::default().of(Codec::Opus).clone(),
        held_back: Duration::ZERO,
        when_model_down: None,
        phase: Duration::ZERO,
    };
    Machine::new(CallId::from_u128(1), Timestamp::UNIX_EPOCH, Instant::now(), context)
}

impl Machine {
    fn hears(&mut self, event: Event) -> Vec<Action> {
        let now = self.offered + Duration::from_millis(100);
        self.handle(event, now)
    }

    /// The call is there: whom it asks for a permit, and with which caps.
    fn arrives(&mut self) -> Option<(String, Caps)> {
        let actions = self.hears(Event::Leg(LegEvent::Arrived(Box::new(Call::example()))));
        asked(&actions)
    }

    fn looked_up(&mut self, tenant: &str, decision: Decision) -> Vec<Action> {
        let (tenant, warnings) = (TenantId::parse(tenant), Vec::new());
        let (source, why, took) = (ConfigSource::Backend, None, Duration::from_millis(1));
        let report = Report { source, why, took, attempts: 1, coalesced: false, age: None, warnings };
        let answer = Box::new(Answer { tenant, decision, report });
        self.hears(Event::Looked { answer, shut: Vec::new() })
    }
}

fn asked(actions: &[Action]) -> Option<(String, Caps)> {
    actions.iter().find_map(|action| match action {
        Action::Admit { tenant, caps } => Some((tenant.as_str().to_owned(), *caps)),
        _ => None,
    })
}

fn answered(max_duration: Option<u64>) -> Decision {
    let mut config = CallConfig::of(Agent::default(), [].into());
    config.max_duration = max_duration.map(Duration::from_secs);
    Decision::Answer(Box::new(config))
}

fn caps(calls: u32) -> Caps {
    Caps { calls: Some(calls), per_second: None }
}

/// What the caller gets.
fn outcome(actions: &[Action]) -> &'static str {
    let found = actions.iter().find_map(|action| match action {
        Action::Lookup { .. } => Some("looked up"),
        Action::OpenModel { .. } => Some("model"),
        Action::Leg(LegCommand::Answer) => Some("answered"),
        Action::Leg(LegCommand::HangUp(Some(refusal))) => Some(refusal.name()),
        _ => None,
    });
    found.unwrap_or("nothing")
}

#[test]
fn a_tenant_is_asked_before_its_backend_and_once() {
    let mut machine = machine("calls = 2");
    assert_eq!(machine.arrives(), Some(("acme".to_owned(), caps(2))));
    let actions = machine.hears(Event::Admitted(Admission::Within));
    assert_eq!(outcome(&actions), "looked up");
    let actions = machine.looked_up("acme", answered(None));
    assert_eq!((asked(&actions), outcome(&actions)), (None, "model"));
}

#[test]
fn a_full_tenant_s_call_becomes_what_it_says_and_nobody_is_asked() {
    for (limits, expected) in [
        ("", "busy"),
        ("when_full = { reject = 'unavailable' }", "unavailable"),
        ("when_full = { transfer = 'tel:+15557770099' }", "answered"),
        ("when_full = { play = 'full.wav' }", "answered"),
    ] {
        let mut machine = machine(&format!("calls = 2\n{limits}"));
        machine.arrives().expect("it asks");
        let actions = machine.hears(Event::Admitted(Admission::Beyond(Limit::Calls)));
        assert_eq!(outcome(&actions), expected, "{limits}");
        assert_eq!(machine.record.limit, Some(Limit::Calls));
        assert!(machine.record.config.is_none(), "no configuration was found for it");
    }
}

#[test]
fn a_call_for_which_there_is_no_place_even_so_is_refused() {
    for (limits, expected) in [
        ("", "busy"),
        ("when_full = { reject = 'unavailable' }", "unavailable"),
        ("when_full = { transfer = 'tel:+15557770099' }", "busy"),
        ("when_full = { play = 'full.wav' }", "busy"),
    ] {
        let mut machine = machine(&format!("calls_per_second = 2\n{limits}"));
        machine.arrives().expect("it asks");
        let actions = machine.hears(Event::Admitted(Admission::Crowded(Limit::CallsPerSecond)));
        assert_eq!(outcome(&actions), expected, "{limits}");
        assert_eq!(machine.record.limit, Some(Limit::CallsPerSecond));
    }
}

#[test]
fn another_tenant_that_the_backend_names_is_asked_too() {
    let mut machine = machine("calls = 2\nmax_duration = '1m'");
    machine.arrives();
    machine.hears(Event::Admitted(Admission::Within));
    let actions = machine.looked_up("berlin", answered(None));
    assert_eq!((asked(&actions), outcome(&actions)), (Some(("berlin".to_owned(), caps(3))), "nothing"));
    let actions = machine.hears(Event::Admitted(Admission::Beyond(Limit::CallsPerSecond)));
    assert_eq!(outcome(&actions), "declined", "as the other tenant says");
    assert_eq!(machine.record.limit, Some(Limit::CallsPerSecond));
    assert_eq!(machine.record.tenant.as_ref().map(TenantId::as_str), Some("berlin"));
}

#[test]
fn a_tenant_without_a_file_has_no_limits_and_a_refused_call_takes_none() {
    for (named, decision, expected) in [
        ("elsewhere", answered(None), (Some(("elsewhere".to_owned(), Caps::default())), "nothing")),
        ("berlin", Decision::Instead(Instead::Refuse(Refusal::NotFound)), (None, "not-found")),
    ] {
        let mut machine = machine("calls = 2");
        machine.arrives();
        machine.hears(Event::Admitted(Admission::Within));
        let actions = machine.looked_up(named, decision);
        assert_eq!((asked(&actions), outcome(&actions)), expected, "{named}");
        assert_eq!(machine.record.limit, None);
    }
}

#[test]
fn the_shorter_of_the_longest_durations_holds() {
    for (tenants, named, backends, expected) in [
        ("", "acme", Some(60), Some(60)),
        ("max_duration = '30m'", "acme", None, Some(1800)),
        ("max_duration = '30m'", "acme", Some(60), Some(60)),
        ("max_duration = '30m'", "acme", Some(7200), Some(1800)),
        ("max_duration = '1m'", "berlin", Some(7200), Some(600)),
        ("", "acme", None, None),
    ] {
        let mut machine = machine(tenants);
        machine.arrives();
        machine.hears(Event::Admitted(Admission::Within));
        machine.looked_up(named, answered(backends));
        machine.hears(Event::Admitted(Admission::Within));
        let context = format!("{tenants}, {backends:?} for {named}");
        machine.limits.start(machine.offered);
        let until = machine.limits.deadline().map(|until| (until - machine.offered).as_secs());
        assert_eq!(until, expected, "{context}");
    }
}

#[test]
fn a_tenant_says_what_becomes_of_calls_that_no_model_serves_or_else_the_settings_do() {
    let busy = Some(Instead::Refuse(Refusal::Busy));
    let declined = "when_model_down = { reject = 'declined' }";
    for (tenants, settings, told) in [
        ("", None, Refusal::Unavailable),
        ("", busy.clone(), Refusal::Busy),
        (declined, None, Refusal::Declined),
        (declined, busy, Refusal::Declined),
    ] {
        let mut machine = machine(tenants);
        machine.context.when_model_down = settings;
        machine.arrives();
        assert_eq!(machine.refusal_without_model(), told, "{tenants}");
        machine.record.tenant = TenantId::parse("unknown");
        assert_ne!(machine.refusal_without_model(), Refusal::Declined, "of another tenant's");
    }
}
