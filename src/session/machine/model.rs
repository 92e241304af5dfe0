//! The model's part in a call: its sessions one after the other, and what they say.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Machine;
use crate::call::{Destination, Ending, Fault, Refusal};
use crate::dialplan::Instead;
use crate::ingress::leg::Frame;
use crate::realtime::{Closed, ItemId, ModelCommand, ModelEvent, Opening, ResponseId, ResponseOutcome};
use crate::record::{ModelSession, ModelUse};
use crate::session::attention::Attention;
use crate::session::errand::{Errand, Next, Task};
use crate::session::failover::{Candidate, Move, Why};
use crate::session::floor::Interrupted;
use crate::session::phrases::Phrase;
use crate::session::shelter::Shelter;
use crate::session::{Action, Judgement, SessionNo};
use crate::tenant::{CallConfig, Greeting};
use crate::tools::Tools;

impl Machine {
    pub(super) fn start_model(&mut self, config: CallConfig, now: Instant) -> Vec<Action> {
        self.record.model = Some(ModelUse::default());
        self.record.metadata = config.metadata.clone();
        self.limits.configure(&config);
        self.floor.turns_end_within(config.turn_detection.longest());
        self.tools = Tools::of(&config);
        self.shelter = Shelter::of(&config);
        self.greeting_is_owed = config.greeting != Greeting::None;
        let (servers, timings) = (&self.context.servers, &self.context.timings);
        let (own, greeting) = (config.model.as_deref(), self.greeting_is_owed);
        let moves = self.failover.start(servers, own, &self.shut, greeting, now, timings);
        self.config = Some(config);
        self.follow(moves, None, now)
    }

    pub(super) fn model(&mut self, session: SessionNo, event: &ModelEvent, now: Instant) -> Vec<Action> {
        self.note_model(session, event, now);
        let closed = matches!(event, ModelEvent::Closed(_)).then_some((session, event));
        let is_heard = self.failover.heard() == Some(session);
        let (offered, offered_at) = (self.offered, self.offered_at);
        let wall = |at: Timestamp| {
            let ahead = at.duration_since(offered_at);
            let ahead = Duration::try_from(ahead).unwrap_or_default();
            offered.checked_add(ahead).unwrap_or(offered)
        };
        let moves = self.failover.model(session, event, wall, now, &self.context.timings);
        if is_heard {
            self.hear(event, now);
            self.attend();
        }
        let mut actions = self.follow(moves, closed, now);
        if is_heard && *event == ModelEvent::CallerStarted {
            actions.extend(self.barge_in(session, now));
        }
        if is_heard && let ModelEvent::ToolCalled { call, name, arguments } = event {
            actions.extend(self.tool_called(session, call.clone(), name, arguments, now));
            self.floor.agent_acted();
        }
        if self.failover.serves() == Some(session) && self.floor.asks_again() && self.handover.is_none() {
            actions.push(Action::Model { session, command: ModelCommand::Respond });
        }
        actions
    }

    /// What the session that is heard says of the conversation.
    fn hear(&mut self, event: &ModelEvent, now: Instant) {
        match event {
            ModelEvent::CallerStarted => {
                self.earshot.turn_began();
                self.limits.caller_is_there();
            }
            ModelEvent::CallerStopped { item } => {
                self.floor.caller_stopped(now);
                self.limits.turn_is_over();
                self.history.caller_stopped(item.clone());
                self.greeting_is_owed &= self.shelter.holds();
            }
            ModelEvent::AgentStarted { response } => self.floor.agent_started(response.clone(), now),
            ModelEvent::AgentAudioDone { item } => self.floor.speech_done(item.clone()),
            ModelEvent::AgentDone { response, outcome, .. } => self.agent_done(response, outcome),
            ModelEvent::CallerText { item, text } => {
                self.history.caller_said(item, text.clone());
                // Of a turn that was not written down, the sound is all there is.
                let written = !text.reveal().trim().is_empty() && self.history.is_written();
                if written && !self.floor.caller_speaks() {
                    self.earshot.settle();
                }
            }
            ModelEvent::AgentText { item, text } => self.history.agent_said(item, text.clone()),
            // Audio arrives as `Event::Speech`; the rest is only noted.
            ModelEvent::AgentAudio { .. }
            | ModelEvent::Saying { .. }
            | ModelEvent::Limits(_)
            | ModelEvent::Alive
            | ModelEvent::ToolCalled { .. }
            | ModelEvent::Ready { .. }
            | ModelEvent::Configured { .. }
            | ModelEvent::Warning { .. }
            | ModelEvent::Closed(_) => {}
        }
    }

    fn agent_done(&mut self, response: &ResponseId, outcome: &ResponseOutcome) {
        if !self.floor.agent_done(response, outcome) {
            return;
        }
        if self.greeting_is_owed && self.floor.has_spoken() {
            self.greeting_is_owed = false;
            self.floor.greeting_done();
        }
        if !self.floor.caller_speaks() && !self.floor.is_owing() {
            self.earshot.settle();
        }
    }

    pub(super) fn speech(
        &mut self,
        session: SessionNo,
        item: ItemId,
        frame: Frame,
        now: Instant,
    ) -> Vec<Action> {
        if self.failover.heard() != Some(session) {
            return Vec::new();
        }
        self.attend();
        let mut actions = self.floor.speech(item, frame, now);
        let moves = self.failover.speech(session, now);
        actions.extend(self.follow(moves, None, now));
        actions
    }

    /// `closed`: the session that has closed by itself, and how it told so.
    pub(super) fn follow(
        &mut self,
        moves: Vec<Move>,
        closed: Option<(SessionNo, &ModelEvent)>,
        now: Instant,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for next in moves {
            match next {
                Move::GiveUp { session, candidate, why } => {
                    let closed = closed.filter(|(of, _)| *of == session).map(|(_, event)| event);
                    actions.extend(self.give_up(session, &candidate, why, closed));
                }
                Move::Open { session, candidate, renews } => {
                    actions.extend(self.open_model(session, candidate, renews, now));
                }
                Move::Pause => self.floor.lose_speaker(self.greeting_is_owed, now),
                Move::Serve { session, renews } => actions.extend(self.serve(session, renews, now)),
                Move::Exhausted => actions.extend(self.model_down(now)),
            }
        }
        actions
    }

    pub(super) fn give_up(
        &mut self,
        session: SessionNo,
        candidate: &Candidate,
        why: Why,
        closed: Option<&ModelEvent>,
    ) -> Vec<Action> {
        if let Some(model) = &mut self.record.model {
            model.ended(session.get(), why.name(), why.is_failure());
        }
        if !self.failover.is_serving() {
            self.attention = Attention::default();
            self.earshot.deaf();
        }
        let close = closed.is_none().then_some(Action::Model { session, command: ModelCommand::Close });
        let judgement = why.is_failure().then_some(match closed {
            Some(ModelEvent::Closed(Closed::Busy { retry_after, .. })) => Judgement::Busy(*retry_after),
            _ => Judgement::Failed,
        });
        let judge = judgement.map(|judgement| self.judge(candidate, judgement));
        close.into_iter().chain(judge).collect()
    }

    fn judge(&self, candidate: &Candidate, judgement: Judgement) -> Action {
        let provider = candidate.server.provider.name.clone();
        Action::Judge { tenant: self.record.tenant.clone(), provider, judgement }
    }

    fn open_model(
        &mut self,
        session: SessionNo,
        candidate: Candidate,
        renews: bool,
        now: Instant,
    ) -> Option<Action> {
        let config = self.config.as_ref()?;
        let provider = candidate.server.provider;
        if let Some(model) = &mut self.record.model {
            model.failovers += u32::from(!renews && session != SessionNo::new(1));
            model.temperature_applied = config.temperature.map(|_| candidate.server.capabilities.temperature);
            model.opened(ModelSession {
                number: session.get(),
                provider: provider.name.clone(),
                model: candidate.model.clone(),
                voice: config.voice.clone(),
                ..ModelSession::default()
            });
        }
        let greeting = if self.greeting_is_owed { config.greeting.clone() } else { Greeting::None };
        let opening = Opening {
            model: candidate.model,
            voice: config.voice.clone(),
            audio: provider.audio(self.context.sounds.codec),
            instructions: config.prompt.clone(),
            temperature: config.temperature,
            greeting,
            language: config.language.clone(),
            max_output_tokens: Opening::MAX_OUTPUT_TOKENS,
            turn_detection: config.turn_detection,
            interruptible: self.shelter.opens(session),
            tools: self.tools.offered(),
            history: self.history.said(),
        };
        self.untold = None;
        if !renews {
            self.hand_over(session, now);
        }
        Some(Action::OpenModel { session, provider, opening: Box::new(opening) })
    }

    fn hand_over(&mut self, session: SessionNo, now: Instant) {
        self.floor.hand_over(session, self.greeting_is_owed, now);
        self.history.forget_items();
    }

    /// The session has our prompt and all that was said. What it missed of the caller it hears now, and what they wait
    /// for it says now.
    fn serve(&mut self, session: SessionNo, renews: bool, now: Instant) -> Vec<Action> {
        if let Some(model) = &mut self.record.model {
            model.served(session.get());
        }
        let candidate = self.failover.candidate(session).cloned();
        let mut actions: Vec<Action> =
            candidate.map(|candidate| self.judge(&candidate, Judgement::Served)).into_iter().collect();
        if renews {
            self.hand_over(session, now);
        }
        let step = self.setup.serve(now, &self.context.timings);
        actions.extend(self.take(step, now));
        if !self.setup.is_up() {
            // Of what a caller says while it rings nothing is anybody's to answer.
            self.earshot.take();
            return actions;
        }
        let command = |command| Action::Model { session, command };
        let has_turn = self.earshot.has_turn();
        let mut missed = self.earshot.take();
        if renews {
            missed.clear();
        }
        self.floor.listened(!missed.is_empty(), now);
        actions.extend(missed.into_iter().map(|audio| command(ModelCommand::Audio(audio))));
        let untold = self.untold.take();
        actions.extend(untold.map(|text| command(ModelCommand::Tell(text))));
        // A greeting comes by itself, and so does the answer to a turn that is heard again.
        if has_turn {
            if self.floor.tell_again(now) {
                self.limits.turn_is_repeated();
            }
        } else if self.floor.is_owing() {
            self.floor.expect(now);
            if !self.greeting_is_owed {
                actions.push(command(ModelCommand::Respond));
            }
        }
        actions
    }

    /// The model, and who comes after it, are to know what was heard of it.
    pub(super) fn heard_only(&mut self, session: SessionNo, interrupted: Vec<Interrupted>) -> Vec<Action> {
        for of in &interrupted {
            self.history.cut(&of.item, of.heard, of.whole);
        }
        let truncates = self.failover.candidate(session).is_some_and(|c| c.server.capabilities.truncate);
        let heard = |of: Interrupted| {
            let command = ModelCommand::Heard { item: of.item, heard: of.heard };
            Action::Model { session, command }
        };
        interrupted.into_iter().filter(|_| truncates).map(heard).collect()
    }

    /// No model serves the call (any more).
    pub(super) fn model_down(&mut self, now: Instant) -> Vec<Action> {
        // Who is being handed on needs none, unless that fails.
        if self.handover.is_some() {
            return Vec::new();
        }
        let answered = self.setup.is_answered();
        let fault = if answered { Fault::ModelLost } else { Fault::ModelUnavailable };
        let language = self.config.as_ref().and_then(|config| config.language.as_deref());
        let phrase = |phrase| Task::Play(self.context.sounds.phrases.get(phrase, language));
        let transfer =
            |to: Destination| vec![phrase(Phrase::Connecting), Task::Transfer(to), phrase(Phrase::Apology)];
        let tasks = match self.when_model_down().cloned() {
            Some(Instead::Transfer(to)) if self.setup.redirects() => {
                let errand = Errand::new([Task::Transfer(to)], Ending::Failed(fault));
                let step = self.setup.redirect(errand, now, &self.context.timings);
                return self.take(Some(step), now);
            }
            Some(Instead::Transfer(to)) => transfer(to),
            Some(Instead::Play(clip)) => vec![Task::Play(clip)],
            Some(Instead::Refuse(_)) | None if answered => vec![phrase(Phrase::Apology)],
            Some(Instead::Refuse(_)) | None => return self.end(Ending::Failed(fault), now),
        };
        let errand = Errand::new(tasks, Ending::Failed(fault));
        if !self.setup.is_published() {
            let step = self.setup.set_out(errand, now, &self.context.timings);
            return self.take(Some(step), now);
        }
        self.floor.take();
        self.errand = Some(errand);
        if self.setup.is_up() { self.begin_errand(now) } else { Vec::new() }
    }

    /// What is done where no model serves: what the tenant says, or else the settings.
    fn when_model_down(&self) -> Option<&Instead> {
        let tenants = self.record.tenant.as_ref().and_then(|tenant| self.limits_of(tenant));
        let tenants = tenants.and_then(|limits| limits.when_model_down.as_ref());
        tenants.or(self.context.when_model_down.as_ref())
    }

    /// What an unanswered carrier is told when no model serves.
    pub(super) fn refusal_without_model(&self) -> Refusal {
        match self.when_model_down() {
            Some(Instead::Refuse(refusal)) => *refusal,
            Some(Instead::Play(_) | Instead::Transfer(_)) | None => Refusal::Unavailable,
        }
    }

    pub(super) fn begin_errand(&mut self, now: Instant) -> Vec<Action> {
        let next =
            self.errand.as_mut().map(|errand| errand.go_on(&mut self.floor, now, &self.context.timings));
        self.next_of_errand(next, now)
    }

    pub(super) fn next_of_errand(&mut self, next: Option<Next>, now: Instant) -> Vec<Action> {
        match next {
            Some(Next::Do(actions)) => actions,
            Some(Next::End(ending)) => self.end(ending, now),
            None => Vec::new(),
        }
    }

    /// Sessions that are still there have lasted as long as the call.
    pub(super) fn close_models(&mut self) -> Vec<Action> {
        let close = |session| Action::Model { session, command: ModelCommand::Close };
        self.failover.all().into_iter().map(close).collect()
    }

    pub(super) fn note_model(&mut self, session: SessionNo, event: &ModelEvent, now: Instant) {
        if matches!(event, ModelEvent::Configured { .. }) {
            self.record.timing.model_ready.get_or_insert(now.saturating_duration_since(self.offered));
        }
        if let Some(model) = &mut self.record.model {
            model.note(session.get(), event);
        }
    }
}
