//! One call's leg in its room: the task that moves audio both ways and does what the session commands.
//!
//! What to do is decided by [`machine`]; here are the sockets, the timers and the server API.

pub mod machine;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use self::machine::{Action, HANG_UP_STEP, HEADERS, Input, Machine};
use self::waits::{Pending, cancelled, finish, next_command, next_event, pause};
use super::Site;
use super::facts::Context;
use super::hearing::Hearing;
use super::reports::Reports;
use super::room::{JoinError, Room, RoomEvent, RoomLost};
use super::rpc::{self, Method, Request};
use crate::call::Fault;
use crate::ingress::leg::{LegCommand, LegEvent};
use crate::livekit::api::ApiError;
use crate::livekit::wire::data::{FromPeer, RpcOutcome};
use crate::livekit::wire::signal::Departure;
use crate::livekit::wire::worker::{Assignment, JobState};
use crate::media::Pcm;
use crate::media::quality::Meter;

/// Attempts to join, while the caller hears ringing, and how long each may take until media flows.
const TRIES: u32 = 3;
const TRY: Duration = Duration::from_secs(2);
/// Places in the event queue that audio leaves free: more than all other events of a call.
const RESERVED: usize = 8;

/// A job to be done: everything a leg is given.
pub struct Task {
    pub site: Arc<Site>,
    pub assignment: Assignment,
    pub context: Context,
    pub reports: Reports,
    /// LiveKit took the job back.
    pub terminated: CancellationToken,
    pub commands: mpsc::Receiver<LegCommand>,
    pub events: mpsc::Sender<LegEvent>,
}

/// Runs the leg to its end.
pub async fn run(task: Task) {
    task.reports.send(task.assignment.job.clone(), JobState::Running).await;
    Leg::new(task).run().await;
}

struct Leg {
    site: Arc<Site>,
    assignment: Assignment,
    reports: Reports,
    machine: Machine,
    /// `None` once the session is gone.
    commands: Option<mpsc::Receiver<LegCommand>>,
    events: mpsc::Sender<LegEvent>,
    /// `None` once it was heeded.
    terminated: Option<CancellationToken>,
    tries: u32,
    joining: Option<Pending<Result<Box<Room>, JoinError>>>,
    room: Option<Box<Room>>,
    /// Until media flows, when the attempt is given up.
    join_by: Option<Instant>,
    hearing: Option<Hearing>,
    meter: Meter,
    end_call: Option<Request>,
    ask: Option<Question>,
    request: Option<Pending<Result<(), ApiError>>>,
    transfer: Option<Pending<Result<(), ApiError>>>,
    done: Option<JobState>,
}

/// The question for the caller's headers.
struct Question {
    request: Request,
    since: Instant,
    /// Until the room takes it.
    packet: Option<Vec<u8>>,
}

/// What woke the leg.
enum Wake {
    Joining(Result<Box<Room>, JoinError>),
    Room(Result<RoomEvent, RoomLost>),
    Command(Option<LegCommand>),
    Request(Result<(), ApiError>),
    Transferred(Result<(), ApiError>),
    Terminated,
    Time,
}

impl Leg {
    fn new(task: Task) -> Self {
        let site = Arc::clone(&task.site);
        let machine = Machine::new(task.context, Box::new(move |trunk| (site.plan)(trunk)));
        Self {
            site: task.site,
            assignment: task.assignment,
            reports: task.reports,
            machine,
            commands: Some(task.commands),
            events: task.events,
            terminated: Some(task.terminated),
            tries: 0,
            joining: None,
            room: None,
            join_by: None,
            hearing: None,
            meter: Meter::default(),
            end_call: None,
            ask: None,
            request: None,
            transfer: None,
            done: None,
        }
    }

    async fn run(mut self) {
        self.join(Duration::ZERO);
        let state = loop {
            if let Some(state) = self.done {
                break state;
            }
            if let Some(room) = &mut self.room
                && let Err(lost) = room.settle().await
            {
                self.room_lost(&lost);
                continue;
            }
            self.send_ask();
            match self.wake().await {
                Wake::Joining(Ok(room)) => self.room = Some(room),
                Wake::Joining(Err(error)) => self.not_joined(&error),
                Wake::Room(Ok(event)) => self.room_event(event),
                Wake::Room(Err(lost)) => self.room_lost(&lost),
                Wake::Command(Some(command)) => self.command(command),
                Wake::Command(None) => self.input(Input::SessionGone),
                Wake::Request(outcome) => self.input(step_outcome(outcome)),
                Wake::Transferred(outcome) => self.transferred(outcome),
                Wake::Terminated => self.terminated(),
                Wake::Time => self.time(Instant::now()),
            }
        };
        // The job's state goes first: LiveKit takes a participant that leaves without for a failed job.
        self.reports.send(self.assignment.job, state).await;
        if let Some(room) = self.room {
            room.leave().await;
        }
    }

    async fn wake(&mut self) -> Wake {
        let deadline = self.deadline();
        select! {
            biased;
            // The room comes first: between two frames it must have its turn (see `Peer::write_frame`).
            event = next_event(&mut self.room) => Wake::Room(event),
            command = next_command(&mut self.commands) => Wake::Command(command),
            joined = finish(&mut self.joining) => Wake::Joining(joined),
            outcome = finish(&mut self.request) => Wake::Request(outcome),
            outcome = finish(&mut self.transfer) => Wake::Transferred(outcome),
            () = cancelled(&mut self.terminated) => Wake::Terminated,
            () = sleep_until(deadline) => Wake::Time,
        }
    }

    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let hearing = self.hearing.as_ref().map(Hearing::deadline);
        [self.machine.deadline(), self.join_by, hearing].into_iter().flatten().min().unwrap_or(far)
    }

    fn time(&mut self, now: Instant) {
        if let Some(hearing) = &mut self.hearing {
            let frames = hearing.on_time(now);
            self.hear(frames);
        }
        if self.join_by.is_some_and(|by| now >= by) {
            self.try_again("no media in time");
        }
        self.input(Input::Timeout);
    }

    // === Joining ===

    fn join(&mut self, pause: Duration) {
        self.tries += 1;
        self.join_by = Some(Instant::now() + pause + TRY);
        let site = Arc::clone(&self.site);
        let server = self.assignment.url.as_deref().and_then(|url| Url::parse(url).ok());
        let server = server.unwrap_or_else(|| site.project.url.clone());
        let token = self.assignment.token.clone();
        self.joining = Some(Box::pin(async move {
            sleep(pause).await;
            Room::join(&site.dialer, &server, &token).await.map(Box::new)
        }));
    }

    fn not_joined(&mut self, error: &JoinError) {
        tracing::warn!(call = %self.machine.call(), %error, "room not joined");
        self.try_again("join failed");
    }

    fn room_lost(&mut self, lost: &RoomLost) {
        tracing::warn!(call = %self.machine.call(), error = %lost, "room lost");
        self.try_again("room lost");
    }

    /// The attempt failed, or the room was lost: the token is still good, and a call that rings can wait.
    fn try_again(&mut self, why: &'static str) {
        (self.room, self.joining, self.join_by) = (None, None, None);
        self.meter.interrupted();
        if self.machine.may_join() && self.tries < TRIES {
            tracing::info!(call = %self.machine.call(), tries = self.tries, why, "room joined anew");
            self.join(pause(self.tries, rand::random()));
        } else {
            self.input(if self.machine.has_joined() { Input::Lost } else { Input::NotJoined });
        }
    }

    // === What happens ===

    fn terminated(&mut self) {
        // When we join anew, LiveKit ends the job of the participant that we replace; the call goes on.
        if self.tries == 1 {
            tracing::info!(call = %self.machine.call(), "job terminated");
            self.input(Input::Lost);
        }
    }

    fn room_event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Joined(participants) => self.input(Input::Joined(participants)),
            RoomEvent::Changed(participants) => self.input(Input::Changed(participants)),
            RoomEvent::Connected => self.join_by = None,
            RoomEvent::Subscribed => self.input(Input::Subscribed),
            RoomEvent::Left(Departure::Rejoin) => self.try_again("asked to rejoin"),
            RoomEvent::Left(departure) => {
                (self.room, self.join_by) = (None, None);
                self.input(Input::Left(departure));
            }
            RoomEvent::Audio(packet) => {
                if let Some(hearing) = &mut self.hearing {
                    self.meter.received(&packet);
                    let frames = hearing.packet(Instant::now(), &packet);
                    self.hear(frames);
                }
            }
            RoomEvent::Report(report) => self.meter.reported(report),
            RoomEvent::Data(packet) => self.answered(&packet),
            RoomEvent::Idle => {}
        }
    }

    fn answered(&mut self, packet: &FromPeer) {
        let answer = self.ask.as_ref().and_then(|ask| Some((ask.since, ask.request.outcome(packet)?)));
        if let Some((since, outcome)) = answer {
            let seconds = since.elapsed().as_secs_f64();
            tracing::debug!(call = %self.machine.call(), seconds, "headers told by the bridge");
            let told = rpc::headers(outcome);
            self.ask = None;
            self.input(Input::Headers(told));
        } else if let Some(RpcOutcome::Failed(code)) =
            self.end_call.as_ref().and_then(|request| request.outcome(packet))
        {
            tracing::info!(call = %self.machine.call(), code, "end call refused by the bridge");
            self.end_call = None;
            self.input(Input::StepFailed);
        }
    }

    /// The room takes packets once media flows, which is later than its list of participants.
    fn send_ask(&mut self) {
        if let (Some(ask), Some(room)) = (&mut self.ask, &mut self.room)
            && ask.packet.as_ref().is_some_and(|packet| room.send_data(packet))
        {
            ask.packet = None;
        }
    }

    fn command(&mut self, command: LegCommand) {
        if let LegCommand::Frame(frame) = command {
            if self.room.as_mut().is_some_and(|room| room.write_frame(frame)) {
                self.meter.sent(Instant::now());
            }
            return;
        }
        if command == LegCommand::Answer {
            self.hearing.get_or_insert_with(|| Hearing::new(Instant::now()));
        }
        self.input(Input::Command(command));
    }

    fn transferred(&mut self, outcome: Result<(), ApiError>) {
        if let Err(error) = outcome {
            tracing::info!(call = %self.machine.call(), %error, "caller not transferred");
        }
        self.input(Input::Transferred(outcome.is_ok()));
    }

    /// Audio for a session that lags is dropped; it is of use only now.
    fn hear(&self, frames: Vec<Pcm>) {
        for frame in frames {
            if self.events.capacity() > RESERVED {
                let _ = self.events.try_send(LegEvent::Audio(frame));
            }
        }
    }

    // === What is done about it ===

    fn input(&mut self, input: Input) {
        for action in self.machine.handle(input, Instant::now()) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Emit(event) => {
                if matches!(event, LegEvent::Ended(_)) {
                    self.hearing = None;
                    let quality = self.meter.quality(Instant::now());
                    let _ = quality.map(|quality| self.events.try_send(LegEvent::Quality(quality)));
                }
                if matches!(event, LegEvent::Arrived(_)) && self.ask.take().is_some() {
                    tracing::info!(call = %self.machine.call(), "headers not told by the bridge in time");
                }
                // The queue has a place reserved for it; a session that is gone needs no event.
                let _ = self.events.try_send(event);
            }
            Action::Publish => {
                if let Some(room) = &mut self.room {
                    room.publish();
                }
            }
            Action::AskHeaders { caller } => {
                let (request, packet) =
                    Request::new(Method::GetRemoteHeaders, Uuid::new_v4(), caller, HEADERS);
                self.ask = Some(Question { request, since: Instant::now(), packet: Some(packet) });
            }
            Action::HearOnly(tracks) => {
                if let Some(room) = &mut self.room {
                    room.hear_only(tracks);
                }
            }
            Action::EndCall { caller } => {
                let (end_call, packet) = Request::new(Method::EndCall, Uuid::new_v4(), caller, HANG_UP_STEP);
                if self.room.as_mut().is_some_and(|room| room.send_data(&packet)) {
                    self.end_call = Some(end_call);
                } else {
                    self.input(Input::StepFailed);
                }
            }
            Action::Transfer { caller, to } => {
                let (site, room) = (Arc::clone(&self.site), self.assignment.room.clone());
                self.transfer = Some(Box::pin(async move {
                    site.api.transfer(room.reveal(), caller.reveal(), to.as_uri()).await
                }));
            }
            Action::RemoveParticipant { caller } => {
                let (site, room) = (Arc::clone(&self.site), self.assignment.room.clone());
                self.end_call = None;
                self.request = Some(Box::pin(async move {
                    site.api.remove_participant(room.reveal(), caller.reveal()).await
                }));
            }
            Action::DeleteRoom => {
                let (site, room) = (Arc::clone(&self.site), self.assignment.room.clone());
                self.end_call = None;
                self.request = Some(Box::pin(async move { site.api.delete_room(room.reveal()).await }));
            }
            Action::Leave { failed } => {
                self.done =
                    Some(failed.map_or(JobState::Succeeded, |fault| JobState::Failed(Fault::name(fault))));
            }
        }
    }
}

/// A caller or a room that is gone already is what was asked for.
fn step_outcome(outcome: Result<(), ApiError>) -> Input {
    match outcome {
        Ok(()) | Err(ApiError::Gone) => Input::StepDone,
        Err(ApiError::Refused | ApiError::Unreachable) => Input::StepFailed,
    }
}
