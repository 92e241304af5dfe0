//! The scripted model as a process of its own, so that what it costs counts for nobody else.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::script::{Behaviour, Script};

/// Longer than any call is up.
const SPEECH: Duration = Duration::from_secs(100);

/// A model that speaks. It ends when dropped.
pub struct Model {
    child: Child,
    pub url: String,
}

impl Model {
    /// Starts this very program again with the argument `model`, which is to call [`serve`].
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("model")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Serves until its input ends: a model that speaks at once and then goes on not much faster than real time.
#[tokio::main]
pub async fn serve() {
    let (delta, delta_gap) = (Duration::from_millis(200), Duration::from_millis(150));
    let behaviour = Behaviour { greeting: SPEECH, delta, delta_gap, ..Behaviour::default() };
    let server = ModelServer::start(Script::always(behaviour)).await.unwrap();
    println!("{}", server.url());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    ended.await.unwrap().unwrap();
}
