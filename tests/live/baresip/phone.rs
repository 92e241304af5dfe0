//! baresip as a process of its own, told what to do over its control port (`ctrl_tcp`: netstrings of JSON).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::ear::{RATE, tone};
use crate::ports;
use crate::rig::until_every;
use crate::rtp::LEVEL;
use crate::tls::Authority;
use crate::wav;
use crate::world::SOON;

/// What it says after its tone, for longer than any call.
const QUIET: Duration = Duration::from_secs(180);

/// How it calls.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// SIP over `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// What else its account says, such as `;mediaenc=srtp-mand`.
    pub account: &'static str,
    /// Who vouches for the router.
    pub authority: Option<&'a Authority>,
    /// Its modules of codecs, the first of which it likes best.
    pub codecs: &'static [&'static str],
}

pub const UDP: Line<'static> = Line { transport: "udp", account: "", authority: None, codecs: &["g711"] };
pub const TCP: Line<'static> = Line { transport: "tcp", ..UDP };

pub struct Baresip {
    dir: PathBuf,
    control: TcpStream,
    /// What of the control port is not read yet.
    unread: Vec<u8>,
    /// What has happened and was not asked for yet.
    events: Vec<Value>,
    _process: Child,
}

impl Baresip {
    /// Starts it in a folder of its own. It calls as `caller`.
    pub async fn start(dir: &Path, caller: &str, line: Line<'_>) -> Self {
        let dir = dir.join("baresip");
        fs::create_dir(&dir).unwrap();
        for (name, tone_length) in [("quiet", Duration::ZERO), ("tone", Duration::from_secs(1))] {
            let mut samples = tone(crate::world::CALLER, tone_length, LEVEL);
            samples.resize(samples.len() + QUIET.as_secs() as usize * RATE, 0);
            fs::write(dir.join(name).with_extension("wav"), wav::of(&samples)).unwrap();
        }
        // It takes no port 0 for either.
        let control = ports::free();
        let sip = ports::free();
        // Where it listens for TLS: the port above.
        let _tls = ports::free();
        let home = dir.display();
        let authority = line.authority.map(|authority| format!("sip_cafile {}\n", authority.file.display()));
        let authority = authority.unwrap_or_default();
        let codecs: String = line.codecs.iter().map(|codec| format!("module {codec}.so\n")).collect();
        let config = format!(
            "sip_listen {sip}\n{authority}net_interface 127.0.0.1\n\
             audio_source aufile,{home}/quiet.wav\naudio_player aubridge,ear\nausrc_srate {RATE}\nausrc_channels 1\n\
             auplay_srate {RATE}\nauplay_channels 1\n\
             module_path /usr/lib/baresip/modules\n{codecs}module aufile.so\nmodule aubridge.so\nmodule sndfile.so\nmodule srtp.so\n\
             module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
             ctrl_tcp_listen {control}\nsnd_path {home}\n"
        );
        let Line { transport, account, .. } = line;
        let account = format!("<sip:{caller}@127.0.0.1;transport={transport}>;regint=0{account}\n");
        fs::write(dir.join("config"), config).unwrap();
        fs::write(dir.join("accounts"), account).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let process = Command::new("baresip")
            .args(["-4", "-v", "-f"])
            .arg(&dir)
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .expect("baresip is installed");
        let connected = async || TcpStream::connect(control).await.ok();
        let control = until_every(Duration::from_millis(20), "baresip listens", SOON, connected).await;
        Self { dir, control, unread: Vec::new(), events: Vec::new(), _process: process }
    }

    /// Calls the number at that router, over the transport of its account.
    pub async fn dial(&mut self, number: &str, router: SocketAddr) {
        self.command("dial", Some(&format!("sip:{number}@{router}"))).await;
    }

    /// Says a second of a tone, once.
    pub async fn say(&mut self) {
        self.source(&format!("aufile,{}/tone.wav", self.dir.display())).await;
    }

    /// Is silent from now on.
    pub async fn hush(&mut self) {
        self.source(&format!("aufile,{}/quiet.wav", self.dir.display())).await;
    }

    /// Says what it hears from now on.
    pub async fn echo(&mut self) {
        self.source("aubridge,ear").await;
    }

    async fn source(&mut self, source: &str) {
        self.command("ausrc", Some(source)).await;
    }

    /// Presses these keys, one after the other.
    pub async fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command("sndcode", Some(&key.to_string())).await;
            // As long as a finger takes: the next key would cut this one off.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// A command of its menu.
    pub async fn command(&mut self, command: &str, parameter: Option<&str>) {
        let mut asked = json!({"command": command, "token": command});
        if let Some(parameter) = parameter {
            asked["params"] = json!(parameter);
        }
        let text = asked.to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).await.unwrap();
        let answer = loop {
            let message = self.next().await;
            if message["response"] == true {
                break message;
            }
            self.events.push(message);
        };
        assert_eq!((&answer["ok"], &answer["token"]), (&json!(true), &json!(command)), "{answer}");
    }

    /// Waits for an event of its call of that number, such as `CALL_ESTABLISHED`. Those before it are forgotten.
    pub async fn event(&mut self, kind: &str, number: &str) {
        loop {
            while !self.events.is_empty() {
                let event = self.events.remove(0);
                if event["type"] == kind && event["peeruri"].as_str().is_some_and(|uri| uri.contains(number))
                {
                    return;
                }
            }
            let message = self.next().await;
            self.events.push(message);
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some(message) = take_netstring(&mut self.unread) {
                return serde_json::from_slice(&message).unwrap();
            }
            let read = timeout(SOON, self.control.read_buf(&mut self.unread)).await;
            let read = read.unwrap_or_else(|_| panic!("baresip says no more\n{}", self.log())).unwrap();
            assert!(read > 0, "baresip has ended\n{}", self.log());
        }
    }

    /// What it has heard so far, call after call: its module sndfile writes as it hears.
    pub fn heard(&self) -> Vec<Vec<i16>> {
        let files = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
        files.sort();
        files.iter().map(|file| wav::samples(&fs::read(file).unwrap())).collect()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }
}

/// The first whole netstring (`LENGTH:TEXT,`).
fn take_netstring(unread: &mut Vec<u8>) -> Option<Vec<u8>> {
    let colon = unread.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&unread[..colon]).unwrap().parse().unwrap();
    let (start, end) = (colon + 1, colon + 1 + length);
    if unread.len() <= end {
        return None;
    }
    let text = unread[start..end].to_vec();
    unread.drain(..=end);
    Some(text)
}
