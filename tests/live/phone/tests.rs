//! The phone against a plain SIPp that answers every call and sends our own voice back: no rig is needed.

use super::*;
use crate::ear::{Sound, segments};
use crate::rtp::{LEVEL, Say};

const SOON: Duration = Duration::from_secs(10);

/// SIPp's built-in answering side, with an echo.
struct Echo {
    sipp: Child,
    rig: Rig,
}

impl Echo {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let dir = std::env::temp_dir().join(format!("dialplane-echo-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let free = || ports::free().port().to_string();
        let (port, media) = (free(), free());
        let sipp = Command::new("sipp")
            .args(["-i", "127.0.0.1", "-p", &port, "-mp", &media, "-rtp_echo", "-nostdin"])
            .args(arguments)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp is installed");
        let rig = Rig {
            livekit_url: String::new(),
            api_key: String::new(),
            api_secret: String::new(),
            sip: format!("127.0.0.1:{port}"),
            dir,
            trunk: String::new(),
        };
        Self { sipp, rig }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ended = self.sipp.kill().and_then(|()| self.sipp.wait());
        let _removed = fs::remove_dir_all(&self.rig.dir);
    }
}

#[tokio::test]
#[ignore = "needs SIPp"]
async fn a_phone_hears_what_comes_back_and_hangs_up_when_told() {
    let echo = Echo::start("talk", &["-sn", "uas"]);
    let mut call = Call::place(&echo.rig, &Dial::new("+15557770001", "+15551230001"));
    call.answered(SOON).await;
    call.endpoint.say(vec![
        Say::Silence(Duration::from_millis(200)),
        Say::Tone { hz: 440, length: Duration::from_millis(600) },
    ]);
    until("600 ms have come back", SOON, || (call.endpoint.packets().len() >= 50).then_some(())).await;
    let heard = segments(&call.endpoint.timeline().unwrap().samples, &[440]);
    let voice = heard.iter().find(|h| h.sound == Sound::Tone(440)).expect("our own voice");
    assert!(voice.length().abs_diff(Duration::from_millis(600)) <= Duration::from_millis(40), "{heard:?}");
    assert!((voice.level - LEVEL).abs() < 1.0, "{heard:?}");

    call.hang_up();
    let (times, status) = call.over(SOON).await;
    assert!(status.success());
    let order = [times.invited, times.ringing, times.answered, times.hung_up].map(Option::unwrap);
    assert!(order.is_sorted(), "{times:?}");
    assert!(times.let_go.is_none() && times.refused.is_none());
}

/// An answering side that only rings, and one that refuses.
fn scenario(dir: &Path, name: &str, steps: &str) -> String {
    fs::create_dir_all(dir).unwrap();
    let path = dir.join(format!("{name}.xml"));
    fs::write(&path, format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">{steps}</scenario>\n"))
        .unwrap();
    path.to_str().unwrap().to_owned()
}

fn reply(status: &str) -> String {
    format!(
        "<send><![CDATA[\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=1\n[last_Call-ID:]\n\
         [last_CSeq:]\nContent-Length: 0\n\n]]></send>"
    )
}

#[tokio::test]
#[ignore = "needs SIPp"]
async fn a_phone_that_is_told_to_while_it_rings_cancels() {
    let dir = std::env::temp_dir().join(format!("dialplane-rings-{}", std::process::id()));
    let steps = format!(
        "<recv request=\"INVITE\"/>{}<recv request=\"CANCEL\"/>{}\
         <send><![CDATA[\nSIP/2.0 487 Request Terminated\n[last_Via:]\n[last_From:]\n[last_To:];tag=1\n\
         [last_Call-ID:]\nCSeq: 1 INVITE\nContent-Length: 0\n\n]]></send><recv request=\"ACK\"/>",
        reply("180 Ringing"),
        reply("200 OK")
    );
    let echo = Echo::start("rings", &["-sf", &scenario(&dir, "rings", &steps)]);
    let mut call = Call::place(&echo.rig, &Dial::new("+15557770001", "+15551230001"));
    call.wait("it rings", SOON, |times| times.ringing).await;
    call.hang_up();
    let (times, status) = call.over(SOON).await;
    assert!(status.success(), "{:?}", call.messages());
    assert_eq!(times.refused.map(|(_, code)| code), Some(487));
    assert!(times.answered.is_none() && times.hung_up.is_some());
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
#[ignore = "needs SIPp"]
async fn a_refused_call_ends_with_its_code() {
    let dir = std::env::temp_dir().join(format!("dialplane-refuses-{}", std::process::id()));
    let steps = format!("<recv request=\"INVITE\"/>{}<recv request=\"ACK\"/>", reply("486 Busy Here"));
    let echo = Echo::start("refuses", &["-sf", &scenario(&dir, "refuses", &steps)]);
    let mut call = Call::place(&echo.rig, &Dial::new("+15557770001", "+15551230001"));
    let (times, status) = call.over(SOON).await;
    assert!(status.success(), "{:?}", call.messages());
    assert_eq!(times.refused.map(|(_, code)| code), Some(486));
    fs::remove_dir_all(dir).unwrap();
}
