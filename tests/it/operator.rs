//! What whoever runs a router reads of it: its log, call by call, and why it does not start.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::{Behaviour, Fault, Rule, Script};
use dialplane::kit::phone::{Call, Dial, Stage};
use serde_json::{Value, json};

use crate::process::{Process, free_address};

const SOON: Duration = Duration::from_secs(10);

const DIALPLAN: &str = "tenant = 'acme'\n\
    [[route]]\nid = 'desk'\ncalled = '+15557770001'\nagent = 'one'\n\
    [[route]]\nid = 'broken'\ncalled = '+15557770002'\nagent = 'two'\n\
    [agent.one]\nprompt = 'p'\n[agent.two]\nprompt = 'p'\nmodel = 'refused'\n";

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dialplane-{name}-{}", uuid::Uuid::now_v7()));
    fs::create_dir_all(folder.join("dialplans")).unwrap();
    folder
}

fn variables(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The lines of a log in JSON whose span is that call's.
fn lines_of(log: &str, call: &Value) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["span"]["id"] == *call).collect()
}

fn line<'a>(lines: &'a [Value], message: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["message"] == message);
    found.unwrap_or_else(|| panic!("no {message:?} in {lines:?}"))
}

#[tokio::test]
async fn a_call_is_found_by_its_call_id_and_the_log_says_what_became_of_it_and_why() {
    let refuses = Behaviour { fault: Fault::RefuseUpgrade(401), ..Behaviour::default() };
    let script = Script::always(Behaviour::default()).with(Rule::model("refused", refuses));
    let (model, dir, sip) = (ModelServer::start(script).await.unwrap(), folder("operator"), free_address());
    fs::write(dir.join("dialplans/acme.toml"), DIALPLAN).unwrap();
    let (sip_port, url) = (sip.to_string(), model.url());
    let variables = variables(&[
        ("DIALPLANE_SIP", &sip_port),
        ("DIALPLANE_DIALPLANS", "dialplans"),
        ("DIALPLANE_RECRDS", "calls.jsonl"),
        ("OPENAI_API_KEY", "sk-of-the-test"),
        ("OPENAI_BASE_URL", &url),
    ]);
    let mut router =
        Process::start(Path::new(env!("CARGO_BIN_EXE_dialplane")), dir.clone(), &variables).await;
    for (called, stage) in [
        ("+15557770001", None),
        ("+15557770002", Some(Stage::Refused(503))),
        ("+15557770009", Some(Stage::Refused(404))),
    ] {
        let mut call = Call::place(&Dial::new(sip, called, "+15551230001")).await.unwrap();
        let answered = call.answered(SOON).await.unwrap();
        match stage {
            Some(refused) => assert_eq!(answered, refused, "{called}\n{}", router.log()),
            None => {
                call.hang_up().await;
                call.over(SOON).await.unwrap();
            }
        }
    }
    router.terminate();
    assert!(router.ended(SOON).await.success());
    model.stop().await;
    let (log, records) = (router.log(), router.records());
    assert!(!log.contains("5557770") && !log.contains("sk-of"), "{log}");
    let of = |called: &str| {
        let record = records.iter().find(|record| record["call"]["called"]["number"] == called).unwrap();
        let lines = lines_of(&log, &record["id"]);
        assert_eq!(line(&lines, "call arrived")["sip_call_id"], record["call"]["sip_call_id_full"]);
        lines
    };
    let good = of("+15557770001");
    let ended = line(&good, "call ended");
    assert_eq!(
        [&ended["level"], &ended["ending"], &ended["tenant"], &ended["route"], &ended["config"]],
        [&json!("INFO"), &json!("caller-hung-up"), &json!("acme"), &json!("desk"), &json!("dialplan")]
    );
    let broken = of("+15557770002");
    let refused = line(&broken, "call ended");
    assert_eq!(
        [&refused["level"], &refused["detail"], &refused["model_failed"]],
        [&json!("WARN"), &json!("model-unavailable"), &json!("openai/refused: refused (http-401)")]
    );
    let unknown = of("+15557770009");
    assert_eq!(
        [&line(&unknown, "call ended")["detail"], &line(&unknown, "call ended")["route"]],
        [&json!("not-found"), &Value::Null]
    );

    let all: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(line(&all, "started")["sip"], sip_port);
    let misspelt = line(&all, "unknown variable, which changes nothing");
    assert_eq!(
        (&misspelt["variable"], &misspelt["did_you_mean"]),
        (&json!("DIALPLANE_RECRDS"), &json!("DIALPLANE_RECORDS"))
    );
    fs::remove_dir_all(dir).unwrap();
}

/// However often it is tried.
#[tokio::test]
async fn a_dead_model_server_is_told_of_once_a_call_with_what_became_of_that() {
    let (model, dir) =
        (ModelServer::start(Script::always(Behaviour::default())).await.unwrap(), folder("dead"));
    let (sip, nobody) = (free_address(), free_address());
    let provider = |name: &str, url: &str| {
        format!(
            "[[provider]]\nname = '{name}'\nurl = '{url}'\napi_key = 'env:KEY'\nmodel = 'one'\nfallback = ['two']\n"
        )
    };
    let (dead, alive) = (provider("dead", &format!("http://{nobody}/v1")), provider("alive", &model.url()));
    let (sip_port, key) = (sip.to_string(), "sk-of-the-test");
    let variables =
        variables(&[("DIALPLANE_SIP", &sip_port), ("DIALPLANE_CONFIG", "dialplane.toml"), ("KEY", key)]);
    let lost = "dead/one: lost (connection failed)";
    let left_alone = "model provider left alone for a while";
    for (settings, failed, ending, told_between) in [
        (dead.clone(), format!("{lost}, dead/two: lost (connection failed)"), "failed", Some(left_alone)),
        (dead + &alive, lost.to_owned(), "caller-hung-up", None),
    ] {
        fs::write(dir.join("dialplane.toml"), settings).unwrap();
        let mut router =
            Process::start(Path::new(env!("CARGO_BIN_EXE_dialplane")), dir.clone(), &variables).await;
        for _ in 0..2 {
            let mut call = Call::place(&Dial::new(sip, "+15557770001", "+15551230001")).await.unwrap();
            if let Stage::Answered(_) = call.answered(SOON).await.unwrap() {
                call.hang_up().await;
            }
            call.over(SOON).await.unwrap();
        }
        router.terminate();
        assert!(router.ended(SOON).await.success());
        let (log, records) = (router.log(), router.records());
        let lines = lines_of(&log, &records.last().unwrap()["id"]);
        let messages: Vec<&Value> = lines.iter().map(|line| &line["message"]).collect();
        let told: Vec<_> = ["call arrived"].into_iter().chain(told_between).chain(["call ended"]).collect();
        assert_eq!(messages, told, "{log}");
        let ended = line(&lines, "call ended");
        assert_eq!(
            [&ended["level"], &ended["ending"], &ended["model_failed"]],
            [&json!("WARN"), &json!(ending), &json!(failed)]
        );
    }
    model.stop().await;
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_model_that_is_slower_than_usual_is_waited_for_where_the_settings_say_so() {
    // Longer than a greeting may take by default.
    let first_audio = Duration::from_millis(2_700);
    let script = Script::always(Behaviour { first_audio, ..Behaviour::default() });
    let (model, dir, sip) = (ModelServer::start(script).await.unwrap(), folder("slow"), free_address());
    fs::write(dir.join("patient.toml"), "[timeouts]\ngreeting = '6s'\n").unwrap();
    let (sip_port, url) = (sip.to_string(), model.url());
    let mut variables = variables(&[
        ("DIALPLANE_SIP", &sip_port),
        ("OPENAI_API_KEY", "sk-of-the-test"),
        ("OPENAI_BASE_URL", &url),
    ]);
    for (config, answered) in [("patient.toml", true), ("", false)] {
        variables.insert("DIALPLANE_CONFIG".to_owned(), config.to_owned());
        let mut router =
            Process::start(Path::new(env!("CARGO_BIN_EXE_dialplane")), dir.clone(), &variables).await;
        let mut call = Call::place(&Dial::new(sip, "+15557770001", "+15551230001")).await.unwrap();
        let stage = call.answered(SOON).await.unwrap();
        assert_eq!(matches!(stage, Stage::Answered(_)), answered, "{config}: {stage:?}");
        call.hang_up().await;
        router.terminate();
        assert!(router.ended(SOON).await.success());
    }
    model.stop().await;
    fs::remove_dir_all(dir).unwrap();
}

/// One line, which names the variable, what was found there and what is accepted.
#[test]
fn a_router_that_cannot_start_says_why_in_one_line() {
    let dir = folder("unstarted");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let secure = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(dir.join("own.pem"), secure.cert.pem()).unwrap();
    fs::write(dir.join("own.key"), secure.signing_key.serialize_pem()).unwrap();
    let tls = format!("[sip]\ntls = {{ listen = '{taken}', certificate = 'own.pem', key = 'own.key' }}\n");
    fs::write(dir.join("tls.toml"), tls).unwrap();
    let good =
        [("OPENAI_API_KEY", "sk-x"), ("DIALPLANE_SIP", "127.0.0.1:0"), ("DIALPLANE_HTTP", "127.0.0.1:0")];
    for (name, value, expected) in [
        ("DIALPLANE_HTTP", &*taken, format!("DIALPLANE_HTTP: cannot listen on {taken}: ")),
        ("DIALPLANE_SIP", "192.0.2.1:5060", "DIALPLANE_SIP: cannot listen on 192.0.2.1:5060: ".to_owned()),
        ("DIALPLANE_CONFIG", "tls.toml", format!("[sip] tls.listen: cannot listen on {taken}: ")),
        ("DIALPLANE_RECORDS", "gone/calls.jsonl", "DIALPLANE_RECORDS: gone/calls.jsonl: ".to_owned()),
        ("DIALPLANE_DIALPLANS", "gone", "DIALPLANE_DIALPLANS: gone cannot be read: ".to_owned()),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command
            .arg("run")
            .env_clear()
            .envs(good)
            .env("RUST_BACKTRACE", "1")
            .env(name, value)
            .current_dir(&dir);
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let last = told.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(last.starts_with(&format!("error: {expected}")) && last.contains("; accepted: "), "{told}");
    }
    fs::remove_dir_all(dir).unwrap();
}
