//! Whoever attacks: broken messages from several addresses at once, in calls of others and in calls of its own.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::SOON;
use super::messages::{self, Ids, METHODS, audio, established, header};
use super::mutation::Mutator;

/// Addresses that it sends from: one alone may not send so much.
const HANDS: u8 = 8;

/// Messages between two looks at whether the router still answers. They fit into its socket's buffer.
const VOLLEY: usize = 25;

/// From one volley to the next, at the least: the machine has the calls to serve as well.
const PAUSE: Duration = Duration::from_millis(15);

/// Calls that are attacked from within, one after the other.
const CALLS: usize = 4;

pub struct Attack {
    mutator: Mutator,
    router: SocketAddr,
    hands: Vec<Hand>,
    /// A call in progress that is not its own.
    steady: (Ids, SocketAddr),
    calls: VecDeque<Own>,
    number: usize,
    pub seen: Seen,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    pub statuses: BTreeMap<u16, usize>,
    pub calls: usize,
    /// Until the router answered a good request.
    pub longest_wait: Duration,
}

impl Seen {
    /// Every one of these statuses.
    pub fn has<const N: usize>(&self, statuses: [u16; N]) {
        for status in statuses {
            assert!(self.statuses.contains_key(&status), "no {status}: {self:?}");
        }
    }
}

struct Hand {
    signalling: UdpSocket,
    audio: UdpSocket,
}

/// A call of the attacker's.
struct Own {
    hand: usize,
    ids: Ids,
    media: SocketAddr,
    /// The 200 that began it.
    answer: String,
}

impl Attack {
    pub async fn new(seed: u64, router: SocketAddr, steady: (Ids, SocketAddr)) -> Self {
        let mut hands = Vec::new();
        for hand in 0..HANDS {
            let address = Ipv4Addr::new(127, 0, 0, 2 + hand);
            let bind = || UdpSocket::bind((address, 0));
            hands.push(Hand { signalling: bind().await.unwrap(), audio: bind().await.unwrap() });
        }
        let (mutator, seen) = (Mutator::new(seed), Seen::default());
        Self { mutator, router, hands, steady, calls: VecDeque::new(), number: 0, seen }
    }

    /// So many broken messages; the router answers in between.
    pub async fn send(&mut self, count: usize) {
        let mut pace = interval(PAUSE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for sent in 1..=count {
            self.one().await;
            if sent % VOLLEY == 0 || sent == count {
                self.is_answered().await;
                self.follow_up().await;
                pace.tick().await;
            }
        }
    }

    async fn one(&mut self) {
        self.number += 1;
        let hand = self.number % self.hands.len();
        match self.mutator.up_to(9) {
            0..=3 => {
                let good = self.out_of_any_call(hand);
                self.broken(hand, &good).await;
            }
            4 => {
                let good = self.in_the_call_of_another(hand);
                self.broken(hand, &good).await;
            }
            5..=7 => match self.in_a_call_of_its_own() {
                Some((hand, good)) => self.broken(hand, &good).await,
                None => self.broken(hand, &invite(self.number, &self.hands[hand])).await,
            },
            _ => self.packet(hand).await,
        }
    }

    /// Breaks it and sends it.
    async fn broken(&mut self, hand: usize, good: &[u8]) {
        let broken = self.mutator.mutate(good);
        self.hands[hand].send(&broken, self.router).await;
    }

    fn out_of_any_call(&mut self, hand: usize) -> Vec<u8> {
        let (method, kind) = (self.mutator.choose(&METHODS), self.mutator.up_to(999));
        match kind % 10 {
            0 => invite(self.number, &self.hands[hand]),
            1 => {
                let request = self.hands[hand].request("BYE", &ids(self.number), kind);
                let request = String::from_utf8(request).unwrap();
                let (_, rest) = request.split_once("\r\n").unwrap();
                format!("SIP/2.0 {} Whatever\r\n{rest}", self.mutator.choose(&[100, 200, 401, 487, 503, 999]))
                    .into_bytes()
            }
            _ => self.hands[hand].request(method, &ids(self.number), kind),
        }
    }

    /// It knows the dialog's identifiers but the caller's tag, or the transaction's that began it.
    fn in_the_call_of_another(&mut self, hand: usize) -> Vec<u8> {
        let (method, kind) = (self.mutator.choose(&METHODS), self.mutator.up_to(999));
        let branch = match method {
            "CANCEL" | "ACK" => self.steady.0.branch.clone(),
            _ => ids(self.number).branch,
        };
        let ids = Ids { branch, from_tag: "somebody-else".to_owned(), ..self.steady.0.clone() };
        self.hands[hand].request(method, &ids, kind)
    }

    fn in_a_call_of_its_own(&mut self) -> Option<(usize, Vec<u8>)> {
        let last = self.calls.len().checked_sub(1)?;
        let (at, method) = (self.mutator.up_to(last), self.mutator.choose(&METHODS));
        let kind = self.mutator.up_to(999);
        let own = &mut self.calls[at];
        own.ids.sequence += 1;
        let ids = Ids { branch: ids(self.number).branch, ..own.ids.clone() };
        Some((own.hand, self.hands[own.hand].request(method, &ids, kind)))
    }

    /// RTP or RTCP, into its own call from its own address, or into the other from a strange one.
    async fn packet(&mut self, hand: usize) {
        let (kind, sequence) = (self.mutator.up_to(999), self.number as u16);
        let broken = self.mutator.mutate(&messages::packet(kind, sequence));
        let (hand, mut target) = match self.calls.back() {
            Some(own) if kind % 2 == 0 => (own.hand, own.media),
            _ => (hand, self.steady.1),
        };
        if kind % 3 == 0 {
            target.set_port(target.port() + 1);
        }
        let _sent = self.hands[hand].audio.send_to(&broken, target).await;
    }

    /// Waits until a good request is answered: all that was sent before it has been read.
    async fn is_answered(&mut self) {
        let asker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let ids = Ids { call_id: format!("good-{}", self.number), ..ids(self.number) };
        let from = asker.local_addr().unwrap();
        let options = messages::request("OPTIONS", from, from, &ids, 0);
        let (asked, mut buffer) = (Instant::now(), vec![0; 65_535]);
        loop {
            asker.send_to(&options, self.router).await.unwrap();
            if timeout(Duration::from_millis(500), asker.recv(&mut buffer)).await.is_ok() {
                break;
            }
            assert!(asked.elapsed() < SOON, "the router answers no more after {} messages", self.number);
        }
        assert!(buffer.starts_with(b"SIP/2.0 200 ") || buffer.starts_with(b"SIP/2.0 503 "));
        self.seen.longest_wait = self.seen.longest_wait.max(asked.elapsed());
    }

    /// Does with what came as a phone would: it answers and acknowledges, and hangs up on the oldest of its calls.
    async fn follow_up(&mut self) {
        let mut buffer = vec![0; 65_535];
        for hand in 0..self.hands.len() {
            while let Ok(length) = self.hands[hand].signalling.try_recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                self.received(hand, message).await;
            }
            while self.hands[hand].audio.try_recv(&mut buffer).is_ok() {}
        }
        while self.calls.len() > CALLS {
            let own = self.calls.pop_front().unwrap();
            let bye = follow_up("BYE", &own.answer, u32::MAX, &format!("z9hG4bK-bye-{}", self.number));
            self.hands[own.hand].send(bye.as_bytes(), self.router).await;
        }
    }

    async fn received(&mut self, hand: usize, message: String) {
        let Some(status) = message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok())
        else {
            return self.hands[hand].send(answer(&message).as_bytes(), self.router).await;
        };
        *self.seen.statuses.entry(status).or_default() += 1;
        let Some(cseq) = header(&message, "CSeq").filter(|cseq| cseq.ends_with("INVITE")) else { return };
        let sequence = cseq.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(1);
        if status == 200 {
            let ack = follow_up("ACK", &message, sequence, &format!("z9hG4bK-ack-{}", self.number));
            self.hands[hand].send(ack.as_bytes(), self.router).await;
            let known =
                |own: &Own| header(&own.answer, "To").is_some_and(|to| Some(to) == header(&message, "To"));
            if let (Some(ids), Some(media), false) =
                (established(&message), audio(&message), self.calls.iter().any(known))
            {
                self.seen.calls += 1;
                self.calls.push_back(Own { hand, ids, media, answer: message });
            }
        } else if status > 200 {
            let via = header(&message, "Via").unwrap_or_default();
            let branch =
                via.split("branch=").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default();
            let ack = follow_up("ACK", &message, sequence, branch);
            self.hands[hand].send(ack.as_bytes(), self.router).await;
        }
    }
}

impl Hand {
    async fn send(&self, message: &[u8], router: SocketAddr) {
        // Longer than a datagram can be: it was made so by the changes.
        let _sent = self.signalling.send_to(message, router).await;
    }

    fn request(&self, method: &str, ids: &Ids, kind: usize) -> Vec<u8> {
        let (from, audio) = (self.signalling.local_addr().unwrap(), self.audio.local_addr().unwrap());
        messages::request(method, from, audio, ids, kind)
    }
}

fn invite(number: usize, hand: &Hand) -> Vec<u8> {
    hand.request("INVITE", &ids(number), 5 * number)
}

fn ids(number: usize) -> Ids {
    Ids {
        call_id: format!("attack-{number}@nowhere"),
        from_tag: format!("attacker-{number}"),
        to_tag: None,
        branch: format!("z9hG4bK-attack-{number}"),
        sequence: 1,
    }
}

/// A request that follows a response to the INVITE, from the headers of that.
fn follow_up(method: &str, response: &str, sequence: u32, branch: &str) -> String {
    let copied = |name: &str| header(response, name).unwrap_or_default().to_owned();
    let via = copied("Via");
    let sent_by = via.split(';').next().unwrap_or_default();
    format!(
        "{method} sip:router@127.0.0.1 SIP/2.0\r\nVia: {sent_by};branch={branch};rport\r\nFrom: {}\r\nTo: {}\r\n\
         Call-ID: {}\r\nCSeq: {sequence} {method}\r\nContent-Length: 0\r\n\r\n",
        copied("From"),
        copied("To"),
        copied("Call-ID")
    )
}

/// What answers a request of the router's.
fn answer(request: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
    let line = |name: &&str| format!("{name}: {}\r\n", header(request, name).unwrap_or_default());
    let headers: String = copied.iter().map(line).collect();
    format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n")
}
