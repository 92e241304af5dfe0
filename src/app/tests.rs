//! A bug costs the call that has it, and nothing else: whole calls between phones, the router and a scripted model.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::document::Given;
use crate::ingress::leg::LegCommand;
use crate::ingress::sip::leg::tests::BUG;
use crate::kit::model::ModelServer;
use crate::kit::model::script::{Behaviour, Script};
use crate::kit::phone::{Call, Dial, Stage};

const SOON: Duration = Duration::from_secs(10);
const AGENT: &str = "+15557770001";
/// Its callers are handed on.
const ELSEWHERE: &str = "+15557770002";
const DIALPLAN: &str = "tenant = 'acme'\n[limits]\ncalls = 2\n[agent.desk]\nprompt = 'You answer the phone.'\n\
    [[route]]\nid = 'desk'\ncalled = ['+15557770001']\nagent = 'desk'\n\
    [[route]]\nid = 'elsewhere'\ncalled = ['+15557770002']\ntransfer = '+15557770099'\n";
/// More bugs than there are places beside the call that goes on.
const BUGS: usize = 3;

/// Where the bug is, and when it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    Session,
    LegBeforeTheAnswer,
    Leg,
}

/// A router with two places, of which a call that is well has one: the router's, its trunk's and its tenant's.
struct World {
    model: ModelServer,
    address: SocketAddr,
    slots: Slots,
    metrics: Metrics,
    folder: PathBuf,
    /// What the legs listen to that are to have a bug later on.
    legs: mpsc::UnboundedReceiver<mpsc::Sender<LegCommand>>,
    stop: Stop,
    router: JoinSet<()>,
    well: Call,
}

impl World {
    /// How a caller is handed on who still rings: `302`, or `refer` after an answer.
    async fn start(bug: Bug, unanswered_transfer: &str) -> Self {
        let behaviour = Behaviour { greeting: Duration::from_secs(60), ..Behaviour::default() };
        let model = ModelServer::start(Script::always(behaviour)).await.unwrap();
        let folder = std::env::temp_dir().join(format!("dialplane-bug-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("acme.toml"), DIALPLAN).unwrap();
        let (records, url) = (folder.join("records.jsonl"), model.url());
        let mut given = Given::variables([
            ("DIALPLANE_SIP", "127.0.0.1:0"),
            ("DIALPLANE_HTTP", "127.0.0.1:0"),
            ("DIALPLANE_MAX_CALLS", "2"),
            ("DIALPLANE_DIALPLANS", folder.to_str().unwrap()),
            ("DIALPLANE_RECORDS", records.to_str().unwrap()),
            ("OPENAI_API_KEY", "sk-of-the-test"),
            ("OPENAI_BASE_URL", url.as_str()),
        ]);
        let trunk = format!(
            "[[trunk]]\nname = 'carrier'\naddresses = ['127.0.0.1']\ncalls = 2\n\
             unanswered_transfer = '{unanswered_transfer}'\n"
        );
        given.files.insert("settings.toml".into(), trunk);
        let settings = Settings::load(Some(Path::new("settings.toml")), &given, 1).unwrap();
        let mut app = App::start(settings).await.unwrap();
        if bug == Bug::Session {
            // No clock goes so far: whoever hands a caller on panics.
            Arc::get_mut(&mut app.shared).unwrap().timings.transfer = Duration::MAX;
        }
        let (address, slots, metrics) = (app.sip().unwrap(), app.slots.clone(), app.shared.metrics.clone());
        let (stop, mut router) = (Stop::default(), JoinSet::new());
        let legs = listen_in(&mut app, &mut router, bug);
        router.spawn(app.run(stop.clone()));
        let mut well = Call::place(&Dial::new(address, AGENT, "+15551230001")).await.unwrap();
        assert!(matches!(well.answered(SOON).await, Ok(Stage::Answered(_))), "{:?}", well.stage());
        Self { model, address, slots, metrics, folder, legs, stop, router, well }
    }

    async fn call(&self, called: &str) -> Call {
        Call::place(&Dial::new(self.address, called, "+15551230002")).await.unwrap()
    }

    /// The call with the bug has left nothing behind.
    async fn is_cleared(&self) {
        let mut slots = self.slots.watch();
        while self.slots.taken() > 1 {
            timeout(SOON, slots.changed()).await.expect("its place is given back").unwrap();
        }
    }

    /// The other call went on all the time, and ends as its caller wants. What the calls with a bug came to.
    async fn end(mut self) -> Vec<Value> {
        assert!(matches!(self.well.stage(), Stage::Answered(_)), "{:?}", self.well.stage());
        let heard = self.well.heard().samples.len();
        self.well.hears(|more| more.samples.len() > heard + 8_000, SOON).await.expect("the agent goes on");
        self.well.hang_up().await;
        assert_eq!(self.well.over(SOON).await, Ok(Stage::HungUp));
        self.stop.drain.cancel();
        while let Some(ended) = timeout(SOON, self.router.join_next()).await.expect("the router ends") {
            ended.unwrap();
        }
        assert_eq!(self.slots.taken(), 0);
        self.model.stop().await;
        let records = fs::read_to_string(self.folder.join("records.jsonl")).unwrap();
        let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (well, broken): (Vec<Value>, Vec<Value>) =
            records.partition(|record| record["ending"]["how"] == "caller-hung-up");
        assert_eq!((well.len(), broken.len()), (1, BUGS), "a record each: {broken:#?}");
        let (_, interrupted) = Journal::open(&self.folder.join("records.jsonl"), self.metrics).unwrap();
        assert_eq!(interrupted.calls, 0, "no call is left open");
        fs::remove_dir_all(&self.folder).unwrap();
        broken
    }
}

/// Sees every call on its way to its session. The first is well; the leg of another may find its bug here.
fn listen_in(
    app: &mut App,
    tasks: &mut JoinSet<()>,
    bug: Bug,
) -> mpsc::UnboundedReceiver<mpsc::Sender<LegCommand>> {
    let (sender, calls) = mpsc::channel(2);
    let mut incoming = std::mem::replace(&mut app.calls, calls);
    let (told, legs) = mpsc::unbounded_channel();
    tasks.spawn(async move {
        let mut is_well = true;
        while let Some(call) = incoming.recv().await {
            let commands = &call.leg.commands;
            match bug {
                Bug::LegBeforeTheAnswer if !is_well => {
                    commands.send(LegCommand::Frame(BUG.into())).await.unwrap();
                }
                Bug::Leg if !is_well => told.send(commands.clone()).unwrap(),
                Bug::LegBeforeTheAnswer | Bug::Leg | Bug::Session => {}
            }
            is_well = false;
            sender.send(call).await.unwrap();
        }
    });
    legs
}

fn are_internal(records: &[Value]) {
    for record in records {
        let ending = serde_json::json!({ "by": "router", "how": "failed", "detail": "internal" });
        assert_eq!(record["ending"], ending, "{record:#}");
        assert_eq!(record["tenant"], "acme", "{record:#}");
        assert_eq!(record["call"]["caller"]["number"], "+15551230002", "{record:#}");
    }
}

#[tokio::test]
async fn a_session_with_a_bug_refuses_a_call_that_rings() {
    let world = World::start(Bug::Session, "302").await;
    for _ in 0..BUGS {
        let mut call = world.call(ELSEWHERE).await;
        assert_eq!(call.over(SOON).await, Ok(Stage::Refused(503)));
        world.is_cleared().await;
    }
    are_internal(&world.end().await);
}

#[tokio::test]
async fn a_session_with_a_bug_hangs_up_a_call_that_is_answered() {
    let world = World::start(Bug::Session, "refer").await;
    for _ in 0..BUGS {
        let mut call = world.call(ELSEWHERE).await;
        assert_eq!(call.over(SOON).await, Ok(Stage::LetGo));
        world.is_cleared().await;
    }
    are_internal(&world.end().await);
}

#[tokio::test]
async fn a_leg_with_a_bug_refuses_a_call_that_rings() {
    let world = World::start(Bug::LegBeforeTheAnswer, "302").await;
    for _ in 0..BUGS {
        let mut call = world.call(AGENT).await;
        assert_eq!(call.over(SOON).await, Ok(Stage::Refused(503)));
        world.is_cleared().await;
    }
    are_internal(&world.end().await);
}

#[tokio::test]
async fn a_leg_with_a_bug_hangs_up_a_call_that_is_answered() {
    let mut world = World::start(Bug::Leg, "302").await;
    for _ in 0..BUGS {
        let mut call = world.call(AGENT).await;
        assert!(matches!(call.answered(SOON).await, Ok(Stage::Answered(_))), "{:?}", call.stage());
        world.legs.recv().await.unwrap().send(LegCommand::Frame(BUG.into())).await.unwrap();
        assert_eq!(call.over(SOON).await, Ok(Stage::LetGo));
        world.is_cleared().await;
    }
    are_internal(&world.end().await);
}
