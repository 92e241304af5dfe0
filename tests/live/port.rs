//! A router in this process with its SIP port on, and a scripted model: neither LiveKit nor the rig.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dialplane::app::{App, Stop};
use dialplane::config::Settings;
use dialplane::document::Given;
use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::Script;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than the router takes to let the last call go.
const LONGEST: Duration = Duration::from_secs(60);

/// What a router is to have; everything else is as it is by default.
#[derive(Default)]
pub struct Plan {
    pub script: Script,
    /// Dialplan files by name.
    pub dialplans: Vec<(&'static str, String)>,
    /// The settings file.
    pub settings: String,
    pub variables: Vec<(&'static str, String)>,
}

/// A running router.
pub struct Port {
    pub sip: SocketAddr,
    pub model: ModelServer,
    /// For the test's own files too; it is gone once the router has ended well.
    pub dir: PathBuf,
    stop: Stop,
    router: JoinSet<()>,
}

impl Port {
    pub async fn open(plan: Plan) -> Self {
        let dir = std::env::temp_dir().join(format!("dialplane-port-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(dir.join("dialplans")).unwrap();
        for (name, text) in &plan.dialplans {
            fs::write(dir.join("dialplans").join(name), text).unwrap();
        }
        let model = ModelServer::start(plan.script).await.unwrap();
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let mut variables = BTreeMap::from([
            ("DIALPLANE_HTTP", "127.0.0.1:0".to_owned()),
            ("DIALPLANE_RECORDS", path("records.jsonl")),
            ("DIALPLANE_DIALPLANS", path("dialplans")),
            ("OPENAI_API_KEY", "sk-of-the-test".to_owned()),
            ("OPENAI_BASE_URL", model.url()),
        ]);
        if plan.settings.is_empty() {
            variables.insert("DIALPLANE_SIP", "127.0.0.1:0".to_owned());
        }
        variables.extend(plan.variables);
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let file = Path::new("dialplane.toml");
        let given = Given { variables, files: [(file.to_owned(), plan.settings.clone())].into() };
        let file = Some(file).filter(|_| !plan.settings.is_empty());
        let app = App::start(Settings::load(file, &given, 1).expect("settings")).await.unwrap();
        let sip = app.sip().expect("the port is on");
        let (stop, mut router) = (Stop::default(), JoinSet::new());
        router.spawn(app.run(stop.clone()));
        Self { sip, model, dir, stop, router }
    }

    /// Ends the router, and gives its records in the order they were written.
    pub async fn close(mut self) -> Vec<Value> {
        self.stop.drain.cancel();
        timeout(LONGEST, self.router.join_next()).await.expect("the router ends").unwrap().unwrap();
        for session in self.model.sessions() {
            assert!(session.refused.is_empty(), "the model refused {:?}", session.refused);
        }
        let text = fs::read_to_string(self.dir.join("records.jsonl")).unwrap();
        fs::remove_dir_all(&self.dir).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
