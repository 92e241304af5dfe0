//! `dialplane demo`, as a newcomer runs it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// Nothing of our own surroundings reaches it.
fn demo(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dialplane"))
        .arg("demo")
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap()
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("dialplane-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Seconds of 16 bit PCM at 8 kHz, and the loudest sample.
fn heard(wav: &Path) -> (f64, u16) {
    let bytes = std::fs::read(wav).unwrap();
    let (head, data) = bytes.split_at(44);
    assert_eq!(
        (&head[..4], &head[8..16], &head[24..28]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], &8_000u32.to_le_bytes()[..])
    );
    let samples = data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair).unsigned_abs());
    (data.len() as f64 / 16_000.0, samples.max().unwrap())
}

#[test]
fn six_calls_are_placed_told_and_kept_within_20_s_with_nothing_configured() {
    let (folder, start) = (folder("demo"), Instant::now());
    let output = demo(&folder);
    let (told, took) = (String::from_utf8(output.stdout).unwrap(), start.elapsed());
    assert!(
        output.status.success() && !told.contains("WRONG"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    for line in [
        "answered: tenant bright-smile, route front-desk (exact), configuration from backend",
        "answered: tenant copper-kettle, route after-hours (prefix), configuration from dialplan",
        "answered: tenant harbour-clinic, route forwarded (exact), configuration from dialplan",
        "answered: tenant north-cab, route dispatch (exact), configuration from default",
        "the agent answers",
        "refused with 486",
        "refused with 404",
        "All went as it should.",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
    let kept = folder.join("demo-output");
    for name in ["1-own-number.wav", "2-after-hours.wav", "3-forwarded.wav", "4-backend-down.wav"] {
        let (seconds, loudest) = heard(&kept.join(name));
        assert!(seconds >= 2.0 && loudest > 5_000, "{name}: {seconds} s, {loudest}");
    }
    let records = std::fs::read_to_string(kept.join("records.jsonl")).unwrap();
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| record["call"]["ingress"] == "sip"), "{records:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_demo_that_cannot_be_given_fails_and_says_why() {
    let folder = folder("no-demo");
    std::fs::write(folder.join("demo-output"), "a file in the way").unwrap();
    let output = demo(&folder);
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("demo-output"), "{said}");
    std::fs::remove_dir_all(folder).unwrap();
}
