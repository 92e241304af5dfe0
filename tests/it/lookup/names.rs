//! An answer that many calls share still speaks of each call.

use super::*;

#[tokio::test]
async fn a_shared_answers_names_are_filled_in_for_each_call() {
    let body = json!({
        "systemPrompt": "{{caller.number}} calls {{tenant.name}}, {{offer}}{{nobody}}",
        "startMessage": "Hello {{caller.number}}",
        "variables": {"offer": "ten off"},
        "cache": {"by": ["called"]},
    });
    let mut server = Server::start(json_answer(&body.to_string())).await;
    let lookup = lookup(None, AMPLE);
    let routed = routed(Some(backend(&server.url())));
    for (caller, source) in [
        ("+15551230001", ConfigSource::Backend),
        ("+15551230002", ConfigSource::Cache),
        ("", ConfigSource::Cache),
    ] {
        let number = Number::read(caller, None);
        let caller_of = if caller.is_empty() { Caller::Anonymous } else { Caller::Number(number) };
        let call = Call { caller: caller_of, ..call() };
        let answer = lookup.resolve(&call, Some(&routed), now()).await;
        assert_eq!(answer.report.source, source, "{caller}");
        assert_eq!(answer.report.warnings, ["systemPrompt: {{nobody}} is not known"], "{caller}");
        let Decision::Answer(config) = answer.decision else { panic!("{caller}: refused") };
        assert_eq!(config.prompt, Some(format!("{caller} calls acme, ten off{{{{nobody}}}}").into()));
        assert_eq!(config.greeting, Greeting::Say(format!("Hello {caller}").into()));
    }
    assert!(server.requests.try_recv().is_ok() && server.requests.try_recv().is_err(), "one request");
}
