//! Nonces that nothing has to be remembered of until they are used well: each is a time, a number and their proof.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

/// How long a nonce may be used.
pub const LIFE: Duration = Duration::from_secs(300);
/// Nonces in use that are remembered. With more, the oldest count as expired.
const REMEMBERED: usize = 100_000;
/// Of the proof's 32 bytes: nobody guesses 12.
const PROOF: usize = 12;
const ID: usize = 8;

/// Which nonce it is, in the order they were given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NonceId {
    /// Since the first could be given out.
    second: u32,
    number: u32,
}

/// The nonce is too old, another router's, or was given to another address: who sent it may have another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// It was used as many times before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed;

pub struct Nonces {
    /// Made at start, so the nonces of another process are none of ours.
    key: hmac::Key,
    start: Instant,
    number: u32,
    /// How many times each was used, of those that were and may still be.
    used: BTreeMap<NonceId, u32>,
    /// Those up to this one are forgotten, and expired.
    forgotten: Option<NonceId>,
}

impl Nonces {
    pub fn new(start: Instant) -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, start, number: 0, used: BTreeMap::new(), forgotten: None })
    }

    /// A new one, for this address alone.
    pub fn issue(&mut self, address: IpAddr, now: Instant) -> String {
        self.number = self.number.wrapping_add(1);
        let id = NonceId { second: self.second(now), number: self.number };
        URL_SAFE_NO_PAD.encode([&id.bytes()[..], &self.proof(id, address)].concat())
    }

    /// Which of ours it is, if it may still be used from there.
    pub fn known(&self, nonce: &str, address: IpAddr, now: Instant) -> Result<NonceId, Stale> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).map_err(|_| Stale)?;
        let (id, proof) = bytes.split_first_chunk::<ID>().ok_or(Stale)?;
        let id = NonceId::of(*id);
        let ours = aws_lc_rs::constant_time::verify_slices_are_equal(&self.proof(id, address), proof).is_ok();
        let young = u64::from(id.second) + LIFE.as_secs() > u64::from(self.second(now));
        let kept = self.forgotten.is_none_or(|last| id > last);
        if ours && young && kept { Ok(id) } else { Err(Stale) }
    }

    /// Notes a good answer. The count must be higher than any before.
    pub fn used(&mut self, id: NonceId, count: u32, now: Instant) -> Result<(), Replayed> {
        let last = self.used.get(&id).copied().unwrap_or_default();
        if count <= last {
            return Err(Replayed);
        }
        self.used.insert(id, count);
        self.forget(now);
        Ok(())
    }

    fn forget(&mut self, now: Instant) {
        let second = u64::from(self.second(now));
        while let Some(oldest) = self.used.first_entry() {
            let expired = u64::from(oldest.key().second) + LIFE.as_secs() <= second;
            if !expired {
                break;
            }
            oldest.remove();
        }
        if self.used.len() > REMEMBERED {
            self.forgotten = self.used.pop_first().map(|(id, _)| id);
        }
    }

    fn proof(&self, id: NonceId, address: IpAddr) -> Vec<u8> {
        let text = format!("{}:{}:{}", id.second, id.number, address.to_canonical());
        let whole = hmac::sign(&self.key, text.as_bytes());
        whole.as_ref().iter().take(PROOF).copied().collect()
    }

    /// A router does not run for 136 years.
    fn second(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.start).as_secs()).unwrap_or(u32::MAX)
    }
}

impl NonceId {
    fn bytes(self) -> [u8; ID] {
        (u64::from(self.second) << 32 | u64::from(self.number)).to_be_bytes()
    }

    fn of(bytes: [u8; ID]) -> Self {
        let whole = u64::from_be_bytes(bytes);
        Self { second: (whole >> 32) as u32, number: whole as u32 }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 6));

    fn nonces() -> (Nonces, Instant) {
        let start = Instant::now();
        (Nonces::new(start).expect("randomness"), start)
    }

    #[test]
    fn a_nonce_may_be_used_for_a_while_from_where_it_was_asked_for() {
        let (mut nonces, start) = nonces();
        let now = start + Duration::from_secs(1000);
        let nonce = nonces.issue(HERE, now);
        assert_ne!(nonce, nonces.issue(HERE, now), "no two are the same");
        assert!(nonce.len() <= 27, "a challenge is short: {nonce}");
        assert!(nonces.known(&nonce, HERE, now).is_ok());
        assert!(nonces.known(&nonce, HERE, now + LIFE - Duration::from_secs(1)).is_ok());
        assert_eq!(nonces.known(&nonce, HERE, now + LIFE), Err(Stale));
        assert_eq!(nonces.known(&nonce, THERE, now), Err(Stale));
        let (mut others, _) = self::nonces();
        assert_eq!(nonces.known(&others.issue(HERE, now), HERE, now), Err(Stale), "another router's");
    }

    #[test]
    fn a_count_is_taken_once_and_only_upwards() {
        let (mut nonces, now) = nonces();
        let (first, second) = (nonces.issue(HERE, now), nonces.issue(HERE, now));
        let [first, second] = [first, second].map(|nonce| nonces.known(&nonce, HERE, now).expect("ours"));
        for (id, count, expected) in [
            (first, 1, Ok(())),
            (first, 1, Err(Replayed)),
            (first, 0x0a, Ok(())),
            (first, 9, Err(Replayed)),
            (second, 1, Ok(())),
            (first, u32::MAX, Ok(())),
            (first, u32::MAX, Err(Replayed)),
        ] {
            assert_eq!(nonces.used(id, count, now), expected, "{id:?} {count}");
        }
    }

    #[test]
    fn what_is_used_is_remembered_while_it_counts_and_never_too_much() {
        let (mut nonces, now) = nonces();
        let use_one = |nonces: &mut Nonces, now| {
            let nonce = nonces.issue(HERE, now);
            let id = nonces.known(&nonce, HERE, now).expect("ours");
            nonces.used(id, 1, now).expect("new");
            nonce
        };
        let oldest = use_one(&mut nonces, now);
        for _ in 1..REMEMBERED {
            use_one(&mut nonces, now);
        }
        assert!(nonces.known(&oldest, HERE, now).is_ok());
        use_one(&mut nonces, now);
        assert_eq!(nonces.used.len(), REMEMBERED);
        assert_eq!(nonces.known(&oldest, HERE, now), Err(Stale), "so it can't be replayed");
        use_one(&mut nonces, now + LIFE);
        assert_eq!(nonces.used.len(), 1);
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_nonce(text in "\\PC{0,40}", at in 0usize..26, with in "[A-Za-z0-9_-]") {
            let (mut nonces, now) = nonces();
            prop_assert_eq!(nonces.known(&text, HERE, now), Err(Stale));
            let mut nonce = nonces.issue(HERE, now);
            let before = nonce.clone();
            nonce.replace_range(at..=at, &with);
            prop_assert_eq!(nonces.known(&nonce, HERE, now).is_ok(), nonce == before);
        }
    }
}
