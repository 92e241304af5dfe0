//! A call in progress: it hears the agent all the time, and in the end is understood.

use std::net::SocketAddr;
use std::time::Duration;

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::phone::{Call, Dial, Say, Stage};
use dialplane::kit::tone::tone_of;
use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::messages::{Ids, established};
use super::{SOON, World};
use crate::heard::find;
use crate::sip::line::Line;

pub const CALLER: &str = "+15551230001";
/// What the caller says, in Hz.
const TONE: f32 = 600.0;

/// Speech that comes later than this is missing.
const LATEST: Duration = Duration::from_secs(1);

/// Of the agent's speech, what may be missing, and at once: the machine may be busy beside the call.
const MISSING: f64 = 0.05;
const HOLE: Duration = Duration::from_millis(500);

pub struct Steady {
    call: Call,
    answered: Instant,
    /// Its dialog, for whoever wants to get into it.
    pub ids: Ids,
    /// Where it sends audio.
    pub media: SocketAddr,
    _tap: JoinSet<()>,
}

/// What the phone had of the call.
#[derive(Debug)]
pub struct Had {
    pub length: Duration,
    pub longest_hole: Duration,
    pub missing: f64,
}

impl Steady {
    pub async fn place(world: &World) -> Self {
        let router = world.sip;
        Self::through(|socket, told| pass_on(socket, router, told)).await
    }

    /// Its signalling goes by this line.
    pub async fn place_by(line: Line, router: SocketAddr) -> Self {
        Self::through(|socket, told| pass_over(socket, line, router, told)).await
    }

    async fn through<F>(pass: impl FnOnce(UdpSocket, watch::Sender<Option<Ids>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = socket.local_addr().unwrap();
        let dial = Dial { jitter_buffer: LATEST, ..Dial::new(to, "+15557770001", CALLER) };
        let (told, mut ids) = watch::channel(None);
        let mut tap = JoinSet::new();
        tap.spawn(pass(socket, told));
        let mut call = Call::place(&dial).await.unwrap();
        let Stage::Answered(media) = call.answered(SOON).await.unwrap() else { panic!("{:?}", call.stage()) };
        let ids = timeout(SOON, ids.wait_for(Option::is_some)).await.unwrap().unwrap().clone().unwrap();
        Self { call, answered: Instant::now(), ids, media, _tap: tap }
    }

    /// What it has heard of the agent so far.
    pub fn had(&self) -> Had {
        let heard = self.call.heard();
        let tone = find(&heard, tone_of("alloy")).expect("the agent");
        Had { length: tone.length, longest_hole: tone.longest_hole, missing: tone.missing }
    }

    /// It heard the agent without a gap up to now, the agent understands it, and it ends as the caller wants it to.
    pub async fn was_undisturbed(mut self, world: &World) {
        let (had, lasted) = (self.had(), self.answered.elapsed());
        println!("call in progress for {lasted:.1?}: {had:?}");
        assert!(had.length + LATEST >= lasted, "{had:?} in {lasted:?}");
        assert!(had.longest_hole <= HOLE && had.missing <= MISSING, "{had:?}");
        self.call.say(vec![Say::Tone { hz: TONE, length: Duration::from_secs(1) }]).await;
        let said = |sessions: &[SessionLog]| {
            let said = sessions.first()?.utterances.last()?;
            said.stopped.map(|_| said.tone_hz)
        };
        let tone = world.model.wait_for(said, SOON).await.expect("the caller is understood");
        assert!((tone.expect("a pure tone") - TONE).abs() < 5.0, "{tone:?}");
        self.call.hang_up().await;
        assert_eq!(self.call.over(SOON).await, Ok(Stage::HungUp));
    }

    /// Its one record among all.
    pub fn has_its_record(records: &[Value]) {
        let of_caller: Vec<&Value> =
            records.iter().filter(|record| record["call"]["caller"]["number"] == CALLER).collect();
        assert_eq!(of_caller.len(), 1, "{of_caller:?}");
        assert_eq!(of_caller[0]["ending"]["how"], "caller-hung-up", "{}", of_caller[0]);
    }
}

/// Passes the phone's signalling on, and tells its dialog.
async fn pass_on(socket: UdpSocket, router: SocketAddr, told: watch::Sender<Option<Ids>>) {
    let (mut phone, mut buffer) = (None, vec![0; 65_535]);
    loop {
        let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
        let target = if source == router { phone } else { Some(router) };
        if source != router {
            phone = Some(source);
        }
        let message = &buffer[..length];
        if let Some(ids) = established(&String::from_utf8_lossy(message)) {
            told.send_replace(Some(ids));
        }
        if let Some(target) = target {
            let _sent = socket.send_to(message, target).await;
        }
    }
}

/// The same for a phone that knows nothing of connections.
async fn pass_over(phone: UdpSocket, line: Line, router: SocketAddr, told: watch::Sender<Option<Ids>>) {
    let (mut back, mut buffer) = (None, vec![0; 65_535]);
    let (datagrams, transport) = ("SIP/2.0/UDP".to_owned(), format!("SIP/2.0/{}", line.transport()));
    loop {
        select! {
            received = phone.recv_from(&mut buffer) => {
                let (length, source) = received.unwrap();
                back = Some(source);
                let message = String::from_utf8_lossy(&buffer[..length]).replace(&datagrams, &transport);
                line.send(message.as_bytes(), router).await;
            }
            message = line.hear(router) => {
                let message = message.expect("the connection of the call in progress");
                let message = String::from_utf8(message).unwrap().replace(&transport, &datagrams);
                if let Some(ids) = established(&message) {
                    told.send_replace(Some(ids));
                }
                if let Some(back) = back {
                    let _sent = phone.send_to(message.as_bytes(), back).await;
                }
            }
        }
    }
}
