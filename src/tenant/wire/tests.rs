use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::tenant::{CallConfig, Facet};

fn parse(answer: &Value) -> BackendAnswer {
    BackendAnswer::parse(answer.to_string().as_bytes()).unwrap()
}

fn whole() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/call-config/answer.json")).unwrap()
}

fn whole_agent() -> Agent {
    Agent {
        prompt: Choice::This("You answer the phone.".into()),
        model: Choice::This("gpt-realtime-2.1".into()),
        voice: Choice::This("marin".into()),
        temperature: Choice::This(0.7),
        start_message: Choice::This("Hello".into()),
        greeting: Choice::This(GreetingMode::Say),
        language: Choice::This("en-US".into()),
        turn_detection: Choice::This(TurnDetection::Semantic(Eagerness::Low)),
        greeting_interruptible: Choice::This(Interruptible::After(Duration::from_millis(1500))),
        tools: Choice::This(vec![ToolName::HangUp]),
        max_duration: Choice::This(Duration::from_secs(1800)),
        max_silence: Choice::This(Duration::from_millis(20_500)),
        max_turns: Choice::This(40),
    }
}

#[test]
fn a_whole_answer_is_read_in_camel_case_and_in_snake_case() {
    let snake = json!({
        "action": "answer", "tenant_id": "acme", "system_prompt": "You answer the phone.",
        "model": "gpt-realtime-2.1", "voice": "marin", "temperature": 0.7, "start_message": "Hello",
        "greeting": "say", "language": "en-US", "turn_detection": {"eagerness": "low"}, "greeting_interruptible": 1500, "variables": {"name": "Ada"}, "metadata": {"crm": {"id": 7}},
        "tools": ["hang_up"], "limits": {"max_duration_seconds": 1800, "silence_seconds": 20.5, "max_turns": 40},
    });
    for answer in [whole(), snake] {
        let read = parse(&answer);
        assert_eq!(read.agent, whole_agent());
        assert_eq!(read.tenant, TenantId::parse("acme"));
        assert_eq!(read.action, BackendAction::Answer);
        assert_eq!(read.metadata, BTreeMap::from([("crm".to_owned(), json!({"id": 7}))]));
        assert_eq!(read.variables, Variables::from([("name".to_owned(), "Ada".into())]));
        assert_eq!(read.warnings, [""; 0]);
    }
}

#[test]
fn nothing_said_leaves_every_field_to_the_next_layer_and_empty_text_is_nothing() {
    for silent in [json!({}), json!({"voice": null, "limits": null, "unknown": {"x": 1}})] {
        let read = parse(&silent);
        assert_eq!((read.agent, read.warnings), (Agent::default(), Vec::new()), "{silent}");
    }
    let read =
        parse(&json!({"systemPrompt": "", "voice": "", "startMessage": "", "tenantId": "", "tools": []}));
    assert_eq!(read.agent.prompt, Choice::Nothing);
    assert_eq!(read.agent.voice, Choice::Nothing);
    assert_eq!(CallConfig::of(read.agent.clone(), BTreeMap::new()).tools, []);
    assert_eq!(read.agent.start_message, Choice::Nothing);
    assert_eq!((read.tenant, read.warnings), (None, Vec::new()));
}

#[test]
fn a_field_that_looks_misspelt_is_told_and_other_unknown_ones_are_not() {
    let read = parse(&json!({
        "systemPromt": "hi", "start_mesage": "Hello", "limits": {"silenceSecond": 20}, "variables": {"names": "Ada"},
        "recording": true, "foo": 1, "voise": null,
    }));
    assert_eq!(
        read.warnings,
        [
            "limits.silenceSecond: no such field, did you mean silenceSeconds?",
            "start_mesage: no such field, did you mean start_message?",
            "systemPromt: no such field, did you mean systemPrompt?",
        ]
    );
    assert_eq!(read.agent, Agent::default());
    let many: serde_json::Map<_, _> = (0..5_000).map(|n| (format!("voic{n}"), json!(1))).collect();
    assert!(parse(&many.into()).warnings.len() <= 17);
}

#[test]
fn actions_are_read_and_what_is_not_known_is_answered() {
    let transfer = |to: &str| BackendAction::Transfer(TransferTo::parse(to).unwrap());
    for (answer, action, warnings) in [
        (json!({"action": "default"}), BackendAction::Default, 0),
        (json!({"action": "reject"}), BackendAction::Reject(Refusal::Declined), 0),
        (json!({"action": "reject", "reject": {"reason": "busy"}}), BackendAction::Reject(Refusal::Busy), 0),
        (json!({"action": "reject", "reject": {"reason": 7}}), BackendAction::Reject(Refusal::Declined), 1),
        (json!({"action": "reject", "reject": "busy"}), BackendAction::Reject(Refusal::Declined), 1),
        (
            json!({"action": "transfer", "transfer": {"to": "tel:+15557770099"}}),
            transfer("tel:+15557770099"),
            0,
        ),
        (json!({"action": "transfer", "transfer": {"to": "billing"}}), transfer("billing"), 0),
        (json!({"action": "transfer", "transfer": {"to": "tel:+1"}}), BackendAction::Answer, 2),
        (json!({"action": "transfer"}), BackendAction::Answer, 1),
        (json!({"transfer": {"to": "tel:+15557770099"}}), BackendAction::Answer, 0),
        (json!({"action": ""}), BackendAction::Answer, 1),
        (json!({"reject": {"reason": "busy"}}), BackendAction::Answer, 0),
    ] {
        let read = parse(&answer);
        assert_eq!((read.action, read.warnings.len()), (action, warnings), "{answer}: {:?}", read.warnings);
    }
}

#[test]
fn a_wrong_field_is_dropped_with_a_warning_that_never_shows_it() {
    for (field, wrong, warning) in [
        ("voice", json!(["secret"]), "voice: expected a string of at most 128 bytes, found an array of 1"),
        (
            "model",
            json!({"secret": 1}),
            "model: expected a string of at most 128 bytes, found an object of 1 fields",
        ),
        (
            "temperature",
            json!("0.7"),
            "temperature: expected a number from 0 to 2, found a string of 3 bytes",
        ),
        ("temperature", json!(2.1), "temperature: expected a number from 0 to 2, found a number"),
        ("greeting", json!("secret"), r#"greeting: expected "say" or "none", found a string of 6 bytes"#),
        ("limits", json!(30), "limits: expected an object, found a number"),
        (
            "limits",
            json!({"maxDurationSeconds": 0}),
            "limits.maxDurationSeconds: expected a number from 1 to 86400, found a number",
        ),
        (
            "tenantId",
            json!("no spaces"),
            "tenantId: expected 1 to 128 letters, digits, '-' and '_', found a string of 9 bytes",
        ),
        ("metadata", json!(true), "metadata: expected an object of at most 8192 bytes, found a boolean"),
        (
            "systemPrompt",
            json!("x".repeat(MAX_PROMPT + 1)),
            "systemPrompt: expected a string of at most 65536 bytes, found a string of 65537 bytes",
        ),
        ("variables", json!("secret"), "variables: expected an object, found a string of 6 bytes"),
        (
            "variables",
            json!({"name": {"secret": 1}}),
            "variables.name: expected a string of at most 1024 bytes, a number or a boolean, found an object of 1 fields",
        ),
        (
            "variables",
            json!({"+15551230001": 1}),
            "variables: expected names of a letter or _ and at most 63 letters, digits, _, . or -, found 1 others",
        ),
        (
            "tools",
            json!(["hang_up", "secret"]),
            "tools: expected an array of hang_up, transfer_call and send_dtmf, found an array of 2",
        ),
        ("language", json!(7), "language: expected a string of at most 128 bytes, found a number"),
    ] {
        let read = parse(&json!({ field: wrong, "startMessage": "Hello" }));
        assert_eq!(read.warnings, [warning]);
        let expected = Agent { start_message: Choice::This("Hello".into()), ..Agent::default() };
        assert_eq!((read.agent, read.tenant, read.metadata), (expected, None, BTreeMap::new()));
    }
}

#[test]
fn variables_are_texts_numbers_and_booleans_and_bounded() {
    let read =
        parse(&json!({"variables": {"name": "Ada", "visits": 3, "ratio": 0.5, "vip": true, "no": null,
        "first_name": "A", "crm.id-7": "x", "long": "x".repeat(MAX_VARIABLE + 1)}}));
    let found: Vec<_> = read.variables.iter().map(|(k, v)| (k.as_str(), v.reveal().as_str())).collect();
    let expected = [
        ("crm.id-7", "x"),
        ("first_name", "A"),
        ("name", "Ada"),
        ("ratio", "0.5"),
        ("vip", "true"),
        ("visits", "3"),
    ];
    assert_eq!((found.as_slice(), read.warnings.len()), (expected.as_slice(), 1));

    let many = |count: usize, value: Value| -> Value {
        let object: serde_json::Map<_, _> = (0..count).map(|n| (format!("v{n}"), value.clone())).collect();
        json!({ "variables": object })
    };
    assert_eq!(parse(&many(MAX_VARIABLES, json!(1))).warnings.len(), 0);
    let read = parse(&many(MAX_VARIABLES + 1, json!(1)));
    assert_eq!(read.variables.len(), MAX_VARIABLES);
    assert_eq!(read.warnings, ["variables: expected at most 64, found 65; the last are dropped"]);
    let read = parse(&many(40, json!([])));
    assert_eq!((read.warnings.len(), read.warnings[16].as_str()), (17, "24 more faults are not named"));
}

#[test]
fn metadata_is_bounded() {
    let fits = "x".repeat(MAX_METADATA - r#"{"k":""}"#.len());
    assert_eq!(parse(&json!({"metadata": {"k": fits}})).metadata.len(), 1);
    let read = parse(&json!({"metadata": {"k": fits.clone() + "x"}}));
    assert_eq!((read.metadata.len(), read.warnings.len()), (0, 1));
}

#[test]
fn what_is_not_an_object_is_no_answer() {
    let deep = "[".repeat(100_000);
    for body in ["", "null", "[]", "\"answer\"", "{", "<html>", "{} {}", deep.as_str()] {
        let start: String = body.chars().take(10).collect();
        assert_eq!(BackendAnswer::parse(body.as_bytes()), Err(NotAnObject), "{start}");
    }
}

#[test]
fn each_limit_is_read_for_itself() {
    let read = parse(&json!({"limits": {"maxDurationSeconds": "", "silenceSeconds": 1, "maxTurns": 3}}));
    let agent = read.agent;
    assert_eq!((agent.max_duration, agent.max_silence), (Choice::Nothing, Choice::Unsaid));
    assert_eq!(agent.max_turns, Choice::This(3));
    assert_eq!(read.warnings, ["limits.silenceSeconds: expected a number from 2 to 3600, found a number"]);
    let read = parse(&json!({"limits": {"silenceSeconds": 3600, "maxTurns": 1.5}}));
    assert_eq!(read.agent.max_silence, Choice::This(Duration::from_secs(3600)));
    assert_eq!(read.warnings, ["limits.maxTurns: expected a whole number from 1 to 10000, found a number"]);
}

/// `limits` and `limits.maxDurationSeconds`: every named property of a schema.
fn properties(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.push(format!("{path}{name}"));
        properties(inner, &format!("{path}{name}."), found);
    }
}

#[test]
fn the_fields_that_are_read_are_those_of_the_published_schema() {
    let schema = include_str!("../../../docs/call-config-response.schema.json");
    let mut published = Vec::new();
    properties(&serde_json::from_str(schema).unwrap(), "", &mut published);
    published.sort();

    fields::ASKED_FOR.take();
    parse(&json!({}));
    let read: Vec<String> = fields::ASKED_FOR.take().into_iter().collect();
    assert_eq!(read, published);

    // And it matters what they say: nothing takes an array of 0.
    for path in published {
        let wrong = path.rsplit('.').fold(json!([0]), |inner, name| json!({ name: inner }));
        let warned = parse(&wrong).warnings.iter().any(|warning| warning.starts_with(&format!("{path}: ")));
        assert!(warned, "{path}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,200}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{0,12}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_panics_the_parser(body in prop::collection::vec(any::<u8>(), 0..512), json in any_json()) {
        let _ = BackendAnswer::parse(&body);
        let _ = BackendAnswer::parse(json.to_string().as_bytes());
    }

    #[test]
    fn every_good_field_survives_any_other_being_anything(at in 0..15_usize, anything in any_json()) {
        let mut answer = whole();
        let fields = answer.as_object_mut().unwrap();
        let name = fields.keys().nth(at).unwrap().clone();
        fields.insert(name.clone(), anything);
        let (read, good) = (parse(&answer), whole_agent());
        let kept = |field: &str, same: bool| prop::test_runner::TestCaseResult::from(
            if same || name == field { Ok(()) } else { Err(TestCaseError::fail(field.to_owned())) });
        kept("systemPrompt", read.agent.prompt == good.prompt)?;
        kept("model", read.agent.model == good.model)?;
        kept("voice", read.agent.voice == good.voice)?;
        kept("temperature", read.agent.temperature == good.temperature)?;
        kept("startMessage", read.agent.start_message == good.start_message)?;
        kept("greeting", read.agent.greeting == good.greeting)?;
        kept("language", read.agent.language == good.language)?;
        kept("turnDetection", read.agent.turn_detection == good.turn_detection)?;
        kept("greetingInterruptible", read.agent.greeting_interruptible == good.greeting_interruptible)?;
        kept("tools", read.agent.tools == good.tools)?;
        kept("limits", read.agent.max_duration == good.max_duration)?;
        kept("limits", read.agent.max_silence == good.max_silence)?;
        kept("limits", read.agent.max_turns == good.max_turns)?;
        kept("tenantId", read.tenant == TenantId::parse("acme"))?;
        kept("variables", read.variables == Variables::from([("name".to_owned(), "Ada".into())]))?;
        kept("metadata", read.metadata.len() == 1)?;
        kept("action", read.action == BackendAction::Answer)?;
    }
}

#[test]
fn how_long_an_answer_serves_and_whom_is_read_leniently() {
    let seconds = |ttl, revalidate, stale| {
        let [ttl, revalidate, stale] = [ttl, revalidate, stale].map(Duration::from_secs_f64);
        Windows { ttl, revalidate, stale }
    };
    let (usual, day) = (Windows::default(), 86_400.0);
    let number = "expected a number from 0 to 86400";
    for (cache, windows, by, warnings) in [
        (json!(null), seconds(60.0, 60.0, day), None, vec![]),
        (json!({"ttlSeconds": 1, "revalidateSeconds": 2.5, "staleSeconds": 3}), seconds(1.0, 2.5, 3.0), None, vec![]),
        (json!({"ttl_seconds": 3600, "by": []}), seconds(3600.0, 60.0, day), Some(By::of(&[])), vec![]),
        (json!({"ttlSeconds": 0}), seconds(0.0, 0.0, day), None, vec![]),
        (json!({"by": ["called", "trunk"]}), usual, Some(By::of(&[Facet::Called, Facet::Trunk])), vec![]),
        (json!({"by": Facet::ALL.map(Facet::name)}), usual, Some(By::EVERYTHING), vec![]),
        (
            json!({"ttlSeconds": "60", "revalidateSeconds": -1, "staleSeconds": 604_801}),
            usual,
            None,
            vec![
                format!("cache.ttlSeconds: {number}, found a string of 2 bytes"),
                format!("cache.revalidateSeconds: {number}, found a number"),
                "cache.staleSeconds: expected a number from 0 to 604800, found a number".into(),
            ],
        ),
        (
            json!({"by": ["called", "colour"]}),
            usual,
            Some(By::EVERYTHING),
            vec!["cache.by: expected an array of caller, called, diverted, trunk or route, found an array of 2".into()],
        ),
        (json!([]), usual, None, vec!["cache: expected an object, found an array of 0".into()]),
    ] {
        let read = parse(&json!({"cache": cache}));
        assert_eq!(read.caching, Caching { windows, by }, "{cache}");
        assert_eq!(read.warnings, warnings, "{cache}");
    }
}

#[test]
fn turns_are_written_in_several_ways() {
    let read = |answer: Value| {
        let config = CallConfig::of(parse(&answer).agent, BTreeMap::new());
        (config.turn_detection, config.greeting_interruptible)
    };
    let semantic = TurnDetection::Semantic;
    for (detection, interruptible, expected) in [
        (json!(null), json!(null), (TurnDetection::Silence, Interruptible::Always)),
        (json!(""), json!(""), (TurnDetection::Silence, Interruptible::Always)),
        (json!("silence"), json!(true), (TurnDetection::Silence, Interruptible::Always)),
        (json!("semantic"), json!(false), (semantic(Eagerness::Auto), Interruptible::Never)),
        (
            json!({"eagerness": "high"}),
            json!(0),
            (semantic(Eagerness::High), Interruptible::After(Duration::ZERO)),
        ),
    ] {
        assert_eq!(
            read(json!({"turnDetection": detection, "greetingInterruptible": interruptible})),
            expected
        );
    }
    for (field, wrong, warning) in [
        (
            "turnDetection",
            json!({"eagerness": "secret"}),
            r#"expected "silence", "semantic" or an object with an eagerness of "low", "medium", "high" or "auto", found an object of 1 fields"#,
        ),
        (
            "greetingInterruptible",
            json!(60_001),
            "expected a boolean or milliseconds from 0 to 60000, found a number",
        ),
    ] {
        assert_eq!(parse(&json!({ field: wrong })).warnings, [format!("{field}: {warning}")]);
    }
}
