//! A call's end of a model session, and how one is opened.

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::connect::Dialer;
use super::openai::OpenAi;
use super::pump::Pump;
use super::{Closed, Dialect, ModelCommand, ModelEvent, Opening, Provider};

/// Commands waiting for the socket: more than a second of audio.
const COMMAND_QUEUE: usize = 64;
/// Events waiting for the call. When it is full the socket is not read until the call catches up.
const EVENT_QUEUE: usize = 64;

/// A call's end of a model session. Dropping it ends the session at once.
#[derive(Debug)]
pub struct ModelSession {
    /// Dropping the sender is [`ModelCommand::Close`].
    pub commands: mpsc::Sender<ModelCommand>,
    /// [`ModelEvent::Closed`] is the last, and always comes.
    pub events: mpsc::Receiver<ModelEvent>,
    /// The session's task.
    pub task: AbortOnDropHandle<()>,
}

impl Dialer {
    /// Opens a session. Returns at once; what becomes of it is told by its events.
    pub fn open(&self, provider: &Provider, opening: Opening) -> ModelSession {
        let (commands, command_queue) = mpsc::channel(COMMAND_QUEUE);
        let (event_queue, events) = mpsc::channel(EVENT_QUEUE);
        // What it says in the log is said of the call.
        let session =
            run(self.clone(), provider.clone(), opening, command_queue, event_queue).in_current_span();
        #[expect(clippy::disallowed_methods, reason = "the handle owns the task")]
        let task = AbortOnDropHandle::new(tokio::spawn(session));
        ModelSession { commands, events, task }
    }
}

async fn run(
    dialer: Dialer,
    provider: Provider,
    opening: Opening,
    mut commands: mpsc::Receiver<ModelCommand>,
    events: mpsc::Sender<ModelEvent>,
) {
    let connected = tokio::select! {
        connected = dialer.connect(&provider, &opening.model) => connected,
        () = asked_to_close(&mut commands) => Err(Closed::Asked),
    };
    match connected {
        Ok(socket) => {
            let dialect = match provider.dialect {
                Dialect::OpenAiRealtime | Dialect::OpenAiRealtimeBeta => OpenAi::new(&provider, opening),
            };
            Pump::new(socket, dialer.timing, dialect, commands, events).run().await;
        }
        Err(closed) => {
            let (provider, model) = (&*provider.name, &*opening.model);
            let (why, detail) = (closed.name(), closed.detail());
            tracing::debug!(provider, model, why, detail, "model session did not open");
            if events.send(ModelEvent::Closed(closed)).await.is_err() {
                tracing::debug!("nobody waits for the model session any more");
            }
        }
    }
}

/// Until the socket is open every other command is void: there is no session yet.
async fn asked_to_close(commands: &mut mpsc::Receiver<ModelCommand>) {
    while let Some(command) = commands.recv().await {
        if command == ModelCommand::Close {
            return;
        }
    }
}
