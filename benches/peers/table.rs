//! The figures as they stand in `docs/performance.md`.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

pub fn print(file: &str) {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    println!(
        "| | calls at once | answered | INVITE to 200 OK, median / p95 | to greeting, median / p95 | speech missing, \
         mean / worst call | a core a call | memory a call | idle |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    for line in &lines {
        let (system, calls) = (line["system"].as_str().unwrap(), line["calls"].as_u64().unwrap());
        let number = |field: &str| line[field].as_f64().unwrap();
        let agent = line["cores"]["agent"].as_f64().unwrap();
        println!(
            "| {system} | {calls} | {} | {} | {} | {:.1} / {:.1} % | {:.1} % | {:.2} MB | {:.0} MB |",
            line["answered"],
            times(&line["ok_ms"]),
            times(&line["greeting_ms"]),
            100.0 * number("missing"),
            100.0 * number("worst_missing"),
            100.0 * agent / calls as f64,
            number("mb_a_call"),
            number("idle_mb"),
        );
        let held = if line["held"] == true { calls } else { 0 };
        most.entry(system).and_modify(|most| *most = held.max(*most)).or_insert(held);
    }
    println!("\nMost calls with all answered and at most 5 % of speech missing: {most:?}\n");
    println!("Cores in use while the calls were watched:\n");
    println!(
        "| | calls | agent | livekit-sip | livekit-server | model | phones |\n|---|---|---|---|---|---|---|"
    );
    for line in &lines {
        let core = |name: &str| line["cores"][name].as_f64().unwrap();
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            line["system"].as_str().unwrap(),
            line["calls"],
            core("agent"),
            core("livekit-sip"),
            core("livekit-server"),
            core("model"),
            core("phones"),
        );
    }
}

fn times(times: &Value) -> String {
    match times.as_array() {
        Some(times) => format!("{} / {} ms", times[0], times[1]),
        None => "-".to_owned(),
    }
}
