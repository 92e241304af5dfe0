use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::voice::Voice;
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
    pub const fn new(codec: Codec) -> Self {
        Self { codec, open: Vec::new() }
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
    /// encoded frames, one at a time; everything else passes, in its order.
    pub async fn next(&mut self) -> Event {
        poll_fn(|context| {
            // The youngest first: it is the one that is waited for.
            for at in (0..self.open.len()).rev() {
                let Some(model) = self.open.get_mut(at) else { continue };
                let Poll::Ready(event) = model.poll_next(context) else { continue };
                if matches!(event, Event::Model { event: ModelEvent::Closed(_), .. }) {
                    self.open.remove(at);
                }
                return Poll::Ready(event);
            }
            Poll::Pending
        })
        .await
    }
}

impl Model {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let session = self.number;
        loop {
            if let Some((item, frame)) = self.voice.next_frame() {
                return Poll::Ready(Event::Speech { session, item, frame });
            }
            if let Some(event) = self.after.take() {
                return Poll::Ready(Event::Model { session, event });
            }
            let event = ready!(self.session.events.poll_recv(context));
            match event.unwrap_or(ModelEvent::Closed(Closed::Lost { reason: "session task ended" })) {
                ModelEvent::AgentAudio { item, pcm, .. } => self.voice.push(item, &pcm),
                ModelEvent::AgentAudioDone { item } => {
                    let rest = self.voice.finish(&item);
                    let done = ModelEvent::AgentAudioDone { item: item.clone() };
                    let Some(frame) = rest else { return Poll::Ready(Event::Model { session, event: done }) };
                    self.after = Some(done);
                    return Poll::Ready(Event::Speech { session, item, frame });
                }
                event => return Poll::Ready(Event::Model { session, event }),
            }
        }
    }
}
