//! `dialplane run` in the rig.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::leak::Secrets;
use crate::process::Process;
use crate::rig::{Rig, until, until_every};

/// Names another binary than the one that was built with these tests.
const BINARY: &str = "DIALPLANE_BIN";

/// Longer than a dialplan takes to be read again.
const READ: Duration = Duration::from_secs(20);

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
    process: Process,
    secrets: Secrets,
}

impl Deref for Router {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Router {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Router {
    /// Whether the routers were built as these tests were.
    pub fn is_of_this_build() -> bool {
        std::env::var_os(BINARY).is_none()
    }

    /// Starts the router and waits until it is ready for calls.
    pub async fn start(rig: &Rig, settings: &Settings) -> Self {
        static ROUTERS: AtomicU32 = AtomicU32::new(0);
        let number = ROUTERS.fetch_add(1, Ordering::Relaxed);
        let dir = rig.dir.join(format!("router-{number}-{}", std::process::id()));
        let dialplans = dir.join("dialplans");
        fs::create_dir_all(&dialplans).unwrap();
        for (name, bytes) in &settings.dialplans {
            fs::write(dialplans.join(name), bytes).unwrap();
        }
        let mut variables = BTreeMap::from([
            ("LIVEKIT_URL".to_owned(), rig.livekit_url.clone()),
            ("LIVEKIT_API_KEY".to_owned(), rig.api_key.clone()),
            ("LIVEKIT_API_SECRET".to_owned(), rig.api_secret.clone()),
            ("DIALPLANE_DIALPLANS".to_owned(), dialplans.to_str().unwrap().to_owned()),
        ]);
        variables.extend(settings.variables.clone());
        let binary = std::env::var(BINARY).unwrap_or(env!("CARGO_BIN_EXE_dialplane").to_owned());
        let process = Process::start(Path::new(&binary), dir, &variables).await;
        Self { process, secrets: settings.secrets.clone() }
    }

    /// Waits for exactly that many records.
    pub async fn wait_for_records(&self, count: usize) -> Vec<Value> {
        let what = format!("{count} call records");
        let found = || Some(self.records()).filter(|records| records.len() >= count);
        let records = until(&what, Duration::from_secs(10), found).await;
        assert_eq!(records.len(), count, "one record per call");
        records
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
        let open = fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap();
        let what = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        what.filter(|link| !left_out.contains(&*link.to_string_lossy())).count()
    }

    /// Puts another version of a dialplan file in place, and waits until it is read.
    pub async fn reload(&self, name: &str, text: &str) {
        const RELOADS: &str = "dialplane_dialplan_reloads_total";
        let before = self.metric(RELOADS).await;
        let (new, file) = (self.dir().join(name), self.dir().join("dialplans").join(name));
        fs::write(&new, text).and_then(|()| fs::rename(new, file)).unwrap();
        until_every(Duration::from_millis(20), "the dialplan is read again", READ, async || {
            (self.metric(RELOADS).await > before).then_some(())
        })
        .await;
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
