use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::admission::Slots;
use crate::dialplan::trunk::Trunks;
use crate::ingress::leg::Incoming;
use crate::ingress::livekit::Site;
use crate::ingress::livekit::facts::Plan;
use crate::ingress::livekit::rescue::Rescue;
use crate::ingress::livekit::rescue::served::Served;
use crate::ingress::livekit::worker::Worker;
use crate::livekit::api::Api;
use crate::livekit::socket::Dialer;
use crate::livekit::webhook::Webhooks;
use crate::livekit::{Project, rescue_agent};
use crate::telemetry::{Metrics, Readiness};
use crate::tls::Tls;

/// A worker for each agent name of each LiveKit project, all with one set of slots; and for each project whoever looks
/// for callers that nobody came for, with a worker to take them.
pub(super) struct Workers {
    workers: Vec<(Arc<str>, Worker)>,
    rescues: Vec<(Rescue, Worker)>,
    webhooks: Webhooks,
}

impl Workers {
    pub(super) fn new(
        projects: Vec<Project>,
        trunks: Trunks,
        tls: &Tls,
        slots: &Slots,
        metrics: &Metrics,
        calls: &mpsc::Sender<Incoming>,
        overdue: Duration,
    ) -> Self {
        let (trunks, dialer) = (Arc::new(trunks), Dialer::new(tls));
        let rescue_agent = rescue_agent(Uuid::new_v4());
        let (mut workers, mut rescues, mut hooks) = (Vec::new(), Vec::new(), Vec::new());
        for project in projects {
            let trunks = Arc::clone(&trunks);
            let site = Arc::new(Site {
                api: Api::new(&project),
                project,
                rescue_agent: Arc::clone(&rescue_agent),
                served: Served::default(),
                overdue,
                dialer: dialer.clone(),
                slots: slots.clone(),
                plan: Box::new(move |trunk| plan_of(&trunks, trunk)),
                metrics: metrics.clone(),
                calls: calls.clone(),
            });
            workers.extend(site.project.agent_names.iter().map(|agent| {
                (Arc::clone(&site.project.name), Worker::new(Arc::clone(&site), Arc::clone(agent)))
            }));
            let worker = Worker::new(Arc::clone(&site), Arc::clone(&rescue_agent));
            let (sender, happenings) = Webhooks::channel();
            hooks.push((site.project.clone(), sender));
            rescues.push((Rescue::new(site, worker.ready(), happenings), worker));
        }
        let webhooks = Webhooks::new(hooks.iter().map(|(project, sender)| (project, sender.clone())));
        Self { workers, rescues, webhooks }
    }

    /// What LiveKit's webhooks of every project are told.
    pub(super) fn webhooks(&self) -> Webhooks {
        self.webhooks.clone()
    }

    /// Registers them all. Each ends after `drain`, with its last call. Callers without an agent are looked for until
    /// `over`, when the router's last call is: while it drains nobody is taken, and still nobody rings for ever.
    pub(super) fn start(
        self,
        readiness: &Readiness,
        metrics: &Metrics,
        drain: &CancellationToken,
        over: &CancellationToken,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (project, worker) in self.workers {
            let told = tell(project, worker.ready(), readiness.clone(), metrics.clone());
            let drain = drain.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = worker.run(drain) => {}
                    () = told => {}
                }
            });
        }
        for (rescue, worker) in self.rescues {
            tasks.spawn(worker.run(drain.clone()));
            tasks.spawn(rescue.run(over.clone()));
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
