//! The agent worker against a LiveKit server that is strict about who speaks when.

mod app;
mod server;

use std::sync::Arc;
use std::time::Duration;

use dialplane::admission::Slots;
use dialplane::call::Fault;
use dialplane::ingress::leg::{Incoming, LegCommand, LegEnd, LegEvent};
use dialplane::ingress::livekit::facts::Plan;
use dialplane::ingress::livekit::rescue::served::Served;
use dialplane::ingress::livekit::worker::Worker;
use dialplane::ingress::livekit::{Site, worker};
use dialplane::livekit::api::Api;
use dialplane::livekit::socket::Dialer;
use dialplane::livekit::{Orphans, Project};
use dialplane::media::lateness::Lateness;
use dialplane::telemetry::Metrics;
use livekit_protocol::{DeleteRoomRequest, JobStatus, RoomParticipantIdentity, WorkerStatus};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::server::{AgentName, KEY, NEWER, Rooms, SECRET, Server, TOKEN};

const SOON: Duration = Duration::from_secs(10);

/// A router with one worker and a session that the test plays.
struct Router {
    slots: Slots,
    lateness: Arc<Lateness>,
    metrics: Metrics,
    calls: mpsc::Receiver<Incoming>,
    ready: watch::Receiver<bool>,
    drain: CancellationToken,
    worker: JoinSet<()>,
}

impl Router {
    fn start(server: &Server, slots: usize) -> Self {
        Self::with_plan(server, slots, |_| Plan::default())
    }

    fn with_plan(server: &Server, slots: usize, plan: fn(&str) -> Plan) -> Self {
        let lateness = Arc::new(Lateness::new(Instant::now()));
        Self::on(server, Slots::new(slots, Arc::clone(&lateness)), lateness, plan)
    }

    fn on(server: &Server, slots: Slots, lateness: Arc<Lateness>, plan: fn(&str) -> Plan) -> Self {
        let project = Project {
            name: "main".into(),
            url: server.url(),
            api_key: KEY.into(),
            api_secret: SECRET.into(),
            agent_names: Vec::new(),
            orphans: Orphans::default(),
        };
        let (sender, calls) = mpsc::channel(8);
        let metrics = Metrics::new();
        let site = Arc::new(Site {
            api: Api::new(&project),
            project,
            rescue_agent: "dialplane-rescue-test".into(),
            served: Served::default(),
            overdue: SOON,
            dialer: Dialer::new(&dialplane::tls::Tls::trusting([])),
            slots: slots.clone(),
            plan: Box::new(plan),
            metrics: metrics.clone(),
            calls: sender,
        });
        let worker: worker::Worker = Worker::new(site, AgentName::ours());
        let (ready, drain) = (worker.ready(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(worker.run(drain.clone()));
        Self { slots, lateness, metrics, calls, ready, drain, worker: tasks }
    }

    async fn call(&mut self) -> Incoming {
        timeout(SOON, self.calls.recv()).await.expect("a call in time").expect("the worker lives")
    }

    async fn is_ready(&mut self, expected: bool) {
        let waiting = self.ready.wait_for(|ready| *ready == expected);
        timeout(SOON, waiting).await.expect("in time").expect("the worker lives");
    }

    async fn ends(mut self) {
        let ended = timeout(SOON, self.worker.join_next()).await.expect("the worker ends in time");
        ended.expect("one worker").expect("without a panic");
        assert_eq!(self.slots.taken(), 0, "every slot came back");
    }
}

#[tokio::test]
async fn offers_are_taken_up_to_the_slots_and_refused_beyond() {
    let mut server = Server::start(Rooms::Silent).await;
    let mut router = Router::start(&server, 2);
    let mut agent = server.registered().await;
    router.is_ready(true).await;
    assert_eq!(agent.status().await.status, Some(WorkerStatus::WsAvailable as i32));

    for (job, available) in [("AJ_1", true), ("AJ_2", true), ("AJ_3", false)] {
        agent.offer(job).await;
        let answer = agent.availability().await;
        assert_eq!((answer.job_id.as_str(), answer.available), (job, available));
        let status = agent.status().await;
        let full = status.status == Some(WorkerStatus::WsFull as i32);
        assert_eq!(full, job != "AJ_1", "{job}");
        assert!(full || status.load < 0.70, "LiveKit gives no job at {}", status.load);
    }

    let text = router.metrics.render();
    assert!(text.contains(r#"offers_turned_away_total{reason="full"} 1"#), "{text}");

    agent.assign("AJ_1").await;
    let call = router.call().await;
    assert_eq!(agent.job("AJ_1").await, (JobStatus::JsRunning as i32, String::new()));
    assert_eq!(router.slots.taken(), 2);
    drop(call);
    assert_eq!(agent.job("AJ_1").await, (JobStatus::JsFailed as i32, "internal".to_owned()));
    assert_eq!(agent.status_with(|status| status.status == Some(0)).await.job_count, 1);
}

#[tokio::test]
async fn two_projects_of_one_router_share_its_slots() {
    let (mut server, mut other_server) =
        (Server::start(Rooms::Silent).await, Server::start(Rooms::Silent).await);
    let lateness = Arc::new(Lateness::new(Instant::now()));
    let slots = Slots::new(1, Arc::clone(&lateness));
    let worker =
        |server: &Server| Router::on(server, slots.clone(), Arc::clone(&lateness), |_| Plan::default());
    let (mut router, _other_router) = (worker(&server), worker(&other_server));
    let (mut agent, mut other) = (server.registered().await, other_server.registered().await);
    for agent in [&mut agent, &mut other] {
        assert_eq!(agent.status().await.status, Some(WorkerStatus::WsAvailable as i32));
    }

    agent.offer("AJ_1").await;
    assert!(agent.availability().await.available);
    other.status_with(|status| status.status == Some(WorkerStatus::WsFull as i32)).await;
    other.offer("AJ_2").await;
    let answer = other.availability().await;
    assert!(!answer.available && !answer.terminate, "another worker is to be asked: {answer:?}");

    agent.assign("AJ_1").await;
    drop(router.call().await);
    other.status_with(|status| status.status == Some(WorkerStatus::WsAvailable as i32)).await;
    other.offer("AJ_3").await;
    assert!(other.availability().await.available);
}

#[tokio::test]
async fn a_process_that_is_late_is_offered_nothing_until_it_is_in_time_again() {
    let mut server = Server::start(Rooms::Silent).await;
    let router = Router::start(&server, 5);
    let mut agent = server.registered().await;
    assert_eq!(agent.status().await.status, Some(WorkerStatus::WsAvailable as i32));
    let tick = |count: u32, late: u64| {
        (0..count).for_each(|_| router.lateness.note(Duration::from_millis(late), Instant::now()));
    };

    tick(200, 15);
    let status = agent.status_with(|status| status.status == Some(WorkerStatus::WsFull as i32)).await;
    assert!(status.load >= 0.70 && !status.draining, "{status:?}");
    agent.offer("AJ_1").await;
    let answer = agent.availability().await;
    assert!(!answer.available && !answer.terminate, "another worker is to be asked: {answer:?}");
    let text = router.metrics.render();
    assert!(text.contains(r#"offers_turned_away_total{reason="late"} 1"#), "{text}");
    assert_eq!(router.slots.taken(), 0);

    tick(20_000, 1);
    let status = agent.status_with(|status| status.status == Some(WorkerStatus::WsAvailable as i32)).await;
    assert!(status.load < 0.70, "{status:?}");
    agent.offer("AJ_2").await;
    assert!(agent.availability().await.available);
}

#[tokio::test]
async fn a_room_that_cannot_be_joined_is_tried_again_and_the_job_reported_failed() {
    let mut server = Server::start(Rooms::Refused).await;
    let mut router = Router::start(&server, 1);
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    let started = Instant::now();
    agent.assign("AJ_1").await;
    let mut call = router.call().await;
    let event = timeout(SOON, call.leg.events.recv()).await.expect("in time").expect("the leg lives");
    assert!(matches!(event, LegEvent::Ended(LegEnd::Failed(Fault::Join))), "{event:?}");
    assert_eq!(server.joins().len(), 3);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(500), "refused at once, and tried again without a pause: {took:?}");

    call.leg.commands.send(LegCommand::Leave { failed: Some(Fault::Join) }).await.expect("the leg lives");
    assert_eq!(agent.job("AJ_1").await, (JobStatus::JsRunning as i32, String::new()));
    assert_eq!(agent.job("AJ_1").await, (JobStatus::JsFailed as i32, "join".to_owned()));
    assert!(timeout(SOON, call.leg.events.recv()).await.expect("in time").is_none(), "nothing follows");
}

#[tokio::test]
async fn a_room_is_joined_anew_with_the_newest_token() {
    let mut server = Server::start(Rooms::Broken).await;
    let mut router = Router::start(&server, 1);
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    let mut call = router.call().await;
    let ended = async { while !matches!(call.leg.events.recv().await, Some(LegEvent::Ended(_)) | None) {} };
    timeout(SOON, ended).await.expect("given up in time");
    assert_eq!(server.joins(), [TOKEN, NEWER, NEWER]);
}

#[tokio::test]
async fn a_room_is_joined_where_the_assignment_says() {
    let (mut server, other) = (Server::start(Rooms::Silent).await, Server::start(Rooms::Refused).await);
    let mut router = Router::start(&server, 1);
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign_at("AJ_1", Some(other.url().to_string()), "elsewhere".to_owned()).await;
    let mut call = router.call().await;
    let event = timeout(SOON, call.leg.events.recv()).await.expect("in time").expect("the leg lives");
    assert!(matches!(event, LegEvent::Ended(LegEnd::Failed(Fault::Join))), "{event:?}");
    assert_eq!((server.joins().len(), other.joins().len()), (0, 3));
}

#[tokio::test]
async fn a_room_that_has_a_call_of_ours_gets_no_second_one() {
    let mut server = Server::start(Rooms::Silent).await;
    let mut router = Router::start(&server, 3);
    let mut agent = server.registered().await;
    for job in ["AJ_1", "AJ_2"] {
        agent.offer(job).await;
        agent.assign_at(job, None, "the same room".to_owned()).await;
    }
    let _call = router.call().await;
    assert_eq!(agent.job("AJ_2").await, (JobStatus::JsSuccess as i32, String::new()));
    assert_eq!(agent.status_with(|status| status.job_count == 1).await.job_count, 1);
    assert_eq!(router.slots.taken(), 1);
    agent.offer("AJ_3").await;
    agent.assign("AJ_3").await;
    let _other = router.call().await;
    assert_eq!(agent.job("AJ_3").await.0, JobStatus::JsRunning as i32);
}

#[tokio::test]
async fn a_leg_that_panics_lets_its_caller_go_even_while_the_worker_is_offline() {
    let mut server = Server::start(Rooms::Called).await;
    let mut router = Router::with_plan(&server, 1, |_| panic!("a bug"));
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    let mut call = router.call().await;
    drop(agent);
    let request = server.request().await;
    assert_eq!(request.path, "/twirp/livekit.RoomService/DeleteRoom");
    let room = DeleteRoomRequest::decode(request.body.as_slice()).expect("protobuf").room;
    assert_eq!(room, "room of AJ_1");
    assert!(timeout(SOON, call.leg.events.recv()).await.expect("in time").is_none(), "the session is told");
    drop(call);
    router.drain.cancel();
    router.ends().await;
}

#[tokio::test]
async fn a_job_whose_leg_panics_is_reported_failed() {
    let mut server = Server::start(Rooms::Called).await;
    let mut router = Router::with_plan(&server, 1, |_| panic!("a bug"));
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    let _call = router.call().await;
    assert_eq!(agent.job("AJ_1").await, (JobStatus::JsRunning as i32, String::new()));
    server.request().await;
    assert_eq!(agent.job("AJ_1").await, (JobStatus::JsFailed as i32, "internal".to_owned()));
}

#[tokio::test]
async fn a_lost_connection_is_opened_anew_while_the_call_goes_on() {
    let mut server = Server::start(Rooms::Silent).await;
    let mut router = Router::start(&server, 2);
    let mut agent = server.registered().await;
    router.is_ready(true).await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    agent.offer("AJ_2").await;
    let call = router.call().await;
    assert!(agent.availability().await.available && agent.availability().await.available);

    drop(agent);
    let mut agent = server.registered().await;
    router.is_ready(true).await;
    let status = agent.status().await;
    assert_eq!(status.job_count, 1, "the call that is up, and not the offer that came to nothing");
    assert_eq!(router.slots.taken(), 1);
    assert!(!call.leg.commands.is_closed(), "the leg is as it was");
}

#[tokio::test]
async fn a_server_that_registers_workers_and_drops_them_is_given_more_time_each_time() {
    let mut server = Server::start(Rooms::Silent).await;
    let mut router = Router::start(&server, 1);
    for _ in 0..2 {
        let agent = server.registered().await;
        router.is_ready(true).await;
        drop(agent);
    }
    let dropped = Instant::now();
    let _agent = server.registered().await;
    assert!(dropped.elapsed() > Duration::from_millis(900), "{:?}", dropped.elapsed());
    router.drain.cancel();
    router.ends().await;
}

#[tokio::test]
async fn a_job_that_livekit_takes_back_ends_its_call() {
    let mut server = Server::start(Rooms::Silent).await;
    let mut router = Router::start(&server, 1);
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    let mut call = router.call().await;
    agent.terminate("AJ_1").await;
    let event = timeout(SOON, call.leg.events.recv()).await.expect("in time").expect("the leg lives");
    assert!(matches!(event, LegEvent::Ended(LegEnd::Failed(Fault::Room))), "{event:?}");
}

#[tokio::test]
async fn a_caller_who_could_not_be_let_go_is_once_livekits_api_is_back() {
    let mut server = Server::start(Rooms::Called).await;
    let mut router = Router::start(&server, 1);
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    let mut call = router.call().await;
    let event = timeout(SOON, call.leg.events.recv()).await.expect("in time").expect("the leg lives");
    assert!(matches!(event, LegEvent::Arrived(_)), "{event:?}");
    // That the call is signed.
    server.request().await;

    // RemoveParticipant, DeleteRoom, and one attempt afterwards.
    server.leave_unanswered(3);
    let hung_up = Instant::now();
    call.leg.commands.send(LegCommand::HangUp(None)).await.expect("the leg lives");
    let event = timeout(SOON, call.leg.events.recv()).await.expect("in time").expect("the leg lives");
    assert!(matches!(event, LegEvent::Ended(LegEnd::HungUp)), "{event:?}");
    let took = hung_up.elapsed();
    assert!((1900..4000).contains(&took.as_millis()), "each of the two had its second: {took:?}");
    call.leg.commands.send(LegCommand::Leave { failed: None }).await.expect("the leg lives");
    assert_eq!(agent.job("AJ_1").await.0, JobStatus::JsRunning as i32);
    assert_eq!(agent.job("AJ_1").await.0, JobStatus::JsSuccess as i32);

    let request = server.request().await;
    assert!(server.answers(), "not before LiveKit was back");
    assert_eq!(request.path, "/twirp/livekit.RoomService/RemoveParticipant");
    let removed = RoomParticipantIdentity::decode(request.body.as_slice()).expect("protobuf");
    assert_eq!((removed.room.as_str(), removed.identity.as_str()), ("room of AJ_1", "sip_caller"));
    drop(call);
    router.drain.cancel();
    router.ends().await;
}

#[tokio::test]
async fn a_draining_worker_takes_nothing_and_leaves_with_its_last_call() {
    let mut server = Server::start(Rooms::Silent).await;
    let mut router = Router::start(&server, 2);
    let mut agent = server.registered().await;
    agent.offer("AJ_1").await;
    agent.assign("AJ_1").await;
    assert!(agent.availability().await.available);
    let call = router.call().await;

    router.drain.cancel();
    router.is_ready(false).await;
    let status = agent.status_with(|status| status.draining).await;
    assert_eq!(status.status, Some(WorkerStatus::WsFull as i32));
    agent.offer("AJ_2").await;
    assert!(!agent.availability().await.available);

    call.leg.commands.send(LegCommand::Leave { failed: None }).await.expect("the leg lives");
    assert_eq!(agent.job("AJ_1").await.0, JobStatus::JsRunning as i32);
    assert_eq!(agent.job("AJ_1").await.0, JobStatus::JsSuccess as i32, "on the socket that was kept for it");
    drop(call);
    agent.closed().await;
    router.ends().await;
}
