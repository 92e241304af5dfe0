//! One call's leg in its room: the task that moves audio both ways and does what the session commands.
//!
//! What to do is decided by [`machine`]; here are the sockets and the timers, and in `requests` what is asked of others.

pub mod machine;
mod requests;
mod waits;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::machine::{Action, Input, LeftBehind, Machine};
use self::requests::Requests;
use self::waits::{Pending, cancelled, finish, next_command, next_event};
use super::Site;
use super::facts::Context;
use super::reports::Reports;
use super::rescue::arbiter::Arbiter;
use super::room::{JoinError, Room, RoomEvent, RoomLost};
use crate::call::{Digit, Fault};
use crate::ingress::leg::{Events, Frame, LegCommand, LegEnd, LegEvent};
use crate::livekit::api::ApiError;
use crate::livekit::wire::data::FromPeer;
use crate::livekit::wire::signal::{Departure, Joined};
use crate::livekit::wire::worker::{Assignment, JobState};
use crate::media::FRAME;
use crate::media::audio::Audio;
use crate::media::codec::Codec;
use crate::media::hearing::Hearing;
use crate::media::quality::Meter;

/// A job to be done: everything a leg is given.
pub struct Task {
    pub site: Arc<Site>,
    pub assignment: Assignment,
    pub context: Context,
    pub reports: Reports,
    /// LiveKit took the job back.
    pub terminated: CancellationToken,
    pub commands: mpsc::Receiver<LegCommand>,
    pub events: Events,
}

/// Runs the leg to its end, and tells whom it leaves behind.
pub async fn run(task: Task) -> Option<LeftBehind> {
    task.reports.send(task.assignment.job.clone(), JobState::Running).await;
    Leg::new(task).run().await
}

struct Leg {
    site: Arc<Site>,
    assignment: Assignment,
    reports: Reports,
    machine: Machine,
    /// `None` once the session is gone.
    commands: Option<mpsc::Receiver<LegCommand>>,
    events: Events,
    /// `None` once it was heeded.
    terminated: Option<CancellationToken>,
    joining: Option<Pending<Result<Box<Room>, JoinError>>>,
    room: Option<Box<Room>>,
    hearing: Option<Hearing>,
    meter: Meter,
    requests: Requests,
    done: Option<JobState>,
}

/// What woke the leg.
enum Wake {
    Joining(Result<Box<Room>, JoinError>),
    Room(Result<RoomEvent, RoomLost>),
    Command(Option<LegCommand>),
    Request(Result<(), ApiError>),
    Transferred(Result<(), ApiError>),
    Signed,
    Terminated,
    Time,
}

impl Leg {
    fn new(task: Task) -> Self {
        let site = Arc::clone(&task.site);
        let arbiter = Arbiter::of(Arc::clone(&site), &task.assignment.job);
        let machine = Machine::new(task.context, Box::new(move |trunk| (site.plan)(trunk)), arbiter);
        Self {
            site: task.site,
            assignment: task.assignment,
            reports: task.reports,
            machine,
            commands: Some(task.commands),
            events: task.events,
            terminated: Some(task.terminated),
            joining: None,
            room: None,
            hearing: None,
            meter: Meter::default(),
            requests: Requests::default(),
            done: None,
        }
    }

    async fn run(mut self) -> Option<LeftBehind> {
        self.input(Input::Start);
        let state = loop {
            if let Some(state) = self.done {
                break state;
            }
            if let Some(room) = &mut self.room
                && let Err(lost) = room.settle().await
            {
                self.cut_off(&lost);
                continue;
            }
            self.send_question(Instant::now());
            match self.wake().await {
                Wake::Joining(Ok(room)) => self.room = Some(room),
                Wake::Joining(Err(error)) => self.cut_off(&error),
                Wake::Room(Ok(event)) => self.room_event(event),
                Wake::Room(Err(lost)) => self.cut_off(&lost),
                Wake::Command(Some(command)) => self.command(command),
                Wake::Command(None) => self.input(Input::SessionGone),
                Wake::Request(outcome) => self.step_taken(outcome),
                Wake::Transferred(outcome) => self.transferred(outcome),
                Wake::Signed => {}
                Wake::Terminated => self.input(Input::Terminated),
                Wake::Time => self.time(Instant::now()),
            }
        };
        // The job's state goes first: LiveKit takes a participant that leaves without for a failed job.
        self.reports.send(self.assignment.job, state).await;
        if let Some(room) = self.room {
            room.leave().await;
        }
        self.machine.left_behind()
    }

    async fn wake(&mut self) -> Wake {
        let deadline = self.deadline();
        select! {
            biased;
            // The room comes first: between two frames it must have its turn (see `Peer::write_frame`).
            event = next_event(&mut self.room) => Wake::Room(event),
            command = next_command(&mut self.commands) => Wake::Command(command),
            joined = finish(&mut self.joining) => Wake::Joining(joined),
            outcome = finish(&mut self.requests.step) => Wake::Request(outcome),
            outcome = finish(&mut self.requests.transfer) => Wake::Transferred(outcome),
            () = finish(&mut self.requests.signature) => Wake::Signed,
            () = cancelled(&mut self.terminated) => Wake::Terminated,
            () = sleep_until(deadline) => Wake::Time,
        }
    }

    fn deadline(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let hearing = self.hearing.as_ref().map(Hearing::deadline);
        [self.machine.deadline(), hearing, self.requests.deadline()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(far)
    }

    fn time(&mut self, now: Instant) {
        if let Some(hearing) = &mut self.hearing {
            let frames = hearing.on_time(now);
            self.hear(frames);
        }
        self.press_next(now);
        self.input(Input::Timeout);
    }

    // === What happens ===

    fn cut_off(&mut self, why: &impl Display) {
        tracing::warn!(call = %self.machine.call(), error = %why, "room not joined or lost");
        self.room = None;
        self.input(Input::CutOff);
    }

    fn room_event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Joined(Joined { participants, node, at, .. }) => {
                self.input(Input::Joined { participants, node, at });
            }
            RoomEvent::Changed(participants) => self.input(Input::Changed(participants)),
            RoomEvent::Connected => self.input(Input::Connected),
            RoomEvent::Subscribed => self.input(Input::Subscribed),
            RoomEvent::Token(token) => self.assignment.token = token,
            RoomEvent::Left(departure) => self.left(departure),
            RoomEvent::Audio(packet) => {
                if let Some(hearing) = &mut self.hearing {
                    self.meter.received(&packet);
                    let frames = hearing.packet(Instant::now(), &packet);
                    self.hear(frames);
                }
            }
            RoomEvent::Unsent => self.meter.unsent(),
            RoomEvent::Report(report) => self.meter.reported(report),
            RoomEvent::Data(packet) => self.data(packet),
            RoomEvent::Idle => {}
        }
    }

    fn left(&mut self, departure: Departure) {
        tracing::info!(call = %self.machine.call(), ?departure, "sent away by the server");
        self.room = None;
        self.input(Input::Left(departure));
    }

    fn data(&mut self, packet: FromPeer) {
        match packet {
            FromPeer::Digit { sender, code } => {
                if let Some(digit) = Digit::from_code(code) {
                    self.input(Input::Digit { sender, digit });
                }
            }
            FromPeer::RpcAnswered { .. } | FromPeer::RpcAcknowledged { .. } | FromPeer::Other => {
                self.answered(&packet);
            }
        }
    }

    fn command(&mut self, command: LegCommand) {
        if let LegCommand::Frame(frame) = command {
            self.send(frame);
            return;
        }
        self.input(Input::Command(command));
    }

    fn send(&mut self, frame: Frame) {
        if !self.room.as_mut().is_some_and(|room| room.write_frame(frame)) {
            self.meter.unsent();
        } else if let Some(interval) = self.meter.sent(Instant::now()) {
            self.site.metrics.frame_sent(interval.abs_diff(FRAME));
        }
    }

    fn hear(&self, frames: Vec<Audio>) {
        for frame in frames {
            self.events.emit(LegEvent::Audio(frame));
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
            Action::Emit(event) => self.emit(event),
            Action::Join { pause } => self.join(pause),
            Action::Disconnect => {
                (self.room, self.joining) = (None, None);
                self.meter.interrupted();
            }
            Action::Publish => {
                self.hearing.get_or_insert_with(|| Hearing::new(Instant::now(), Codec::Opus));
                if let Some(room) = &mut self.room {
                    room.publish();
                }
            }
            Action::Sign { caller } => self.sign(caller),
            Action::HearOnly(tracks) => {
                if let Some(room) = &mut self.room {
                    room.hear_only(tracks);
                }
            }
            Action::AskHeaders { caller } => self.ask_headers(caller),
            Action::EndCall { caller } => self.end_call(caller),
            Action::Transfer { caller, to } => self.transfer(caller, to),
            Action::Press { caller, digits } => self.press(caller, &digits),
            Action::RemoveParticipant { caller } => self.remove_participant(caller),
            Action::DeleteRoom => self.delete_room(),
            Action::Leave { failed } => {
                self.done =
                    Some(failed.map_or(JobState::Succeeded, |fault| JobState::Failed(Fault::name(fault))));
            }
        }
    }

    fn join(&mut self, pause: Duration) {
        let site = Arc::clone(&self.site);
        let server = self.assignment.url.as_deref().and_then(|url| Url::parse(url).ok());
        let server = server.unwrap_or_else(|| site.project.url.clone());
        let token = self.assignment.token.clone();
        // The calls that a server lost do not all come back at once.
        let pause = pause.mul_f64(rand::random_range(0.75..1.0));
        self.joining = Some(Box::pin(async move {
            sleep(pause).await;
            Room::join(&site.dialer, &server, &token).await.map(Box::new)
        }));
    }

    fn emit(&mut self, event: LegEvent) {
        if matches!(event, LegEvent::Ended(LegEnd::Yielded)) {
            self.site.metrics.yielded();
        }
        if matches!(event, LegEvent::Ended(_)) {
            self.hearing = None;
            if let Some(quality) = self.meter.quality(Instant::now()) {
                self.events.emit(LegEvent::Quality(quality));
            }
        }
        if matches!(event, LegEvent::Arrived(_)) {
            self.asked_long_enough();
        }
        self.events.emit(event);
    }
}
