//! The phone at work: one task for its signalling and its audio.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::audio::{self, Ear, KeyPacket, Mouth, Packet, Say};
use super::message::{Dialog, Message};
use super::{Codec, Stage};
use crate::kit::journal::Journal;

const FRAME: Duration = Duration::from_millis(20);
/// RFC 3261's T1: a request is sent again after so long, then after twice that, at most every 4 s, for 32 s.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVES_UP: Duration = Duration::from_secs(32);

#[derive(Debug)]
pub(super) enum Order {
    Say(Vec<Say>),
    Hold(bool),
    Change(Codec),
    HangUp,
}

pub(super) struct Line {
    pub(super) dialog: Dialog,
    pub(super) signalling: UdpSocket,
    pub(super) audio: UdpSocket,
    pub(super) audio_via: Option<SocketAddr>,
    pub(super) ear: Ear,
    pub(super) mouth: Mouth,
    pub(super) heard: Arc<Journal<Packet>>,
    pub(super) pressed: Arc<Journal<KeyPacket>>,
    pub(super) kept: usize,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) stage: watch::Sender<Stage>,
    pub(super) waiting: Option<Waiting>,
}

/// A request that has no response yet.
pub(super) struct Waiting {
    request: String,
    again: Instant,
    pause: Duration,
    until: Instant,
}

impl Line {
    /// From the INVITE to the end of the call.
    pub(super) async fn run(mut self) {
        let invite = self.dialog.invite(false);
        self.ask(invite).await;
        let mut clock = interval(FRAME);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut message, mut sound) = ([0; 65_535], [0; 2_048]);
        while !self.stage().is_over() {
            let again = self.waiting.as_ref().map(|waiting| waiting.again);
            select! {
                received = self.signalling.recv(&mut message) => self.received(received, &message).await,
                received = self.audio.recv(&mut sound) => self.hear(received, &sound),
                Some(order) = self.orders.recv() => self.obey(order).await,
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => self.ask_again().await,
                _ = clock.tick() => self.speak().await,
            }
        }
        self.linger(&mut message).await;
    }

    /// The other side may not know yet that the call is over.
    async fn linger(&mut self, buffer: &mut [u8]) {
        let until = Instant::now() + T2;
        loop {
            select! {
                received = self.signalling.recv(buffer) => self.received(received, buffer).await,
                () = sleep_until(until) => return,
            }
        }
    }

    fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    fn enter(&self, stage: Stage) {
        if !self.stage().is_over() {
            self.stage.send_replace(stage);
        }
    }

    // === Audio ===

    async fn speak(&mut self) {
        if let Stage::Answered(target) = self.stage() {
            // What the network does not take, it lost.
            let _ = self.audio.send_to(&self.mouth.packet(), self.audio_via.unwrap_or(target)).await;
        }
    }

    fn hear(&mut self, received: io::Result<usize>, buffer: &[u8]) {
        let Ok(datagram) = received.map(|length| buffer.get(..length).unwrap_or_default()) else { return };
        let now = Instant::now();
        if self.kept == audio::MOST_PACKETS {
            return;
        }
        self.kept += 1;
        for packet in self.ear.hear(datagram, now) {
            self.heard.add(packet);
        }
        if let Some(packet) = audio::read_key(datagram, now) {
            self.pressed.add(packet);
        }
    }

    // === Signalling ===

    async fn obey(&mut self, order: Order) {
        match (order, self.stage()) {
            (Order::Say(plan), _) => self.mouth.say(plan),
            (Order::Hold(on), Stage::Answered(_)) => {
                let invite = self.dialog.invite(on);
                self.ask(invite).await;
            }
            (Order::Change(codec), Stage::Answered(_)) => {
                self.mouth.change(codec);
                self.ear = Ear::new(codec);
                let invite = self.dialog.invite_in(codec);
                self.ask(invite).await;
            }
            (Order::HangUp, Stage::Answered(_)) => {
                let bye = self.dialog.bye();
                self.ask(bye).await;
            }
            (Order::HangUp, Stage::Calling | Stage::Ringing) => {
                let cancel = self.dialog.cancel();
                self.ask(cancel).await;
            }
            (Order::Hold(_) | Order::Change(_) | Order::HangUp, _) => {}
        }
    }

    async fn ask(&mut self, request: String) {
        self.send(&request).await;
        let now = Instant::now();
        self.waiting = Some(Waiting { request, again: now + T1, pause: T1, until: now + GIVES_UP });
    }

    async fn ask_again(&mut self) {
        let Some(mut waiting) = self.waiting.take() else { return };
        let now = Instant::now();
        if now >= waiting.until {
            return self.enter(Stage::Unreachable);
        }
        self.send(&waiting.request).await;
        waiting.pause = (waiting.pause * 2).min(T2);
        waiting.again = now + waiting.pause;
        self.waiting = Some(waiting);
    }

    async fn send(&mut self, message: &str) {
        let _ = self.signalling.send_to(message.as_bytes(), self.dialog.server).await;
    }

    async fn received(&mut self, received: io::Result<usize>, buffer: &[u8]) {
        let Ok(datagram) = received.map(|length| buffer.get(..length).unwrap_or_default()) else { return };
        let Some(message) = Message::read(datagram).filter(|message| self.dialog.owns(message)) else {
            return;
        };
        match message.status() {
            Some(status) => self.answered(status, &message).await,
            None => self.asked(&message).await,
        }
    }

    async fn answered(&mut self, status: u16, response: &Message) {
        match (response.method(), status) {
            (Some("INVITE"), ..200) => {
                self.waiting = None;
                if status > 100 && matches!(self.stage(), Stage::Calling) {
                    self.dialog.note(response);
                    self.enter(Stage::Ringing);
                }
            }
            (Some("INVITE"), _) => {
                self.waiting = None;
                let is_first = matches!(self.stage(), Stage::Calling | Stage::Ringing);
                if is_first {
                    self.dialog.note(response);
                }
                self.send(&self.dialog.ack(response)).await;
                match response.audio() {
                    Some(audio) if status == 200 => self.enter(Stage::Answered(audio)),
                    _ if is_first => self.enter(Stage::Refused(status)),
                    _ => {}
                }
            }
            (Some("BYE"), 200..) => self.enter(Stage::HungUp),
            // The INVITE's own response follows.
            _ => self.waiting = None,
        }
    }

    /// Whatever is asked of a phone that can do no more than talk.
    async fn asked(&mut self, request: &Message) {
        let contact = self.dialog.contact();
        let (status, body) = match request.method() {
            Some("ACK") => return,
            Some("BYE") => ("200 OK", String::new()),
            Some("INVITE") => ("200 OK", self.dialog.description(false)),
            Some("OPTIONS") => ("200 OK", String::new()),
            _ => ("405 Method Not Allowed", String::new()),
        };
        self.send(&request.response(status, &contact, &body)).await;
        if request.method() == Some("BYE") {
            self.enter(Stage::LetGo);
        }
    }
}
