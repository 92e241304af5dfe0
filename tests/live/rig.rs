//! The rig that `tests/rig/up` brought up around the tests, and waiting with a bound.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The trunk's, as `tests/rig/up` makes it.
const RINGING_TIMEOUT: Duration = Duration::from_secs(20);

/// Where the real servers are.
#[derive(Debug, Clone)]
pub struct Rig {
    pub livekit_url: String,
    pub api_key: String,
    pub api_secret: String,
    /// `host:port` of livekit-sip.
    pub sip: String,
    /// A folder that goes with the rig.
    pub dir: PathBuf,
    /// The id of its trunk.
    pub trunk: String,
}

impl Rig {
    /// # Panics
    /// Without the rig: a live test must not pass by not running.
    pub fn up() -> Self {
        let get = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this inside tests/rig/up"))
        };
        Self {
            livekit_url: get("LIVEKIT_URL"),
            api_key: get("LIVEKIT_API_KEY"),
            api_secret: get("LIVEKIT_API_SECRET"),
            sip: get("RIG_SIP"),
            dir: get("RIG_DIR").into(),
            trunk: get("RIG_TRUNK_ID"),
        }
    }

    /// How long the trunk lets a call ring.
    pub fn set_ringing_timeout(&self, timeout: Duration) {
        // An update takes no such thing; this is the trunk of `tests/rig/up` with another timeout.
        self.replace_trunk("SIP_ALL_HEADERS", timeout);
    }

    /// Which headers the trunk makes attributes of.
    pub fn set_include_headers(&self, which: &str) {
        self.replace_trunk(which, RINGING_TIMEOUT);
    }

    fn replace_trunk(&self, headers: &str, timeout: Duration) {
        let trunk = json!({"name": "acme-sip", "allowed_addresses": ["127.0.0.0/8"], "include_headers": headers,
            "ringing_timeout": format!("{}s", timeout.as_secs())});
        Self::api("SIP/UpdateSIPInboundTrunk", &json!({"sip_trunk_id": self.trunk, "replace": trunk}));
    }

    /// Calls a method of the API of the LiveKit that is up.
    ///
    /// # Panics
    /// When it is refused.
    pub fn api(method: &str, body: &Value) -> Value {
        let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/api");
        let done = Command::new(api).args([method, &body.to_string()]).output().unwrap();
        assert!(done.status.success(), "{method}: {}", String::from_utf8_lossy(&done.stdout));
        serde_json::from_slice(&done.stdout).expect("JSON")
    }
}

/// Asks again every 5 ms until there is an answer.
///
/// # Panics
/// When there is none `within` that time; `what` was awaited.
pub async fn until<T>(what: &str, within: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    until_every(Duration::from_millis(5), what, within, async || found()).await
}

/// As [`until`], for a question that takes its time and so is asked less often.
pub async fn until_every<T>(
    pause: Duration,
    what: &str,
    within: Duration,
    mut found: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = found().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(pause).await;
    }
}
