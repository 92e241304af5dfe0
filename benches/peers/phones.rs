//! Many callers at once: one SIPp for the signalling of all, an RTP endpoint for each.

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::ear::{first, segments, total};
use crate::g711::Law;
use crate::rtp::{Endpoint, Say};
use crate::trace::{self, Message};

/// How many begin in a second.
pub const RATE: usize = 5;

const SIP_PORT: u16 = 26_060;

/// What the voice of all of them sounds like, in Hz: alloy, the model's own choice.
const VOICE: u32 = 970;

/// What callers say all the time, in Hz.
const CALLER: u32 = 600;

pub struct Phones {
    sipp: Child,
    log: PathBuf,
    endpoints: Vec<Endpoint>,
    aimed: Vec<bool>,
    /// When each first heard its agent.
    greeted: Vec<Option<Instant>>,
    /// The same moment on both clocks: SIPp logs the wall's.
    epoch: (Timestamp, Instant),
}

/// What one caller had of the call.
#[derive(Debug, Clone, Copy)]
pub struct Had {
    pub answered: Option<Duration>,
    pub greeted: Option<Duration>,
    /// Of the agent's speech while it was watched, as a share.
    pub missing: f64,
}

impl Phones {
    /// `count` calls, [`RATE`] a second.
    pub fn place(sip: &str, dir: &Path, count: usize) -> Self {
        fs::create_dir_all(dir).unwrap();
        let endpoints: Vec<Endpoint> = (0..count).map(|_| Endpoint::open(Law::Mu)).collect();
        let mut fields = "SEQUENTIAL\n".to_owned();
        for (at, endpoint) in endpoints.iter().enumerate() {
            let port = endpoint.port();
            fields += &format!("+15557770001;+1555123{at:04};{port};Ada;X-Bench: 1;0;PCMU;202 Accepted\n");
        }
        fs::write(dir.join("fields.csv"), fields).unwrap();
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/sipp/caller-until-told.xml");
        let output = File::create(dir.join("screen.log")).unwrap();
        let (all, rate, port) = (count.to_string(), RATE.to_string(), SIP_PORT.to_string());
        let sipp = Command::new("sipp")
            .args([sip, "-i", "127.0.0.1", "-p", &port, "-nostdin", "-timeout", "120s"])
            .args(["-m", &all, "-l", &all, "-r", &rate, "-inf", "fields.csv", "-cid_str", "bench-%u"])
            .args(["-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"])
            .arg("-sf")
            .arg(scenario)
            .current_dir(dir)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .expect("SIPp is installed");
        let epoch = (Timestamp::now(), Instant::now());
        let (aimed, greeted) = (vec![false; count], vec![None; count]);
        Self { sipp, log: dir.join("messages.log"), aimed, greeted, endpoints, epoch }
    }

    pub fn sipp(&self) -> u32 {
        self.sipp.id()
    }

    /// Waits until every call is answered and hears its agent, or for as long as `patience`.
    pub fn answered(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            for (at, message) in self.answers() {
                if !std::mem::replace(&mut self.aimed[at], true) {
                    let endpoint = &self.endpoints[at];
                    endpoint.aim(message.audio().expect("the answer has SDP"));
                    endpoint.say(vec![Say::Murmur { hz: CALLER, length: Duration::from_secs(120) }]);
                }
            }
            for (greeted, endpoint) in self.greeted.iter_mut().zip(&self.endpoints) {
                *greeted = greeted.or_else(|| heard_first(endpoint));
            }
            if self.greeted.iter().all(Option::is_some) {
                return;
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// What each caller had, its speech watched between these moments.
    pub fn had(&self, from: Instant, to: Instant) -> Vec<Had> {
        let messages = self.messages();
        let at = |found: &dyn Fn(&Message) -> bool, call: usize| {
            let id = call_id(call);
            let message = messages.iter().find(|m| m.header("Call-ID") == Some(&id) && found(m))?;
            Some(self.moment(message.at))
        };
        let had = self.endpoints.iter().enumerate().map(|(call, endpoint)| {
            let invited = at(&|m| m.sent && m.is_request("INVITE"), call);
            let since = |moment: Instant| Some(moment.saturating_duration_since(invited?));
            Had {
                answered: at(&is_answer, call).and_then(since),
                greeted: self.greeted[call].and_then(since),
                missing: missing(endpoint, from, to),
            }
        });
        had.collect()
    }

    /// Every caller hangs up; ended by force what does not end within 10 s.
    pub fn hang_up(mut self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = socket.local_addr().unwrap();
        for call in 0..self.endpoints.len() {
            socket.send_to(told(from, call).as_bytes(), ("127.0.0.1", SIP_PORT)).unwrap();
            // Not all in one moment: a burst of ends is not what is measured.
            sleep(Duration::from_millis(10));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.sipp.try_wait().unwrap().is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> Vec<(usize, Message)> {
        let call = |message: &Message| -> Option<usize> {
            let number: usize = message.header("Call-ID")?.strip_prefix("bench-")?.parse().ok()?;
            number.checked_sub(1).filter(|at| *at < self.endpoints.len())
        };
        let answers = self.messages().into_iter().filter(is_answer);
        answers.filter_map(|message| Some((call(&message)?, message))).collect()
    }

    fn messages(&self) -> Vec<Message> {
        trace::read(&String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()))
    }

    fn moment(&self, at: Timestamp) -> Instant {
        let (wall, instant) = self.epoch;
        let since = at.duration_since(wall);
        if since.is_negative() { instant - since.unsigned_abs() } else { instant + since.unsigned_abs() }
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        if matches!(self.sipp.try_wait(), Ok(None)) {
            let _ended = self.sipp.kill().and_then(|()| self.sipp.wait());
        }
    }
}

fn is_answer(message: &Message) -> bool {
    message.status() == Some(200) && message.method() == Some("INVITE")
}

/// SIPp counts its calls from 1.
fn call_id(call: usize) -> String {
    format!("bench-{}", call + 1)
}

fn told(from: SocketAddr, call: usize) -> String {
    format!(
        "INFO sip:phone@127.0.0.1:{SIP_PORT} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-hang-up-{call}\r\n\
         From: <sip:bench@127.0.0.1>\r\nTo: <sip:phone@127.0.0.1>\r\nCall-ID: {}\r\nCSeq: 1 INFO\r\n\
         Content-Length: 0\r\n\r\n",
        call_id(call)
    )
}

fn heard_first(endpoint: &Endpoint) -> Option<Instant> {
    let timeline = endpoint.timeline()?;
    Some(timeline.start + first(&segments(&timeline.samples, &[VOICE]), VOICE)?)
}

/// The share of the time in which the agent was to speak and was not heard.
fn missing(endpoint: &Endpoint, from: Instant, to: Instant) -> f64 {
    let Some(timeline) = endpoint.timeline() else { return 1.0 };
    let place = |moment| ((timeline.at(moment).as_secs_f64() * 8000.0) as usize).min(timeline.samples.len());
    let heard = segments(&timeline.samples[place(from)..place(to)], &[VOICE]);
    (1.0 - total(&heard, VOICE).as_secs_f64() / (to - from).as_secs_f64()).max(0.0)
}
