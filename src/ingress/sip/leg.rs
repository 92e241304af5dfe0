//! One caller's leg on our own SIP port: the task that answers requests, moves audio both ways and does what the session
//! commands. What to do is decided by [`machine`].

mod asked;
pub mod machine;
mod negotiate;
mod ours;
pub mod reliable;

use std::net::SocketAddr;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use rsipstack::sip::{Header, Method, Request};
use rsipstack::transaction::Transaction;
use tokio::select;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::machine::{Action, Input, Machine};
use self::ours::{Done, Ours};
use super::dialog::{Dialog, Hop, OutOfOrder};
use super::flow::Flow;
use super::media::Media;
use super::message::{self, Reply};
use super::rtp::Heard;
use super::timer;
use super::uas::{self, Happening, Invite, Uas};
use crate::call::{Call, Fault};
use crate::ingress::leg::{Events, Frame, LegCommand, LegEnd, LegEvent};

/// What happens to our INVITE transactions and is not dealt with yet.
const HAPPENINGS: usize = 16;

/// A call to be served: everything a leg is given.
pub struct Task {
    pub uas: Uas,
    pub invite: Transaction,
    pub dialog: Dialog,
    pub media: Media,
    pub call: Box<Call>,
    /// The way that the INVITE came.
    pub flow: Flow,
    /// Where callers reach us: our Contact.
    pub local: SocketAddr,
    /// The caller's requests in the dialog.
    pub requests: mpsc::Receiver<Box<Asked>>,
    pub commands: mpsc::Receiver<LegCommand>,
    pub events: Events,
}

/// A request of the caller's in the dialog, and the way it came.
pub struct Asked {
    pub transaction: Transaction,
    pub flow: Flow,
}

/// Runs the leg to its end, and that of its last transaction. A bug that ends it early lets the caller go all the same.
pub async fn run(task: Task) {
    let id = task.call.id;
    let (mut leg, call) = Leg::new(task);
    if AssertUnwindSafe(leg.serve(call)).catch_unwind().await.is_err() {
        tracing::error!(call = %id, "leg panicked");
        leg.break_off().await;
        leg.run().await;
    }
}

struct Leg {
    machine: Machine,
    dialog: Dialog,
    media: Media,
    ours: Ours,
    invite: Invite,
    /// The request that is being answered.
    asked: Option<Box<Asked>>,
    requests: Option<mpsc::Receiver<Box<Asked>>>,
    /// `None` once the session is gone.
    commands: Option<mpsc::Receiver<LegCommand>>,
    events: Events,
    told: mpsc::Sender<Happening>,
    happenings: mpsc::Receiver<Happening>,
    /// INVITEs that are followed.
    followed: JoinSet<()>,
    /// The INVITE whose 200 OK waits for its ACK, by its sequence number. The ACK of a later one will do for an earlier.
    unacked: Option<u32>,
    /// From the sequence number of our first REFER to that of the last.
    referred: Option<Range<u32>>,
    held: bool,
}

/// What woke the leg.
enum Wake {
    Request(Option<Box<Asked>>),
    Happening(Happening),
    Command(Option<LegCommand>),
    Heard(Heard),
    Done(Done),
    Followed,
    Time,
}

impl Leg {
    fn new(task: Task) -> (Self, Box<Call>) {
        let (told, happenings) = mpsc::channel(HAPPENINGS);
        let invite = Invite::of(&task.invite);
        let mut followed = JoinSet::new();
        followed.spawn(uas::follow(task.invite, told.clone()));
        let leg = Self {
            machine: Machine::new(invite.request.body.is_empty()),
            dialog: task.dialog,
            media: task.media,
            ours: Ours::new(task.uas, task.flow, task.local),
            invite,
            asked: None,
            requests: Some(task.requests),
            commands: Some(task.commands),
            events: task.events,
            told,
            happenings,
            followed,
            unacked: None,
            referred: None,
            held: false,
        };
        (leg, task.call)
    }

    async fn serve(&mut self, call: Box<Call>) {
        let rack = reliable::required(&self.invite.request);
        self.machine.expire(asked::expires(&self.invite.request).map(|after| Instant::now() + after));
        self.input(Input::Start(call, rack)).await;
        self.run().await;
    }

    /// Whatever the session and the caller still want is not to be had here any more.
    async fn break_off(&mut self) {
        self.emit(LegEvent::Ended(LegEnd::Failed(Fault::Internal)));
        self.media.stop();
        self.commands = None;
        self.reply(Reply::status(500)).await;
        self.input(Input::Deserted).await;
    }

    async fn run(&mut self) {
        while !(self.machine.is_over() && self.followed.is_empty() && self.ours.is_idle()) {
            match self.wake().await {
                Wake::Request(Some(asked)) => self.request(asked).await,
                Wake::Request(None) => self.requests = None,
                Wake::Happening(happening) => self.happened(happening).await,
                Wake::Command(Some(LegCommand::Frame(frame))) => self.send(&frame),
                Wake::Command(Some(command)) => self.command(command).await,
                Wake::Command(None) => {
                    self.commands = None;
                    self.input(Input::Deserted).await;
                }
                Wake::Heard(heard) => self.heard(heard).await,
                Wake::Done(done) => self.done(done).await,
                Wake::Followed => {}
                Wake::Time => self.input(Input::Time).await,
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let far = Instant::now() + Duration::from_secs(3600);
        let deadline = self.machine.deadline().unwrap_or(far);
        select! {
            biased;
            Some(happening) = self.happenings.recv() => Wake::Happening(happening),
            request = received(&mut self.requests) => Wake::Request(request),
            command = received(&mut self.commands) => Wake::Command(command),
            heard = self.media.next() => Wake::Heard(heard),
            done = self.ours.next() => Wake::Done(done),
            Some(_) = self.followed.join_next() => Wake::Followed,
            () = sleep_until(deadline) => Wake::Time,
        }
    }

    // === What happens ===

    fn send(&mut self, frame: &Frame) {
        #[cfg(test)]
        tests::panic_at(frame);
        self.media.send(frame);
    }

    async fn command(&mut self, command: LegCommand) {
        let leaving = matches!(command, LegCommand::Leave { .. });
        self.input(Input::Command(command)).await;
        if leaving {
            self.commands = None;
        }
    }

    async fn request(&mut self, asked: Box<Asked>) {
        let request = &asked.transaction.original;
        if let Err(OutOfOrder) = self.dialog.take(request) {
            self.asked = Some(asked);
            return self.reply(Reply::later(0)).await;
        }
        self.ours.heard_on(&asked.flow);
        let input = match request.method() {
            Method::PRack => self.pracked(request),
            _ => Input::Asked(asked::read(request, self.referred.as_ref())),
        };
        self.asked = Some(asked);
        self.input(input).await;
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Refer(status) => self.input(Input::ReferAnswered { status }).await,
            Done::Refresh { status, said } => self.input(Input::RefreshAnswered { status, said }).await,
            Done::Bye => {}
        }
    }

    fn pracked(&mut self, prack: &Request) -> Input {
        let rack = reliable::read(prack);
        let fits = !self.machine.awaits(rack) || self.answers_our_offer(&prack.body);
        Input::Pracked { rack, fits }
    }

    /// Whether the media can be as `body` says, where we have made an offer.
    fn answers_our_offer(&mut self, body: &[u8]) -> bool {
        !self.machine.is_offering() || self.media.answered(body).is_ok()
    }

    async fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Cancelled => self.input(Input::Cancelled).await,
            Happening::Acked { sequence, body } if self.unacked == Some(sequence) => {
                self.unacked = None;
                let fits = self.answers_our_offer(&body);
                self.input(Input::Acked { fits }).await;
                self.note_hold();
            }
            Happening::Over { sequence } if self.unacked == Some(sequence) => {
                self.unacked = None;
                self.input(Input::Unacked).await;
            }
            Happening::Acked { .. } | Happening::Over { .. } => {}
        }
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Audio(frame) => self.events.emit(LegEvent::Audio(frame)),
            Heard::Digit(digit) => self.events.emit(LegEvent::Digit(digit)),
            Heard::Pressed(all) => self.keys_pressed(all),
            Heard::Nothing => self.input(Input::Silent).await,
        }
    }

    // === What is done about it ===

    async fn input(&mut self, input: Input) {
        for action in self.machine.handle(input, Instant::now()) {
            self.perform(action).await;
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Emit(event) => self.emit(event),
            Action::Ring { reply, described } => self.respond(reply, described),
            Action::Answer { described } => {
                // What is wrong with it was answered before there was a call.
                let timer = timer::agree(&self.invite.request).unwrap_or_default();
                let timed = timer.map(timer::Timer::headers).unwrap_or_default();
                self.respond(Reply::abilities(200).with_all(timed), described);
                self.unacked = Some(self.invite.sequence());
                self.machine.time(timer, Instant::now());
                self.media.start();
            }
            Action::Refuse(reply) => self.respond(reply, false),
            Action::Redirect(to) => {
                let reply = Reply::status(302)
                    .with("Contact", format!("<{}>", self.dialog.address_of(&to)))
                    .with("Diversion", format!("<{}>;reason=deflection", self.invite.request.uri()));
                let tag = self.dialog.local_tag();
                self.invite.respond(message::response(&self.invite.request, reply, tag));
            }
            Action::Reply(reply) => self.reply(reply).await,
            Action::Negotiate => self.negotiate().await,
            Action::Bye => {
                let bye = self.ask(Method::Bye, Vec::new());
                self.ours.bye(bye);
            }
            Action::Refer(to) => self.refer(to.as_uri()),
            Action::ReferBySwitch(to) => self.refer(&self.dialog.address_of(&to)),
            Action::Press(digits) => {
                if !self.media.press(&digits) {
                    self.keys_pressed(false);
                }
            }
            Action::Refresh(timer) => {
                let update = self.ask(Method::Update, timer.refresh());
                self.ours.refresh(update);
            }
            Action::Silence => self.media.stop(),
        }
    }

    /// Answers the INVITE, and says where we are.
    fn respond(&self, reply: Reply, described: bool) {
        let reply = if described { reply.describing(self.media.describe()) } else { reply };
        let reply = reply.with("Contact", self.ours.contact(&self.dialog));
        self.invite.respond(message::response(&self.invite.request, reply, self.dialog.local_tag()));
    }

    async fn reply(&mut self, reply: Reply) {
        let Some(asked) = self.asked.take() else { return };
        let (transaction, tag) = (asked.transaction, self.dialog.local_tag());
        if !uas::is_invite(&transaction) {
            return uas::respond(transaction, reply, tag).await;
        }
        let accepted = reply.status < 300;
        let response = message::response(&transaction.original, reply, tag);
        let invite = Invite::of(&transaction);
        invite.respond(response);
        if accepted {
            self.unacked = Some(invite.sequence());
        }
        self.followed.spawn(uas::follow(transaction, self.told.clone()));
    }

    fn ask(&mut self, method: Method, more: Vec<Header>) -> (Request, Hop) {
        self.dialog.request(method, &self.ours.contact(&self.dialog), more)
    }

    fn refer(&mut self, to: &str) {
        let more = vec![
            message::header("Refer-To", format!("<{to}>")),
            message::header("Referred-By", self.ours.contact(&self.dialog)),
        ];
        let refer = self.ask(Method::Refer, more);
        if let Some(sequence) = message::cseq(&refer.0) {
            let first = self.referred.as_ref().map_or(sequence, |referred| referred.start);
            self.referred = Some(first..sequence);
        }
        self.ours.refer(refer);
    }

    fn keys_pressed(&mut self, all: bool) {
        self.events.emit(if all { LegEvent::KeysSent } else { LegEvent::KeysNotSent });
    }

    fn emit(&mut self, event: LegEvent) {
        if matches!(event, LegEvent::Ended(_))
            && let Some(quality) = self.media.quality()
        {
            self.events.emit(LegEvent::Quality(quality));
        }
        self.events.emit(event);
    }
}

/// What the channel brings; for ever nothing where there is none.
async fn received<T>(channel: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
