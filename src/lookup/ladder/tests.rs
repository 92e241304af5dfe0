use std::sync::Arc;

use super::*;
use crate::call::Destination;
use crate::dialplan::{Limits, Match, Tenant};
use crate::tenant::template::Variables;
use crate::tenant::{Caching, Choice, TransferTo};

fn backend(url: &str) -> Backend {
    Backend { url: url.parse().unwrap(), secrets: Vec::new(), bearer: None, cache_by: None }
}

fn voice(name: &str) -> Agent {
    Agent { voice: Choice::This(name.into()), ..Agent::default() }
}

fn transfers(granted: &[(&str, &str)]) -> Transfers {
    Transfers::new(granted.iter().map(|(name, to)| ((*name).into(), Destination::parse(to).unwrap())))
}

fn routed(backend: Option<Backend>, action: Action) -> Routed {
    let id = TenantId::parse("acme").unwrap();
    Routed {
        tenant: Arc::new(Tenant {
            id,
            name: None,
            tier: None,
            backend,
            limits: Limits::default(),
            transfers: transfers(&[("billing", "tel:+15557770098")]),
        }),
        route: "front-desk".into(),
        matched: Match::Exact,
        action,
    }
}

fn answered_by(agent: Option<Agent>) -> Routed {
    routed(None, Action::Answer { agent: agent.map(Arc::new) })
}

fn said(action: BackendAction, tenant: Option<&str>, agent: Agent) -> Result<Arc<BackendAnswer>, Why> {
    let tenant = tenant.and_then(TenantId::parse);
    let metadata = BTreeMap::from([("k".to_owned(), 1.into())]);
    let (caching, variables) = (Caching::default(), Variables::new());
    let warnings = Vec::new();
    Ok(Arc::new(BackendAnswer { action, tenant, agent, metadata, caching, variables, warnings }))
}

#[test]
fn whom_to_ask_follows_from_the_route_and_the_operators_choice() {
    let (own, routers) = (backend("http://own/"), backend("http://routers/"));
    let answers = Action::Answer { agent: None };
    let with_own = routed(Some(own.clone()), answers.clone());
    let without = routed(None, answers);
    let refusing = routed(Some(own.clone()), Action::Instead(Instead::Refuse(Refusal::Busy)));
    let ask_router = Step::Ask(&routers, Owner::Router);
    for (what, routed, router, unmatched, expected) in [
        ("its own backend", Some(&with_own), Some(&routers), Unmatched::Ask, Step::Ask(&own, Owner::Tenant)),
        ("else the router's", Some(&without), Some(&routers), Unmatched::Reject, ask_router),
        ("else none", Some(&without), None, Unmatched::Ask, Step::Below(Why::NoBackend)),
        (
            "a refusing route asks nobody",
            Some(&refusing),
            Some(&routers),
            Unmatched::Ask,
            Step::Instead(&Instead::Refuse(Refusal::Busy)),
        ),
        ("unmatched, ask", None, Some(&routers), Unmatched::Ask, ask_router),
        ("unmatched, nobody to ask", None, None, Unmatched::Ask, Step::Below(Why::NoBackend)),
        (
            "unmatched, reject",
            None,
            Some(&routers),
            Unmatched::Reject,
            Step::Instead(&Instead::Refuse(Refusal::NotFound)),
        ),
        ("unmatched, default", None, Some(&routers), Unmatched::Default, Step::Below(Why::NotAsked)),
    ] {
        assert_eq!(first(routed, router, unmatched), expected, "{what}");
    }
}

#[test]
fn layers_are_laid_over_each_other_field_by_field() {
    let default = Agent { prompt: Choice::This("default".into()), ..voice("default") };
    let dialplan = Agent { language: Choice::This("de".into()), ..voice("dialplan") };
    let route = answered_by(Some(dialplan));
    let bare = answered_by(None);
    let silent = || said(BackendAction::Answer, None, Agent::default());
    let speaks = || said(BackendAction::Answer, None, voice("backend"));
    let declines = said(BackendAction::Default, None, voice("ignored"));
    for (what, outcome, route, voice, language, source, why) in [
        ("the backend's", speaks(), Some(&route), "backend", Some("de"), ConfigSource::Backend, None),
        ("a silent backend", silent(), Some(&route), "dialplan", Some("de"), ConfigSource::Backend, None),
        ("without an agent", silent(), Some(&bare), "default", None, ConfigSource::Backend, None),
        ("without a route", silent(), None, "default", None, ConfigSource::Backend, None),
        (
            "a failure",
            Err(Why::Timeout),
            Some(&route),
            "dialplan",
            Some("de"),
            ConfigSource::Dialplan,
            Some(Why::Timeout),
        ),
        (
            "a failure without an agent",
            Err(Why::Status(500)),
            Some(&bare),
            "default",
            None,
            ConfigSource::Default,
            Some(Why::Status(500)),
        ),
        (
            "a declining backend",
            declines,
            Some(&route),
            "dialplan",
            Some("de"),
            ConfigSource::Dialplan,
            Some(Why::Declined),
        ),
    ] {
        let answer = merge(outcome, Owner::Tenant, route, &default, &Transfers::default());
        let Decision::Answer(config) = answer.decision else { panic!("{what}: refused") };
        assert_eq!(config.voice.as_deref(), Some(voice), "{what}");
        assert_eq!(config.language.as_deref(), language, "{what}");
        assert_eq!(config.prompt, Some("default".into()), "{what}");
        assert_eq!((answer.report.source, answer.report.why), (source, why), "{what}");
        let reached = !matches!(why, Some(Why::Timeout | Why::Status(_)));
        assert_eq!(config.metadata.contains_key("k"), reached, "{what}");
    }
}

#[test]
fn only_the_routers_backend_names_a_tenant_and_never_lends_it_anothers_agent() {
    let (route, default) = (answered_by(Some(voice("acmes"))), voice("default"));
    for (what, owner, route, named, tenant, voice, warnings) in [
        ("a route's own", Owner::Router, Some(&route), None, Some("acme"), "acmes", 0),
        ("renamed", Owner::Router, Some(&route), Some("other"), Some("other"), "default", 0),
        ("named", Owner::Router, None, Some("other"), Some("other"), "default", 0),
        ("nobody's", Owner::Router, None, None, None, "default", 0),
        ("confirmed", Owner::Tenant, Some(&route), Some("acme"), Some("acme"), "acmes", 0),
        ("usurped", Owner::Tenant, Some(&route), Some("other"), Some("acme"), "acmes", 1),
    ] {
        let outcome = said(BackendAction::Answer, named, Agent::default());
        let answer = merge(outcome, owner, route, &default, &Transfers::default());
        let Decision::Answer(config) = answer.decision else { panic!("{what}: refused") };
        assert_eq!(answer.tenant.as_ref().map(TenantId::as_str), tenant, "{what}");
        assert_eq!(config.voice.as_deref(), Some(voice), "{what}");
        assert_eq!(answer.report.warnings.len(), warnings, "{what}");
    }
}

#[test]
fn names_are_filled_in_whatever_layer_they_come_from() {
    let prompt = |text: &str| Agent { prompt: Choice::This(text.into()), ..Agent::default() };
    let default = prompt("default {{tenant.name}} {{tenant.id}} {{route.id}} {{name}}");
    let mut named = answered_by(Some(prompt("dialplan {{tenant.name}} {{name}}")));
    named.tenant = Arc::new(Tenant { name: Some("Acme Dental".into()), ..(*named.tenant).clone() });
    let bare = Routed { action: Action::Answer { agent: None }, ..named.clone() };
    let says = |action: BackendAction, tenant: Option<&str>, agent: Agent| {
        let variables = Variables::from([("name".to_owned(), "Ada".into())]);
        said(action, tenant, agent).map(|said| Arc::new(BackendAnswer { variables, ..(*said).clone() }))
    };
    let backends = prompt("backend {{tenant.name}} {{name}}");
    let (answers, silent) = (BackendAction::Answer, Agent::default());
    let unknown = "systemPrompt: {{name}} is not known";
    for (outcome, route, expected, warnings) in [
        (says(answers.clone(), None, backends), Some(&named), "backend Acme Dental Ada", vec![]),
        (says(answers.clone(), None, silent.clone()), Some(&named), "dialplan Acme Dental Ada", vec![]),
        (
            says(BackendAction::Default, None, silent.clone()),
            Some(&named),
            "dialplan Acme Dental Ada",
            vec![],
        ),
        (Err(Why::Timeout), Some(&named), "dialplan Acme Dental {{name}}", vec![unknown]),
        (Err(Why::Timeout), Some(&bare), "default Acme Dental acme front-desk {{name}}", vec![unknown]),
        // Another tenant, whose name the route does not know.
        (
            says(answers.clone(), Some("other"), silent.clone()),
            Some(&named),
            "default other other front-desk Ada",
            vec![],
        ),
        (says(answers, None, silent), None, "default    Ada", vec![]),
    ] {
        let answer = fill(
            merge(outcome, Owner::Router, route, &default, &Transfers::default()),
            &Call::example(),
            route,
        );
        let Decision::Answer(config) = answer.decision else { panic!("{expected}: refused") };
        assert_eq!(config.prompt.unwrap().reveal(), expected);
        assert_eq!(answer.report.warnings, warnings, "{expected}");
    }
}

#[test]
fn refusals_come_from_the_backend_the_route_or_the_settings() {
    let outcome = said(BackendAction::Reject(Refusal::Busy), None, Agent::default());
    let rejected = merge(outcome, Owner::Router, None, &Agent::default(), &Transfers::default());
    assert_eq!(rejected.decision, Decision::Instead(Instead::Refuse(Refusal::Busy)));
    assert_eq!((rejected.report.source, rejected.report.why), (ConfigSource::Backend, None));

    let route = routed(None, Action::Instead(Instead::Refuse(Refusal::Declined)));
    let by_route = decided(Some(&route), Instead::Refuse(Refusal::Declined));
    assert_eq!(by_route.decision, Decision::Instead(Instead::Refuse(Refusal::Declined)));
    assert_eq!(by_route.report.source, ConfigSource::Dialplan);

    let unmatched = decided(None, Instead::Refuse(Refusal::NotFound));
    assert_eq!((unmatched.tenant, unmatched.report.source), (None, ConfigSource::Default));
}

#[test]
fn a_backend_may_hand_callers_on_only_to_where_the_tenants_file_says() {
    let settings = transfers(&[("operator", "tel:+15557770001")]);
    let route = answered_by(Some(voice("acmes")));
    for (what, route, tenant, to, granted) in [
        ("by name", Some(&route), None, "billing", Some("tel:+15557770098")),
        ("by its address", Some(&route), None, "tel:+1-555-777-0098", Some("tel:+15557770098")),
        ("an unknown name", Some(&route), None, "sales", None),
        ("an address that nobody granted", Some(&route), None, "tel:+15557770097", None),
        ("what the settings grant", Some(&route), None, "operator", None),
        ("no tenant's call", None, None, "operator", Some("tel:+15557770001")),
        ("a tenant's, which no route names", None, Some("acme"), "billing", None),
        ("another tenant's", Some(&route), Some("other"), "billing", None),
    ] {
        let action = BackendAction::Transfer(TransferTo::parse(to).unwrap());
        let outcome = said(action, tenant, voice("backend"));
        let answer = merge(outcome, Owner::Router, route, &Agent::default(), &settings);
        match (answer.decision, granted) {
            (Decision::Instead(Instead::Transfer(to)), Some(granted)) => {
                assert_eq!(to.as_uri(), granted, "{what}")
            }
            (Decision::Answer(config), None) => {
                assert_eq!(config.voice.as_deref(), Some("backend"), "{what}");
                assert_eq!(answer.report.warnings, [NOT_GRANTED], "{what}");
            }
            (other, _) => panic!("{what}: {other:?}"),
        }
    }
}
