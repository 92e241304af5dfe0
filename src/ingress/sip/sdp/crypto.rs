//! The crypto attribute (RFC 4568): a way to seal a stream, and the key of the one who describes it.

use crate::ingress::sip::srtp::{Key, Keys, LIFETIME, Suite};

/// The tag of the only one that we offer.
pub(super) const OFFERED: u32 = 1;

/// One that we can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crypto {
    /// What an answer takes it by.
    pub(super) tag: u32,
    pub(super) key: Key,
    /// Of the key, in packets.
    pub(super) lifetime: u64,
}

impl Crypto {
    /// `1 AES_CM_128_HMAC_SHA1_80 inline:WVNf…Nzsw|2^20 WSH=64`; `None` where it wants what we don't do: another suite, more
    /// keys than one and their MKIs, a derivation rate, anything unencrypted or unauthenticated.
    pub(super) fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))?;
        let mut parts = words.next()?.strip_prefix("inline:")?.split('|');
        let key = Key::read(suite, parts.next()?)?;
        let lifetime = parts.next().map_or(Some(LIFETIME), lifetime)?;
        let is_plain = parts.next().is_none() && words.all(may_be_passed_over);
        is_plain.then_some(Self { tag, key, lifetime })
    }

    /// Whether it answers our offer of that key.
    pub(super) fn answers(&self, offered: &Key) -> bool {
        self.tag == OFFERED && self.key.suite() == offered.suite()
    }

    /// What both sides seal with, this being the caller's.
    pub(super) fn keys(&self, ours: Key) -> Keys {
        Keys { ours, theirs: self.key.clone(), lifetime: self.lifetime }
    }

    /// The attribute.
    pub(super) fn line(tag: u32, key: &Key) -> String {
        format!("a=crypto:{tag} {} inline:{}\r\n", key.suite().name(), key.reveal())
    }
}

/// `2^20`, or a number; an MKI, `1:4`, is none.
fn lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => 1_u64.checked_shl(power.parse().ok()?)?,
        None => text.parse().ok()?,
    };
    (1..=LIFETIME).contains(&packets).then_some(packets)
}

/// The size of the replay window is a hint, and what is marked so may be ignored (RFC 4568, section 6.3).
fn may_be_passed_over(parameter: &str) -> bool {
    parameter.starts_with("WSH=") || parameter.starts_with('-')
}
