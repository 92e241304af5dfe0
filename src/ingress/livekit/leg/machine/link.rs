//! Our connection to the room: sought until media flows, and sought again when it is lost.
//!
//! A call that rings can wait for it. An answered caller hears nothing meanwhile: they are [`Away`] until livekit-sip has
//! subscribed to our track again, be it that we had to come back or livekit-sip itself.

use std::time::Duration;

use tokio::time::Instant;

use super::parting::{Goal, Step};
use super::question::{BRIDGE_ANSWERS, HEADERS};
use super::{Action, Machine, SUBSCRIBED_OR_REPUBLISH, Stage};
use crate::call::Fault;
use crate::ingress::leg::{LegEnd, LegEvent};
use crate::livekit::wire::signal::Participant;

/// Attempts while the call is not answered.
const TRIES: u32 = 3;
/// How long any attempt may take until media flows.
const TRY: Duration = Duration::from_secs(2);
/// How long an answered caller is kept in silence. Measured with livekit-server 1.13.5 and livekit-sip 1.8.0: where a
/// server died, another one, be it the same started anew, goes on asking the dead one for 3 to 6 s. livekit-sip comes back
/// by itself, and tries again 0.3, 1.2, 2.7, 4.8 and 7.5 s after each failure; after that its pauses are too long to wait.
const AWAY: Duration = Duration::from_secs(20);
/// livekit-sip was connected to the same server as we and is not there: the caller has hung up, unless it lost its
/// connection with us and is not yet back.
const ABSENT: Duration = Duration::from_secs(3);
/// Before the second attempt, and twice that before each further one, up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// LiveKit ends a job for many reasons, of which the room tells most itself. For it to do so.
const REASON: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Link {
    /// Attempts since the first, or since the room was lost.
    tries: u32,
    /// When the attempt under way is given up.
    by: Option<Instant>,
    /// Media flows.
    up: bool,
    /// We have replaced, or tried to replace, our participant by another. LiveKit then ends the first one's job.
    replaced: bool,
    /// The server's process that we were connected to last.
    node: Option<String>,
    away: Option<Away>,
    /// LiveKit has ended the job; taken for the end of the call then.
    terminated: Option<Instant>,
}

/// An answered caller who does not hear us.
#[derive(Debug)]
struct Away {
    until: Instant,
    /// When the caller's absence is taken for their hanging up.
    absent: Option<Instant>,
    track: Track,
}

/// Our track, for a caller who is away.
#[derive(Debug, Clone, Copy)]
enum Track {
    None,
    /// Published; `again` is when to do so once more.
    Published {
        again: Option<Instant>,
    },
}

impl Link {
    /// Whether what we send reaches the caller.
    pub(super) const fn is_whole(&self) -> bool {
        self.up && self.away.is_none()
    }

    /// Whether the caller of an answered call is lost, and sought.
    pub(super) const fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// The connection is wanted no more, or only as it is.
    pub(super) const fn rest(&mut self) {
        (self.by, self.away, self.terminated) = (None, None, None);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let away = self.away.as_ref();
        let again = away.and_then(|away| match away.track {
            Track::None => None,
            Track::Published { again } => again,
        });
        let (until, absent) = (away.map(|away| away.until), away.and_then(|away| away.absent));
        [self.by, self.terminated, until, absent, again].into_iter().flatten().min()
    }
}

impl Machine {
    /// Attempts to join, for the first time or anew.
    pub(super) fn join(&mut self, now: Instant) {
        let pause = pause_after(self.link.tries);
        self.link.tries += 1;
        self.link.by = Some(now + pause + TRY);
        self.actions.push(Action::Join { pause });
    }

    /// The connection is lost, or an attempt at it has failed.
    pub(super) fn cut_off(&mut self, now: Instant) {
        (self.link.up, self.link.by, self.link.terminated) = (false, None, None);
        self.actions.push(Action::Disconnect);
        if self.is_alone() {
            return self.gone(LegEnd::Caller, now);
        }
        match self.stage {
            Stage::Arriving { .. }
            | Stage::Asking { .. }
            | Stage::Ringing { .. }
            | Stage::Published { .. } => {
                if self.link.tries < TRIES {
                    self.join_anew(now);
                } else {
                    self.lost(if self.joined { Fault::Room } else { Fault::Join }, now);
                }
            }
            Stage::Answered { .. }
            | Stage::Subscribed { .. }
            | Stage::Active
            | Stage::Transferring { .. } => {
                self.go_away(now);
                self.join_anew(now);
            }
            Stage::HangingUp { .. } => self.lost(Fault::Room, now),
            Stage::Ended { .. } | Stage::Left => {}
        }
    }

    fn join_anew(&mut self, now: Instant) {
        self.link.replaced = true;
        self.join(now);
    }

    fn go_away(&mut self, now: Instant) {
        match &mut self.link.away {
            Some(away) => (away.absent, away.track) = (None, Track::None),
            None => {
                self.link.tries = 0;
                self.link.away = Some(Away { until: now + AWAY, absent: None, track: Track::None });
                self.emit(LegEvent::Away);
            }
        }
    }

    /// We are in the room again, and nobody else has our caller.
    pub(super) fn returned(&mut self, node: String, others: &[Participant], now: Instant) {
        // On another one others come back one by one.
        let same_server = self.link.node.replace(node.clone()) == Some(node);
        if self.link.away.is_none() {
            return;
        }
        let is_here = self.caller_among(others).is_some();
        if let Some(away) = &mut self.link.away {
            away.absent = (same_server && !is_here).then_some(now + ABSENT);
        }
    }

    /// The caller of an answered call lost the connection to the room, or has a new one.
    pub(super) fn dropped(&mut self, now: Instant) {
        match self.stage {
            Stage::Answered { .. }
            | Stage::Subscribed { .. }
            | Stage::Active
            | Stage::Transferring { .. } => self.go_away(now),
            // What watches over the answer watches over this.
            Stage::Arriving { .. }
            | Stage::Asking { .. }
            | Stage::Ringing { .. }
            | Stage::Published { .. } => {}
            Stage::HangingUp { .. } | Stage::Ended { .. } | Stage::Left => {}
        }
    }

    /// The caller is in the room: livekit-sip subscribes to what is published from now on.
    pub(super) fn seen(&mut self, now: Instant) {
        let Some(away) = &mut self.link.away else { return };
        away.absent = None;
        if matches!(away.track, Track::None) {
            away.track = Track::Published { again: Some(now + SUBSCRIBED_OR_REPUBLISH) };
            self.actions.push(Action::Publish);
        }
    }

    /// livekit-sip has subscribed again.
    pub(super) fn back(&mut self, now: Instant) {
        let published = |away: &mut Away| matches!(away.track, Track::Published { .. });
        if self.link.away.take_if(published).is_some() {
            self.emit(LegEvent::Back);
            self.restart_clock(now);
        }
    }

    /// Media flows.
    pub(super) fn connected(&mut self, now: Instant) {
        (self.link.up, self.link.by) = (true, None);
        self.restart_clock(now);
    }

    /// What livekit-sip has some time for, it has from now on.
    fn restart_clock(&mut self, now: Instant) {
        self.asked = None;
        match &mut self.stage {
            Stage::Asking { until } => *until = now + HEADERS,
            Stage::Ringing { answer: Some(until) } => *until = now + BRIDGE_ANSWERS,
            Stage::Published { since, .. } | Stage::Subscribed { since } | Stage::Answered { since, .. } => {
                *since = now;
            }
            _ => {}
        }
    }

    /// LiveKit has ended the job: for good, unless it is the job of a participant that we have replaced.
    pub(super) fn terminated(&mut self, now: Instant) {
        if self.link.replaced {
            return;
        }
        if self.joined {
            self.link.terminated = Some(now + REASON);
        } else {
            self.lost(Fault::Room, now);
        }
    }

    pub(super) fn link_timeout(&mut self, now: Instant) {
        if self.link.terminated.take_if(|at| now >= *at).is_some() {
            return self.hang_up(Step::EndCall, Goal::Tell(LegEnd::Failed(Fault::Room)), now);
        }
        if let Some(away) = &mut self.link.away {
            if now >= away.until {
                // Who could not come back knows nothing of the caller: another router may have them by now.
                return match self.link.up {
                    true => self.lost(Fault::Room, now),
                    false => self.gone(LegEnd::Failed(Fault::Room), now),
                };
            }
            if away.absent.take_if(|at| now >= *at).is_some() {
                return self.gone(LegEnd::Caller, now);
            }
            if let Track::Published { again } = &mut away.track
                && again.take_if(|at| now >= *at).is_some()
            {
                self.actions.push(Action::Publish);
            }
        }
        if self.link.by.is_some_and(|by| now >= by) {
            self.cut_off(now);
        }
    }
}

/// The pause after so many attempts.
fn pause_after(tries: u32) -> Duration {
    match tries {
        0 => Duration::ZERO,
        _ => PAUSE.saturating_mul(1 << (tries - 1).min(8)).min(PAUSE_MAX),
    }
}
