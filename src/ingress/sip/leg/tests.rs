//! What becomes of a call whose leg has a bug.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::admission::Slots;
use crate::call::Fault;
use crate::dialplan::trunk::Trunks;
use crate::ingress::leg::{Frame, Incoming, LegCommand, LegEnd, LegEvent};
use crate::ingress::sip::settings::SipSettings;
use crate::ingress::sip::{Port, Site};
use crate::media::lateness::Lateness;
use crate::telemetry::Metrics;
use crate::tls::Tls;

/// The frame that makes a leg panic.
pub(crate) const BUG: &[u8] = b"bug";

pub(super) fn panic_at(frame: &Frame) {
    assert_ne!(**frame, *BUG, "a bug");
}

/// A phone, and the session of its call.
struct Rig {
    phone: UdpSocket,
    router: SocketAddr,
    tag: String,
    heard: String,
    incoming: Incoming,
    drain: CancellationToken,
    port: JoinSet<()>,
}

impl Rig {
    /// A call that rings.
    async fn ringing() -> Self {
        let (sender, mut calls) = mpsc::channel(1);
        let settings = SipSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            public: None,
            rtp_ports: SipSettings::RTP_PORTS,
            tls: None,
        };
        let slots = Slots::new(1, Arc::new(Lateness::new(Instant::now())));
        let trunks = Arc::new(Trunks::default());
        let (metrics, trusted) = (Metrics::new(), Tls::trusting([]));
        let site = Site { settings, trunks, slots, metrics, trusted, calls: sender };
        let port = Port::open(site).await.unwrap();
        let (router, drain) = (port.address().unwrap(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(port.run(drain.clone()));
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let contact = format!(
            "Contact: <sip:ada@{}>\r\nContent-Type: application/sdp\r\n",
            phone.local_addr().unwrap()
        );
        send(&phone, router, "INVITE", "", &contact, sdp).await;
        let incoming = timeout(Duration::from_secs(5), calls.recv()).await.unwrap().unwrap();
        let (tag, heard) = (String::new(), String::new());
        let mut rig = Self { phone, router, tag, heard, incoming, drain, port: running };
        rig.hears("SIP/2.0 100").await;
        let ringing = rig.hears("SIP/2.0 180").await;
        let to = ringing.lines().find(|line| line.starts_with("To:")).unwrap();
        rig.tag = to.split(";tag=").nth(1).unwrap().to_owned();
        assert!(matches!(rig.event().await, LegEvent::Arrived(_)));
        rig
    }

    async fn answered() -> Self {
        let mut rig = Self::ringing().await;
        rig.incoming.leg.commands.send(LegCommand::Answer).await.unwrap();
        assert!(matches!(rig.event().await, LegEvent::Subscribed));
        rig.hears("SIP/2.0 200").await;
        rig
    }

    async fn ack(&self) {
        send(&self.phone, self.router, "ACK", &format!(";tag={}", self.tag), "", "").await;
    }

    /// The next message begins so. What repeats the last one, as on a busy machine, is none.
    async fn hears(&mut self, start: &str) -> String {
        loop {
            let mut buffer = vec![0; 4000];
            let (length, _) =
                timeout(Duration::from_secs(5), self.phone.recv_from(&mut buffer)).await.unwrap().unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text != self.heard {
                assert!(text.starts_with(start), "{text} instead of {start}");
                self.heard.clone_from(&text);
                return text;
            }
        }
    }

    /// The next event but audio.
    async fn event(&mut self) -> LegEvent {
        loop {
            match timeout(Duration::from_secs(5), self.incoming.leg.events.recv()).await.unwrap().unwrap() {
                LegEvent::Audio(_) | LegEvent::Quality(_) => {}
                event => return event,
            }
        }
    }

    /// The leg has a bug: the session is told at once.
    async fn breaks(&mut self) {
        self.incoming.leg.commands.send(LegCommand::Frame(BUG.into())).await.unwrap();
        assert!(matches!(self.event().await, LegEvent::Ended(LegEnd::Failed(Fault::Internal))));
    }

    /// The caller is told to hang up and does, and the port has nothing left to wait for.
    async fn hangs_up(mut self) {
        let bye = self.hears("BYE sip:ada@").await;
        let copied: String = bye
            .lines()
            .filter(|l| {
                ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|n| l.starts_with(&format!("{n}:")))
            })
            .map(|l| format!("{l}\r\n"))
            .collect();
        self.phone
            .send_to(format!("SIP/2.0 200 OK\r\n{copied}Content-Length: 0\r\n\r\n").as_bytes(), self.router)
            .await
            .unwrap();
        self.drain.cancel();
        timeout(Duration::from_secs(5), self.port.join_next()).await.unwrap().unwrap().unwrap();
    }
}

async fn send(phone: &UdpSocket, router: SocketAddr, method: &str, tag: &str, more: &str, body: &str) {
    let own = phone.local_addr().unwrap();
    let text = format!(
        "{method} sip:+15557770001@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{}\r\n\
         From: <sip:ada@{own}>;tag=ada\r\nTo: <sip:us@{router}>{tag}\r\nCall-ID: {own}\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{more}Content-Length: {}\r\n\r\n{body}",
        own.port(),
        body.len(),
    );
    phone.send_to(text.as_bytes(), router).await.unwrap();
}

#[tokio::test]
async fn a_bug_while_it_rings_refuses_the_call() {
    let mut rig = Rig::ringing().await;
    rig.breaks().await;
    rig.hears("SIP/2.0 503").await;
}

#[tokio::test]
async fn a_bug_in_a_call_that_is_up_sends_a_bye() {
    let mut rig = Rig::answered().await;
    rig.ack().await;
    assert!(matches!(rig.event().await, LegEvent::Active));
    rig.breaks().await;
    rig.hangs_up().await;
}

#[tokio::test]
async fn a_bug_before_the_ack_sends_the_bye_after_it() {
    let mut rig = Rig::answered().await;
    rig.breaks().await;
    rig.ack().await;
    rig.hangs_up().await;
}
