use std::future::poll_fn;
use std::task::Poll;

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
    session: ModelSession,
    voice: Voice,
}

impl Models {
    pub const fn new(codec: Codec) -> Self {
        Self { codec, open: Vec::new() }
    }

    pub fn add(&mut self, number: SessionNo, session: ModelSession) {
        self.open.push(Model { number, session, voice: Voice::new(self.codec) });
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

    /// The next event of any of them, for ever if there is none. One that ends without a word was lost.
    pub async fn next(&mut self) -> (SessionNo, ModelEvent) {
        poll_fn(|context| {
            // The youngest first: it is the one that is waited for.
            for at in (0..self.open.len()).rev() {
                let Some(model) = self.open.get_mut(at) else { continue };
                let Poll::Ready(event) = model.session.events.poll_recv(context) else { continue };
                let number = model.number;
                let event =
                    event.unwrap_or(ModelEvent::Closed(Closed::Lost { reason: "session task ended" }));
                if matches!(event, ModelEvent::Closed(_)) {
                    self.open.remove(at);
                }
                return Poll::Ready((number, event));
            }
            Poll::Pending
        })
        .await
    }

    /// Audio becomes encoded frames; everything else passes.
    pub fn voiced(&mut self, session: SessionNo, event: ModelEvent) -> Vec<Event> {
        let Some(model) = self.open.iter_mut().find(|model| model.number == session) else {
            return vec![Event::Model { session, event }];
        };
        match event {
            ModelEvent::AgentAudio { item, pcm, .. } => {
                let frames = model.voice.push(&item, &pcm);
                frames.into_iter().map(|frame| Event::Speech { session, item: item.clone(), frame }).collect()
            }
            ModelEvent::AgentAudioDone { item } => {
                let rest = model.voice.finish(&item);
                let rest = rest.map(|frame| Event::Speech { session, item: item.clone(), frame });
                let done = Event::Model { session, event: ModelEvent::AgentAudioDone { item } };
                rest.into_iter().chain([done]).collect()
            }
            event => vec![Event::Model { session, event }],
        }
    }
}
