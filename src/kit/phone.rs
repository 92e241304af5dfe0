//! A telephone that is code: it calls a SIP port over UDP, says what it is told, keeps what it hears, presses keys and
//! hangs up. It offers no more than it can do, and shares no line with the router that it calls, but for G.722 and Opus.

mod audio;
mod coder;
mod line;
mod message;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub use audio::{Press, RATE, Recording, Say};

use super::TimedOut;
use super::journal::Journal;
use audio::{Ear, KeyPacket, Mouth, Packet};
use line::{Line, Order};
use message::Dialog;

/// A phone's usual one.
const JITTER_BUFFER: Duration = Duration::from_millis(60);

/// Orders that wait for the phone.
const ORDERS: usize = 16;

/// What is offered, and spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    #[default]
    Pcmu,
    Pcma,
    G722,
    Opus,
}

impl Codec {
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// RTP's payload type: static (RFC 3551), but for that of Opus.
    const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 96,
        }
    }

    /// How fast RTP's timestamps count, in Hz, and with them the durations of keys.
    const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => RATE,
            Self::Opus => 48_000,
        }
    }

    /// Of the rtpmap attribute.
    const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
        }
    }
}

/// Whom to call, and who calls.
#[derive(Debug, Clone)]
pub struct Dial {
    /// The SIP port that is called.
    pub to: SocketAddr,
    pub called: String,
    pub caller: String,
    pub codec: Codec,
    /// More headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// How late a packet may be against its timestamp before the phone has run dry and plays it when it comes.
    pub jitter_buffer: Duration,
    /// Whether it can press keys and be pressed some.
    pub keys: bool,
    /// Whoever passes audio on between the two sides, as a bad network does.
    pub audio_via: Option<SocketAddr>,
}

impl Dial {
    pub fn new(to: SocketAddr, called: &str, caller: &str) -> Self {
        Self {
            to,
            called: called.to_owned(),
            caller: caller.to_owned(),
            codec: Codec::default(),
            headers: Vec::new(),
            jitter_buffer: JITTER_BUFFER,
            keys: true,
            audio_via: None,
        }
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    Calling,
    Ringing,
    /// And it sends audio there.
    Answered(SocketAddr),
    /// With this status; 487 of a call that was given up.
    Refused(u16),
    /// After our BYE.
    HungUp,
    /// The other side said BYE.
    LetGo,
    /// Nobody answered.
    Unreachable,
}

impl Stage {
    pub const fn is_over(self) -> bool {
        match self {
            Self::Calling | Self::Ringing | Self::Answered(_) => false,
            Self::Refused(_) | Self::HungUp | Self::LetGo | Self::Unreachable => true,
        }
    }
}

/// A call. Dropping it ends the phone without a word.
#[derive(Debug)]
pub struct Call {
    orders: mpsc::Sender<Order>,
    stage: watch::Receiver<Stage>,
    heard: Arc<Journal<Packet>>,
    pressed: Arc<Journal<KeyPacket>>,
    codec: Codec,
    jitter_buffer: Duration,
    /// Where the phone takes audio.
    audio: SocketAddr,
    _phone: AbortOnDropHandle<()>,
}

impl Call {
    /// Sends the INVITE.
    pub async fn place(dial: &Dial) -> io::Result<Self> {
        let from = own_address(dial.to).await?;
        let signalling = UdpSocket::bind((from, 0)).await?;
        let audio_socket = UdpSocket::bind((from, 0)).await?;
        let audio = audio_socket.local_addr()?;
        let (heard, pressed) = (Arc::new(Journal::new()), Arc::new(Journal::new()));
        let (orders, taken) = mpsc::channel(ORDERS);
        let (told, stage) = watch::channel(Stage::default());
        let line = Line {
            dialog: Dialog::new(dial, signalling.local_addr()?, dial.audio_via.unwrap_or(audio)),
            signalling,
            audio_via: dial.audio_via,
            audio: audio_socket,
            ear: Ear::new(dial.codec),
            mouth: Mouth::new(dial.codec),
            heard: Arc::clone(&heard),
            pressed: Arc::clone(&pressed),
            kept: 0,
            orders: taken,
            stage: told,
            waiting: None,
        };
        #[expect(clippy::disallowed_methods, reason = "the handle owns the task")]
        let phone = AbortOnDropHandle::new(tokio::spawn(line.run()));
        let Dial { codec, jitter_buffer, .. } = *dial;
        Ok(Self { orders, stage, heard, pressed, codec, jitter_buffer, audio, _phone: phone })
    }

    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Where the phone takes audio.
    pub const fn audio(&self) -> SocketAddr {
        self.audio
    }

    /// Says this from the next 20 ms on, instead of what is left to say.
    pub async fn say(&self, plan: Vec<Say>) {
        self.order(Order::Say(plan)).await;
    }

    /// BYE, or CANCEL while it rings.
    pub async fn hang_up(&self) {
        self.order(Order::HangUp).await;
    }

    /// Holds the call, or takes it back.
    pub async fn hold(&self, on: bool) {
        self.order(Order::Hold(on)).await;
    }

    /// Speaks and takes another codec from now on.
    pub async fn change(&self, codec: Codec) {
        self.order(Order::Change(codec)).await;
    }

    /// The answer, or what came instead of it.
    pub async fn answered(&mut self, within: Duration) -> Result<Stage, TimedOut> {
        self.wait_for(within, |stage| matches!(stage, Stage::Answered(_)) || stage.is_over()).await
    }

    /// The end.
    pub async fn over(&mut self, within: Duration) -> Result<Stage, TimedOut> {
        self.wait_for(within, Stage::is_over).await
    }

    /// What was heard so far.
    pub fn heard(&self) -> Recording {
        self.recording(&self.heard.snapshot())
    }

    /// The payloads that came, as they came.
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        self.heard.snapshot().into_iter().map(|packet| packet.payload).collect()
    }

    /// Waits until what was heard is as it should be. It is looked at with every packet.
    pub async fn hears(
        &self,
        is_right: impl Fn(&Recording) -> bool,
        within: Duration,
    ) -> Result<Recording, TimedOut> {
        let find = |packets: &[Packet]| Some(self.recording(packets)).filter(&is_right);
        self.heard.wait_for(find, within).await
    }

    /// Waits until the other side has pressed so many keys, to the end of the last.
    pub async fn keys(&self, count: usize, within: Duration) -> Result<Vec<Press>, TimedOut> {
        let find = |packets: &[KeyPacket]| {
            let presses = audio::presses(packets, self.codec);
            (presses.len() >= count && presses.last().is_some_and(|last| last.ends >= 3)).then_some(presses)
        };
        self.pressed.wait_for(find, within).await
    }

    fn recording(&self, packets: &[Packet]) -> Recording {
        audio::recording(packets, self.codec, self.jitter_buffer)
    }

    async fn wait_for(&mut self, within: Duration, found: impl Fn(Stage) -> bool) -> Result<Stage, TimedOut> {
        let waited = timeout(within, self.stage.wait_for(|stage| found(*stage))).await;
        // A phone that is gone has told how before.
        waited.map(|told| told.is_ok()).map_err(|_| TimedOut(within))?;
        Ok(self.stage())
    }

    async fn order(&self, order: Order) {
        // A phone that is gone has nothing more to do.
        let _ = self.orders.send(order).await;
    }
}

/// Our own address on the way to `peer`.
async fn own_address(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let probe = UdpSocket::bind((any, 0)).await?;
    probe.connect(peer).await?;
    Ok(probe.local_addr()?.ip())
}
