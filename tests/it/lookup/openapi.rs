//! `docs/openapi.yaml` is what is sent, and what its statuses come to.

use std::collections::BTreeSet;

use yaml_rust2::{Yaml, YamlLoader};

use super::*;
use crate::schemas::{assert_valid, doc};

fn json_of(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => json!(text),
        Yaml::Integer(number) => json!(number),
        Yaml::Real(number) => json!(number.parse::<f64>().unwrap()),
        Yaml::Boolean(flag) => json!(flag),
        Yaml::Null => Value::Null,
        Yaml::Array(items) => items.iter().map(json_of).collect(),
        Yaml::Hash(fields) => {
            fields.iter().map(|(name, value)| (name.as_str().unwrap().to_owned(), json_of(value))).collect()
        }
        Yaml::Alias(_) | Yaml::BadValue => panic!("{yaml:?}"),
    }
}

fn published() -> Value {
    json_of(&YamlLoader::load_from_str(&doc("openapi.yaml")).unwrap()[0])
}

#[test]
fn its_examples_are_valid_by_the_schemas_it_refers_to() {
    let document = published();
    let operation = &document["paths"]["/"]["post"];
    for (body, examples) in [(&operation["requestBody"], 2), (&operation["responses"]["200"], 4)] {
        let content = &body["content"]["application/json"];
        let schema = content["schema"]["$ref"].as_str().unwrap();
        let found = content["examples"].as_object().unwrap();
        assert_eq!(found.len(), examples, "{schema}");
        for example in found.values() {
            assert_valid(schema, &example["value"]);
        }
    }
}

#[tokio::test]
async fn its_headers_are_those_that_are_sent() {
    let mut server = Server::start(json_answer("{}")).await;
    let secret = sign::Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let own = Backend { secrets: vec![secret], bearer: Some("token".into()), ..backend(&server.url()) };
    lookup(None, AMPLE).resolve(&call(), Some(&routed(Some(own))), now()).await;
    let sent = server.requests.recv().await.unwrap().headers;

    let document = published();
    let parameters = document["paths"]["/"]["post"]["parameters"].as_array().unwrap();
    let schemes = &document["components"]["securitySchemes"];
    let mut named: BTreeSet<&str> = parameters.iter().map(|p| p["name"].as_str().unwrap()).collect();
    named.insert(schemes["signature"]["name"].as_str().unwrap());
    assert_eq!(schemes["token"]["scheme"], "bearer");
    named.insert("authorization");
    // Of every HTTP client.
    let usual = ["host", "content-type", "content-length", "accept", "user-agent"];
    named.extend(usual);
    assert_eq!(sent.keys().map(String::as_str).collect::<BTreeSet<_>>(), named);
    for parameter in parameters {
        let validator = jsonschema::draft202012::new(&parameter["schema"]).unwrap();
        let name = parameter["name"].as_str().unwrap();
        assert!(
            validator.is_valid(&json!(sent[name])) && validator.is_valid(&parameter["example"]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn its_statuses_come_to_what_it_says() {
    let document = published();
    for (status, response) in document["paths"]["/"]["post"]["responses"].as_object().unwrap() {
        let script = if status == "204" {
            Script::Say("HTTP/1.1 204 No Content\r\n\r\n".into())
        } else {
            answer(&format!("{status} Status"), "application/json", "{}")
        };
        let why = ask(script, AMPLE).await.report.why;
        assert_eq!(why.map(Why::name), response["x-why"].as_str(), "{status}");
    }
}
