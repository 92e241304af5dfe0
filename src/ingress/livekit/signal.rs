//! A room's signalling socket, kept alive.

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::livekit::socket::{ConnectError, Dialer, Incoming, Socket, SocketError};
use crate::livekit::wire::signal::{FromRoom, Joined, Offer, ToRoom, join_url};
use crate::pii::Redacted;

/// Until the join response names its own.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

pub struct Signal {
    socket: Socket<ToRoom, FromRoom>,
    keepalive: Keepalive,
}

impl Signal {
    /// Asks to join the room that `token` names, with a first offer.
    pub async fn join(
        dialer: &Dialer,
        server: &Url,
        token: &Redacted<String>,
        offer: Offer,
    ) -> Result<Self, ConnectError> {
        let socket = dialer.connect(&join_url(server, offer), token).await?;
        Ok(Self { socket, keepalive: Keepalive::new(Instant::now()) })
    }

    /// The next message. Cancel safe.
    pub async fn next(&mut self) -> Result<FromRoom, SocketError> {
        loop {
            let incoming = self.socket.next().await?;
            self.keepalive.heard(Instant::now());
            if let Incoming::Message(message) = incoming {
                if let FromRoom::Joined(joined) = &message {
                    self.keepalive.agree(joined, Instant::now());
                }
                return Ok(message);
            }
        }
    }

    pub async fn send(&mut self, message: ToRoom) -> Result<(), SocketError> {
        self.socket.send(message).await
    }

    /// Sends the ping that is due, and finds out a peer that is silent for too long.
    pub async fn keep_alive(&mut self, now: Instant) -> Result<(), SocketError> {
        match self.keepalive.check(now) {
            Check::Well => Ok(()),
            Check::Ping { millis } => self.send(ToRoom::Ping { millis }).await,
            Check::Dead => Err(SocketError::Stalled),
        }
    }

    /// When to call [`Signal::keep_alive`].
    pub fn deadline(&self) -> Instant {
        self.keepalive.deadline()
    }

    /// Leaves the room.
    pub async fn leave(mut self) {
        // A socket that is gone says the same.
        let _ = self.send(ToRoom::Leave).await;
        self.socket.close().await;
    }
}

/// When to ping, and when the other side has been silent for too long.
#[derive(Debug)]
pub struct Keepalive {
    started: Instant,
    interval: Duration,
    timeout: Duration,
    next_ping: Instant,
    last_heard: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Well,
    /// With the milliseconds since the start.
    Ping {
        millis: i64,
    },
    Dead,
}

impl Keepalive {
    pub fn new(now: Instant) -> Self {
        Self::every(PING_INTERVAL, PING_TIMEOUT, now)
    }

    pub fn every(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { started: now, interval, timeout, next_ping: now + interval, last_heard: now }
    }

    fn agree(&mut self, joined: &Joined, now: Instant) {
        self.interval = joined.ping_interval;
        self.timeout = joined.ping_timeout;
        self.next_ping = now + self.interval;
    }

    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    pub fn check(&mut self, now: Instant) -> Check {
        if now >= self.last_heard + self.timeout {
            return Check::Dead;
        }
        if now < self.next_ping {
            return Check::Well;
        }
        self.next_ping = now + self.interval;
        Check::Ping { millis: i64::try_from((now - self.started).as_millis()).unwrap_or(i64::MAX) }
    }

    pub fn deadline(&self) -> Instant {
        self.next_ping.min(self.last_heard + self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_go_out_by_the_interval_and_silence_is_death() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut keepalive = Keepalive::new(start);
        assert_eq!(keepalive.deadline(), at(5));
        assert_eq!(keepalive.check(at(4)), Check::Well);
        assert_eq!(keepalive.check(at(5)), Check::Ping { millis: 5000 });
        keepalive.heard(at(6));
        assert_eq!(keepalive.check(at(10)), Check::Ping { millis: 10_000 });
        assert_eq!(keepalive.check(at(20)), Check::Ping { millis: 20_000 });
        assert_eq!(keepalive.deadline(), at(21));
        assert_eq!(keepalive.check(at(21)), Check::Dead);
    }

    #[test]
    fn the_server_sets_the_pace() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        let joined = Joined {
            participants: Vec::new(),
            node: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            ping_interval: Duration::from_secs(2),
            ping_timeout: Duration::from_secs(3),
        };
        keepalive.agree(&joined, start);
        assert_eq!(keepalive.deadline(), start + Duration::from_secs(2));
        assert_eq!(keepalive.check(start + Duration::from_secs(3)), Check::Dead);
    }
}
