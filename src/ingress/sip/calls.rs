use std::collections::HashMap;
use std::net::IpAddr;

use rsipstack::sip::Request;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{Id, JoinSet};

use super::dialog::Dialog;
use super::leg::Asked;
use super::message::{Reply, call_id, cseq, from_tag, to_tag};

/// Requests of one caller that its leg has not dealt with yet.
const REQUESTS: usize = 8;

/// The calls that are up: each leg by our tag, and every task has an owner.
#[derive(Default)]
pub(super) struct Calls {
    legs: HashMap<String, Up>,
    tags: HashMap<Id, String>,
    tasks: JoinSet<()>,
}

struct Up {
    dialog: Dialog,
    invite: InviteId,
    requests: mpsc::Sender<Box<Asked>>,
}

/// What copies of an INVITE that came several ways have in common (RFC 3261, section 8.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
struct InviteId(Option<String>, Option<String>, Option<u32>);

impl InviteId {
    fn of(request: &Request) -> Self {
        Self(call_id(request).map(str::to_owned), from_tag(request), cseq(request))
    }
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Starts the leg of a call. `run` is given the requests that come in its dialog.
    pub(super) fn start<F>(
        &mut self,
        invite: &Request,
        dialog: Dialog,
        run: impl FnOnce(mpsc::Receiver<Box<Asked>>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let task = self.tasks.spawn(run(receiver));
        let tag = dialog.local_tag().to_owned();
        self.tags.insert(task.id(), tag.clone());
        self.legs.insert(tag, Up { dialog, invite: InviteId::of(invite), requests });
    }

    /// Passes a request on to the leg that has this tag of ours, or gives it back with its answer.
    pub(super) fn pass(&self, tag: &str, request: Box<Asked>) -> Result<(), (Box<Asked>, Reply)> {
        let up = self.legs.get(tag).filter(|up| up.dialog.owns(&request.transaction.original));
        let Some(up) = up else { return Err((request, Reply::status(481))) };
        up.requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) => (request, Reply::later(1)),
            TrySendError::Closed(request) => (request, Reply::status(481)),
        })
    }

    /// Whether the request is of a call that is up.
    pub(super) fn is_of_one(&self, request: &Request) -> bool {
        self.of(request).is_some()
    }

    /// Whether the request is of a call that came from this address.
    pub(super) fn is_of_one_from(&self, address: IpAddr, request: &Request) -> bool {
        self.of(request).is_some_and(|up| up.dialog.peer().address.ip() == address)
    }

    fn of(&self, request: &Request) -> Option<&Up> {
        self.legs.get(&to_tag(request)?).filter(|up| up.dialog.owns(request))
    }

    /// Whether a copy of this INVITE has become a call.
    pub(super) fn has_merged(&self, invite: &Request) -> bool {
        let id = InviteId::of(invite);
        self.legs.values().any(|up| up.invite == id)
    }

    /// Waits for the next leg to end; for ever when there is none. Cancel safe.
    pub(super) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            // A bug, and not the first of this leg.
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        if let Some(tag) = self.tags.remove(&id) {
            self.legs.remove(&tag);
        }
    }
}
