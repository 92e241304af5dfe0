//! Nobody's number, words or keys in a log: the checker that the live tests run over every router's logs and
//! metrics, and what a router prints that can't start.

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
