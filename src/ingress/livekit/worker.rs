//! An agent worker: registered under one agent name of a project, it takes jobs and runs a leg for each.
//!
//! The socket may come and go; legs go on without it.

pub mod legs;
pub mod registration;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::legs::{Legs, Over};
use self::registration::{Action, Registration};
use super::Site;
use super::reports::{Report, Reports};
use crate::livekit::socket::{ConnectError, Incoming, Socket, SocketError};
use crate::livekit::token::{self, Unsigned};
use crate::livekit::websocket_url;
use crate::livekit::wire::worker::{FromServer, ToServer};

const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
const BACKOFF_STEP: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Added at random, so that the workers a server lost do not all come back at once.
const SPREAD: Duration = Duration::from_millis(250);

/// A registration that lasted so long was none of a server that takes workers only to drop them.
const PROVEN: Duration = Duration::from_secs(10);

type AgentSocket = Socket<ToServer, FromServer>;

/// One agent name's registration and its calls.
pub struct Worker {
    site: Arc<Site>,
    agent_name: Arc<str>,
    ready: watch::Sender<bool>,
    legs: Legs,
    reports: mpsc::Receiver<Report>,
    /// Since when it is registered on this connection.
    registered: Option<Instant>,
}

/// The connection is of no more use.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Token(#[from] Unsigned),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("connecting took too long")]
    Late,
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("{0}")]
    Server(&'static str),
}

/// What woke the worker.
enum Wake {
    Received(Result<Incoming<FromServer>, SocketError>),
    Report(Report),
    Over(Over),
    Draining,
    Time,
}

impl Worker {
    pub fn new(site: Arc<Site>, agent_name: Arc<str>) -> Self {
        let (sender, reports) = Reports::channel();
        let legs = Legs::new(Arc::clone(&site), sender);
        Self { site, agent_name, ready: watch::Sender::new(false), legs, reports, registered: None }
    }

    /// Whether the worker is registered, and so gets jobs.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Registers, and again whenever the connection is lost, until `drain`: then it takes no more jobs and ends
    /// with its last call. Dropping the future cuts every call off.
    pub async fn run(mut self, drain: CancellationToken) {
        let mut failures = 0;
        while let Err(lost) = self.connection(&drain).await {
            self.ready.send_replace(false);
            if self.registered.take().is_some_and(|since| since.elapsed() >= PROVEN) {
                failures = 0;
            }
            let pause = backoff(failures, rand::random());
            failures += 1;
            tracing::warn!(
                project = %self.site.project.name, agent = %self.agent_name, error = %lost,
                pause_seconds = pause.as_secs_f64(), "worker disconnected"
            );
            select! {
                never = self.tend_legs() => match never {},
                () = sleep(pause) => {}
                () = drain.cancelled() => break,
            }
        }
        self.ready.send_replace(false);
        self.site.slots.drain();
        while !self.legs.is_empty() {
            self.tend_leg().await;
        }
    }

    /// One connection, until it is lost or, draining, of no more use.
    async fn connection(&mut self, drain: &CancellationToken) -> Result<(), Lost> {
        let url = websocket_url(&self.site.project.url, "agent");
        let token = token::worker(&self.site.project)?;
        let site = Arc::clone(&self.site);
        let connecting = timeout(CONNECTED_WITHIN, site.dialer.connect(&url, &token));
        let socket = select! {
            connected = connecting => connected.map_err(|_| Lost::Late)??,
            never = self.tend_legs() => match never {},
            () = drain.cancelled() => return Ok(()),
        };
        self.serve(socket, drain).await
    }

    /// Lets legs end while there is no socket to say so on.
    async fn tend_legs(&mut self) -> Infallible {
        loop {
            self.tend_leg().await;
        }
    }

    async fn tend_leg(&mut self) {
        select! {
            _ = self.legs.ended() => {}
            Some(report) = self.reports.recv() => drop(report.written),
        }
    }

    /// Serves one connection until it is lost, or, draining, until the last call is over.
    async fn serve(&mut self, mut socket: AgentSocket, drain: &CancellationToken) -> Result<(), Lost> {
        let jobs = u32::try_from(self.legs.len()).unwrap_or(u32::MAX);
        let slots = self.site.slots.clone();
        let mut registration = Registration::new(Arc::clone(&self.agent_name), slots, jobs, Instant::now());
        socket.send(registration.open()).await?;
        let mut draining = false;
        while !(draining && self.legs.is_empty() && registration.is_idle()) {
            let deadline = registration.deadline(Instant::now());
            let wake = select! {
                biased;
                received = socket.next() => Wake::Received(received),
                Some(report) = self.reports.recv() => Wake::Report(report),
                over = self.legs.ended() => Wake::Over(over),
                () = drain.cancelled(), if !draining => Wake::Draining,
                () = sleep_until(deadline) => Wake::Time,
            };
            if matches!(wake, Wake::Draining) {
                draining = true;
                self.site.slots.drain();
                self.ready.send_replace(false);
            }
            for action in actions(wake, &mut registration)? {
                self.perform(action, &mut socket).await?;
            }
        }
        socket.close().await;
        Ok(())
    }

    async fn perform(&mut self, action: Action, socket: &mut AgentSocket) -> Result<(), Lost> {
        match action {
            Action::Send(message) => socket.send(message).await?,
            Action::TurnAway { answer, why } => {
                self.site.metrics.offer_turned_away(why.turned_away());
                socket.send(answer).await?;
            }
            Action::Report(Report { job, state, written }) => {
                socket.send(ToServer::Job(job, state)).await?;
                // A leg that waits no longer has left already.
                let _ = written.send(());
            }
            Action::Registered => {
                self.registered = Some(Instant::now());
                self.ready.send_replace(!self.site.slots.is_draining());
                tracing::info!(project = %self.site.project.name, agent = %self.agent_name, "worker registered");
            }
            Action::Start { assignment, slot, offered } => self.legs.start(assignment, slot, offered),
            Action::Stop(job) => self.legs.stop(&job),
            Action::GiveUp(why) => return Err(Lost::Server(why)),
        }
        Ok(())
    }
}

fn actions(wake: Wake, registration: &mut Registration) -> Result<Vec<Action>, Lost> {
    let now = Instant::now();
    Ok(match wake {
        Wake::Received(received) => {
            registration.heard(now);
            match received? {
                Incoming::Message(message) => registration.handle(message, now),
                Incoming::Heartbeat => Vec::new(),
            }
        }
        Wake::Report(report) => vec![Action::Report(report)],
        Wake::Over(over) => registration.job_ended(over, now),
        Wake::Draining | Wake::Time => registration.tick(now),
    })
}

/// The pause after so many failures in a row: at most 2 s more each time, up to 10 s, and half of that at least, for routers
/// are not to come all at once. `random` is in 0..1.
fn backoff(failures: u32, random: f64) -> Duration {
    let full = BACKOFF_STEP.saturating_mul(failures).min(BACKOFF_MAX);
    full.mul_f64(0.5 + random / 2.0) + SPREAD.mul_f64(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_ten_seconds_and_is_spread() {
        for (failures, random, expected_ms) in
            [(0, 0.0, 0), (0, 1.0, 250), (1, 0.0, 1000), (1, 1.0, 2250), (3, 1.0, 6250), (100, 1.0, 10_250)]
        {
            let pause = backoff(failures, random);
            assert_eq!(pause.as_millis(), expected_ms, "after {failures} failures");
        }
    }
}
