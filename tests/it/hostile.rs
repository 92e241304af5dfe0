//! Hostile input and floods: the router as a process of its own, and a call in progress that nobody may disturb.

mod attack;
mod datagrams;
mod flood;
mod fuzzed;
mod messages;
mod mutation;
mod steady;
mod strangers;
mod streams;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::{Behaviour, Script};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::process::{Process, free_address};

/// The longest wait for anything that must come.
const SOON: Duration = Duration::from_secs(10);

/// Longer than any test: the model goes on speaking.
const SPEECH: Duration = Duration::from_secs(300);

/// Callers on this network are known; the rest of loopback is not.
const SETTINGS: &str = "[[trunk]]\nname = 'carrier'\naddresses = ['127.0.0.0/28']\n";

/// A router and the model that speaks for it.
struct World {
    model: ModelServer,
    router: Process,
    sip: SocketAddr,
}

impl World {
    async fn start(slots: usize) -> Self {
        Self::with_files(slots, &[("settings.toml", SETTINGS.to_owned())]).await
    }

    /// The first of the files is its settings.
    async fn with_files(slots: usize, files: &[(&str, String)]) -> Self {
        let (delta, delta_gap) = (Duration::from_millis(200), Duration::from_millis(150));
        let behaviour = Behaviour { greeting: SPEECH, delta, delta_gap, ..Behaviour::default() };
        let model = ModelServer::start(Script::always(behaviour)).await.unwrap();
        let dir = std::env::temp_dir().join(format!("dialplane-hostile-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in files {
            std::fs::write(dir.join(name), text).unwrap();
        }
        let sip = free_address();
        let variables = [
            ("DIALPLANE_CONFIG", files[0].0.to_owned()),
            ("PASSWORD", "open sesame".to_owned()),
            ("DIALPLANE_SIP", sip.to_string()),
            ("DIALPLANE_MAX_CALLS", slots.to_string()),
            ("DIALPLANE_DRAIN_SECONDS", "1".to_owned()),
            ("OPENAI_API_KEY", "sk-of-the-test".to_owned()),
            ("OPENAI_BASE_URL", model.url()),
        ];
        let variables: BTreeMap<String, String> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let router = Process::start(Path::new(env!("CARGO_BIN_EXE_dialplane")), dir, &variables).await;
        Self { model, router, sip }
    }

    /// Ends the router as an operator would who does not wait for the calls that are up: its records.
    async fn end(mut self) -> Vec<Value> {
        self.router.terminate();
        let draining = async {
            while !self.router.log().contains("draining") {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, draining).await.expect("the router drains");
        self.router.terminate();
        let status = self.router.ended(SOON).await;
        let log = self.router.log();
        assert!(status.success(), "the router ended with {status}\n{log}");
        assert!(!log.contains("panic"), "{log}");
        self.model.stop().await;
        let records = self.router.records();
        std::fs::remove_dir_all(self.router.dir()).unwrap();
        records
    }
}
