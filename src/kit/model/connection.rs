//! The socket of one session: frames to the machine, the machine's frames to the client.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::log::{Closing, SessionLog};
use super::session::{Out, Session};
use crate::kit::journal::Journal;

/// How long a client may take to answer a close frame.
const PATIENCE: Duration = Duration::from_secs(1);

/// A session with its socket and its place in the journal.
pub(super) struct Upgraded {
    pub(super) socket: WebSocket,
    pub(super) session: Session,
    pub(super) journal: Arc<Journal<SessionLog>>,
    pub(super) place: usize,
}

impl Upgraded {
    /// Runs the session until either side ends it.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let closing = stop.run_until_cancelled(self.converse()).await.unwrap_or(Closing::Server);
        self.journal.change(self.place, |log| log.closed = Some((Instant::now(), closing)));
    }

    async fn converse(&mut self) -> Closing {
        loop {
            if let Some(closing) = self.deliver().await {
                return closing;
            }
            let deadline = self.session.deadline();
            let due = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let frame = tokio::select! {
                () = due => {
                    self.session.tick(Instant::now());
                    continue;
                }
                frame = self.socket.recv(), if self.session.reads() => frame,
            };
            match frame {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Binary(_))) => self.session.handle_garbage(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Closing::Client { code: frame.map(|frame| frame.code) };
                }
                Some(Err(_)) | None => return Closing::ClientLost,
            }
        }
    }

    fn take(&mut self, text: &str) {
        let now = Instant::now();
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(event) => {
                self.session.handle(&event, now);
                self.journal.change(self.place, |log| log.received(event, now));
            }
            Err(_) => self.session.handle_garbage(),
        }
    }

    /// Reads until the client has closed too. A socket that is dropped with unread input resets the connection, and
    /// the client would lose the last frames.
    async fn drain(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = tokio::time::timeout(PATIENCE, rest).await;
    }

    /// Does what the machine asks; says how the socket ended, if it did.
    ///
    /// In order, so that who waits for a fact can rely on the frames before it having left.
    async fn deliver(&mut self) -> Option<Closing> {
        for out in self.session.take() {
            let sent = match out {
                Out::Event(event) => self.socket.send(Message::text(event.to_string())).await,
                Out::Text(text) => self.socket.send(Message::text(text)).await,
                Out::Note(note) => {
                    let now = Instant::now();
                    self.journal.change(self.place, |log| log.note(note, now));
                    Ok(())
                }
                Out::Close(code) => {
                    let frame = CloseFrame { code, reason: "".into() };
                    // The session is over whether or not the client still listens.
                    let _ = self.socket.send(Message::Close(Some(frame))).await;
                    self.drain().await;
                    return Some(Closing::Server);
                }
                Out::Drop => return Some(Closing::Server),
            };
            if sent.is_err() {
                return Some(Closing::ClientLost);
            }
        }
        None
    }
}
