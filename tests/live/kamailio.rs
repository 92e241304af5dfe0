//! The sample configuration of Kamailio, as it stands in docs/samples: a proxy that nobody here wrote, in front of two
//! routers.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use dialplane::kit::model::script::{Behaviour, Script};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::baresip::phone::{Baresip, UDP};
use crate::ear::{segments, total};
use crate::port::{Plan, Port};
use crate::ports;
use crate::rig::until_every;
use crate::world::{ADA, SOON, pitch};

const RECEPTION: &str = "+15557770001";
/// Whose calls last three seconds and a goodbye.
const BRIEF: &str = "+15557770003";
const GREETING: Duration = Duration::from_secs(1);

async fn router(calls: usize) -> Port {
    let tenant = |name: &str, called: &str, limits: &str| {
        format!(
            "tenant = '{name}'\n[[route]]\nid = 'desk'\ncalled = ['{called}']\nagent = 'desk'\n[agent.desk]\n\
             prompt = 'You answer the phone.'\ngreeting = 'Hello.'\nvoice = 'marin'\n{limits}"
        )
    };
    let dialplans = vec![
        ("acme.toml", tenant("acme", RECEPTION, "")),
        ("brief.toml", tenant("brief", BRIEF, "[limits]\nmax_duration = '3s'\n")),
    ];
    let behaviour = Behaviour { greeting: GREETING, ..Behaviour::default() };
    let variables = vec![("DIALPLANE_MAX_CALLS", calls.to_string())];
    Port::open(Plan { script: Script::always(behaviour), dialplans, variables, ..Plan::default() }).await
}

/// The sample with these addresses, as a process of its own that takes calls.
async fn kamailio(dir: &Path, routers: [SocketAddr; 2]) -> (Child, SocketAddr) {
    let own = ports::free();
    let list = dir.join("dispatcher.list");
    fs::write(&list, routers.map(|router| format!("1 sip:{router}\n")).concat()).unwrap();
    let sample = include_str!("../../docs/samples/kamailio.cfg");
    let config = sample
        .replace("198.51.100.9:5060", &own.to_string())
        .replace("/etc/kamailio/dispatcher.list", list.to_str().unwrap());
    fs::write(dir.join("kamailio.cfg"), config).unwrap();
    let log = fs::File::create(dir.join("kamailio.log")).unwrap();
    let process = Command::new("/usr/sbin/kamailio")
        .args(["-DD", "-E", "-m", "32", "-M", "4", "-n", "2", "-Y"])
        .arg(dir)
        .arg("-f")
        .arg(dir.join("kamailio.cfg"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("Kamailio is installed");
    let asking = UdpSocket::bind("127.0.0.1:0").unwrap();
    asking.set_nonblocking(true).unwrap();
    let me = asking.local_addr().unwrap();
    let question = format!(
        "OPTIONS sip:{own} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKready\r\nFrom: <sip:test@{me}>;tag=1\r\n\
         To: <sip:{own}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    until_every(Duration::from_millis(50), "Kamailio answers", SOON, async || {
        asking.send_to(question.as_bytes(), own).ok()?;
        asking.recv(&mut [0; 2048]).ok()
    })
    .await;
    (process, own)
}

async fn greeted(phone: &Baresip) {
    until_every(Duration::from_millis(50), "the greeting is heard", SOON, async || {
        let heard = segments(phone.heard().last()?, &[pitch("marin")]);
        (total(&heard, pitch("marin")) >= GREETING * 9 / 10).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs baresip and Kamailio"]
async fn calls_through_kamailio_go_past_a_full_router_are_held_and_end_from_either_side() {
    let (full, free) = (router(1).await, router(10).await);
    let (mut proxy, proxy_address) = kamailio(&full.dir, [full.sip, free.sip]).await;
    let mut first = Baresip::start(&full.dir, ADA, UDP).await;
    first.dial(RECEPTION, full.sip).await;
    first.event("CALL_ESTABLISHED", RECEPTION).await;

    let mut phone = Baresip::start(&free.dir, ADA, UDP).await;
    phone.dial(RECEPTION, proxy_address).await;
    phone.event("CALL_ESTABLISHED", RECEPTION).await;
    greeted(&phone).await;
    for command in ["hold", "resume"] {
        phone.command(command, None).await;
        phone.event("CALL_REMOTE_SDP", RECEPTION).await;
    }
    phone.command("hangup", None).await;
    phone.event("CALL_CLOSED", RECEPTION).await;

    phone.dial(BRIEF, proxy_address).await;
    phone.event("CALL_ESTABLISHED", BRIEF).await;
    greeted(&phone).await;
    phone.event("CALL_CLOSED", BRIEF).await;

    first.command("hangup", None).await;
    first.event("CALL_CLOSED", RECEPTION).await;
    proxy.kill().await.unwrap();
    let how =
        |records: Vec<Value>| Vec::from_iter(records.iter().map(|record| record["ending"]["how"].clone()));
    assert_eq!(how(full.close().await), ["caller-hung-up"]);
    assert_eq!(how(free.close().await), ["caller-hung-up", "time-limit"]);
}
