//! The page for backend teams, the schemas and the examples say the same.

use std::collections::BTreeSet;

use dialplane::lookup::Why;
use dialplane::tenant::template::BuiltIn;

use super::*;

const PAGE: &str = "call-config.md";

/// The names in backticks with which each row of a section's tables starts (`column` 0) or ends (-1).
fn table_names(heading: &str, last_column: bool) -> Vec<String> {
    let page = doc(PAGE);
    let section =
        page.split(&format!("# {heading}\n")).nth(1).unwrap().split("\n#").next().unwrap().to_owned();
    let rows = section.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let cell = |row: &str| {
        if last_column { row.rsplit('|').next() } else { row.split('|').next() }.unwrap().to_owned()
    };
    let named =
        rows.skip(2).map(|row| cell(row).split('`').nth(1).unwrap_or_else(|| panic!("{row}")).to_owned());
    named.collect()
}

#[test]
fn the_page_quotes_the_backends_that_are_run() {
    for (language, name) in [("python", "backend.py"), ("javascript", "backend.mjs")] {
        let page = doc(PAGE);
        let quoted =
            page.split(&format!("```{language} {name}\n")).nth(1).unwrap().split("```").next().unwrap();
        let run = std::fs::read_to_string(format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(quoted, run, "{name}");
    }
}

#[test]
fn the_page_names_every_reason_and_every_name_of_a_template() {
    let whys: BTreeSet<String> = table_names("What a failure does", true).into_iter().collect();
    assert_eq!(whys, Why::ALL.iter().map(|why| why.name().to_owned()).collect());
    let names = table_names("Names in prompts and start messages", false);
    assert_eq!(names, BuiltIn::ALL.map(BuiltIn::name));
}

#[test]
fn every_field_of_a_request_is_always_there() {
    fn check(schema: &Value, path: &str) {
        let Some(properties) = schema["properties"].as_object() else { return };
        let required: BTreeSet<_> =
            schema["required"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        assert_eq!(required, properties.keys().map(String::as_str).collect(), "{path}");
        // So that a field that is sent and not published shows.
        assert_eq!(schema["additionalProperties"], false, "{path}");
        for (name, inner) in properties {
            check(inner, &format!("{path}/{name}"));
        }
    }
    check(&serde_json::from_str(&doc("call-config-request.schema.json")).unwrap(), "");
    assert_valid("call-config-request.schema.json", &fixture("call-config/request.json"));
    assert_valid("call-config-response.schema.json", &fixture("call-config/answer.json"));
}
