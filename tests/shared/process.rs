//! `dialplane run` as a process of its own, watched from outside.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// From the start of the process until it takes calls.
const READY: Duration = Duration::from_secs(20);

/// Of its log, where a test fails.
const LAST_LINES: usize = 200;

/// A running router. Dropping it kills it.
pub struct Process {
    child: Child,
    dir: PathBuf,
    http: SocketAddr,
}

impl Process {
    /// Starts the router in `dir` with these variables alone, and waits until it is ready for calls.
    pub async fn start(binary: &Path, dir: PathBuf, variables: &BTreeMap<String, String>) -> Self {
        let chosen = variables.get("DIALPLANE_HTTP").map(|http| http.parse().unwrap());
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let http: SocketAddr = chosen.unwrap_or_else(free);
        let log = File::create(dir.join("log")).unwrap();
        let kept = ["LD_PRELOAD", "PATH", "RUST_LOG", "TMPDIR"];
        let child = Command::new(binary)
            .arg("run")
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| kept.contains(&name.as_str())))
            .env("DIALPLANE_HTTP", http.to_string())
            .env("DIALPLANE_RECORDS", dir.join("records.jsonl"))
            .envs(variables)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .expect("the router's binary is there");
        let mut process = Self { child, dir, http };
        let deadline = Instant::now() + READY;
        while process.get("/readyz").await.is_none_or(|(status, _)| status != 200) {
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none(), "the router ended: {ended:?}\n{}", process.log());
            assert!(Instant::now() < deadline, "the router is not ready\n{}", process.log());
            sleep(Duration::from_millis(20)).await;
        }
        process
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap()).into_owned()
    }

    /// Status and body of a GET; `None` while nobody listens.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.http).await.ok()?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http);
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
        };
        timeout(Duration::from_secs(2), exchange).await.ok()?
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.expect("the router serves metrics").1
    }

    /// The sum of a metric over its labels; zero where it has not appeared yet.
    pub async fn metric(&self, name: &str) -> f64 {
        sum(&self.metrics().await, name)
    }

    pub fn records_file(&self) -> PathBuf {
        self.dir.join("records.jsonl")
    }

    /// The call records so far, in the order they were written. Every line is one.
    pub fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.records_file()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a record is one JSON line")).collect()
    }

    /// Processor time used so far.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // The name in brackets may hold spaces; the fields after it are counted from 3 (proc(5)).
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        let ticks: u64 = fields[14 - 3].parse::<u64>().unwrap() + fields[15 - 3].parse::<u64>().unwrap();
        // 100 a second on every Linux that Rust runs on.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// A file of /proc about it.
    pub fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the router runs")
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the router to end, as an operator does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Kills the process on the spot (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("the router ran");
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the router has not ended within {within:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ended = self.child.kill().and_then(|()| self.child.wait());
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            println!("--- the router's log\n{}", lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"));
        }
    }
}

/// Where nobody listens, neither by UDP nor by TCP.
pub fn free_address() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// Sums the samples of one metric in the text format.
fn sum(metrics: &str, name: &str) -> f64 {
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let samples = samples.filter(|rest| rest.starts_with(['{', ' ']));
    samples.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_over_its_namesakes() {
        let text =
            "# HELP calls Calls.\ncalls{a=\"b c\"} 2\ncalls{a=\"d\"} 1\ncalls_total 9\nslots 4\n# EOF\n";
        assert_eq!(sum(text, "calls"), 3.0);
        assert_eq!(sum(text, "slots"), 4.0);
        assert_eq!(sum(text, "absent"), 0.0);
    }
}
