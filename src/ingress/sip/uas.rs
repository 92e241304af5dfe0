//! The SIP stack's transaction layer on our own socket: whatever touches its endpoint is here.
//!
//! Of the stack (rsipstack 0.7.14) we use the parser, the transactions and their timers. Its dialogs are not used: they lose
//! a target refresh and every request before the answer, and leave the INVITE of an early BYE for ever (see `dialog`
//! and `leg`). Neither are its sockets: what they receive they queue without a bound (see `socket`
//! and `stream`).

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rsipstack::EndpointBuilder;
use rsipstack::sip::{Headers, HeadersExt, Method, Request, Response, SipMessage};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::{TransactionEvent, TransactionEventSender};
use rsipstack::transaction::{Transaction, TransactionReceiver};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipConnection, TransportLayer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::body::unpack;
use super::flow::Flow;
use super::message::{self, Reply, fresh_tag, values};
use super::sdp;
use super::stream::Opener;
use super::transport::{Peer, Remote, Transport};

/// Transactions that are under way or remembered (for 32 s): beyond that, what would begin another is dropped, and its
/// sender tries again. Each takes some 2 kB.
const TRANSACTIONS: usize = 100_000;
/// What the calls that are up may begin beyond those: BYE, say.
const OF_CALLS: usize = 20_000;

/// Request Timeout: what a transaction without an answer comes to.
const TIMED_OUT: u16 = 408;

/// The endpoint. Clones share it.
#[derive(Clone)]
pub struct Uas {
    endpoint: EndpointInnerRef,
    udp: UdpConnection,
    opener: Opener,
    /// Of answers that no transaction gives.
    tags: RandomState,
}

/// What becomes of an INVITE after it was answered, or before.
#[derive(Debug)]
pub enum Happening {
    /// CANCEL; it has its 200.
    Cancelled,
    /// The ACK of the INVITE with this sequence number, and what it describes.
    Acked { sequence: u32, body: Vec<u8> },
    /// Nothing more will come; if there was no ACK, none will.
    Over { sequence: u32 },
}

/// What a request of ours came to.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
}

impl Answer {
    /// Where nobody answers, it is as if this came (RFC 3261, section 8.1.3.1).
    pub fn nobodys(status: u16) -> Self {
        Self { status, headers: Headers::default() }
    }
}

impl Uas {
    /// With it comes what begins a transaction.
    pub fn new(udp: UdpConnection, opener: Opener) -> io::Result<(Self, TransactionReceiver)> {
        let endpoint = EndpointBuilder::new()
            .with_user_agent(message::SERVER)
            .with_transport_layer(TransportLayer::new(CancellationToken::new()))
            .build();
        let incoming = endpoint.incoming_transactions().map_err(io::Error::other)?;
        Ok((Self { endpoint: endpoint.inner, udp, opener, tags: RandomState::new() }, incoming))
    }

    /// Keeps the time of every transaction, for ever.
    pub async fn keep_time(&self) {
        self.endpoint.process_timer().await;
    }

    /// A message that came on `flow`: it goes to its transaction, or begins one. Where they are many, one `of_a_call` that
    /// is up goes before others.
    pub async fn receive(&self, message: SipMessage, of_a_call: bool, flow: &Flow) {
        if let SipMessage::Request(cancel) = &message
            && *cancel.method() == Method::Cancel
            && !self.knows(cancel)
        {
            // The stack would answer without a tag.
            return self.answer_once(cancel.clone(), Reply::status(481), flow).await;
        }
        if let SipMessage::Request(request) = &message
            && !matches!(request.method(), Method::Ack | Method::Cancel)
            && !may_begin(self.transactions(), of_a_call)
            && !self.knows(request)
        {
            return;
        }
        if self.would_tell_a_key(&message, flow) {
            return;
        }
        let Some(message) = stamped(message, flow.peer) else { return };
        // What the stack cannot place it drops.
        let _ = self.endpoint.on_received_message(message, flow.of_the_stack(), &flow.address()).await;
    }

    /// Whether it is a copy of a request that was answered with a key of ours, and came so that others could read the
    /// answer: the stack would give it again wherever the copy comes from.
    fn would_tell_a_key(&self, message: &SipMessage, flow: &Flow) -> bool {
        let SipMessage::Request(request) = message else { return false };
        let answer = || self.endpoint.finished_transactions.get(&server_key(request)?).flatten();
        !flow.peer.transport.is_secure()
            && matches!(answer(), Some(SipMessage::Response(answer)) if sdp::has_key(&answer.body))
    }

    /// Answers a request that begins no transaction, once for each copy of it.
    pub async fn answer_once(&self, request: Request, reply: Reply, flow: &Flow) {
        self.answer_within(usize::MAX, request, reply, flow).await;
    }

    /// As [`Self::answer_once`], if the answer has no more bytes than this. Gives whether it has.
    pub async fn answer_within(&self, longest: usize, request: Request, reply: Reply, flow: &Flow) -> bool {
        let tag = self.tag_of(&request);
        let response = answer(request, reply, &tag, flow.peer);
        let Some(response) = response.filter(|response| response.to_bytes().len() <= longest) else {
            return false;
        };
        // Its sender tries again.
        let _ = flow.of_the_stack().send(response.into(), None).await;
        true
    }

    /// A way to a peer, over a connection of ours where it is to be one.
    pub async fn way_to(&self, remote: &Remote) -> io::Result<Flow> {
        match remote.peer.transport {
            Transport::Udp => Ok(Flow::datagrams(self.udp.clone(), remote.peer.address)),
            Transport::Tcp | Transport::Tls => self.opener.open(remote).await,
        }
    }

    /// Sends a request of ours, over UDP again until it is answered, and gives the final answer.
    pub async fn ask(&self, request: Request, flow: &Flow) -> Answer {
        let Ok(key) = TransactionKey::from_request(&request, TransactionRole::Client) else {
            return Answer::nobodys(TIMED_OUT);
        };
        let connection = Some(flow.of_the_stack());
        let mut transaction = Transaction::new_client(key, request, Arc::clone(&self.endpoint), connection);
        transaction.destination = Some(flow.address());
        if transaction.send().await.is_err() {
            return Answer::nobodys(TIMED_OUT);
        }
        while let Some(message) = transaction.receive().await {
            if let SipMessage::Response(response) = message
                && response.status_code.code() >= 200
            {
                return Answer { status: response.status_code.code(), headers: response.headers };
            }
        }
        Answer::nobodys(TIMED_OUT)
    }

    /// The same for each copy of a request (RFC 3261, section 8.2.7).
    fn tag_of(&self, request: &Request) -> String {
        let mut tag = self.tags.build_hasher();
        for name in ["via", "from", "call-id", "cseq"] {
            values(request, name).next().hash(&mut tag);
        }
        format!("{:016x}", tag.finish())
    }

    fn transactions(&self) -> usize {
        self.endpoint.transactions.len() + self.endpoint.finished_transactions.len()
    }

    /// Whether it is of a transaction that is there, or was a moment ago.
    pub fn knows(&self, request: &Request) -> bool {
        server_key(request).is_some_and(|key| {
            self.endpoint.transactions.get(&key).is_some()
                || self.endpoint.finished_transactions.get(&key).is_some()
        })
    }
}

fn server_key(request: &Request) -> Option<TransactionKey> {
    TransactionKey::from_request(request, TransactionRole::Server).ok()
}

/// Whether another transaction may begin beside so many.
const fn may_begin(transactions: usize, of_a_call: bool) -> bool {
    transactions < if of_a_call { TRANSACTIONS + OF_CALLS } else { TRANSACTIONS }
}

/// The answer to a request that begins no transaction.
pub fn answer(request: Request, reply: Reply, tag: &str, peer: Peer) -> Option<Response> {
    match stamped(request.into(), peer)? {
        SipMessage::Request(request) => Some(message::response(&request, reply, tag)),
        SipMessage::Response(_) => None,
    }
}

/// With the address in Via that it came from (RFC 3261, section 18.2.1).
fn stamped(message: SipMessage, peer: Peer) -> Option<SipMessage> {
    let transport = peer.transport.of_the_stack();
    let mut message = SipConnection::update_msg_received(message, peer.address, transport).ok()?;
    if let (SipMessage::Request(request), IpAddr::V6(address)) = (&mut message, peer.address.ip()) {
        // The stack writes it in two pairs of brackets, and then cannot read where the answer goes.
        let via = request.via_header_mut().ok()?;
        via.0 = via.0.replacen(&format!("received=[[{address}]]"), &format!("received={address}"), 1);
    }
    Some(message)
}

/// An INVITE that is being answered.
pub struct Invite {
    pub request: Request,
    respond: TransactionEventSender,
}

impl Invite {
    /// The INVITE of `transaction`, which has to be followed.
    pub fn of(transaction: &Transaction) -> Self {
        Self { request: transaction.original.clone(), respond: transaction.tu_sender.clone() }
    }

    pub fn sequence(&self) -> u32 {
        message::cseq(&self.request).unwrap_or_default()
    }

    /// Answers it, in the order of the calls. Of a transaction that is over nobody waits for a response.
    pub fn respond(&self, response: Response) {
        let _ = self.respond.send(TransactionEvent::Respond(response));
    }
}

/// Keeps an INVITE's transaction alive, which sends its final response again until the ACK is here or 32 s are over, and
/// tells what comes.
pub async fn follow(mut transaction: Transaction, told: mpsc::Sender<Happening>) {
    let sequence = message::cseq(&transaction.original).unwrap_or_default();
    while let Some(message) = transaction.receive().await {
        let SipMessage::Request(mut request) = message else { continue };
        let happening = match request.method() {
            Method::Cancel => Happening::Cancelled,
            Method::Ack => {
                // One that is refused fits nothing as it stands.
                let _ = unpack(&mut request);
                Happening::Acked { sequence, body: request.body }
            }
            _ => continue,
        };
        // Nobody waits for it any more.
        let _ = told.send(happening).await;
    }
    let _ = told.send(Happening::Over { sequence }).await;
}

/// Answers a request that is no INVITE.
pub async fn respond(mut transaction: Transaction, reply: Reply, tag: &str) {
    let response = message::response(&transaction.original, reply, tag);
    // It cannot be sent: then it is asked again.
    let _ = transaction.respond(response).await;
}

/// Refuses an INVITE that becomes no call, and sees its ACK.
pub async fn refuse(mut transaction: Transaction, reply: Reply) {
    let response = message::response(&transaction.original, reply, &fresh_tag());
    if transaction.respond(response).await.is_ok() {
        while transaction.receive().await.is_some() {}
    }
}

/// Whether its answer is followed by an ACK.
pub fn is_invite(transaction: &Transaction) -> bool {
    *transaction.original.method() == Method::Invite
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_up_may_end_where_nobody_may_begin_one() {
        for (transactions, of_a_call, expected) in [
            (0, false, true),
            (TRANSACTIONS - 1, false, true),
            (TRANSACTIONS, false, false),
            (TRANSACTIONS, true, true),
            (TRANSACTIONS + OF_CALLS, true, false),
        ] {
            assert_eq!(may_begin(transactions, of_a_call), expected, "{transactions}, {of_a_call}");
        }
    }
}
