//! Reliable provisional responses (RFC 3262), where the caller insists on them: our 180 is sent again until its PRACK.
//!
//! There is one a call, so no second ever waits for the first. A caller who merely supports them gets a plain 180: it says
//! nothing whose loss would hurt, and a PRACK is one more message that a switch can get wrong. Pure.

use std::time::Duration;

use rsipstack::sip::{Header, Request};
use tokio::time::Instant;

use crate::ingress::sip::message::{cseq, has_token, header, values};
use crate::ingress::sip::timer::T1;

/// From the first sending until nobody is taken to be there.
pub const GIVE_UP: Duration = T1.saturating_mul(64);

/// What a PRACK acknowledges: the response by its RSeq, the INVITE by its CSeq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rack {
    pub response: u32,
    pub invite: u32,
}

/// What the PRACK of our 180 has to say; `None` where `invite` does not require it to be reliable.
pub fn required(invite: &Request) -> Option<Rack> {
    let invite = cseq(invite).filter(|_| has_token(invite, "require", "100rel"))?;
    // Half of what is allowed: the number may have to grow.
    Some(Rack { response: rand::random_range(1..1 << 30), invite })
}

/// What a PRACK says; `None` where it cannot be read.
pub fn read(prack: &Request) -> Option<Rack> {
    let mut parts = values(prack, "rack").next()?.split_ascii_whitespace();
    let mut number = || parts.next()?.parse().ok();
    let rack = Rack { response: number()?, invite: number()? };
    (parts.next() == Some("INVITE") && parts.next().is_none()).then_some(rack)
}

/// The response that waits for its PRACK.
#[derive(Debug, Clone, Copy)]
pub struct Reliable {
    expected: Rack,
    acknowledged: bool,
    since: Instant,
    /// Sent last, and how long before the next.
    sent: Instant,
    interval: Duration,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Nothing,
    Again,
    /// Nobody acknowledges it.
    GiveUp,
}

impl Reliable {
    pub const fn sent(expected: Rack, now: Instant) -> Self {
        Self { expected, acknowledged: false, since: now, sent: now, interval: T1 }
    }

    pub fn headers(self) -> Vec<Header> {
        vec![header("Require", "100rel"), header("RSeq", self.expected.response.to_string())]
    }

    pub const fn is_acknowledged(self) -> bool {
        self.acknowledged
    }

    /// Whether this acknowledges it, which can be done once.
    pub fn acknowledge(&mut self, rack: Option<Rack>) -> bool {
        let matches = !self.acknowledged && rack == Some(self.expected);
        self.acknowledged |= matches;
        matches
    }

    /// When [`Reliable::on_time`] is due.
    pub fn deadline(self) -> Option<Instant> {
        let next = (self.sent + self.interval).min(self.since + GIVE_UP);
        (!self.acknowledged).then_some(next)
    }

    pub fn on_time(&mut self, now: Instant) -> Due {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Due::Nothing;
        }
        if now >= self.since + GIVE_UP {
            return Due::GiveUp;
        }
        (self.sent, self.interval) = (now, self.interval * 2);
        Due::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACK: Rack = Rack { response: 776_656, invite: 8 };

    fn request(method: &str, headers: &str) -> Request {
        Request::try_from(format!("{method} sip:us@b SIP/2.0\r\nCSeq: 8 {method}\r\n{headers}\r\n")).unwrap()
    }

    #[test]
    fn only_a_caller_who_insists_gets_it() {
        for (headers, expected) in [
            ("", None),
            ("Supported: 100rel\r\n", None),
            ("Require: timer\r\n", None),
            ("Require: timer, 100REL\r\n", Some(8)),
        ] {
            let rack = required(&request("INVITE", headers));
            assert_eq!(rack.map(|rack| rack.invite), expected, "{headers}");
            assert!(rack.is_none_or(|rack| (1..1 << 31).contains(&rack.response)));
        }
    }

    #[test]
    fn a_prack_names_the_response_and_the_invite() {
        for (headers, expected) in [
            ("RAck: 776656 8 INVITE\r\n", Some(RACK)),
            ("rack:  776656   8\tINVITE \r\n", Some(RACK)),
            ("RAck: 776656 8 OPTIONS\r\n", None),
            ("RAck: 776656 8\r\n", None),
            ("RAck: 776656 8 INVITE 9\r\n", None),
            ("RAck: -1 8 INVITE\r\n", None),
            ("RAck: 99999999999 8 INVITE\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(&request("PRACK", headers)), expected, "{headers}");
        }
    }

    #[test]
    fn it_is_sent_again_at_growing_intervals_and_then_given_up() {
        let start = Instant::now();
        let mut reliable = Reliable::sent(RACK, start);
        let mut sent = Vec::new();
        loop {
            let now = reliable.deadline().unwrap();
            assert_eq!(reliable.on_time(now - Duration::from_millis(1)), Due::Nothing);
            match reliable.on_time(now) {
                Due::Again => sent.push((now - start).as_millis()),
                Due::GiveUp => break assert_eq!(now - start, Duration::from_secs(32)),
                Due::Nothing => panic!("nothing at its deadline"),
            }
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
    }

    #[test]
    fn it_is_acknowledged_once_and_by_its_own_numbers() {
        let mut reliable = Reliable::sent(RACK, Instant::now());
        for other in [None, Some(Rack { response: 1, ..RACK }), Some(Rack { invite: 9, ..RACK })] {
            assert!(!reliable.acknowledge(other), "{other:?}");
        }
        assert!(reliable.acknowledge(Some(RACK)));
        assert_eq!(reliable.deadline(), None);
        assert!(!reliable.acknowledge(Some(RACK)));
    }
}
