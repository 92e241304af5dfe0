//! What LiveKit posts when somebody comes or goes: it is signed with the project's own key.

use std::fmt;
use std::sync::Arc;

use livekit_api::access_token::TokenVerifier;
use livekit_api::webhooks::WebhookReceiver;
use livekit_protocol::WebhookEvent;
use livekit_protocol::participant_info::Kind;
use tokio::sync::mpsc;

use crate::livekit::Project;
use crate::livekit::api::Listed;

/// The largest body that is read. One participant with all of its attributes is far smaller.
pub const BODY_MAX: usize = 256 * 1024;
/// Rooms that wait to be looked into. What does not fit is found by the rounds.
const QUEUE: usize = 256;

/// A room where something has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    pub room: Listed,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A caller who is about to get an agent.
    CallerCame,
    /// An agent whose caller may still be there.
    AgentLeft,
}

/// The webhooks of every project. Clones share them.
#[derive(Clone, Default)]
pub struct Webhooks(Arc<[Hook]>);

struct Hook {
    receiver: WebhookReceiver,
    sender: mpsc::Sender<Happening>,
}

/// No project has signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no LiveKit project has signed this")]
pub struct Unsigned;

impl Webhooks {
    /// With each project, where its happenings go.
    pub fn new<'a>(projects: impl Iterator<Item = (&'a Project, mpsc::Sender<Happening>)>) -> Self {
        let hook = |(project, sender): (&Project, _)| {
            let (key, secret) = (project.api_key.reveal(), project.api_secret.reveal());
            Hook { receiver: WebhookReceiver::new(TokenVerifier::with_api_key(key, secret)), sender }
        };
        Self(projects.map(hook).collect())
    }

    pub fn channel() -> (mpsc::Sender<Happening>, mpsc::Receiver<Happening>) {
        mpsc::channel(QUEUE)
    }

    /// Passes on what concerns a caller's agent. What does not, and what nobody has a place for, is accepted too.
    pub fn receive(&self, token: &str, body: &str) -> Result<(), Unsigned> {
        let signed = |hook: &Hook| Some((hook.receiver.receive(body, token).ok()?, hook.sender.clone()));
        let (event, sender) = self.0.iter().find_map(signed).ok_or(Unsigned)?;
        if let Some(happening) = happening(event) {
            let _ = sender.try_send(happening);
        }
        Ok(())
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhooks")
    }
}

fn happening(event: WebhookEvent) -> Option<Happening> {
    let kind = event.participant.as_ref()?.kind();
    let what = match (event.event.as_str(), kind) {
        ("participant_joined", Kind::Sip) => What::CallerCame,
        ("participant_left" | "participant_connection_aborted", Kind::Agent) => What::AgentLeft,
        _ => return None,
    };
    Some(Happening { room: event.room?.into(), what })
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{ParticipantInfo, Room};

    use super::*;

    #[test]
    fn callers_who_come_and_agents_who_go_are_worth_a_look() {
        for (event, kind, expected) in [
            ("participant_joined", Kind::Sip, Some(What::CallerCame)),
            ("participant_left", Kind::Agent, Some(What::AgentLeft)),
            ("participant_connection_aborted", Kind::Agent, Some(What::AgentLeft)),
            ("participant_left", Kind::Sip, None),
            ("participant_joined", Kind::Agent, None),
            ("participant_joined", Kind::Standard, None),
            ("an_event_of_tomorrow", Kind::Sip, None),
        ] {
            let event = WebhookEvent {
                event: event.to_owned(),
                room: Some(Room { sid: "RM_1".to_owned(), ..Room::default() }),
                participant: Some(ParticipantInfo { kind: kind as i32, ..ParticipantInfo::default() }),
                ..WebhookEvent::default()
            };
            let name = event.event.clone();
            assert_eq!(happening(event).map(|happening| happening.what), expected, "{name} of {kind:?}");
        }
        let room = Some(Room::default());
        let started = WebhookEvent { event: "room_started".to_owned(), room, ..WebhookEvent::default() };
        assert_eq!(happening(started), None);
    }
}
