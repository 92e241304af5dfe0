//! A call's audio on a UDP port of its own (RFC 3550): frames out as the session sends them, the caller's in order, and
//! silence by the clock where nothing arrives.
//!
//! The caller's packets show where it is: what it announced may lie behind a NAT. The first to come settles it, unless
//! the announced address itself is heard later; packets from anywhere else are nobody's. Where the stream is sealed, no packet
//! shows anything that the caller's key does not open.

mod keying;
pub mod ports;
pub mod reception;
pub mod report;
mod sender;
pub mod wire;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use keying::Keying;
use ports::{Port, receive};
use reception::Reception;
use report::Reports;
use sender::Sender;
use wire::Rtp;

use super::sdp::{Rtcp, Stream};
use super::srtp::{Keys, Refused, Srtp};
use crate::call::{Digit, Digits};
use crate::ingress::leg::Frame;
use crate::media::FRAME;
use crate::media::audio::Audio;
use crate::media::codec::Codec;
use crate::media::hearing::Hearing;
use crate::media::outlet::Outlet;
use crate::media::quality::{Meter, Quality};
use crate::telemetry::Metrics;

/// A caller of whom nothing is heard for so long, and who does not hold the call, is gone.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Between our reports, give or take half of it; the first comes after half of that (RFC 3550, section 6.2).
const REPORTS: Duration = Duration::from_secs(5);
const FIRST_REPORT: Duration = Duration::from_millis(2_500);

const LONGEST_DATAGRAM: usize = 2048;

/// What happens on the port.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// 20 ms of the caller, or of silence.
    Audio(Audio),
    Digit(Digit),
    /// The keys of [`Session::press`] are pressed; `false`: not all of them, for the caller is not there for them any more.
    Pressed(bool),
    /// Nothing has come from the caller for [`SILENCE`].
    Nothing,
}

/// The audio of one call.
#[derive(Debug)]
pub struct Session {
    port: Port,
    stream: Stream,
    srtp: Option<Srtp>,
    /// What the call's session encodes for.
    encoded: Codec,
    outlet: Outlet,
    since: Instant,
    /// Where the caller was heard.
    source: Option<SocketAddr>,
    reports_to: Option<SocketAddr>,
    reception: Reception,
    sender: Sender,
    reports: Reports,
    report_due: Instant,
    /// When anything last came from the caller.
    alive: Instant,
    /// From the answer on.
    hearing: Option<Hearing>,
    meter: Meter,
    /// Keys that are being pressed, in place of audio.
    keying: Option<Keying>,
    happened: VecDeque<Heard>,
    metrics: Metrics,
}

impl Session {
    /// Listens for a caller who agreed on `stream`, sealed with `keys`. What is to be sent is encoded for `encoded`.
    pub fn new(
        port: Port,
        stream: Stream,
        keys: Option<Keys>,
        encoded: Codec,
        now: Instant,
        metrics: Metrics,
    ) -> Self {
        Self {
            port,
            encoded,
            outlet: Outlet::new(encoded, stream.codec),
            stream,
            srtp: keys.map(Srtp::new),
            since: now,
            source: None,
            reports_to: None,
            reception: Reception::default(),
            sender: Sender::new(),
            reports: Reports::default(),
            report_due: now + about(FIRST_REPORT),
            alive: now,
            hearing: None,
            meter: Meter::default(),
            keying: None,
            happened: VecDeque::new(),
            metrics,
        }
    }

    /// The call is answered: the caller is heard from now on.
    pub fn answer(&mut self, now: Instant) {
        self.alive = now;
        self.report_due = now + about(FIRST_REPORT);
        self.hearing.get_or_insert_with(|| Hearing::new(now, self.stream.codec));
    }

    /// The caller and we agreed anew.
    pub fn change(&mut self, stream: Stream, keys: Option<Keys>, now: Instant) {
        self.change_keys(keys);
        if stream.rtp != self.stream.rtp {
            // The new place is to be seen anew too.
            (self.source, self.reports_to) = (None, None);
        }
        if stream.codec != self.stream.codec {
            self.outlet = Outlet::new(self.encoded, stream.codec);
            if let Some(hearing) = &mut self.hearing {
                hearing.change_codec(stream.codec);
            }
        }
        (self.stream, self.alive) = (stream, now);
    }

    fn change_keys(&mut self, keys: Option<Keys>) {
        let Some(keys) = keys else { return self.srtp = None };
        if self.srtp.as_ref().is_none_or(|srtp| srtp.is_ours_changed(&keys)) {
            // A key's packets are counted from its first, so that is the first of a stream.
            self.sender = Sender::new();
            self.reports.begin();
        }
        match &mut self.srtp {
            Some(srtp) => srtp.change(keys),
            None => self.srtp = Some(Srtp::new(keys)),
        }
    }

    /// What was agreed on.
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends 20 ms of the session's, unless the caller holds the call, keys are being pressed, or nobody knows where it is.
    pub fn send(&mut self, frame: &Frame, now: Instant) {
        if !self.stream.sends || self.keying.is_some() {
            return;
        }
        let payload = self.outlet.payload(frame);
        let length = payload.len();
        let packet = self.sender.packet(&payload, &self.stream, now);
        self.transmit(packet, length, now);
    }

    /// Presses these keys from now on; [`Heard::Pressed`] follows. `false`: the caller has no use for keys, or is not there.
    pub fn press(&mut self, digits: &Digits, now: Instant) -> bool {
        let can = self.stream.keys.is_some() && self.stream.sends && self.keying.is_none();
        if can {
            self.keying = Some(Keying::new(digits, now));
        }
        can
    }

    fn press_on(&mut self, now: Instant) {
        while let Some(keying) = self.keying.as_mut().filter(|keying| now >= keying.due()) {
            let keys = self.stream.keys.filter(|_| self.stream.sends);
            let key = keys.and_then(|keys| Some((keys.payload_type, keying.next(keys.rate)?)));
            let Some((payload_type, key)) = key else {
                self.keying = None;
                self.happened.push_back(Heard::Pressed(keys.is_some()));
                return;
            };
            let packet = self.sender.key(&key, payload_type, &self.stream, now);
            self.transmit(packet, key.payload.len(), now);
        }
    }

    fn transmit(&mut self, packet: Vec<u8>, payload: usize, now: Instant) {
        let target = self.source.or(self.stream.rtp);
        let datagram = match &mut self.srtp {
            Some(srtp) => srtp.outgoing.rtp(packet),
            None => packet,
        };
        if target.is_none_or(|target| self.port.rtp.try_send_to(&datagram, target).is_err()) {
            return self.meter.unsent();
        }
        self.reports.sent(payload);
        if let Some(interval) = self.meter.sent(now) {
            self.metrics.frame_sent(interval.abs_diff(FRAME));
        }
    }

    /// How the media went so far; `None` when there was none.
    pub fn quality(&self, now: Instant) -> Option<Quality> {
        self.meter.quality(now)
    }

    /// What happens next. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        let (mut rtp, mut rtcp) = ([0; LONGEST_DATAGRAM], [0; LONGEST_DATAGRAM]);
        loop {
            if let Some(heard) = self.happened.pop_front() {
                return heard;
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                Ok((length, source)) = receive(&self.port.rtp, &mut rtp) => {
                    self.received(rtp.get(..length).unwrap_or_default(), source, Instant::now());
                }
                Ok((length, source)) = receive(&self.port.rtcp, &mut rtcp) => {
                    self.told(rtcp.get(..length).unwrap_or_default(), source, Instant::now());
                }
                () = sleep_until(deadline) => self.on_time(Instant::now()),
            }
        }
    }

    fn deadline(&self) -> Instant {
        let hearing = self.hearing.as_ref().map(Hearing::deadline);
        let keying = self.keying.as_ref().map(Keying::due);
        [Some(self.report_due), hearing, keying, self.silence_ends()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.report_due)
    }

    fn silence_ends(&self) -> Option<Instant> {
        (self.hearing.is_some() && self.is_heard()).then(|| self.alive + SILENCE)
    }

    /// What comes from a caller who holds the call is music.
    const fn is_heard(&self) -> bool {
        self.stream.receives && self.stream.sends
    }

    fn received(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        if wire::is_rtcp(datagram) {
            return self.told(datagram, source, now);
        }
        if self.is_from_another(source) {
            return;
        }
        let opened = match &mut self.srtp {
            Some(srtp) => srtp.incoming.rtp(datagram).map(Cow::Owned),
            None => Ok(datagram.into()),
        };
        let Some(packet) = self.authentic(opened) else { return };
        let Some(rtp) = Rtp::read(&packet) else { return };
        let is_key = self.stream.keys.is_some_and(|keys| keys.payload_type == rtp.payload_type);
        let is_comfort = self.stream.comfort == Some(rtp.payload_type);
        let is_agreed = rtp.payload_type == self.stream.payload_type || is_key || is_comfort;
        if !self.is_from_the_caller(source, is_agreed) {
            return;
        }
        self.alive = now;
        let Some(received) = self.reception.receive(now, &rtp, &self.stream) else { return };
        let is_heard = self.is_heard();
        let Some(hearing) = &mut self.hearing else { return };
        self.reports.received(
            &rtp,
            received.packet.sequence,
            self.stream.codec.clock_rate(),
            now - self.since,
        );
        self.meter.received(&received.packet);
        if !is_heard {
            return;
        }
        let frames = hearing.packet(now, &received.packet);
        self.happened.extend(frames.into_iter().map(Heard::Audio));
        self.happened.extend(received.key.map(Heard::Digit));
    }

    /// Whether the caller is known to be elsewhere.
    fn is_from_another(&self, source: SocketAddr) -> bool {
        self.source.is_some_and(|known| known != source) && self.stream.rtp != Some(source)
    }

    /// What the caller's key opened.
    fn authentic<'d>(&self, opened: Result<Cow<'d, [u8]>, Refused>) -> Option<Cow<'d, [u8]>> {
        opened.inspect_err(|why| self.metrics.srtp_refused(why.name())).ok()
    }

    /// Whether it is the caller that sends from there.
    fn is_from_the_caller(&mut self, source: SocketAddr, is_agreed: bool) -> bool {
        let settles = self.source.is_none() || Some(source) == self.stream.rtp;
        if settles && is_agreed {
            self.source = Some(source);
        }
        self.source == Some(source)
    }

    fn told(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        let caller = self.source.or(self.stream.rtp);
        if !wire::is_rtcp(datagram) || caller.is_none_or(|caller| caller.ip() != source.ip()) {
            return;
        }
        let opened = match &mut self.srtp {
            Some(srtp) => srtp.incoming.rtcp(datagram).map(Cow::Owned),
            None => Ok(datagram.into()),
        };
        let Some(packet) = self.authentic(opened) else { return };
        (self.alive, self.reports_to) = (now, Some(source));
        let told = report::read(&packet, self.sender.ssrc);
        self.reports.told(&told, now);
        if let Some(report) = told.report(self.stream.codec.clock_rate()) {
            self.meter.reported(report);
        }
    }

    fn on_time(&mut self, now: Instant) {
        if let Some(hearing) = &mut self.hearing {
            let frames = hearing.on_time(now);
            self.happened.extend(frames.into_iter().map(Heard::Audio));
        }
        self.press_on(now);
        if self.silence_ends().is_some_and(|end| now >= end) {
            self.alive = now;
            self.happened.push_back(Heard::Nothing);
        }
        if now >= self.report_due {
            self.report_due = now + about(REPORTS);
            self.report(Reports::write, now);
        }
    }

    /// The call is over: the last report says so.
    pub fn leave(&mut self, now: Instant) {
        self.report(Reports::write_last, now);
    }

    fn report(
        &mut self,
        write: impl Fn(&mut Reports, u32, u32, Timestamp, Instant) -> Vec<u8>,
        now: Instant,
    ) {
        let Sender { ssrc, timestamp, .. } = self.sender;
        let together = self.stream.rtcp == Rtcp::Together;
        let announced = match self.stream.rtcp {
            Rtcp::Together => self.source.or(self.stream.rtp),
            Rtcp::Apart(address) => address,
        };
        let Some(target) = self.reports_to.or(announced).filter(|_| self.hearing.is_some()) else { return };
        let socket = if together { &self.port.rtp } else { &self.port.rtcp };
        let report = write(&mut self.reports, ssrc, timestamp, Timestamp::now(), now);
        let datagram = match &mut self.srtp {
            Some(srtp) => srtp.outgoing.rtcp(report),
            None => report,
        };
        let _ = socket.try_send_to(&datagram, target);
    }
}

/// Calls are not to report all at once.
fn about(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.5..1.5))
}

#[cfg(test)]
mod tests;
