//! Who may send to our SIP port, and how much.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::{Allowance, COUNTED, sender};
use crate::dialplan::trunk::{TrunkPlan, Trunks};
use crate::fleet::rate::{Meter, Pace};

/// Messages from one address of a trunk: a carrier's busiest hour, and no flood.
const OF_A_TRUNK: Pace = Pace::per_second(2_000, 4_000);
/// What of those is left for the calls that are up: a flood of INVITEs doesn't cost a carrier the BYEs of its calls.
const OF_CALLS: u32 = 1_000;
/// From one stranger: an INVITE, its ACK, and the INVITE with credentials, a few times.
const OF_A_STRANGER: Pace = Pace::per_second(5, 20);
/// From all strangers together.
const OF_STRANGERS: Pace = Pace::per_second(200, 400);
/// How long an address is no stranger any more after its last good credentials, or the last request of its call.
const PROVED: Duration = Duration::from_secs(60 * 60);

/// The trunks by where they call from. While none of them says so, only this machine may call.
#[derive(Debug)]
pub struct Sources {
    trunks: Arc<Trunks>,
    known: Allowance,
    strangers: Allowance,
    all_strangers: Meter,
    /// Until when each address counts as one of a trunk that may call from anywhere.
    proved: HashMap<IpAddr, Instant>,
}

/// What a message is for, as far as its first word tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A call, or whatever else may be had later.
    Begin,
    /// What has begun goes on, or ends.
    GoOn,
}

/// Whom a message comes from, as far as its address tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// This machine itself, while no trunk calls us.
    Here,
    Trunk(Arc<TrunkPlan>),
    /// Anybody: a trunk's, if the credentials are right.
    Anyone,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Admitted {
    From(Source),
    /// Not a word to a stranger.
    Stranger,
    /// More than may come from there.
    TooMuch,
}

impl Purpose {
    pub fn of(message: &[u8]) -> Self {
        const GO_ON: [&[u8]; 8] =
            [b"ACK", b"BYE", b"CANCEL", b"PRACK", b"UPDATE", b"INFO", b"NOTIFY", b"SIP/2.0"];
        let first = message.split(|byte| *byte == b' ').next().unwrap_or_default();
        if GO_ON.contains(&first) { Self::GoOn } else { Self::Begin }
    }

    /// What it leaves to others of its sender.
    const fn leaves(self) -> u32 {
        match self {
            Self::Begin => OF_CALLS,
            Self::GoOn => 0,
        }
    }
}

impl Source {
    /// The trunk that has this address.
    pub const fn trunk(&self) -> Option<&Arc<TrunkPlan>> {
        match self {
            Self::Trunk(trunk) => Some(trunk),
            Self::Here | Self::Anyone => None,
        }
    }
}

impl Sources {
    pub fn new(trunks: Arc<Trunks>) -> Self {
        Self {
            trunks,
            known: Allowance::new(OF_A_TRUNK),
            strangers: Allowance::new(OF_A_STRANGER),
            all_strangers: Meter::default(),
            proved: HashMap::new(),
        }
    }

    pub fn admit(&mut self, address: IpAddr, purpose: Purpose, now: Instant) -> Admitted {
        let address = address.to_canonical();
        let source = match self.trunks.at(address) {
            Some(trunk) => Source::Trunk(Arc::clone(trunk)),
            None if self.trunks.call_from_anywhere() => Source::Anyone,
            None if !self.trunks.call_directly() && address.is_loopback() => Source::Here,
            None => return Admitted::Stranger,
        };
        if source == Source::Anyone && !self.has_proved(address, now) {
            return if self.has_room_for_stranger(address, now) {
                Admitted::From(source)
            } else {
                Admitted::Stranger
            };
        }
        if self.known.spend_leaving(purpose.leaves(), address, now) {
            Admitted::From(source)
        } else {
            Admitted::TooMuch
        }
    }

    /// A request from there had the right credentials, or was of a call that had them.
    pub fn prove(&mut self, address: IpAddr, now: Instant) {
        let address = sender(address);
        if self.proved.len() >= COUNTED && !self.proved.contains_key(&address) {
            self.proved.retain(|_, until| *until > now);
        }
        if self.proved.len() < COUNTED || self.proved.contains_key(&address) {
            self.proved.insert(address, now + PROVED);
        }
    }

    /// Whether it is no stranger.
    pub fn has_proved(&self, address: IpAddr, now: Instant) -> bool {
        self.proved.get(&sender(address)).is_some_and(|until| *until > now)
    }

    fn has_room_for_stranger(&mut self, address: IpAddr, now: Instant) -> bool {
        self.strangers.spend(address, now) && self.all_strangers.admit(OF_STRANGERS, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn sources(trunks: &[(&str, &str)]) -> Sources {
        Sources::new(Arc::new(Trunks::calling_from(trunks)))
    }

    fn from_anywhere() -> Sources {
        sources(&[("acme", "203.0.113.0/24"), ("pbx", "anywhere")])
    }

    #[test]
    fn a_source_is_a_trunk_or_a_stranger_and_without_trunks_this_machine_may_call() {
        let now = Instant::now();
        let trunk = &[("acme", "203.0.113.0/24")][..];
        let anywhere = &[("acme", "203.0.113.0/24"), ("pbx", "anywhere")][..];
        for (trunks, address, expected) in [
            (trunk, "203.0.113.9", "acme"),
            (trunk, "::ffff:203.0.113.9", "acme"),
            (trunk, "198.51.100.1", "stranger"),
            (trunk, "127.0.0.1", "stranger"),
            (&[], "127.0.0.1", "here"),
            (&[], "::1", "here"),
            (&[], "192.168.1.7", "stranger"),
            (anywhere, "203.0.113.9", "acme"),
            (anywhere, "198.51.100.1", "anyone"),
            (anywhere, "127.0.0.1", "anyone"),
        ] {
            let admitted = sources(trunks).admit(address.parse().unwrap(), Purpose::Begin, now);
            let found = match &admitted {
                Admitted::From(Source::Trunk(trunk)) => &*trunk.name,
                Admitted::From(Source::Here) => "here",
                Admitted::From(Source::Anyone) => "anyone",
                Admitted::Stranger => "stranger",
                Admitted::TooMuch => "too much",
            };
            assert_eq!(found, expected, "{address} with {trunks:?}");
        }
    }

    fn taken_of(purpose: Purpose, sources: &mut Sources, address: IpAddr, now: Instant) -> usize {
        let is_taken = |_: &u32| matches!(sources.admit(address, purpose, now), Admitted::From(_));
        (0..10_000).filter(is_taken).count()
    }

    fn taken(sources: &mut Sources, address: IpAddr, now: Instant) -> usize {
        taken_of(Purpose::GoOn, sources, address, now)
    }

    #[test]
    fn a_flood_of_calls_leaves_room_for_what_ends_them() {
        let (mut sources, start) = (sources(&[("acme", "203.0.113.0/24")]), Instant::now());
        let carrier = "203.0.113.9".parse().unwrap();
        assert_eq!(taken_of(Purpose::Begin, &mut sources, carrier, start), 3_000);
        assert_eq!(taken_of(Purpose::GoOn, &mut sources, carrier, start), 1_000);
        let later = start + Duration::from_millis(250);
        assert_eq!(taken_of(Purpose::Begin, &mut sources, carrier, later), 0, "what is owed is owed");
        assert_eq!(taken_of(Purpose::GoOn, &mut sources, carrier, later), 500);
    }

    #[test]
    fn the_first_word_says_what_a_message_is_for() {
        for (message, purpose) in [
            ("INVITE sip:a@b SIP/2.0\r\n", Purpose::Begin),
            ("OPTIONS sip:a@b SIP/2.0\r\n", Purpose::Begin),
            ("BYE sip:a@b SIP/2.0\r\n", Purpose::GoOn),
            ("ACK sip:a@b SIP/2.0\r\n", Purpose::GoOn),
            ("SIP/2.0 200 OK\r\n", Purpose::GoOn),
            ("BYEBYE sip:a@b SIP/2.0\r\n", Purpose::Begin),
            ("\r\n\r\n", Purpose::Begin),
            ("", Purpose::Begin),
        ] {
            assert_eq!(Purpose::of(message.as_bytes()), purpose, "{message}");
        }
    }

    #[test]
    fn a_burst_is_bounded_and_the_rate_after_it_too() {
        let (mut sources, start) = (sources(&[]), Instant::now());
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(taken(&mut sources, here, start), 4_000);
        assert_eq!(taken(&mut sources, here, start + Duration::from_secs(1)), 2_000);
        assert_eq!(taken(&mut sources, here, start + Duration::from_secs(60)), 4_000);
    }

    #[test]
    fn strangers_are_heard_a_little_each_and_a_little_together() {
        let (mut sources, now) = (from_anywhere(), Instant::now());
        let stranger = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + n));
        assert_eq!(taken(&mut sources, stranger(0), now), 20);
        assert_eq!(taken(&mut sources, stranger(0), now + Duration::from_secs(1)), 5);
        let later = now + Duration::from_secs(10);
        let crowd: usize = (1..200).map(|n| taken(&mut sources, stranger(n), later)).sum();
        assert_eq!(crowd, 400);
        let trunk = "203.0.113.9".parse().unwrap();
        assert_eq!(taken(&mut sources, trunk, later), 4_000, "a trunk is not in their way");
    }

    #[test]
    fn who_has_proved_who_it_is_is_no_stranger_for_a_while() {
        let (mut sources, now) = (from_anywhere(), Instant::now());
        let address = "198.51.100.1".parse().unwrap();
        sources.prove(address, now);
        assert_eq!(taken(&mut sources, address, now), 4_000);
        assert_eq!(taken(&mut sources, address, now + PROVED), 20);
    }

    #[test]
    fn a_network_of_strangers_fills_no_memory() {
        let mut open = from_anywhere();
        let mut all = sources(&[("all", "0.0.0.0/0")]);
        let now = Instant::now();
        for n in 0..20_000 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(n));
            open.admit(address, Purpose::GoOn, now);
            open.prove(address, now);
            all.admit(address, Purpose::GoOn, now);
        }
        assert_eq!((all.known.counted(), open.strangers.counted()), (COUNTED, COUNTED));
        assert_eq!(open.proved.len(), COUNTED);
        let later = now + Duration::from_secs(1);
        let one_more = all.admit(IpAddr::V4(Ipv4Addr::from_bits(50_000)), Purpose::GoOn, later);
        assert!(matches!(one_more, Admitted::From(_)));
    }
}
