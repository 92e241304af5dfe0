use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::stories::text;
use super::{DIALPLANS, DemoError, Options, RECORDS, speech, write};
use crate::app::{App, Stop};
use crate::config::Settings;
use crate::document::Given;
use crate::kit::backend::Backend;
use crate::kit::backend::script::{Answer, Fault, Script as BackendScript};
use crate::kit::model::ModelServer;

const SETTINGS: &str = "demo.toml";
/// Between two looks at the file of records.
const LOOK: Duration = Duration::from_millis(50);

/// The router, and what it needs.
pub(super) struct World {
    sip: SocketAddr,
    records: PathBuf,
    stop: Stop,
    router: JoinSet<()>,
    _backend: Backend,
    _model: Option<ModelServer>,
}

impl World {
    pub(super) async fn start(options: &Options) -> Result<Self, DemoError> {
        let output = &options.output;
        let (dialplans, records) = (output.join(DIALPLANS), output.join(RECORDS));
        let made = std::fs::create_dir_all(&dialplans);
        made.map_err(|source| DemoError::File { path: dialplans.clone(), source })?;
        for (name, text) in tenants(Timestamp::now()) {
            write(&dialplans.join(name), text)?;
        }
        // Of an earlier demo, which may have been cut off in the middle of a call.
        write(&records, "")?;
        write(&output.join(format!("{RECORDS}.open")), "")?;
        let backend = Backend::start(backend()).await.map_err(DemoError::Port)?;
        let (model, key, url) = match &options.real {
            Some(real) => (None, real.api_key.reveal().clone(), real.url.clone()),
            None => {
                let model = ModelServer::start(speech::model()).await.map_err(DemoError::Port)?;
                let url = model.url();
                (Some(model), "none-is-needed".to_owned(), Some(url))
            }
        };
        let given = given(&dialplans, &records, backend.url(), key, url);
        let settings = Settings::load(Some(Path::new(SETTINGS)), &given, 1).map_err(|problems| {
            DemoError::Settings(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let app = App::start(settings).await?;
        let sip = app.sip().expect("the settings turn it on");
        let (stop, mut router) = (Stop::default(), JoinSet::new());
        router.spawn(app.run(stop.clone()));
        Ok(Self { sip, records, stop, router, _backend: backend, _model: model })
    }

    pub(super) const fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// The call records, once there are so many or time is up.
    pub(super) async fn records(&self, count: usize, within: Duration) -> Vec<Value> {
        let deadline = Instant::now() + within;
        loop {
            let text = std::fs::read_to_string(&self.records).unwrap_or_default();
            let records: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if records.len() >= count || Instant::now() >= deadline {
                return records;
            }
            sleep(LOOK).await;
        }
    }

    pub(super) async fn end(mut self) {
        self.stop.drain.cancel();
        self.stop.hang_up.cancel();
        while self.router.join_next().await.is_some() {}
    }
}

fn given(dialplans: &Path, records: &Path, backend: String, key: String, model: Option<String>) -> Given {
    let path = |path: &Path| path.display().to_string();
    let mut variables = vec![
        ("DIALPLANE_SIP", "127.0.0.1:0".to_owned()),
        ("DIALPLANE_HTTP", "127.0.0.1:0".to_owned()),
        ("DIALPLANE_DIALPLANS", path(dialplans)),
        ("DIALPLANE_RECORDS", path(records)),
        ("DIALPLANE_CALL_CONFIG_URL", backend),
        ("OPENAI_API_KEY", key),
    ];
    variables.extend(model.map(|url| ("OPENAI_BASE_URL", url)));
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let settings = "[unmatched]\naction = \"reject\"\n".to_owned();
    Given { variables, files: [(SETTINGS.into(), settings)].into() }
}

/// The dialplans of four tenants. One of them is closed, whatever the time.
fn tenants(now: Timestamp) -> [(&'static str, String); 4] {
    let hour = now.to_zoned(TimeZone::UTC).hour();
    let (opens, closes) = ((hour + 8) % 24, (hour + 16) % 24);
    [
        (
            "bright-smile.toml",
            "# A dental practice with two numbers of its own, that takes one call at a time.\n\
             tenant = \"bright-smile\"\n\n\
             [[route]]\nid = \"front-desk\"\ncalled = [\"+12125550142\"]\n\n\
             [[route]]\nid = \"emergencies\"\ncalled = [\"+12125550143\"]\n\n\
             [limits]\ncalls = 1\n"
                .to_owned(),
        ),
        (
            "copper-kettle.toml",
            format!(
                "# A restaurant with a block of numbers, and hours. It is closed now.\n\
                 tenant = \"copper-kettle\"\n\n\
                 [[route]]\nid = \"open\"\ncalled = [\"+13125550*\"]\nhours = \"kitchen\"\nagent = \"host\"\n\n\
                 [[route]]\nid = \"after-hours\"\ncalled = [\"+13125550*\"]\nagent = \"night\"\n\n\
                 [schedule.kitchen]\ntimezone = \"UTC\"\nopen = [\"Mon-Sun {opens:02}:00-{closes:02}:00\"]\n\n\
                 [agent.host]\nprompt = \"You take reservations.\"\nvoice = \"cedar\"\ngreeting = \"Good evening, \
                 the Copper Kettle. A table for tonight?\"\n\n\
                 [agent.night]\nprompt = \"You say when the restaurant opens.\"\nvoice = \"cedar\"\ngreeting = \"Good \
                 evening, this is the Copper Kettle. We are closed now, and open again tomorrow.\"\n"
            ),
        ),
        (
            "harbour-clinic.toml",
            "# An answering service: who called is told by the number that forwarded the call.\n\
             tenant = \"harbour-clinic\"\n\n\
             [[route]]\nid = \"forwarded\"\ncalled = [\"+16175550100\"]\ndiverted = [\"+16175550177\"]\nagent = \
             \"answering-service\"\n\n\
             [agent.answering-service]\nprompt = \"You take messages for the clinic.\"\nvoice = \"ash\"\ngreeting = \
             \"This is the answering service of the Harbour Clinic. Your doctor's line was forwarded to us.\"\n"
                .to_owned(),
        ),
        (
            "north-cab.toml",
            "# A cab company that leaves everything to its backend.\n\
             tenant = \"north-cab\"\n\n\
             [[route]]\nid = \"dispatch\"\ncalled = [\"+14165550190\"]\n"
                .to_owned(),
        ),
    ]
}

/// The tenants' backend: it knows one number, and breaks down on another.
fn backend() -> BackendScript {
    BackendScript::answering(|request| match text(&request.body, "/calledPhone") {
        "+12125550142" => Answer::ok(json!({
            "systemPrompt": "You are the receptionist of Bright Smile Dental, and brief.",
            "voice": "marin",
            "startMessage": "Thank you for calling Bright Smile Dental. How can I help you?",
        })),
        "+14165550190" => Answer::status(200).with(Fault::HangUp),
        _ => Answer::status(404),
    })
}
