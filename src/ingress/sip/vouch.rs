use std::net::IpAddr;
use std::sync::Arc;

use rsipstack::sip::{Method, Request};
use tokio::time::Instant;

use super::Port;
use super::authentication::{Proof, Verdict};
use super::flow::Flow;
use super::message::{Reply, has_to_tag};
use super::sources::Source;
use crate::telemetry::{Authenticated, Dropped};

impl Port {
    /// Whether a request is one of a trunk's.
    ///
    /// ACK and CANCEL can't be challenged, and what repeats a request of a moment ago had the credentials. In a dialog
    /// they aren't asked for again: our tag, which nobody guesses, says that it is the caller's, together with the
    /// address, of the trunk, or else that of the INVITE. From another address than that, it has to have them again.
    pub(super) fn vouch(
        &mut self,
        request: &Request,
        from: &Source,
        address: IpAddr,
        now: Instant,
    ) -> Verdict {
        let cancels = *request.method() == Method::Cancel;
        let needs_none = *request.method() == Method::Ack || self.uas.knows(request);
        match from {
            Source::Here => return Verdict::Take(None, Proof::Address),
            Source::Trunk(trunk) if needs_none || cancels || has_to_tag(request) => {
                return Verdict::Take(Some(Arc::clone(trunk)), Proof::Address);
            }
            Source::Anyone if self.calls.is_of_one_from(address, request) => {
                self.socket.prove(address, now);
                return Verdict::Take(None, Proof::Address);
            }
            Source::Anyone if needs_none => return Verdict::Take(None, Proof::Address),
            Source::Anyone if cancels => {
                self.site.metrics.sip_dropped(Dropped::Stranger);
                return Verdict::Silence;
            }
            Source::Trunk(_) | Source::Anyone => {}
        }
        let verdict = self.authentication.judge(request, from, address, now);
        match &verdict {
            Verdict::Take(_, Proof::Address) => {}
            Verdict::Take(_, Proof::Credentials) => {
                self.socket.prove(address, now);
                self.site.metrics.sip_authenticated(Authenticated::Accepted);
            }
            Verdict::Challenge(_, why) => self.site.metrics.sip_authenticated(*why),
            Verdict::Silence => self.site.metrics.sip_authenticated(Authenticated::Silenced),
        }
        verdict
    }

    /// Once for each copy of the request, as a stranger's takes no memory; and never more than came, as the address of
    /// a stranger's datagram may be another's.
    pub(super) async fn challenge(
        &self,
        request: Request,
        reply: Reply,
        flow: &Flow,
        length: usize,
        now: Instant,
    ) {
        let address = flow.peer.address.ip();
        let is_known = flow.peer.transport.is_stream()
            || self.site.trunks.at(address).is_some()
            || self.socket.has_proved(address, now);
        let longest = if is_known { usize::MAX } else { length };
        if !self.uas.answer_within(longest, request, reply, flow).await {
            self.site.metrics.sip_dropped(Dropped::Stranger);
        }
    }
}
