//! The published JSON Schemas hold: what is sent and written validates, and so do the documents' examples.

mod call_config;
mod record;

pub use record::every_ending;

use dialplane::tenant::wire::BackendAnswer;
use serde_json::{Value, json};

pub fn doc(name: &str) -> String {
    std::fs::read_to_string(format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A document that goes over the wire, whole.
pub fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn faults(schema: &str, instance: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(&doc(schema)).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    validator.iter_errors(instance).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

pub fn assert_valid(schema: &str, instance: &Value) {
    assert_eq!(faults(schema, instance), Vec::<String>::new(), "{instance:#}");
}

/// The code blocks of a document that are marked as this kind of example.
fn examples(document: &str, kind: &str) -> Vec<Value> {
    let text = doc(document);
    let start = format!("```json {kind}\n");
    let blocks = text.split(&start).skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

#[test]
fn the_examples_of_the_call_config_document_are_valid() {
    let requests = examples("call-config.md", "request");
    let responses = examples("call-config.md", "response");
    assert_eq!((requests.len(), responses.len()), (1, 4));
    for request in requests {
        assert_valid("call-config-request.schema.json", &request);
    }
    for response in responses {
        assert_valid("call-config-response.schema.json", &response);
        let read = BackendAnswer::parse(response.to_string().as_bytes()).unwrap();
        assert_eq!(read.warnings, Vec::<String>::new());
    }
}

#[test]
fn the_response_schema_accepts_what_the_parser_takes_and_nothing_else() {
    for (field, value) in [
        ("action", json!("transfer")),
        ("action", json!("default")),
        ("tenantId", json!("acme")),
        ("tenantId", json!("no spaces")),
        ("tenantId", json!("")),
        ("systemPrompt", json!("x".repeat(65_536))),
        ("systemPrompt", json!("x".repeat(65_537))),
        ("voice", json!("")),
        ("voice", json!(7)),
        ("model", json!("x".repeat(129))),
        ("temperature", json!(2)),
        ("temperature", json!(-0.1)),
        ("temperature", json!("")),
        ("temperature", json!("0.7")),
        ("startMessage", json!(["Hello"])),
        ("greeting", json!("none")),
        ("greeting", json!("loud")),
        ("language", json!(null)),
        ("turnDetection", json!("semantic")),
        ("turnDetection", json!("")),
        ("turnDetection", json!({"eagerness": "low"})),
        ("turnDetection", json!({"eagerness": "keen"})),
        ("turnDetection", json!({})),
        ("turnDetection", json!("loud")),
        ("greetingInterruptible", json!(true)),
        ("greetingInterruptible", json!("")),
        ("greetingInterruptible", json!(60_000)),
        ("greetingInterruptible", json!(60_000.5)),
        ("greetingInterruptible", json!("after")),
        ("metadata", json!({"any": ["thing"]})),
        ("metadata", json!("text")),
        ("limits", json!({"maxDurationSeconds": 0.5})),
        ("limits", json!({"maxDurationSeconds": 86_400})),
        ("limits", json!({"silenceSeconds": 2, "maxTurns": 10_000})),
        ("limits", json!({"silenceSeconds": 1.9})),
        ("limits", json!({"silenceSeconds": ""})),
        ("limits", json!({"maxTurns": 0})),
        ("limits", json!({"maxTurns": 2.5})),
        ("limits", json!([])),
        ("reject", json!({"reason": "busy"})),
        ("reject", json!({"reason": "rude"})),
        ("variables", json!({"name": "Ada", "visits": 3, "vip": true, "no": null})),
        ("variables", json!({"name": ["Ada"]})),
        ("variables", json!({"+1555": "Ada"})),
        ("variables", json!({"name": "x".repeat(1025)})),
        ("variables", json!("Ada")),
        ("tools", json!(["hang_up", "transfer_call"])),
        ("tools", json!([])),
        ("tools", json!("")),
        ("tools", json!(["dial"])),
        ("transfer", json!({"to": "billing"})),
        ("transfer", json!({"to": "the boss"})),
        ("transfer", json!({"to": "tel:+15557770099"})),
        ("transfer", json!({"to": "sips:Ada@pbx.acme.example:5061;transport=tls"})),
        ("transfer", json!({"to": "+15557770099"})),
        ("transfer", json!({"to": "sip:a@host?Replaces=1"})),
        ("transfer", json!("tel:+15557770099")),
        ("cache", json!({"ttlSeconds": 0, "revalidateSeconds": 0.5, "staleSeconds": 604_800, "by": []})),
        ("cache", json!({"by": ["caller", "called", "diverted", "trunk", "route"]})),
        ("cache", json!({"by": ["called", "weather"]})),
        ("cache", json!({"by": "called"})),
        ("cache", json!({"ttlSeconds": -1})),
        ("cache", json!({"staleSeconds": 604_801})),
        ("unknown", json!({"x": 1})),
    ] {
        let answer = json!({ field: value });
        let read = BackendAnswer::parse(answer.to_string().as_bytes()).unwrap();
        let valid = faults("call-config-response.schema.json", &answer).is_empty();
        assert_eq!(valid, read.warnings.is_empty(), "{answer}: {:?}", read.warnings);
    }
}
