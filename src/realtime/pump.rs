//! One session's socket: reads and writes it, and asks the dialect what all of it means.
//!
//! Neither way waits for the other: commands go out while events wait for the call, and the server is read
//! while it does not read us. Each way has its bound, and a server that keeps us waiting is given up.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::connect::{Socket, Timing, reason};
use super::openai::{OpenAi, Reaction};
use super::{Closed, ModelCommand, ModelEvent};

pub(super) struct Pump {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    timing: Timing,
    heartbeat: Heartbeat,
    dialect: OpenAi,
    commands: mpsc::Receiver<ModelCommand>,
    events: mpsc::Sender<ModelEvent>,
    /// What one frame of the server led to and the call has not taken. Nothing more is read until it has.
    waiting: VecDeque<ModelEvent>,
    /// What waits for the socket; no command is taken until it is empty.
    outbox: VecDeque<Message>,
    /// By when the server must have taken what is being written.
    flushed_by: Option<Instant>,
}

enum Wake {
    Flushed(Result<(), Error>),
    /// The call took an event.
    Taken,
    Received(Option<Result<Message, Error>>),
    Commanded(ModelCommand),
    /// The call has dropped its end.
    Abandoned,
    Time,
}

/// Why the pump stops.
enum Stop {
    /// The dialect's last event is among those that wait.
    Told,
    /// Close the socket, then tell.
    Asked,
    /// The socket is gone or of no use.
    Gone(Closed),
}

impl Pump {
    pub(super) fn new(
        socket: Socket,
        timing: Timing,
        dialect: OpenAi,
        commands: mpsc::Receiver<ModelCommand>,
        events: mpsc::Sender<ModelEvent>,
    ) -> Self {
        let (sink, stream) = socket.split();
        Self {
            sink,
            stream,
            timing,
            heartbeat: Heartbeat::new(Instant::now(), timing.heartbeat),
            dialect,
            commands,
            events,
            waiting: VecDeque::new(),
            outbox: VecDeque::new(),
            flushed_by: None,
        }
    }

    /// Serves the session to its end. [`ModelEvent::Closed`] is the last event.
    pub(super) async fn run(mut self) {
        match self.serve().await {
            Stop::Told => {
                // Told first: the call may have another server to turn to.
                self.deliver().await;
                self.close().await;
            }
            Stop::Asked => {
                self.wind_up().await;
                self.close().await;
                self.waiting.push_back(ModelEvent::Closed(Closed::Asked));
                self.deliver().await;
            }
            Stop::Gone(closed) => {
                tracing::debug!(why = closed.name(), detail = closed.detail(), "model session lost");
                self.waiting.push_back(ModelEvent::Closed(closed));
                self.deliver().await;
            }
        }
    }

    async fn serve(&mut self) -> Stop {
        loop {
            let stop = match self.wake().await {
                Wake::Flushed(flushed) => {
                    self.flushed_by = None;
                    flushed.err().map(|error| lost(reason(&error)))
                }
                Wake::Taken => None,
                Wake::Received(Some(Ok(message))) => self.receive(message),
                Wake::Received(Some(Err(error))) => Some(lost(reason(&error))),
                Wake::Received(None) => Some(lost("closed by the server")),
                Wake::Commanded(ModelCommand::Close) | Wake::Abandoned => Some(Stop::Asked),
                Wake::Commanded(command) => {
                    self.outbox.extend(self.dialect.on_command(&command).into_iter().map(Message::text));
                    None
                }
                Wake::Time => self.on_time(Instant::now()),
            };
            if let Some(stop) = stop {
                return stop;
            }
            if let Err(error) = self.write_next().await {
                return lost(reason(&error));
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let flushing = self.flushed_by.is_some();
        let deadline = self.flushed_by.map_or(self.heartbeat.next, |limit| limit.min(self.heartbeat.next));
        tokio::select! {
            flushed = self.sink.flush(), if flushing => Wake::Flushed(flushed),
            room = self.events.reserve(), if !self.waiting.is_empty() => match room {
                Ok(room) => {
                    if let Some(event) = self.waiting.pop_front() {
                        room.send(event);
                    }
                    Wake::Taken
                }
                Err(_closed) => Wake::Abandoned,
            },
            received = self.stream.next(), if self.waiting.is_empty() => Wake::Received(received),
            command = self.commands.recv(), if !flushing => command.map_or(Wake::Abandoned, Wake::Commanded),
            () = sleep_until(deadline) => Wake::Time,
        }
    }

    fn receive(&mut self, message: Message) -> Option<Stop> {
        self.heartbeat.heard();
        match message {
            Message::Text(text) => {
                let Reaction { events, send } = self.dialect.on_server(text.as_str());
                self.waiting.extend(events);
                self.outbox.extend(send.into_iter().map(Message::text));
                matches!(self.waiting.back(), Some(ModelEvent::Closed(_))).then_some(Stop::Told)
            }
            Message::Close(frame) => Some(Stop::Gone(closed_by(frame.as_ref()))),
            // A ping is answered by the library; the dialect has no binary frames.
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        }
    }

    fn on_time(&mut self, now: Instant) -> Option<Stop> {
        if self.flushed_by.is_some_and(|limit| now >= limit) {
            return Some(lost("server does not read"));
        }
        match self.heartbeat.on_time(now) {
            Beat::NotYet => None,
            Beat::Ping => {
                self.outbox.push_back(Message::Ping(Bytes::new()));
                None
            }
            Beat::Dead => Some(lost("server is silent")),
        }
    }

    /// Hands the next message to the socket, unless it is still busy with the last.
    async fn write_next(&mut self) -> Result<(), Error> {
        if self.flushed_by.is_none()
            && let Some(message) = self.outbox.pop_front()
        {
            // Does not wait: the sink has been flushed.
            self.sink.feed(message).await?;
            self.flushed_by = Some(Instant::now() + self.timing.heartbeat);
        }
        Ok(())
    }

    /// A response in the making is stopped and its end awaited a little: it says what it cost.
    async fn wind_up(&mut self) {
        let frames = self.dialect.on_command(&ModelCommand::StopSpeaking);
        if !self.dialect.is_responding() {
            return;
        }
        let limit = self.timing.goodbye;
        let over = async {
            for frame in frames {
                self.sink.send(Message::text(frame)).await?;
            }
            while self.dialect.is_responding()
                && let Some(message) = self.stream.next().await
            {
                if let Message::Text(text) = message? {
                    let events = self.dialect.on_server(text.as_str()).events;
                    self.waiting
                        .extend(events.into_iter().filter(|e| matches!(e, ModelEvent::AgentDone { .. })));
                }
            }
            Ok::<(), Error>(())
        };
        if !matches!(timeout(limit, over).await, Ok(Ok(()))) {
            tracing::debug!("a response was left without its end");
        }
    }

    async fn deliver(&mut self) {
        for event in self.waiting.drain(..) {
            if self.events.send(event).await.is_err() {
                tracing::debug!("nobody waits for the model session any more");
                return;
            }
        }
    }

    /// Says goodbye and waits a little for the server's own.
    async fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let goodbye = async {
            if self.sink.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        if timeout(self.timing.goodbye, goodbye).await.is_err() {
            tracing::debug!("model server left the close unanswered");
        }
    }
}

fn lost(reason: &'static str) -> Stop {
    Stop::Gone(Closed::Lost { reason })
}

/// What a close frame means. Of RFC 6455's codes 1008 is a policy, and from 3000 on they are the application's.
fn closed_by(frame: Option<&CloseFrame>) -> Closed {
    match frame.map(|frame| u16::from(frame.code)) {
        Some(code @ (1008 | 3000..)) => Closed::Refused { code: format!("close-{code}") },
        Some(_) | None => Closed::Lost { reason: "closed by the server" },
    }
}

/// Pings by the clock, and knows when the other end is dead.
struct Heartbeat {
    period: Duration,
    next: Instant,
    heard: bool,
}

enum Beat {
    NotYet,
    Ping,
    Dead,
}

impl Heartbeat {
    fn new(now: Instant, period: Duration) -> Self {
        Self { period, next: now + period, heard: true }
    }

    fn heard(&mut self) {
        self.heard = true;
    }

    fn on_time(&mut self, now: Instant) -> Beat {
        if now < self.next {
            return Beat::NotYet;
        }
        self.next = now + self.period;
        if std::mem::replace(&mut self.heard, false) { Beat::Ping } else { Beat::Dead }
    }
}
