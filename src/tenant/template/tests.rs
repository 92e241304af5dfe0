use proptest::prelude::*;

use super::*;
use crate::call::{Caller, Diverter, Trunk};

fn variables(values: &[(&str, &str)]) -> Variables {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

fn config(prompt: &str, start_message: &str) -> CallConfig {
    CallConfig {
        prompt: Some(prompt.into()),
        greeting: Greeting::Say(start_message.into()),
        ..CallConfig::of(crate::tenant::Agent::default(), [].into())
    }
}

fn call() -> Call {
    Call {
        caller: Caller::Number(Number::read("+15551230001", None)),
        caller_name: Some("Ada".into()),
        diverter: Some(Diverter::open(Number::read("+15556001234", None))),
        trunk: Some(Trunk { id: "ST_1".into(), name: Some("acme-sip".into()) }),
        ..Call::example()
    }
}

#[test]
fn every_name_stands_for_a_fact_of_the_call() {
    let whole = call();
    let unnamed_trunk = Trunk { id: "ST_1".into(), name: None };
    let bare = Call {
        caller: Caller::Anonymous,
        diverter: None,
        trunk: Some(unnamed_trunk),
        called: Number::read("reception", None),
        ..call()
    };
    let id = TenantId::parse("acme").unwrap();
    let none = Variables::new();
    let known = Names {
        call: &whole,
        tenant: Some(&id),
        tenant_name: Some("Acme Dental"),
        route: Some("front-desk"),
        variables: &none,
    };
    let unnamed = Names { call: &bare, tenant_name: None, ..known };
    let nobodys = Names { tenant: None, tenant_name: None, route: None, ..unnamed };
    let call_id = whole.id.to_string();
    for (built_in, of_known, of_unnamed, of_nobodys) in [
        (BuiltIn::TenantName, "Acme Dental", "acme", ""),
        (BuiltIn::TenantId, "acme", "acme", ""),
        (BuiltIn::CallerNumber, "+15551230001", "", ""),
        (BuiltIn::CallerName, "Ada", "", ""),
        (BuiltIn::CalledNumber, "+15557770001", "reception", "reception"),
        (BuiltIn::CalledDivertedFrom, "+15556001234", "", ""),
        (BuiltIn::TrunkName, "acme-sip", "ST_1", "ST_1"),
        (BuiltIn::RouteId, "front-desk", "front-desk", ""),
        (BuiltIn::CallId, &call_id, &call_id, &call_id),
    ] {
        for (names, expected) in [(known, of_known), (unnamed, of_unnamed), (nobodys, of_nobodys)] {
            let prompt = format!("<{{{{{}}}}}>", built_in.name());
            let (filled, warnings) = names.fill(config(&prompt, "Hello"));
            assert_eq!(filled.prompt, Some(format!("<{expected}>").into()), "{built_in:?}");
            assert_eq!(warnings, Vec::<String>::new(), "{built_in:?}");
        }
    }
}

#[test]
fn a_diverting_party_that_is_not_to_be_named_is_not() {
    let mut call = call();
    call.diverter.as_mut().unwrap().withheld = true;
    let none = Variables::new();
    let names = Names { call: &call, tenant: None, tenant_name: None, route: None, variables: &none };
    let (filled, warnings) = names.fill(config("<{{called.divertedFrom}}>", "Hello"));
    assert_eq!((filled.prompt, warnings), (Some("<>".into()), vec![]));
}

/// The prompt as it becomes with these variables, and the warnings.
fn fill(text: &str, values: &[(&str, &str)]) -> (String, Vec<String>) {
    let (call, variables) = (call(), variables(values));
    let names = Names { call: &call, tenant: None, tenant_name: None, route: None, variables: &variables };
    let (filled, warnings) = names.fill(config(text, "Hello"));
    (filled.prompt.unwrap().reveal().clone(), warnings)
}

#[test]
fn variables_go_in_once_and_what_is_not_known_stays_and_is_named() {
    let values =
        [("name", "Ada"), ("caller.number", "shadow"), ("x", "{{name}}"), ("open", "{{"), ("no", "")];
    let unknown = "systemPrompt: {{nobody}} is not known";
    let (strange, unclosed) = ("systemPrompt: {{...}} is not known", "systemPrompt: a {{ without }}");
    for (text, expected, warnings) in [
        ("Hello {{name}}, {{ name }}\t{{\tname }}!", "Hello Ada, Ada\tAda!", vec![]),
        ("no names { } }} {", "no names { } }} {", vec![]),
        ("", "", vec![]),
        ("<{{no}}>", "<>", vec![]),
        ("{{caller.number}}", "+15551230001", vec![]),
        ("{{x}}{{x}}", "{{name}}{{name}}", vec![]),
        ("{{open}}name}}", "{{name}}", vec![]),
        ("{{nobody}} and {{nobody}} and {{name}}", "{{nobody}} and {{nobody}} and Ada", vec![unknown]),
        ("{{ nobody }}", "{{ nobody }}", vec![unknown]),
        ("{{NAME}}", "{{NAME}}", vec!["systemPrompt: {{NAME}} is not known"]),
        ("{{}} {{#if x}}", "{{}} {{#if x}}", vec![strange]),
        ("{{+15551230001}}", "{{+15551230001}}", vec![strange]),
        ("{{15551230001}}", "{{15551230001}}", vec![strange]),
        ("{{name", "{{name", vec![unclosed]),
        ("{{name}} {{", "Ada {{", vec![unclosed]),
        ("{{ if {{name}}", "{{ if Ada", vec![unclosed]),
        ("{{{name}}}", "{Ada}", vec![]),
        (r#"{"name":"{{name}}"}"#, r#"{"name":"Ada"}"#, vec![]),
    ] {
        assert_eq!(
            fill(text, &values),
            (expected.to_owned(), warnings.iter().map(|w| (*w).to_owned()).collect()),
            "{text}"
        );
    }
}

#[test]
fn warnings_are_few_and_short() {
    let many: String = (0..100).map(|n| format!("{{{{n{n}}}}}")).collect();
    let (same, warnings) = fill(&many, &[]);
    assert_eq!((same, warnings.len()), (many, Warnings::MOST));
    let long = format!("{{{{{}}}}}", "x".repeat(MAX_VARIABLE_NAME + 1));
    assert_eq!(fill(&long, &[]).1, ["systemPrompt: {{...}} is not known"]);
}

#[test]
fn a_value_without_room_stays_out_and_a_long_text_stays_whole() {
    let value = "v".repeat(1024);
    let text = "{{v}}".repeat(MAX_PROMPT / 10);
    let (filled, warnings) = fill(&text, &[("v", &value)]);
    assert!(filled.len() <= MAX_PROMPT && filled.starts_with(&value), "{}", filled.len());
    assert_eq!(warnings, ["systemPrompt: would be too long with the value of {{v}}"]);
    // The operator's own text may be longer than a backend's.
    let own = "x".repeat(MAX_PROMPT) + "{{v}}{{no}}";
    assert_eq!(fill(&own, &[("v", &value), ("no", "")]).0, "x".repeat(MAX_PROMPT) + "{{v}}");
}

#[test]
fn a_start_message_that_comes_to_nothing_leaves_the_greeting_to_the_prompt() {
    let (call, variables) = (call(), variables(&[("name", "")]));
    let names = Names { call: &call, tenant: None, tenant_name: None, route: None, variables: &variables };
    assert_eq!(names.fill(config("p", " {{name}}")).0.greeting, Greeting::FromPrompt);
    let (filled, warnings) = names.fill(config("p", "Hi {{who}}"));
    assert_eq!(filled.greeting, Greeting::Say("Hi {{who}}".into()));
    assert_eq!(warnings, ["startMessage: {{who}} is not known"]);
}

proptest! {
    #[test]
    fn no_text_panics_and_none_grows_beyond_its_bound(
        text in r"(\{\{|\}\}|\{|\}| |a|b|é|\PC){0,64}", a in r"(\{\{|\}\}|b|\PC){0,16}", bound in 0..200_usize,
    ) {
        let longest = bound.max(text.len());
        let value = |name: &str| (name == "a").then_some(Cow::Borrowed(a.as_str()));
        let filled = fill_in(&text, longest, value, |_| {});
        prop_assert!(filled.len() <= longest);
        if !text.contains("{{") {
            prop_assert!(matches!(filled, Cow::Borrowed(same) if same == text));
        }
        // Without a name that is known, every byte stays.
        prop_assert_eq!(fill_in(&text, longest, |_| None, |_| {}), text.as_str());
    }

    /// Split at the names, a text is its pieces with the values between them.
    #[test]
    fn only_names_change(pieces in prop::collection::vec(r"[^{}]{0,8}", 1..6), value in r"\PC{0,8}") {
        let text = pieces.join("{{ a }}");
        let filled = fill_in(&text, usize::MAX, |_| Some(Cow::Borrowed(value.as_str())), |_| {});
        prop_assert_eq!(filled, pieces.join(&value));
    }
}
