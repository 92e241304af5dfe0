//! Nobody's number, words or keys in a log: the checker that the live tests run over every router's logs and
//! metrics, and what a router prints that can't start.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::leak::Secrets;

fn secrets() -> Secrets {
    Secrets::default()
        .number("the caller's number", "+15551230001")
        .words("the prompt", "You answer the phone for Acme Dental, kindly.")
        .words("the greeting", "Hello there")
        .key("the model's key", "sk-test-f81c09d2e7ab34")
}

#[test]
fn a_leak_is_found_however_it_is_spelled() {
    for (line, who) in [
        (r#"{"message":"call","from":"+15551230001"}"#, "the caller's number"),
        ("joined room call-_+15551230001_x7", "the caller's number"),
        ("from=1 (555) 123-0001", "the caller's number"),
        ("from=%2B15551230001", "the caller's number"),
        ("national 5551230001", "the caller's number"),
        ("shortened +155512300..", "the caller's number"),
        (r#"instructions="You answer the phone""#, "the prompt"),
        (r#""you answer\nthe \"phone\" for""#, "the prompt"),
        ("said: hello there", "the greeting"),
        ("Authorization: Bearer sk-test-f81c09d2e7ab34", "the model's key"),
        ("key sk-test-f81c...", "the model's key"),
    ] {
        let log = format!("ready\n{line}\n");
        assert_eq!(secrets().leaks(&log), [format!("line 2: {who}")], "{line}");
    }
}

#[test]
fn what_is_no_secret_is_not_found() {
    for line in [
        r#"{"timestamp":"2026-11-22T20:15:00.281785Z","call":"019a1f3e-5550-7123-8001-0123456789ab"}"#,
        "from=[redacted] prompt=[redacted]",
        "the phone rang for 5551 ms",
        "hello, the key is sk-****",
        "dialplane_calls_total{ending=\"caller-hung-up\"} 15551",
    ] {
        assert_eq!(secrets().leaks(line), [""; 0], "{line}");
    }
}

#[test]
fn a_finding_does_not_repeat_the_secret() {
    let found = secrets().leaks("from=+15551230001 key=sk-test-f81c09d2e7ab34").join("\n");
    assert!(!found.contains("555") && !found.contains("sk-"), "{found}");
}

/// A router that is given these settings, beside ones that are good, must not start.
fn bad_settings() -> [(&'static str, &'static str); 6] {
    [
        ("LIVEKIT_URL", "wss://operator:hunter2hunter2@nowhere in particular"),
        ("OPENAI_BASE_URL", "sk-live-5be0c7719d2f4a83"),
        ("DIALPLANE_CALL_CONFIG_URL", "https://operator:hunter2hunter2@:99999/call-config"),
        ("DIALPLANE_CALL_CONFIG_SECRET", "whsec_bm90IGJhc2U2NA!!dG8gYmUgc3VyZQ"),
        ("DIALPLANE_HTTP", "nowhere in particular"),
        ("DIALPLANE_MAX_CALLS", "many"),
    ]
}

/// Secrets where a dialplan takes none: errors name the place, not what stands there.
const BAD_DIALPLAN: &str = r#"
tenant = "acme-dental"

[[route]]
id = "front-desk"
called = ["+15557770001"]
agent = "reception"

[backend]
url = "https://backend.example/call-config"
secret = "whsec_cGxhaW5seSB3cml0dGVuIGRvd24"

[agent.reception]
prompt = ["You answer the phone for Acme Dental and never say why."]
greeting = { text = "Hello and welcome to the dentist." }
"#;

/// Runs `command` for at most ten seconds; how it ended by itself, if it did, and what it printed.
#[expect(clippy::disallowed_methods, reason = "a child process is awaited, and nothing shares the thread")]
fn run(command: &mut Command, output: &Path) -> (Option<ExitStatus>, String) {
    let file = File::create(output).unwrap();
    let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    for _ in 0..1000 {
        if let Some(status) = child.try_wait().unwrap() {
            return (Some(status), fs::read_to_string(output).unwrap());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().and_then(|()| child.wait()).unwrap();
    (None, fs::read_to_string(output).unwrap())
}

#[test]
fn a_router_that_cannot_start_names_the_setting_and_not_its_value() {
    let secrets = Secrets::default()
        .key("a password in an address", "hunter2hunter2")
        .key("a key in the wrong place", "sk-live-5be0c7719d2f4a83")
        .key("the webhook's secret", "whsec_bm90IGJhc2U2NA!!dG8gYmUgc3VyZQ")
        .key("a secret written into a dialplan", "whsec_cGxhaW5seSB3cml0dGVuIGRvd24")
        .key("LiveKit's secret", "f1d3c9e05b7a42688d10")
        .words("the prompt", "You answer the phone for Acme Dental and never say why.")
        .words("the greeting", "Hello and welcome to the dentist.");
    let dialplans = std::env::temp_dir().join(format!("dialplane-bad-{}", std::process::id()));
    fs::create_dir_all(&dialplans).unwrap();
    fs::write(dialplans.join("acme.toml"), BAD_DIALPLAN).unwrap();
    for (name, value) in bad_settings() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialplane"));
        command
            .arg("run")
            .env_clear()
            .env("LIVEKIT_URL", "ws://127.0.0.1:9")
            .env("LIVEKIT_API_KEY", "devkey")
            .env("LIVEKIT_API_SECRET", "f1d3c9e05b7a42688d10")
            .env("OPENAI_API_KEY", "sk-live-5be0c7719d2f4a83")
            .env("DIALPLANE_CALL_CONFIG_URL", "http://127.0.0.1:9/call-config")
            .env("DIALPLANE_HTTP", "127.0.0.1:0")
            .env("DIALPLANE_DIALPLANS", &dialplans)
            .env(name, value);
        let (status, text) = run(&mut command, &dialplans.join("output"));
        assert!(status.is_some_and(|status| !status.success()), "a router with a bad {name} starts:\n{text}");
        assert!(text.contains(name), "the output does not name {name}:\n{text}");
        assert_eq!(secrets.leaks(&text), [""; 0], "with a bad {name}:\n{text}");
    }
    fs::remove_dir_all(dialplans).unwrap();
}
