//! Which model serves the call: the candidates in their order, the session that is being opened and the one that
//! serves.
//!
//! ```text
//!           ┌─────────── next candidate ───────────┐
//!           v                                      │ closed, late, no greeting
//!   open ─> Opening ─> Configuring ─> (Greeting) ──┤
//!                                       │          │ closed, silent, failed response
//!                                       └> serving ┘   and near its end, a successor beside it
//! ```
//!
//! A session is configured when it has our prompt and the conversation so far. Before the answer it serves once the
//! first 200 ms of its greeting are here, so that nobody pays for a call that nobody answers. In an answered call that
//! has lost its model and found no other, those that may be well again are tried once more each second, while there is
//! time.

mod attempt;
mod candidates;
mod renewal;
mod why;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::SessionNo;
use super::timings::Timings;
use crate::realtime::{Closed, ModelEvent, ResponseOutcome, Verdict};
use attempt::{Attempt, Stage};
use candidates::Candidates;
pub use candidates::{Candidate, Server};
use renewal::Renewal;
pub use why::Why;

/// A session that has served for so long owes nothing to what went wrong before it.
const PROVEN: Duration = Duration::from_secs(60);
/// Until a server that refuses or breaks every connection may be well again, if it does not say so itself.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Failover {
    candidates: Candidates,
    opened: u32,
    attempt: Option<Attempt>,
    serving: Option<Serving>,
    /// The serving session was lost: by when another one must serve.
    until: Option<Instant>,
    /// No candidate served: which is tried once more, and when.
    again: Option<(usize, Instant)>,
}

#[derive(Debug)]
struct Serving {
    session: SessionNo,
    candidate: usize,
    since: Instant,
    renewal: Renewal,
}

/// What follows, in this order.
#[derive(Debug)]
pub enum Move {
    /// The session is of no more use. Unless it has closed itself, it is to be closed.
    GiveUp { session: SessionNo, candidate: Candidate, why: Why },
    /// `renews` an older session, which goes on until this one serves.
    Open { session: SessionNo, candidate: Candidate, renews: bool },
    /// The session serves from now on, in an older one's place if it renews it.
    Serve { session: SessionNo, renews: bool },
    /// No candidate served. One of them is tried again after a while.
    Pause,
    /// No candidate is left, or no time.
    Exhausted,
}

impl Failover {
    /// Opens the first session of a call. `greeting`: whether it begins by speaking.
    pub fn start(
        &mut self,
        servers: &[Server],
        own_model: Option<&str>,
        shut: &[Arc<str>],
        greeting: bool,
        now: Instant,
        timings: &Timings,
    ) -> Vec<Move> {
        self.candidates = Candidates::of(servers, own_model, shut);
        match self.candidates.next(None) {
            Some(at) => self.open_candidate(at, greeting, now, timings),
            None => self.exhausted(),
        }
    }

    /// The session that the caller hears and is heard by, if there is one: the one that serves, or the one whose
    /// greeting is awaited.
    pub fn heard(&self) -> Option<SessionNo> {
        let greeting = self.attempt.as_ref().filter(|attempt| attempt.stage == Stage::Greeting);
        self.serves().or(greeting.map(|attempt| attempt.session))
    }

    /// The session that serves.
    pub fn serves(&self) -> Option<SessionNo> {
        self.serving.as_ref().map(|serving| serving.session)
    }

    pub fn is_serving(&self) -> bool {
        self.serving.is_some()
    }

    /// No session serves, and none will.
    pub fn is_down(&self) -> bool {
        self.serving.is_none() && self.attempt.is_none() && self.again.is_none()
    }

    /// The candidate of a session that is there.
    pub fn candidate(&self, session: SessionNo) -> Option<&Candidate> {
        let attempt = self.attempt.as_ref().map(|attempt| (attempt.session, attempt.candidate));
        let serving = self.serving.as_ref().map(|serving| (serving.session, serving.candidate));
        let mut known = attempt.into_iter().chain(serving);
        known.find(|(known, _)| *known == session).and_then(|(_, at)| self.candidates.get(at))
    }

    /// A session has closed, and none is to follow.
    pub fn forget(&mut self, session: SessionNo) {
        self.attempt.take_if(|attempt| attempt.session == session);
        self.serving.take_if(|serving| serving.session == session);
    }

    /// Sessions that are there, to be closed when the call ends.
    pub fn all(&mut self) -> Vec<SessionNo> {
        self.again = None;
        let attempt = self.attempt.take().map(|attempt| attempt.session);
        attempt.into_iter().chain(self.serving.take().map(|serving| serving.session)).collect()
    }

    /// How long the serving session may owe speech without a sign of life; `None` where none serves.
    pub fn patience(&self, timings: &Timings) -> Option<Duration> {
        let elsewhere = self.candidates.has_other(self.serving.as_ref()?.candidate);
        Some(if elsewhere { timings.reply_elsewhere } else { timings.reply })
    }

    /// `wall`: the instant that the wall's clock calls so, for a session that says when it expires.
    pub fn model(
        &mut self,
        session: SessionNo,
        event: &ModelEvent,
        wall: impl Fn(jiff::Timestamp) -> Instant,
        now: Instant,
        timings: &Timings,
    ) -> Vec<Move> {
        if let ModelEvent::Closed(closed) = event {
            return self.closed(session, closed, now, timings);
        }
        if self.serving.as_ref().is_some_and(|serving| serving.session == session) {
            return self.served(event, now, timings);
        }
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.session == session) else {
            return Vec::new();
        };
        match (attempt.stage, event) {
            (Stage::Opening, ModelEvent::Ready { expires_at, .. }) => {
                attempt.renewal = Renewal::new(now, expires_at.map(wall));
                attempt.enter(Stage::Configuring, now + timings.model_configured);
                Vec::new()
            }
            (Stage::Opening | Stage::Configuring, ModelEvent::Configured { .. }) => {
                attempt.enter(Stage::Greeting, now + timings.greeting);
                self.serve_if_ready(now)
            }
            // A greeting shorter than the gate's 200 ms is ready when it is whole.
            (Stage::Greeting, ModelEvent::AgentAudioDone { .. }) if attempt.frames > 0 => self.serve(now),
            // The greeting came to nothing, whatever the model calls it: a caller would hear nothing.
            (Stage::Greeting, ModelEvent::AgentDone { outcome, .. }) if attempt.frames == 0 => {
                let verdict = match outcome {
                    ResponseOutcome::Failed { code } => Some(Verdict::of_response(code)),
                    _ => None,
                };
                self.attempt_failed(Why::Failed, verdict, now, timings)
            }
            _ => Vec::new(),
        }
    }

    /// One frame of speech of the session that is heard.
    pub fn speech(&mut self, session: SessionNo, now: Instant) -> Vec<Move> {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.session == session) else {
            return Vec::new();
        };
        attempt.frames = attempt.frames.saturating_add(1);
        self.serve_if_ready(now)
    }

    /// The serving session let the caller wait for too long.
    pub fn silent(&mut self, now: Instant, timings: &Timings) -> Vec<Move> {
        self.lose(Why::Silent, None, now, timings)
    }

    /// `quiet`: nobody speaks, and nobody waits for speech.
    pub fn on_time(&mut self, quiet: bool, now: Instant, timings: &Timings) -> Vec<Move> {
        if self.until.is_some_and(|until| now >= until) {
            return self.exhausted();
        }
        if self.attempt.as_ref().is_some_and(|attempt| now >= attempt.until) {
            return self.attempt_failed(Why::Late, None, now, timings);
        }
        if let Some((at, _)) = self.again.take_if(|(_, due)| now >= *due) {
            return self.open_candidate(at, false, now, timings);
        }
        match &self.serving {
            Some(serving) if self.attempt.is_none() && serving.renewal.is_last_moment(now) => {
                self.lose(Why::Expired, Some(Verdict::SameAgain), now, timings)
            }
            Some(serving) if self.attempt.is_none() && quiet && serving.renewal.is_due(now) => {
                self.renew(now, timings)
            }
            _ => Vec::new(),
        }
    }

    pub fn deadline(&self, quiet: bool) -> Option<Instant> {
        let renewal = self.serving.as_ref().filter(|_| self.attempt.is_none());
        let renewal = renewal.map(|serving| serving.renewal.deadline(quiet));
        let attempt = self.attempt.as_ref().map(|attempt| attempt.until);
        [attempt, renewal, self.until, self.again.map(|(_, due)| due)].into_iter().flatten().min()
    }

    /// There is no time for another candidate.
    pub fn exhausted(&mut self) -> Vec<Move> {
        (self.until, self.again) = (None, None);
        let attempt = self.attempt.take();
        let given_up = attempt.map(|attempt| self.given_up(attempt.session, attempt.candidate, Why::Late));
        given_up.into_iter().chain([Move::Exhausted]).collect()
    }

    /// Something is said or done: what a successor was told of the conversation is no longer all of it.
    pub fn stirred(&mut self, now: Instant) -> Vec<Move> {
        let Some(serving) = &mut self.serving else { return Vec::new() };
        let Some(attempt) = self.attempt.take() else { return Vec::new() };
        serving.renewal.put_off(now);
        vec![self.given_up(attempt.session, attempt.candidate, Why::Overtaken)]
    }

    fn served(&mut self, event: &ModelEvent, now: Instant, timings: &Timings) -> Vec<Move> {
        match event {
            ModelEvent::CallerStarted | ModelEvent::AgentStarted { .. } => self.stirred(now),
            ModelEvent::AgentDone { outcome: ResponseOutcome::Failed { code }, .. } => {
                self.lose(Why::Failed, Some(Verdict::of_response(code)), now, timings)
            }
            _ => Vec::new(),
        }
    }

    fn closed(&mut self, session: SessionNo, closed: &Closed, now: Instant, timings: &Timings) -> Vec<Move> {
        // One that closed without being asked to was lost.
        let verdict = closed.verdict().unwrap_or(Verdict::CoolDown { retry_after: None });
        let why = Why::of(verdict, closed);
        if self.serving.as_ref().is_some_and(|serving| serving.session == session) {
            self.lose(why, Some(verdict), now, timings)
        } else if self.attempt.as_ref().is_some_and(|attempt| attempt.session == session) {
            self.attempt_failed(why, Some(verdict), now, timings)
        } else {
            Vec::new()
        }
    }

    /// The serving session serves no more. A successor that is being opened lacks the end of the conversation.
    fn lose(&mut self, why: Why, verdict: Option<Verdict>, now: Instant, timings: &Timings) -> Vec<Move> {
        let Some(serving) = self.serving.take() else { return Vec::new() };
        if now >= serving.since + PROVEN {
            self.candidates.forgive();
        }
        self.until = Some(now + timings.failover);
        let mut moves = vec![self.given_up(serving.session, serving.candidate, why)];
        if let Some(attempt) = self.attempt.take() {
            moves.push(self.given_up(attempt.session, attempt.candidate, Why::Overtaken));
        }
        let next = self.after(serving.candidate, verdict, now);
        moves.extend(self.open_next(serving.candidate, next, false, now, timings));
        moves
    }

    fn attempt_failed(
        &mut self,
        why: Why,
        verdict: Option<Verdict>,
        now: Instant,
        timings: &Timings,
    ) -> Vec<Move> {
        let Some(attempt) = self.attempt.take() else { return Vec::new() };
        let mut moves = vec![self.given_up(attempt.session, attempt.candidate, why)];
        if let Some(serving) = &mut self.serving {
            serving.renewal.put_off(now);
            return moves;
        }
        let unopened = attempt.stage == Stage::Opening && matches!(why, Why::Late | Why::Lost);
        let next = match unopened {
            true => self.candidates.elsewhere(attempt.candidate),
            false => self.after(attempt.candidate, verdict, now),
        };
        moves.extend(self.open_next(attempt.candidate, next, attempt.greeting, now, timings));
        moves
    }

    /// Where to turn when this candidate has failed.
    fn after(&mut self, failed: usize, verdict: Option<Verdict>, now: Instant) -> Option<usize> {
        match verdict {
            Some(Verdict::SameAgain) if self.candidates.may_try(failed) => return Some(failed),
            Some(Verdict::NextModel) => self.candidates.rule_out(failed),
            Some(Verdict::NextProvider) => self.candidates.rule_out_provider(failed),
            Some(Verdict::CoolDown { retry_after: Some(pause) }) => {
                self.candidates.cool(failed, now.checked_add(pause));
            }
            Some(Verdict::SameAgain | Verdict::CoolDown { retry_after: None }) | None => {}
        }
        self.candidates.next(Some(failed))
    }

    /// Where no other is left than `failed` and those before it, an answered call waits for one that may be well again.
    fn open_next(
        &mut self,
        failed: usize,
        next: Option<usize>,
        greeting: bool,
        now: Instant,
        timings: &Timings,
    ) -> Vec<Move> {
        if let Some(at) = next {
            return self.open_candidate(at, greeting, now, timings);
        }
        let again = self.until.and_then(|until| {
            self.candidates.next_again(failed, now + AGAIN).filter(|(_, due)| *due < until)
        });
        self.again = again;
        if again.is_some() { vec![Move::Pause] } else { self.exhausted() }
    }

    fn open_candidate(&mut self, at: usize, greeting: bool, now: Instant, timings: &Timings) -> Vec<Move> {
        let candidate = self.candidates.take(at);
        candidate.map(|candidate| self.open(at, candidate, greeting, now, timings)).into_iter().collect()
    }

    fn renew(&mut self, now: Instant, timings: &Timings) -> Vec<Move> {
        let at = self.serving.as_ref().map(|serving| serving.candidate);
        let candidate = at.and_then(|at| Some((at, self.candidates.get(at)?.clone())));
        candidate.map(|(at, candidate)| self.open(at, candidate, false, now, timings)).into_iter().collect()
    }

    fn open(
        &mut self,
        at: usize,
        candidate: Candidate,
        greeting: bool,
        now: Instant,
        timings: &Timings,
    ) -> Move {
        self.opened += 1;
        let session = SessionNo::new(self.opened);
        self.attempt = Some(Attempt {
            session,
            candidate: at,
            stage: Stage::Opening,
            until: now + timings.model_open,
            greeting: greeting && !candidate.server.capabilities.paced_output,
            frames: 0,
            renewal: Renewal::new(now, None),
        });
        Move::Open { session, candidate, renews: self.serving.is_some() }
    }

    fn serve_if_ready(&mut self, now: Instant) -> Vec<Move> {
        if self.attempt.as_ref().is_some_and(Attempt::is_ready) { self.serve(now) } else { Vec::new() }
    }

    fn serve(&mut self, now: Instant) -> Vec<Move> {
        let Some(Attempt { session, candidate, renewal, .. }) = self.attempt.take() else {
            return Vec::new();
        };
        self.until = None;
        let old = self.serving.replace(Serving { session, candidate, since: now, renewal });
        let serve = Move::Serve { session, renews: old.is_some() };
        let old = old.map(|old| self.given_up(old.session, old.candidate, Why::Renewed));
        old.into_iter().chain([serve]).collect()
    }

    fn given_up(&self, session: SessionNo, candidate: usize, why: Why) -> Move {
        let candidate = self.candidates.get(candidate).expect("a session is of a candidate").clone();
        Move::GiveUp { session, candidate, why }
    }
}

#[cfg(test)]
mod tests;
