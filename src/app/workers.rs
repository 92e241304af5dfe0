use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admission::Slots;
use crate::dialplan::trunk::Trunks;
use crate::ingress::leg::Incoming;
use crate::ingress::livekit::Site;
use crate::ingress::livekit::facts::Plan;
use crate::ingress::livekit::worker::Worker;
use crate::livekit::Project;
use crate::livekit::api::Api;
use crate::livekit::socket::Dialer;
use crate::telemetry::{Metrics, Readiness};
use crate::tls::Tls;

/// A worker for each agent name of each LiveKit project, all with one set of slots.
pub(super) struct Workers(Vec<(Arc<str>, Worker)>);

impl Workers {
    pub(super) fn new(
        projects: Vec<Project>,
        trunks: Trunks,
        tls: &Tls,
        slots: &Slots,
        metrics: &Metrics,
        calls: &mpsc::Sender<Incoming>,
    ) -> Self {
        let (trunks, dialer) = (Arc::new(trunks), Dialer::new(tls));
        let workers = projects.into_iter().flat_map(|project| {
            let (name, agents) = (Arc::clone(&project.name), project.agent_names.clone());
            let trunks = Arc::clone(&trunks);
            let site = Arc::new(Site {
                api: Api::new(&project),
                project,
                dialer: dialer.clone(),
                slots: slots.clone(),
                plan: Box::new(move |trunk| plan_of(&trunks, trunk)),
                metrics: metrics.clone(),
                calls: calls.clone(),
            });
            agents.into_iter().map(move |agent| (Arc::clone(&name), Worker::new(Arc::clone(&site), agent)))
        });
        Self(workers.collect())
    }

    /// Registers them all. Each ends after `drain`, with its last call.
    pub(super) fn start(
        self,
        readiness: &Readiness,
        metrics: &Metrics,
        drain: &CancellationToken,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (project, worker) in self.0 {
            let told = tell(project, worker.ready(), readiness.clone(), metrics.clone());
            let drain = drain.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = worker.run(drain) => {}
                    () = told => {}
                }
            });
        }
        tasks
    }
}

/// Passes on whether the worker is registered, for as long as it lives.
async fn tell(project: Arc<str>, mut ready: watch::Receiver<bool>, readiness: Readiness, metrics: Metrics) {
    loop {
        let registered = *ready.borrow_and_update();
        readiness.registered(&project, registered);
        metrics.worker_registered(&project, registered);
        if ready.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn plan_of(trunks: &Trunks, id: &str) -> Plan {
    let plan = trunks.of(id);
    plan.map(|plan| Plan { name: Some(Arc::clone(&plan.name)), rules: plan.rules.clone() })
        .unwrap_or_default()
}
