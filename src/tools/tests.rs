use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tenant::{Agent, Choice};

fn billing() -> Destination {
    Destination::parse("tel:+15557770098").unwrap()
}

fn transfers() -> Transfers {
    let sales = Destination::parse("sip:sales@pbx.acme.example").unwrap();
    Transfers::new([("billing".into(), billing()), ("sales".into(), sales)])
}

fn tools(named: Choice<Vec<ToolName>>, transfers: Transfers) -> Tools {
    let config = CallConfig::of(Agent { tools: named, ..Agent::default() }, BTreeMap::new());
    Tools::of(&CallConfig { transfers, ..config })
}

fn all() -> Tools {
    tools(Choice::This(ToolName::ALL.to_vec()), transfers())
}

#[test]
fn an_agent_is_offered_what_it_may_use_and_no_transfer_to_nowhere() {
    for (named, transfers, offered) in [
        (Choice::Unsaid, transfers(), vec!["hang_up", "transfer_call"]),
        (Choice::Unsaid, Transfers::default(), vec!["hang_up"]),
        (Choice::This(vec![ToolName::HangUp]), transfers(), vec!["hang_up"]),
        (Choice::This(vec![ToolName::TransferCall]), transfers(), vec!["transfer_call"]),
        (Choice::This(vec![ToolName::SendDtmf]), transfers(), vec!["send_dtmf"]),
        (Choice::This(ToolName::ALL.to_vec()), transfers(), vec!["hang_up", "transfer_call", "send_dtmf"]),
        (Choice::This(vec![]), transfers(), vec![]),
        (Choice::Nothing, transfers(), vec![]),
    ] {
        let tools = tools(named, transfers);
        let names: Vec<_> = tools.offered().iter().map(|tool| tool.name).collect();
        assert_eq!(names, offered);
        for name in
            ["hang_up", "transfer_call", "send_dtmf"].into_iter().filter(|name| !offered.contains(name))
        {
            let refused = tools.read(name, r#"{"destination": "billing", "digits": "1"}"#);
            assert!(
                matches!(refused, Err(Rejected::Tool { .. })),
                "{name} is not offered, so it does nothing"
            );
        }
    }
    let [_, transfer, _] = all().offered().try_into().unwrap();
    assert_eq!(transfer.parameters["properties"]["destination"]["enum"], json!(["billing", "sales"]));
}

#[test]
fn a_tool_call_is_an_action_or_says_what_is_accepted() {
    let hang_up = |farewell: Option<&str>| Ok(ToolAction::HangUp { farewell: farewell.map(Redacted::from) });
    let rejected = |text: &str| Err(text.to_owned());
    let (farewell, destination) = (
        "farewell: found something else; accepted: text of at most 1024 bytes",
        "destination: found something else; accepted: one of billing, sales",
    );
    let digits = "digits: found something else; accepted: 1 to 32 of 0 to 9, *, #, A to D";
    let arguments = "arguments: found something else; accepted: a JSON object of at most 8192 bytes";
    let long = format!(r#"{{"farewell": "{}"}}"#, "x".repeat(MAX_FAREWELL + 1));
    let longer = format!("{{}}{}", " ".repeat(MAX_ARGUMENTS));
    for (name, written, expected) in [
        ("hang_up", "", hang_up(None)),
        ("hang_up", " {} ", hang_up(None)),
        ("hang_up", r#"{"farewell": null}"#, hang_up(None)),
        ("hang_up", r#"{"farewell": " "}"#, hang_up(None)),
        ("hang_up", r#"{"farewell": "Goodbye, Ada.", "reason": 7}"#, hang_up(Some("Goodbye, Ada."))),
        ("hang_up", r#"{"farewell": ["Goodbye"]}"#, rejected(farewell)),
        ("hang_up", &long, rejected(farewell)),
        ("hang_up", &longer, rejected(arguments)),
        ("hang_up", "[]", rejected(arguments)),
        ("hang_up", r#"{"farewell": "#, rejected(arguments)),
        ("transfer_call", r#"{"destination": "billing"}"#, Ok(ToolAction::Transfer(billing()))),
        ("transfer_call", r#"{"destination": " billing "}"#, Ok(ToolAction::Transfer(billing()))),
        ("transfer_call", r#"{"destination": "Billing"}"#, rejected(destination)),
        ("transfer_call", r#"{"destination": "tel:+15557770098"}"#, rejected(destination)),
        ("transfer_call", r#"{"destination": 7}"#, rejected(destination)),
        ("transfer_call", "{}", rejected(destination)),
        ("send_dtmf", r##"{"digits": "12#"}"##, Ok(ToolAction::SendDtmf(Digits::parse("12#").unwrap()))),
        ("send_dtmf", r#"{"digits": 12}"#, rejected(digits)),
        ("send_dtmf", r#"{"digits": "ext. 12"}"#, rejected(digits)),
        ("send_dtmf", "{}", rejected(digits)),
        ("dial", "{}", rejected("there is no such tool; accepted: hang_up, transfer_call, send_dtmf")),
    ] {
        let read = all().read(name, written).map_err(|rejected| rejected.to_string());
        assert_eq!(read, expected, "{name} {written:.60}");
    }
    let none = tools(Choice::Nothing, transfers()).read("hang_up", "{}");
    assert_eq!(none.unwrap_err().to_string(), "there is no such tool; accepted: none");
}

proptest! {
    #[test]
    fn nobody_is_handed_on_to_where_nobody_granted(name in "hang_up|transfer_call|send_dtmf|[a-z_]{0,12}", arguments in ".{0,64}") {
        match all().read(&name, &arguments) {
            Ok(ToolAction::Transfer(to)) => prop_assert!(to == billing() || to.as_uri() == "sip:sales@pbx.acme.example"),
            Ok(ToolAction::HangUp { .. }) => prop_assert_eq!(name, "hang_up"),
            Ok(ToolAction::SendDtmf(_)) => prop_assert_eq!(name, "send_dtmf"),
            Err(rejected) => prop_assert!(!rejected.to_string().is_empty()),
        }
    }

    #[test]
    fn a_rejection_never_quotes_what_the_model_wrote(secret in "[0-9]{9}") {
        let arguments = [format!(r#"{{"destination": "{secret}", "digits": "+{secret}"}}"#), secret.clone()];
        for (name, arguments) in ["transfer_call", "send_dtmf"].iter().flat_map(|name| arguments.iter().map(move |of| (name, of))) {
            let rejected = all().read(name, arguments).unwrap_err();
            prop_assert!(!rejected.to_string().contains(&secret));
        }
    }
}
