//! What a leg waits for, each of which may not be there: then it waits for ever.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::TRIES;
use crate::ingress::leg::LegCommand;
use crate::ingress::livekit::room::{Room, RoomEvent, RoomLost};

/// Before the second attempt, and twice that before the third: a server that starts again refuses at once.
const PAUSE: Duration = Duration::from_millis(250);

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

/// The pause after so many attempts. `random` is in 0..1, so that the calls a server lost do not all come back at once.
pub(super) fn pause(tries: u32, random: f64) -> Duration {
    let full = PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(TRIES));
    full.mul_f64(0.75 + random / 4.0)
}
