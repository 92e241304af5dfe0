//! A caller: SIPp carries the signalling, and its SDP points at an RTP endpoint that the test owns.

mod trace;

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::g711::Law;
use crate::ports;
use crate::rig::{Rig, until};
use crate::rtp::Endpoint;
use crate::world::SOON;
use trace::Message;

/// Longer than any test lets a call last; then SIPp ends by itself.
const LONGEST_CALL: &str = "180s";

/// Whom to call, and who calls.
#[derive(Debug, Clone)]
pub struct Dial {
    pub called: String,
    pub caller: String,
    pub name: String,
    /// One more header of the INVITE, whole: `X-Campaign: spring`.
    pub header: String,
    /// The only codec that is offered.
    pub law: Law,
    /// How a REFER is answered, and with "202 Accepted" reported as done.
    pub refer: &'static str,
    /// What SIPp does, by the file's name.
    pub scenario: &'static str,
}

impl Dial {
    pub fn new(called: &str, caller: &str) -> Self {
        let (called, caller) = (called.to_owned(), caller.to_owned());
        Self {
            called,
            caller,
            name: "Ada".to_owned(),
            header: "X-Campaign: spring".to_owned(),
            law: Law::Mu,
            refer: "202 Accepted",
            scenario: "caller-until-told",
        }
    }
}

/// A call from its INVITE on. Dropping it ends its SIPp.
pub struct Call {
    pub endpoint: Endpoint,
    sipp: Child,
    log: PathBuf,
    sip_port: u16,
    call_id: String,
    /// The same moment on both clocks: SIPp logs the wall's.
    epoch: (Timestamp, Instant),
}

/// When what happened, as SIPp sent or received it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    pub invited: Option<Instant>,
    pub ringing: Option<Instant>,
    pub answered: Option<Instant>,
    /// The status of a refusal, 487 of a call that was given up.
    pub refused: Option<(Instant, u16)>,
    /// The caller's own BYE or CANCEL.
    pub hung_up: Option<Instant>,
    /// The other side's BYE.
    pub let_go: Option<Instant>,
}

impl Times {
    /// From the INVITE to that moment.
    pub fn since_invite(&self, moment: Instant) -> Duration {
        moment - self.invited.expect("a call begins with an INVITE")
    }
}

impl Call {
    /// Sends the INVITE.
    pub fn place(rig: &Rig, dial: &Dial) -> Self {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let name = format!("phone-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
        let dir = rig.dir.join(&name);
        fs::create_dir(&dir).unwrap();
        let endpoint = Endpoint::open(dial.law);
        let Dial { called, caller, name: display, header, refer, .. } = dial;
        let (port, law, codec) = (endpoint.port(), dial.law as u8, dial.law.name());
        let fields =
            format!("SEQUENTIAL\n{called};{caller};{port};{display};{header};{law};{codec};{refer}\n");
        fs::write(dir.join("fields.csv"), fields).unwrap();
        let sip_port = ports::free().port();
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/sipp");
        let scenario = scenarios.join(dial.scenario).with_extension("xml");
        let output = fs::File::create(dir.join("screen.log")).unwrap();
        let sipp = Command::new("sipp")
            .arg(&rig.sip)
            .args(["-m", "1", "-i", "127.0.0.1", "-nostdin", "-timeout", LONGEST_CALL, "-timeout_error"])
            .args(["-inf", "fields.csv", "-trace_msg", "-message_file", "messages.log"])
            .args(["-trace_err", "-error_file", "errors.log", "-cid_str", &name])
            .args(["-p", &sip_port.to_string()])
            .arg("-sf")
            .arg(scenario)
            .current_dir(&dir)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .expect("SIPp is installed");
        let epoch = (Timestamp::now(), Instant::now());
        Self { endpoint, sipp, log: dir.join("messages.log"), sip_port, call_id: name, epoch }
    }

    pub fn messages(&self) -> Vec<Message> {
        let log = fs::read(&self.log).unwrap_or_default();
        trace::read(&String::from_utf8_lossy(&log))
    }

    pub fn times(&self) -> Times {
        let messages = self.messages();
        let first =
            |is: &dyn Fn(&Message) -> bool| messages.iter().find(|m| is(m)).map(|m| self.moment(m.at));
        let reply = |code: u16| move |m: &Message| m.status() == Some(code) && m.method() == Some("INVITE");
        let refusal = messages.iter().find(|m| m.status() >= Some(300) && m.method() == Some("INVITE"));
        Times {
            invited: first(&|m| m.sent && m.is_request("INVITE")),
            ringing: first(&reply(180)),
            answered: first(&reply(200)),
            refused: refusal.and_then(|m| Some((self.moment(m.at), m.status()?))),
            hung_up: first(&|m| m.sent && (m.is_request("BYE") || m.is_request("CANCEL"))),
            let_go: first(&|m| !m.sent && m.is_request("BYE")),
        }
    }

    /// How many INVITEs of the phone's have been answered.
    pub fn answers(&self) -> usize {
        let answers = self.messages();
        answers.iter().filter(|m| m.status() == Some(200) && m.method() == Some("INVITE")).count()
    }

    /// Waits for one of the [`Times`]: `call.wait("the answer", 5 s, |times| times.answered)`.
    pub async fn wait<T>(&self, what: &str, within: Duration, found: impl Fn(&Times) -> Option<T>) -> T {
        until(what, within, || found(&self.times())).await
    }

    /// Waits for the 200 OK, and begins to send silence where it says.
    pub async fn answered(&self, within: Duration) -> Instant {
        let answer = |m: &Message| m.status() == Some(200) && m.method() == Some("INVITE");
        let at = self.wait("the call is answered", within, |times| times.answered).await;
        let audio = self.messages().iter().find(|m| answer(m)).and_then(Message::audio);
        self.endpoint.aim(audio.expect("the answer has SDP"));
        at
    }

    /// The caller hangs up: CANCEL while it rings, BYE after the answer.
    pub fn hang_up(&self) {
        self.tell();
    }

    /// The caller hangs up an answered call, and nothing is wrong with it.
    pub async fn leave(&mut self) {
        self.hang_up();
        let (times, status) = self.over(SOON).await;
        assert!(status.success() && times.let_go.is_none(), "{times:?}");
    }

    /// Has the scenario go on from where it waits.
    pub fn tell(&self) {
        let port = self.sip_port;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let told = format!(
            "INFO sip:phone@127.0.0.1:{port} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {};branch=z9hG4bK-hang-up\r\n\
             From: <sip:test@127.0.0.1>\r\nTo: <sip:phone@127.0.0.1>\r\n\
             Call-ID: {}\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
            socket.local_addr().unwrap(),
            self.call_id,
        );
        socket.send_to(told.as_bytes(), ("127.0.0.1", port)).unwrap();
    }

    /// Waits until SIPp has ended, and says whether the call went as the scenario allows.
    pub async fn over(&mut self, within: Duration) -> (Times, ExitStatus) {
        let sipp = &mut self.sipp;
        let status = until("SIPp has ended", within, || sipp.try_wait().unwrap()).await;
        (self.times(), status)
    }

    /// A moment by the wall's clock.
    pub fn moment(&self, at: Timestamp) -> Instant {
        let (wall, instant) = self.epoch;
        let since = at.duration_since(wall);
        let distance = since.unsigned_abs();
        if since.is_negative() { instant - distance } else { instant + distance }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if matches!(self.sipp.try_wait(), Ok(None)) {
            let _ended = self.sipp.kill().and_then(|()| self.sipp.wait());
        }
    }
}

#[cfg(test)]
mod tests;
