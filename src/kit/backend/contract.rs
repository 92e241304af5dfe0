//! The call-config request as the contract has it: these keys and no others. Written apart from the sender, and held to
//! the published schema by a test.

use jiff::Timestamp;
use serde_json::Value;

use crate::kit::json::At as _;
use crate::kit::shape::{Shape, required};

const TEXT_OR_NULL: Shape = Shape::Nullable(&Shape::Text);

const REQUEST: Shape = Shape::Object(&[
    required("version", Shape::Word(&["1"])),
    required("id", Shape::Text),
    required("attempt", Shape::Whole(1, 255)),
    required("deadlineMs", Shape::Whole(0, 7_000)),
    required("callerPhone", Shape::Text),
    required("calledPhone", Shape::Text),
    required("trunkId", Shape::Text),
    required("sipCallId", Shape::Text),
    required(
        "caller",
        Shape::Object(&[
            required("number", TEXT_OR_NULL),
            required("raw", TEXT_OR_NULL),
            required("name", TEXT_OR_NULL),
            required("anonymous", Shape::Flag),
            required("verified", Shape::Nullable(&Shape::Flag)),
        ]),
    ),
    required(
        "called",
        Shape::Object(&[
            required("number", TEXT_OR_NULL),
            required("raw", Shape::Text),
            required("divertedFrom", TEXT_OR_NULL),
        ]),
    ),
    required(
        "route",
        Shape::Nullable(&Shape::Object(&[
            required("tenantId", Shape::Short(128)),
            required("id", Shape::Text),
            required("match", Shape::Word(&["exact", "prefix", "pattern", "any"])),
        ])),
    ),
    required(
        "call",
        Shape::Object(&[
            required("id", Shape::Text),
            required("sipCallIdFull", TEXT_OR_NULL),
            required("ingress", Shape::Word(&["livekit", "sip"])),
            required("project", TEXT_OR_NULL),
            required("room", Shape::Text),
            required("headers", Shape::Map(200, &Shape::Text)),
            required("receivedAt", Shape::Text),
        ]),
    ),
]);

/// What is wrong with a request, if anything. Names keys, never values.
pub(super) fn problem(body: &Value) -> Option<String> {
    if let Err(misfit) = REQUEST.check(body) {
        return Some(format!("{}: {}, expected {}", misfit.path, misfit.code, misfit.expected));
    }
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let numbers = ["/caller/number", "/called/number"];
    if let Some(wrong) = numbers.iter().find(|at| text(at).is_some_and(|number| !is_e164(number))) {
        return Some(format!("{wrong}: expected E.164"));
    }
    if !text("/id").is_some_and(|id| id.starts_with("cfg_") && id.len() > "cfg_".len()) {
        return Some("/id: expected cfg_ and an id".to_owned());
    }
    if text("/call/receivedAt").is_none_or(|at| at.parse::<Timestamp>().is_err()) {
        return Some("/call/receivedAt: expected an RFC 3339 time".to_owned());
    }
    if body.at("/caller/anonymous").as_bool() == Some(true) && text("/caller/number").is_some() {
        return Some("/caller/number: expected null of an anonymous caller".to_owned());
    }
    None
}

/// `+` and 3 to 15 digits, the first not 0 (ITU-T E.164).
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (3..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> Value {
        json!({
            "version": "1", "id": "cfg_0198c1f4-0000-7000-8000-000000000001", "attempt": 1, "deadlineMs": 1400,
            "callerPhone": "+15551230001", "calledPhone": "+15557770001",
            "trunkId": "ST_1", "sipCallId": "SCL_1",
            "caller": {
                "number": "+15551230001", "raw": "5551230001", "name": null, "anonymous": false, "verified": null,
            },
            "called": {"number": "+15557770001", "raw": "+15557770001", "divertedFrom": null},
            "route": {"tenantId": "acme-dental", "id": "front-desk", "match": "exact"},
            "call": {
                "id": "0198c1f4-0000-7000-8000-000000000002", "sipCallIdFull": "a@b", "ingress": "livekit", "project": "main", "room": "call-1",
                "headers": {"x-campaign": "spring"}, "receivedAt": "2026-11-22T20:00:00.000Z",
            },
        })
    }

    fn published() -> jsonschema::Validator {
        let schema = include_str!("../../../docs/call-config-request.schema.json");
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    }

    #[test]
    fn the_contracts_own_example_has_no_problem() {
        assert_eq!(problem(&request()), None);
        let mut unrouted = request();
        unrouted["route"] = Value::Null;
        assert_eq!(problem(&unrouted), None);
        assert!(published().is_valid(&request()) && published().is_valid(&unrouted));
    }

    #[test]
    fn a_request_off_the_contract_is_named_by_its_key() {
        for (pointer, value, expected) in [
            ("/version", json!(1), "version: invalid_type"),
            ("/version", json!("2"), "version: invalid_value"),
            ("/attempt", json!(0), "attempt: integer_below_min_value"),
            ("/deadlineMs", json!("1400"), "deadlineMs: invalid_type"),
            ("/caller/anonymous", json!("no"), "caller.anonymous: invalid_type"),
            ("/caller/anonymous", json!(true), "/caller/number: expected null"),
            ("/caller/number", json!("5551230001"), "/caller/number: expected E.164"),
            ("/called/number", json!("+0555"), "/called/number: expected E.164"),
            ("/id", json!("cfg_"), "/id: expected cfg_"),
            ("/call/receivedAt", json!("yesterday"), "/call/receivedAt: expected"),
            ("/call/headers", json!({"x": 1}), "call.headers.x: invalid_type"),
            ("/call/ingress", json!("fax"), "call.ingress: invalid_value"),
            ("/callerPhone", Value::Null, "callerPhone: invalid_type"),
            ("/trunkId", Value::Null, "trunkId: invalid_type"),
            ("/route/match", json!("lucky"), "route.match: invalid_value"),
        ] {
            let mut wrong = request();
            *wrong.pointer_mut(pointer).unwrap() = value;
            // Rules between keys are beyond a schema.
            assert!(
                !published().is_valid(&wrong) || pointer == "/caller/anonymous",
                "{pointer}: the schema takes it"
            );
            let found = problem(&wrong).unwrap_or_default();
            assert!(found.starts_with(expected), "{pointer}: {found}");
        }
    }

    #[test]
    fn a_missing_and_an_added_key_are_problems() {
        for key in ["version", "callerPhone", "calledPhone", "trunkId", "sipCallId", "route", "call"] {
            let mut wrong = request();
            wrong.as_object_mut().unwrap().remove(key);
            let expected = format!("{key}: missing_required_parameter");
            assert!(problem(&wrong).is_some_and(|found| found.starts_with(&expected)), "{key}");
        }
        let mut wrong = request();
        wrong["caller"]["carrier"] = json!("x");
        assert!(problem(&wrong).is_some_and(|found| found.starts_with("caller.carrier: unknown_parameter")));
    }
}
