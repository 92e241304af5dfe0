//! What a leg waits for, each of which may not be there: then it waits for ever.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ingress::leg::LegCommand;
use crate::ingress::livekit::room::{Room, RoomEvent, RoomLost};

pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(super) async fn next_event(room: &mut Option<Box<Room>>) -> Result<RoomEvent, RoomLost> {
    match room {
        Some(room) => room.next().await,
        None => std::future::pending().await,
    }
}

/// The next command, and once `None` when there will be no more.
pub(super) async fn next_command(commands: &mut Option<mpsc::Receiver<LegCommand>>) -> Option<LegCommand> {
    match commands {
        Some(receiver) => {
            let command = receiver.recv().await;
            if command.is_none() {
                *commands = None;
            }
            command
        }
        None => std::future::pending().await,
    }
}

/// Waits for what is pending, once.
pub(super) async fn finish<T>(pending: &mut Option<Pending<T>>) -> T {
    match pending {
        Some(future) => {
            let outcome = future.await;
            *pending = None;
            outcome
        }
        None => std::future::pending().await,
    }
}

/// Waits for the token, once.
pub(super) async fn cancelled(token: &mut Option<CancellationToken>) {
    match token {
        Some(waiting) => {
            waiting.cancelled().await;
            *token = None;
        }
        None => std::future::pending().await,
    }
}
