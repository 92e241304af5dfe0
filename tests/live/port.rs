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

use crate::ports;

const SETTINGS: &str = "dialplane.toml";

/// Longer than the router takes to let the last call go.
const LONGEST: Duration = Duration::from_secs(60);

/// What a router is to have; everything else is as it is by default.
#[derive(Default)]
pub struct Plan {
    pub script: Script,
    /// Dialplan files by name.
    pub dialplans: Vec<(&'static str, String)>,
    /// The settings file, if it is more than a port.
    pub settings: String,
    pub variables: Vec<(&'static str, String)>,
    /// Takes calls over TLS, with this authority's certificate: PEM files of the certificate and its key.
    pub tls: Option<[PathBuf; 2]>,
}

/// A running router.
pub struct Port {
    /// Where it is called, over TLS if it has that.
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
        variables.extend(plan.variables);
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let tls = plan.tls.map(|files| (ports::free(), files));
        let given = Given { variables, files: files(plan.settings, tls.as_ref()) };
        let app = App::start(Settings::load(Some(Path::new(SETTINGS)), &given, 1).expect("settings"))
            .await
            .unwrap();
        let sip = tls.map_or_else(|| app.sip().expect("the port is on"), |(address, _)| address);
        let (stop, mut router) = (Stop::default(), JoinSet::new());
        router.spawn(app.run(stop.clone()));
        Self { sip, model, dir, stop, router }
    }

    /// Ends the router, and gives its records in the order they were written.
    pub async fn close(mut self) -> Vec<Value> {
        self.stop.drain.cancel();
        timeout(LONGEST, self.router.join_next()).await.expect("the router ends").unwrap().unwrap();
        for session in self.model.sessions() {
            assert!(session.faults().is_empty(), "the model refused {:?}", session.faults());
        }
        let text = fs::read_to_string(self.dir.join("records.jsonl")).unwrap();
        fs::remove_dir_all(&self.dir).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The settings file, and what it names.
fn files(settings: String, tls: Option<&(SocketAddr, [PathBuf; 2])>) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let port = || "[sip]\nlisten = '127.0.0.1:0'\n".to_owned();
    let mut settings = Some(settings).filter(|text| !text.is_empty()).unwrap_or_else(port);
    if let Some((address, [certificate, key])) = tls {
        for (name, file) in [("certificate.pem", certificate), ("key.pem", key)] {
            files.insert(name.into(), fs::read_to_string(file).unwrap());
        }
        settings +=
            &format!("tls = {{ listen = '{address}', certificate = 'certificate.pem', key = 'key.pem' }}\n");
    }
    files.insert(SETTINGS.into(), settings);
    files
}
