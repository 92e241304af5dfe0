//! `dialplane run` as a process of its own, watched from outside.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::leak::Secrets;
use crate::rig::{Rig, until, until_every};

/// Names another binary than the one that was built with these tests.
const BINARY: &str = "DIALPLANE_BIN";

/// From the start of the process to its registration at livekit-server.
const READY: Duration = Duration::from_secs(20);

/// How a router is to run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Environment variables beside those of the rig.
    pub variables: BTreeMap<String, String>,
    /// Dialplan files by name, and what they name.
    pub dialplans: BTreeMap<String, Vec<u8>>,
    /// What must appear in no log line and no metric.
    pub secrets: Secrets,
}

/// A running router. [`Router::stop`] ends it as an operator would and looks for leaks; dropping it kills it.
pub struct Router {
    child: Child,
    dir: PathBuf,
    http: SocketAddr,
    secrets: Secrets,
}

impl Router {
    /// Whether the routers were built as these tests were.
    pub fn is_of_this_build() -> bool {
        std::env::var_os(BINARY).is_none()
    }

    /// Starts the router and waits until it is ready for calls.
    pub async fn start(rig: &Rig, settings: &Settings) -> Self {
        let chosen = settings.variables.get("DIALPLANE_HTTP").map(|http| http.parse().unwrap());
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let http: SocketAddr = chosen.unwrap_or_else(free);
        // A port may be given twice in the life of a rig.
        static ROUTERS: AtomicU32 = AtomicU32::new(0);
        let number = ROUTERS.fetch_add(1, Ordering::Relaxed);
        let dir = rig.dir.join(format!("router-{number}-{}", http.port()));
        let dialplans = dir.join("dialplans");
        fs::create_dir_all(&dialplans).unwrap();
        for (name, bytes) in &settings.dialplans {
            fs::write(dialplans.join(name), bytes).unwrap();
        }
        let log = File::create(dir.join("log")).unwrap();
        let binary = std::env::var(BINARY).unwrap_or(env!("CARGO_BIN_EXE_dialplane").to_owned());
        let child = Command::new(binary)
            .arg("run")
            .env_clear()
            .envs(
                std::env::vars().filter(|(name, _)| matches!(name.as_str(), "PATH" | "RUST_LOG" | "TMPDIR")),
            )
            .env("LIVEKIT_URL", &rig.livekit_url)
            .env("LIVEKIT_API_KEY", &rig.api_key)
            .env("LIVEKIT_API_SECRET", &rig.api_secret)
            .env("DIALPLANE_HTTP", http.to_string())
            .env("DIALPLANE_RECORDS", dir.join("records.jsonl"))
            .env("DIALPLANE_DIALPLANS", dialplans)
            .envs(&settings.variables)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .expect("the router's binary is there");
        let mut router = Self { child, dir, http, secrets: settings.secrets.clone() };
        until_every(Duration::from_millis(20), "the router is ready", READY, async || {
            let ended = router.child.try_wait().unwrap();
            assert!(ended.is_none(), "the router ended: {ended:?}\n{}", router.log());
            router.get("/readyz").await.filter(|(status, _)| *status == 200)
        })
        .await;
        router
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
        tokio::time::timeout(Duration::from_secs(2), exchange).await.ok()?
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.expect("the router serves metrics").1
    }

    /// The sum of a metric over its labels; zero where it has not appeared yet.
    pub async fn metric(&self, name: &str) -> f64 {
        sum(&self.metrics().await, name)
    }

    /// The call records so far, in the order they were written. Every line is one.
    pub fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.records_file()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a record is one JSON line")).collect()
    }

    /// Waits for exactly that many records.
    pub async fn wait_for_records(&self, count: usize) -> Vec<Value> {
        let what = format!("{count} call records");
        let found = || Some(self.records()).filter(|records| records.len() >= count);
        let records = until(&what, Duration::from_secs(10), found).await;
        assert_eq!(records.len(), count, "one record per call");
        records
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

    /// Open files and sockets, but for the connections to these ports of loopback.
    pub fn descriptors(&self, but_to: &[u16]) -> usize {
        let connections = self.proc("net/tcp");
        let left_out: HashSet<String> = connections
            .lines()
            .filter_map(|line| {
                // proc_net_tcp: sl, local, remote "0100007F:1EC8", state (01 is established), ..., inode.
                let fields: Vec<&str> = line.split_whitespace().collect();
                let port = u16::from_str_radix(fields.get(2)?.split(':').nth(1)?, 16).ok()?;
                (fields[3] == "01" && but_to.contains(&port)).then(|| format!("socket:[{}]", fields[9]))
            })
            .collect();
        // One may be closed between the listing and the look at it.
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let what = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        what.filter(|link| !left_out.contains(&*link.to_string_lossy())).count()
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the router runs")
    }

    /// The process's id.
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

    /// Puts another version of a dialplan file in place, and waits until it is read.
    pub async fn reload(&self, name: &str, text: &str) {
        const RELOADS: &str = "dialplane_dialplan_reloads_total";
        let before = self.metric(RELOADS).await;
        let (new, file) = (self.dir.join(name), self.dir.join("dialplans").join(name));
        fs::write(&new, text).and_then(|()| fs::rename(new, file)).unwrap();
        until_every(Duration::from_millis(20), "the dialplan is read again", READY, async || {
            (self.metric(RELOADS).await > before).then_some(())
        })
        .await;
    }

    pub fn records_file(&self) -> PathBuf {
        self.dir.join("records.jsonl")
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        until("the router has ended", within, || self.child.try_wait().unwrap()).await
    }

    /// Ends the router and returns its records.
    ///
    /// # Panics
    /// When it did not end well, or when it gave a secret away in its logs or metrics while it ran.
    pub async fn stop(mut self) -> Vec<Value> {
        let metrics = self.metrics().await;
        self.terminate();
        let status = self.ended(Duration::from_secs(20)).await;
        assert!(status.success(), "the router ended with {status}\n{}", self.log());
        self.assert_tight(&metrics);
        self.records()
    }

    /// # Panics
    /// When the log or `metrics` gives a secret away.
    pub fn assert_tight(&self, metrics: &str) {
        let log = self.log();
        assert!(!log.trim().is_empty(), "a router that logs nothing can't be checked for leaks");
        for (place, text) in [("log", log.as_str()), ("metrics", metrics)] {
            let leaks = self.secrets.leaks(text);
            assert!(leaks.is_empty(), "the {place} gives away:\n{}", leaks.join("\n"));
        }
        assert!(!log.contains("panicked at"), "a panic:\n{log}");
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ended = self.child.kill().and_then(|()| self.child.wait());
        }
        if std::thread::panicking() {
            println!("--- the router's log\n{}", self.log());
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
