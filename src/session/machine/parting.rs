//! How an answered call is brought to its end by us: with a goodbye, which is heard before the line drops.

use tokio::time::Instant;

use super::Machine;
use crate::call::Ending;
use crate::ingress::leg::LegEvent;
use crate::pii::Redacted;
use crate::realtime::{ModelCommand, ModelEvent};
use crate::session::failover::Why;
use crate::session::goodbye::Goodbye;
use crate::session::phrases::Phrase;
use crate::session::{Action, Event, SessionNo};

const TOO_LATE: &str = "The call is over.";

impl Machine {
    /// We end the call: the caller is told goodbye, by the model if it is quick.
    pub(super) fn part(&mut self, ending: Ending, now: Instant) -> Vec<Action> {
        if !self.setup.is_up() {
            return self.end(ending, now);
        }
        // Who hears a recording, or is being transferred, is let go by that.
        if self.errand.is_some() {
            return Vec::new();
        }
        let language = self.config.as_ref().and_then(|config| config.language.as_deref());
        let phrases = &self.context.sounds.phrases;
        let clip = phrases.get(Phrase::Goodbye, language);
        let words = phrases.words(Phrase::Goodbye, language);
        let interrupted = self.floor.fall_silent();
        let timings = &self.context.timings;
        let Some(session) = self.failover.serves() else {
            self.goodbye = Some(Goodbye::recorded(ending, clip, now, timings));
            return Vec::new();
        };
        self.goodbye = Some(Goodbye::of_router(ending, clip, now, timings));
        let mut actions = self.heard_only(session, interrupted);
        actions.push(Action::Model { session, command: ModelCommand::Say(words.into()) });
        actions
    }

    /// The router shuts down. Who is being handed on needs no goodbye, unless that fails.
    pub(super) fn drain(&mut self, now: Instant) -> Vec<Action> {
        self.draining = true;
        if self.handover.is_some() { Vec::new() } else { self.part(Ending::Drained, now) }
    }

    /// The model ends the call. What it has said is heard whole.
    pub(super) fn hang_up_for_model(
        &mut self,
        session: SessionNo,
        farewell: Option<Redacted<String>>,
        now: Instant,
    ) -> Vec<Action> {
        let timings = &self.context.timings;
        self.goodbye = Some(Goodbye::of_model(farewell, &self.floor, now, timings));
        self.ask_for_farewell(session, now)
    }

    fn ask_for_farewell(&mut self, session: SessionNo, now: Instant) -> Vec<Action> {
        let goodbye = self.goodbye.as_mut();
        let words = goodbye.and_then(|goodbye| goodbye.ask(&self.floor, now, &self.context.timings));
        let say = |words| Action::Model { session, command: ModelCommand::Say(words) };
        words.map(say).into_iter().collect()
    }

    /// Whatever happens during a goodbye. The caller is not listened to any more, so nothing cuts it short.
    pub(super) fn handle_goodbye(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Leg(
                event @ (LegEvent::Ended(_) | LegEvent::Quality(_) | LegEvent::Away | LegEvent::Back),
            ) => self.leg(event, now),
            Event::Model { session, event } => self.model_in_goodbye(session, &event, now),
            Event::Speech { session, item, frame } => {
                let is_heard = self.failover.heard() == Some(session);
                let takes = is_heard && self.goodbye.as_mut().is_some_and(Goodbye::takes_speech);
                if takes { self.floor.speech(item, frame, now) } else { Vec::new() }
            }
            Event::HangUp => self.end(Ending::Drained, now),
            Event::Drain | Event::Leg(_) | Event::Admitted(_) | Event::Looked { .. } => Vec::new(),
        }
    }

    pub(super) fn on_time_in_goodbye(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = self.floor.on_time(now, &self.context.timings);
        let ending = self.goodbye.as_mut().and_then(|goodbye| goodbye.on_time(&mut self.floor, now));
        actions.extend(ending.map(|ending| self.end(ending, now)).unwrap_or_default());
        actions
    }

    fn model_in_goodbye(&mut self, session: SessionNo, event: &ModelEvent, now: Instant) -> Vec<Action> {
        self.note_model(session, event, now);
        if self.failover.heard() == Some(session) {
            match event {
                // Only to know when the item has been heard to its end.
                ModelEvent::AgentAudioDone { item } => self.floor.speech_done(item.clone()),
                ModelEvent::ToolCalled { call, name, .. } => {
                    return vec![self.reject(session, call.clone(), name, TOO_LATE, now)];
                }
                _ => {}
            }
            if let Some(goodbye) = &mut self.goodbye {
                goodbye.model(event, now);
            }
            if !matches!(event, ModelEvent::Closed(_)) {
                return self.ask_for_farewell(session, now);
            }
        }
        match (event, self.failover.candidate(session).cloned()) {
            (ModelEvent::Closed(_), Some(candidate)) => {
                self.failover.forget(session);
                self.give_up(session, &candidate, Why::Lost, Some(event))
            }
            _ => Vec::new(),
        }
    }
}
