//! The running router: settings wired together, calls handed to sessions, and an orderly end.

mod certificate;
pub mod crypto;
mod dialplans;
mod workers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::admission::{Permits, Slots};
use crate::config::Settings;
use crate::config::timeouts::Timeouts;
use crate::dialplan::reload::Trigger;
use crate::dialplan::trunk::Trunks;
use crate::http::{Client, Unbuilt};
use crate::ingress::leg::Incoming;
use crate::ingress::sip::settings::SipSettings;
use crate::ingress::sip::{self, Port, Site};
use crate::lookup::{self, Budget, Lookup};
use crate::media::lateness::Lateness;
use crate::realtime::connect::Dialer;
use crate::session::failover::Server;
use crate::session::health::Health;
use crate::session::run::{LetGo, Shared, run as converse};
use crate::session::sounds::SoundsByCodec;
use crate::session::studio::Studio;
use crate::session::timings::Timings;
use crate::session::voice::Turns;
use crate::store::journal::{Journal, OpenError};
use crate::telemetry::{Metrics, Readiness};
use crate::tls::Tls;
use certificate::Certificate;
use dialplans::Dialplans;
use workers::Workers;

/// Calls that are not over then are hung up, and this is how long that may take.
const HANG_UP: Duration = Duration::from_secs(6);
/// From the last call's end: job reports, leaving rooms, closing sockets.
const CLOSE: Duration = Duration::from_secs(3);

/// Why the router did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("DIALPLANE_RECORDS: {path}: {error}; accepted: a file of this router alone, in a folder that is there", path = path.display())]
    Records { path: PathBuf, error: OpenError },
    #[error("DIALPLANE_HTTP: cannot listen on {address}: {error}; accepted: a free address of this machine")]
    Listen { address: SocketAddr, error: std::io::Error },
    #[error(transparent)]
    Sip(#[from] sip::OpenError),
    #[error("DIALPLANE_DIALPLANS: {folder} cannot be read: {error}; accepted: a folder", folder = folder.display())]
    Dialplans { folder: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Client(#[from] Unbuilt),
}

/// How the router is asked to end.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take no more calls, let those that are up go on for the grace period, then tell them goodbye.
    pub drain: CancellationToken,
    /// Let everyone go now.
    pub hang_up: CancellationToken,
}

/// A router that holds its sockets and files, and is about to take calls.
pub struct App {
    http: TcpListener,
    shared: Arc<Shared>,
    readiness: Readiness,
    slots: Slots,
    workers: Workers,
    /// The router's own SIP port, if it is turned on.
    port: Option<Port>,
    /// The port's, over TLS.
    certificate: Option<Certificate>,
    calls: mpsc::Receiver<Incoming>,
    grace: Duration,
    dialplans: Dialplans,
}

/// Has what may change while the router runs read again: the dialplans, and the certificate of the SIP port.
#[derive(Debug, Clone)]
pub struct Reload(Vec<Trigger>);

impl Reload {
    pub fn fire(&self) {
        self.0.iter().for_each(Trigger::fire);
    }
}

impl App {
    /// Opens what the settings name. Nothing is taken yet.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        crypto::install();
        let metrics = Metrics::new();
        let journal = open_journal(settings.records.as_deref(), &metrics)?;
        let readiness = Readiness::new(settings.projects.iter().map(|project| Arc::clone(&project.name)));
        let (dialplans, any_dialplan) =
            Dialplans::open(settings.dialplans.as_deref(), &settings.trunks, &readiness, &metrics)?;
        let http = listen(settings.http).await?;
        let unmatched = settings.unmatched(any_dialplan);
        if settings.backend.as_ref().is_some_and(|backend| backend.secrets.is_empty()) {
            tracing::warn!("DIALPLANE_CALL_CONFIG_SECRET is not set: the backend's requests go unsigned");
        }
        let tls = Tls::with_system_roots();
        let budget = settings.budget;
        let clients = lookup::Clients {
            router: Client::with_connect_timeout(&tls, budget.connect)?,
            tenants: Client::reaching(settings.tenants_reach, &tls, budget.connect)?,
        };
        let policy = lookup::Policy {
            router: settings.backend,
            default: settings.default_agent,
            transfers: settings.transfers,
            unmatched,
            budget,
            cache: settings.cache,
        };
        let lateness = Arc::new(Lateness::new(Instant::now()));
        let slots = Slots::new(settings.max_calls, Arc::clone(&lateness));
        let shared = Arc::new(Shared {
            dialplan: dialplans.watch(),
            permits: Permits::new(settings.max_calls),
            lookup: Lookup::new(clients, policy, metrics.clone()),
            servers: settings.providers.into_iter().map(Server::from).collect(),
            health: Health::default(),
            dialer: Dialer::new(&tls),
            journal,
            metrics: metrics.clone(),
            lateness,
            timings: timings(budget, settings.timeouts),
            sounds: SoundsByCodec::default(),
            turns: Turns::default(),
            studio: Studio::default(),
            when_model_down: settings.when_model_down,
        });
        // A call in the queue holds a slot, so the queue is never full: it may take as many as there are slots.
        let (call_sender, calls) = mpsc::channel(settings.max_calls.max(1));
        let certificate = settings.sip.as_ref().and_then(Certificate::of);
        let port = match settings.sip {
            Some(sip) => Some(open_port(sip, &settings.trunks, &tls, &slots, &metrics, &call_sender).await?),
            None => None,
        };
        let overdue = shared.timings.to_the_answer();
        let workers =
            Workers::new(settings.projects, settings.trunks, &tls, &slots, &metrics, &call_sender, overdue);
        let grace = settings.drain;
        Ok(Self { http, shared, readiness, slots, workers, port, certificate, calls, grace, dialplans })
    }

    /// Where health and metrics are served.
    pub fn http(&self) -> std::io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Where the router's own SIP port is, if it is turned on.
    pub fn sip(&self) -> Option<SocketAddr> {
        self.port.as_ref().and_then(|port| port.address().ok())
    }

    /// Where that port is over TLS, if it has that.
    pub fn sip_over_tls(&self) -> Option<SocketAddr> {
        self.port.as_ref().and_then(Port::tls_address)
    }

    pub fn reload(&self) -> Reload {
        let certificate = self.certificate.as_ref().map(Certificate::trigger);
        Reload([self.dialplans.trigger()].into_iter().chain(certificate).collect())
    }

    /// Takes calls until `stop`, then ends them in its order.
    pub async fn run(self, stop: Stop) {
        let Self { http, shared, readiness, slots, workers, port, certificate, mut calls, grace, dialplans } =
            self;
        let metrics = shared.metrics.clone();
        let admin_stop = CancellationToken::new();
        let webhooks = workers.webhooks();
        let lateness = Arc::clone(&shared.lateness);
        let shown =
            admin::Shown { metrics: metrics.clone(), readiness: readiness.clone(), lateness, webhooks };
        let mut side = JoinSet::new();
        let serving = admin::serve(http, shown, admin_stop.clone());
        side.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the HTTP server failed");
            }
        });
        side.spawn(dialplans.keep(readiness.clone(), metrics.clone(), admin_stop.clone()));
        if let Some(certificate) = certificate {
            side.spawn(certificate.keep(admin_stop.clone()));
        }
        let over = CancellationToken::new();
        let mut workers = workers.start(&readiness, &metrics, &stop.drain, &over);
        if let Some(port) = port {
            workers.spawn(port.run(stop.drain.clone()));
            readiness.listening();
        }
        let Stop { drain, hang_up: at_once } = stop;
        let let_go = LetGo { politely: CancellationToken::new(), at_once };
        let mut sessions = Sessions { shared, slots, let_go, tasks: JoinSet::new() };
        sessions.take_until(&drain, &mut calls).await;
        readiness.draining();
        sessions.drain(&mut calls, grace).await;
        over.cancel();
        if timeout(CLOSE, async { while workers.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("some rooms were not left in time");
            workers.shutdown().await;
        }
        sessions.shared.lookup.close().await;
        sessions.shared.journal.close().await;
        admin_stop.cancel();
        while side.join_next().await.is_some() {}
        tracing::info!("stopped");
    }
}

/// How far a router is that shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Draining {
    Grace,
    Goodbye,
    HangingUp,
}

/// The calls that are up.
struct Sessions {
    shared: Arc<Shared>,
    slots: Slots,
    let_go: LetGo,
    tasks: JoinSet<()>,
}

impl Sessions {
    async fn take_until(&mut self, drain: &CancellationToken, calls: &mut mpsc::Receiver<Incoming>) {
        let mut slots = self.slots.watch();
        loop {
            self.count();
            tokio::select! {
                Some(incoming) = calls.recv() => self.start(incoming),
                Some(_) = self.tasks.join_next() => {}
                Ok(()) = slots.changed() => {}
                () = drain.cancelled() => return,
            }
        }
    }

    /// Calls on their way in still count, and may come to nothing; after `grace` everyone is let go, with a goodbye first.
    async fn drain(&mut self, calls: &mut mpsc::Receiver<Incoming>, grace: Duration) {
        self.slots.drain();
        let (calls_up, grace_seconds) = (self.slots.taken(), grace.as_secs());
        tracing::info!(calls_up, grace_seconds, "draining");
        let (mut deadline, mut stage) = (Instant::now() + grace, Draining::Grace);
        let (LetGo { politely, at_once }, mut slots) = (self.let_go.clone(), self.slots.watch());
        while self.slots.taken() > 0 {
            self.count();
            tokio::select! {
                Some(incoming) = calls.recv() => self.start(incoming),
                Some(_) = self.tasks.join_next() => {}
                Ok(()) = slots.changed() => {}
                () = at_once.cancelled(), if stage < Draining::HangingUp => {
                    (deadline, stage) = (Instant::now() + HANG_UP, Draining::HangingUp);
                }
                () = sleep_until(deadline) => match stage {
                    Draining::Grace => {
                        politely.cancel();
                        deadline = Instant::now() + self.shared.timings.letting_go();
                        stage = Draining::Goodbye;
                    }
                    Draining::Goodbye => at_once.cancel(),
                    Draining::HangingUp => {
                        tracing::warn!(calls_up = self.slots.taken(), "some calls did not end in time");
                        return;
                    }
                },
            }
        }
        self.count();
    }

    fn start(&mut self, incoming: Incoming) {
        self.tasks.spawn(converse(incoming, Arc::clone(&self.shared), self.let_go.clone()));
    }

    fn count(&self) {
        self.shared.metrics.slots(self.slots.taken(), self.slots.limit());
    }
}

fn timings(budget: Budget, set: Timeouts) -> Timings {
    let usual = Timings::with_lookup(budget.whole);
    Timings {
        model_open: set.model_open.unwrap_or(usual.model_open),
        model_configured: set.model_configured.unwrap_or(usual.model_configured),
        greeting: set.greeting.unwrap_or(usual.greeting),
        gate: set.answer.unwrap_or(usual.gate),
        ..usual
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })
}

async fn open_port(
    settings: SipSettings,
    trunks: &Trunks,
    trusted: &Tls,
    slots: &Slots,
    metrics: &Metrics,
    calls: &mpsc::Sender<Incoming>,
) -> Result<Port, StartError> {
    if !trunks.call_directly() {
        tracing::warn!("no [[trunk]] has addresses or digest: only this machine may call the SIP port");
    }
    let site = Site {
        settings,
        trunks: Arc::new(trunks.clone()),
        slots: slots.clone(),
        metrics: metrics.clone(),
        trusted: trusted.clone(),
        calls: calls.clone(),
    };
    Ok(Port::open(site).await?)
}

fn open_journal(records: Option<&Path>, metrics: &Metrics) -> Result<Journal, StartError> {
    let Some(path) = records else {
        tracing::warn!("DIALPLANE_RECORDS is not set: no call records are kept");
        return Ok(Journal::off());
    };
    let (journal, interrupted) = Journal::open(path, metrics.clone())
        .map_err(|error| StartError::Records { path: path.to_owned(), error })?;
    if interrupted.calls > 0 {
        tracing::warn!(
            calls = interrupted.calls,
            "calls were up when the last router ended: recorded as interrupted"
        );
    }
    Ok(journal)
}

#[cfg(test)]
mod tests;
