use tokio::time::Instant;

use super::Leg;
use crate::ingress::leg::LegEvent;
use crate::ingress::sip::message::Reply;
use crate::ingress::sip::{timer, uas};

impl Leg {
    /// Answers an offer of the caller's within the call, or makes the one that is asked for.
    pub(super) async fn negotiate(&mut self) {
        let Some(asked) = &self.asked else { return };
        let (request, over) = (&asked.transaction.original, asked.flow.peer.transport);
        let timer = match timer::agree(request) {
            Ok(timer) => timer,
            Err(reply) => return self.reply(reply).await,
        };
        let described = match (request.body.is_empty(), uas::is_invite(&asked.transaction)) {
            // A refresh (RFC 3311): nothing changes.
            (true, false) => Ok(Reply::status(200)),
            (true, true) => self.media.offer(over).map(|offer| {
                self.machine.offers();
                Reply::abilities(200).describing(offer)
            }),
            (false, _) => {
                let answer = self.media.negotiate(&request.body, over);
                answer.map(|answer| Reply::abilities(200).describing(answer))
            }
        };
        let mut reply =
            described.unwrap_or_else(|refused| refused).with("Contact", self.ours.contact(&self.dialog));
        if reply.status < 300 {
            reply = reply.with_all(timer.map(timer::Timer::headers).unwrap_or_default());
            self.machine.time(timer, Instant::now());
        }
        self.reply(reply).await;
        self.note_hold();
    }

    /// A caller who holds the line hears nobody.
    pub(super) fn note_hold(&mut self) {
        let held = self.media.is_held();
        if std::mem::replace(&mut self.held, held) != held {
            self.emit(if held { LegEvent::Away } else { LegEvent::Back });
        }
    }
}
