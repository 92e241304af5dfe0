//! The router's own SIP port over a real socket: a phone that writes its messages by hand, and a session that does what
//! the test says.

mod addresses;
mod answered;
mod changes;
pub mod line;
pub mod phone;
mod refused;
mod reliable;
mod ringing;
mod secure;
mod streams;
mod torture;
mod transfer;
mod trusted;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dialplane::admission::Slots;
use dialplane::call::Call;
use dialplane::config::read_trunks;
use dialplane::dialplan::trunk::Trunks;
use dialplane::document::Given;
use dialplane::ingress::leg::{Incoming, LegCommand, LegEvent};
use dialplane::ingress::sip::settings::{SipSettings, TlsSettings};
use dialplane::ingress::sip::{Port, Site};
use dialplane::media::lateness::Lateness;
use dialplane::telemetry::Metrics;
use dialplane::tls::Tls;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The longest wait for anything that must come.
pub const SOON: Duration = Duration::from_secs(5);
/// How long nothing must come, where that is what is to be shown.
pub const QUIET: Duration = Duration::from_millis(300);

/// A SIP port with the test in the session's place.
pub struct World {
    pub address: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub slots: Slots,
    pub metrics: Metrics,
    drain: CancellationToken,
    calls: mpsc::Receiver<Incoming>,
    port: JoinSet<()>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(10, Trunks::default()).await
    }

    pub async fn with(slots: usize, trunks: Trunks) -> Self {
        Self::listening("127.0.0.1:0", slots, trunks, None).await
    }

    pub async fn listening(listen: &str, slots: usize, trunks: Trunks, tls: Option<TlsSettings>) -> Self {
        Self::trusting(Tls::trusting([]), listen, slots, trunks, tls).await
    }

    pub async fn trusting(
        trusted: Tls,
        listen: &str,
        slots: usize,
        trunks: Trunks,
        tls: Option<TlsSettings>,
    ) -> Self {
        let (slots, metrics, drain) = (
            Slots::new(slots, Arc::new(Lateness::new(Instant::now()))),
            Metrics::new(),
            CancellationToken::new(),
        );
        let (sender, calls) = mpsc::channel(slots.limit().max(1));
        let settings = SipSettings {
            listen: listen.parse().unwrap(),
            public: None,
            rtp_ports: SipSettings::RTP_PORTS,
            tls,
        };
        let site = Site {
            settings,
            trunks: Arc::new(trunks),
            slots: slots.clone(),
            metrics: metrics.clone(),
            trusted,
            calls: sender,
        };
        let open = Port::open(site).await.unwrap();
        let (address, tls) = (open.address().unwrap(), open.tls_address());
        let mut port = JoinSet::new();
        port.spawn(open.run(drain.clone()));
        Self { address, tls, slots, metrics, drain, calls, port }
    }

    /// The next call, with its facts.
    pub async fn call(&mut self) -> Session {
        let incoming = timeout(SOON, self.calls.recv()).await.expect("a call in time").unwrap();
        let mut session = Session { incoming, call: None };
        match session.event().await {
            LegEvent::Arrived(call) => session.call = Some(call),
            other => panic!("{other:?} instead of the facts"),
        }
        session
    }

    /// The next call, whenever it comes.
    pub async fn incoming(&mut self) -> Incoming {
        self.calls.recv().await.expect("the port runs")
    }

    /// Nobody has called.
    pub fn is_quiet(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }

    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// The port has ended, after its last call.
    pub async fn ended(&mut self) {
        timeout(Duration::from_secs(40), self.port.join_next())
            .await
            .expect("the port ends")
            .unwrap()
            .unwrap();
    }
}

/// The session's end of one call.
pub struct Session {
    incoming: Incoming,
    call: Option<Box<Call>>,
}

impl Session {
    pub fn call(&self) -> &Call {
        self.call.as_ref().unwrap()
    }

    pub async fn command(&self, command: LegCommand) {
        self.incoming.leg.commands.send(command).await.unwrap();
    }

    pub async fn answer(&mut self) {
        self.command(LegCommand::Answer).await;
        self.expect("Subscribed").await;
    }

    /// The next event but audio.
    pub async fn event(&mut self) -> LegEvent {
        loop {
            let event = timeout(SOON, self.incoming.leg.events.recv()).await.expect("an event in time");
            match event.expect("the leg lives") {
                LegEvent::Audio(_) | LegEvent::Quality(_) => {}
                event => return event,
            }
        }
    }

    /// The next event but audio is this, as it shows.
    pub async fn expect(&mut self, shown: &str) {
        assert_eq!(format!("{:?}", self.event().await), shown);
    }

    /// The session is over; its slot is given back.
    pub async fn leave(self) {
        self.command(LegCommand::Leave { failed: None }).await;
    }
}

/// `[[trunk]]` tables, read.
pub fn trunks(text: &str) -> Trunks {
    let path = Path::new("trunks.toml");
    let secrets = Given::variables([("PASSWORD", "open sesame"), ("OTHER", "shibboleth")]);
    let given = Given { files: [(path.to_owned(), text.to_owned())].into(), ..Given::default() };
    let (trunks, found) = read_trunks(Some(path), &given, &secrets);
    assert!(found.is_empty(), "{found:?}");
    trunks
}
