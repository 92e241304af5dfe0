use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::voice::{Turns, Voice};
use super::{Event, SessionNo};
use crate::media::codec::Codec;
use crate::realtime::session::ModelSession;
use crate::realtime::{Closed, ModelCommand, ModelEvent};

/// Places in a model's command queue that audio leaves free.
const RESERVED: usize = 8;

/// The model sessions of a call that are not over: the one that serves, one that is being opened, and those that are
/// being closed.
#[derive(Debug)]
pub struct Models {
    /// What the leg takes.
    codec: Codec,
    turns: Turns,
    open: Vec<Model>,
}

#[derive(Debug)]
struct Model {
    number: SessionNo,
    /// By its name in the settings.
    provider: Arc<str>,
    session: ModelSession,
    voice: Voice,
    /// What follows the frame that was handed out last.
    after: Option<ModelEvent>,
}

impl Models {
    pub const fn new(codec: Codec, turns: Turns) -> Self {
        Self { codec, turns, open: Vec::new() }
    }

    pub fn add(&mut self, number: SessionNo, provider: Arc<str>, session: ModelSession) {
        let voice = Voice::new(self.codec);
        self.open.push(Model { number, provider, session, voice, after: None });
    }

    pub fn provider(&self, number: SessionNo) -> Option<&Arc<str>> {
        self.open.iter().find(|model| model.number == number).map(|model| &model.provider)
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The run loop never waits for a model. One that does not keep up misses some of the caller's audio, and what it
    /// must know has places that audio leaves free.
    pub fn tell(&self, number: SessionNo, command: ModelCommand) {
        let Some(model) = self.open.iter().find(|model| model.number == number) else { return };
        let commands = &model.session.commands;
        let is_audio = matches!(command, ModelCommand::Audio(_));
        if !is_audio || commands.capacity() > RESERVED {
            let _ = commands.try_send(command);
        }
    }

    /// The next event of any of them, for ever if there is none. One that ends without a word was lost. Audio becomes
    /// frames, one at a time; everything else passes, in its order. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.next_frame().await {
                return event;
            }
            if let Some(event) = poll_fn(|context| self.poll_next(context)).await {
                return event;
            }
        }
    }

    /// A frame of what has arrived. What needs no encoder waits for nobody's.
    async fn next_frame(&mut self) -> Option<Event> {
        let model = self.open.iter_mut().rev().find(|model| model.voice.has_frame())?;
        let _turn = match model.voice.has_unchanged() {
            true => None,
            false => Some(self.turns.take().await),
        };
        let (item, frame) = model.voice.next_frame()?;
        Some(Event::Speech { session: model.number, item, frame })
    }

    /// `None` where audio has arrived.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        // The youngest first: it is the one that is waited for.
        for at in (0..self.open.len()).rev() {
            let Some(model) = self.open.get_mut(at) else { continue };
            let Poll::Ready(event) = model.poll_next(context) else { continue };
            if matches!(event, Some(Event::Model { event: ModelEvent::Closed(_), .. })) {
                self.open.remove(at);
            }
            return Poll::Ready(event);
        }
        Poll::Pending
    }
}

impl Model {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let session = self.number;
        if let Some(event) = self.after.take() {
            return Poll::Ready(Some(Event::Model { session, event }));
        }
        let event = ready!(self.session.events.poll_recv(context));
        let event = match event.unwrap_or(ModelEvent::Closed(Closed::Lost { reason: "session task ended" })) {
            ModelEvent::AgentAudio { item, audio, .. } => {
                self.voice.push(item, &audio);
                return Poll::Ready(None);
            }
            ModelEvent::AgentAudioDone { item } => {
                let rest = self.voice.finish(&item);
                let done = ModelEvent::AgentAudioDone { item: item.clone() };
                match rest {
                    Some(frame) => {
                        self.after = Some(done);
                        Event::Speech { session, item, frame }
                    }
                    None => Event::Model { session, event: done },
                }
            }
            event => Event::Model { session, event },
        };
        Poll::Ready(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::iter::from_fn;

    use futures_util::FutureExt;
    use tokio::sync::mpsc;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::media::audio::Audio;
    use crate::media::g711::Law;
    use crate::realtime::{ItemId, ResponseId};

    #[tokio::test]
    async fn only_speech_that_is_encoded_waits_for_its_turn() {
        let pcm = Audio::Pcm(vec![0; 480]);
        for (audio, waits) in [(Audio::G711(Law::Mu, vec![7; 160]), false), (pcm, true)] {
            let turns = Turns::default();
            let all: Vec<_> = from_fn(|| turns.take().now_or_never()).collect();
            let mut models = Models::new(Codec::Pcmu, turns.clone());
            let (commands, _commands) = mpsc::channel(1);
            let (told, events) = mpsc::channel(1);
            #[expect(clippy::disallowed_methods, reason = "the handle owns the task")]
            let task = AbortOnDropHandle::new(tokio::spawn(pending()));
            models.add(SessionNo::new(1), "one".into(), ModelSession { commands, events, task });
            let (response, item) = (ResponseId("r".into()), ItemId("i".into()));
            told.send(ModelEvent::AgentAudio { response, item, audio }).await.unwrap();
            let next = models.next().now_or_never();
            assert_eq!(next.is_none(), waits, "{next:?}");
            drop(all);
            if waits {
                assert!(matches!(models.next().now_or_never(), Some(Event::Speech { .. })));
            }
        }
    }
}
