//! What a master key comes to: the keys of one protocol, and the sealing of one packet with them.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::{constant_time, hmac, iv};

use super::key::{Key, Suite};

const AUTH_KEY: usize = 20;
/// What an SRTCP packet adds: its number, and that it is encrypted.
const TRAILER: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Rtp,
    Rtcp,
}

/// The session keys of one protocol.
#[derive(Debug)]
pub(super) struct Cipher {
    protocol: Protocol,
    transform: Transform,
}

/// Its keys are of very different sizes, a kilobyte the largest.
#[derive(Debug)]
enum Transform {
    /// AES in counter mode, and HMAC-SHA1 of which `tag` bytes are sent.
    Counter {
        key: Box<EncryptingKey>,
        salt: Salt,
        auth: Box<hmac::Key>,
        tag: usize,
    },
    Gcm {
        key: Box<LessSafeKey>,
        salt: Salt,
    },
}

/// Up to 14 bytes, then zeros. It is as secret as the key.
#[derive(Clone, Copy)]
struct Salt([u8; 16]);

impl Cipher {
    pub(super) fn derive(master: &Key, protocol: Protocol) -> Self {
        let suite = master.suite();
        // RFC 3711, section 4.3.2.
        let first_label: u8 = match protocol {
            Protocol::Rtp => 0,
            Protocol::Rtcp => 3,
        };
        let part = |label, length| derived(master, first_label + label, length);
        Self::new(
            suite,
            protocol,
            &part(0, suite.key_length()),
            &part(1, AUTH_KEY),
            &part(2, suite.salt_length()),
        )
    }

    pub(super) fn new(suite: Suite, protocol: Protocol, key: &[u8], auth: &[u8], salt: &[u8]) -> Self {
        let salt = Salt::new(salt);
        let counter = |tag| Transform::Counter {
            key: counter_mode(key).into(),
            salt,
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth).into(),
            tag,
        };
        let gcm = |algorithm| {
            let key = UnboundKey::new(algorithm, key).expect("a key of the algorithm's length");
            Transform::Gcm { key: LessSafeKey::new(key).into(), salt }
        };
        let transform = match (suite, protocol) {
            // The short tag is RTP's alone (RFC 4568, section 6.2).
            (Suite::Aes128Sha1Tag32 | Suite::Aes256Sha1Tag32, Protocol::Rtp) => counter(4),
            (Suite::Aes128Sha1Tag32 | Suite::Aes256Sha1Tag32, Protocol::Rtcp)
            | (Suite::Aes128Sha1Tag80 | Suite::Aes256Sha1Tag80, _) => counter(10),
            (Suite::Aes128Gcm, _) => gcm(&AES_128_GCM),
            (Suite::Aes256Gcm, _) => gcm(&AES_256_GCM),
        };
        Self { protocol, transform }
    }

    /// Encrypts what follows the first `clear` bytes, and authenticates all.
    pub(super) fn seal(&self, packet: &mut Vec<u8>, clear: usize, ssrc: u32, index: u64) {
        let place = self.place(index);
        let (header, payload) = packet.split_at_mut(clear);
        match &self.transform {
            Transform::Counter { key, salt, auth, tag } => {
                apply(key, salt.counter(ssrc, index), payload);
                if self.protocol == Protocol::Rtcp {
                    packet.extend(place);
                }
                let whole = self.tag(auth, packet, place);
                packet.extend(whole.as_ref().iter().take(*tag));
            }
            Transform::Gcm { key, salt } => {
                let aad = Aad::from(self.authenticated(header, place));
                let sealed = key.seal_in_place_separate_tag(salt.nonce(ssrc, index), aad, payload);
                packet.extend(sealed.expect("a packet is shorter than the algorithm's most").as_ref());
                if self.protocol == Protocol::Rtcp {
                    packet.extend(place);
                }
            }
        }
    }

    /// The packet as it was before it was sealed; `None` if the key's holder did not seal it so.
    pub(super) fn open(&self, sealed: &[u8], clear: usize, ssrc: u32, index: u64) -> Option<Vec<u8>> {
        let place = self.place(index);
        match &self.transform {
            Transform::Counter { key, salt, auth, tag } => {
                let (body, sent) = sealed.split_at_checked(sealed.len().checked_sub(*tag)?)?;
                let whole = self.tag(auth, body, place);
                constant_time::verify_slices_are_equal(whole.as_ref().get(..*tag)?, sent).ok()?;
                let mut packet = body.get(..body.len().checked_sub(self.trailer())?)?.to_vec();
                apply(key, salt.counter(ssrc, index), packet.get_mut(clear..)?);
                Some(packet)
            }
            Transform::Gcm { key, salt } => {
                let body = sealed.get(..sealed.len().checked_sub(self.trailer())?)?;
                let (header, payload) = body.split_at_checked(clear)?;
                let aad = Aad::from(self.authenticated(header, place));
                let mut payload = payload.to_vec();
                let opened = key.open_in_place(salt.nonce(ssrc, index), aad, &mut payload).ok()?;
                Some([header, opened].concat())
            }
        }
    }

    /// The number of a sealed RTCP packet, which it carries; `None` if it says that it is not encrypted.
    pub(super) fn number(&self, sealed: &[u8]) -> Option<u32> {
        let tag = match &self.transform {
            Transform::Counter { tag, .. } => *tag,
            Transform::Gcm { .. } => 0,
        };
        let body = sealed.get(..sealed.len().checked_sub(tag)?)?;
        let word = u32::from_be_bytes(*body.last_chunk::<TRAILER>()?);
        (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }

    /// What is authenticated beside the packet: the round of an RTP packet's number, the whole number of an RTCP packet.
    fn place(&self, index: u64) -> [u8; 4] {
        let place = match self.protocol {
            Protocol::Rtp => (index >> 16) as u32,
            Protocol::Rtcp => index as u32 | ENCRYPTED,
        };
        place.to_be_bytes()
    }

    const fn trailer(&self) -> usize {
        match self.protocol {
            Protocol::Rtp => 0,
            Protocol::Rtcp => TRAILER,
        }
    }

    fn tag(&self, auth: &hmac::Key, body: &[u8], place: [u8; 4]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(auth);
        context.update(body);
        // An RTCP packet has it already.
        if self.protocol == Protocol::Rtp {
            context.update(&place);
        }
        context.sign()
    }

    /// RFC 7714, sections 8.2 and 9.2.
    fn authenticated(&self, header: &[u8], place: [u8; 4]) -> Vec<u8> {
        match self.protocol {
            Protocol::Rtp => header.to_vec(),
            Protocol::Rtcp => [header, &place].concat(),
        }
    }
}

impl Salt {
    fn new(bytes: &[u8]) -> Self {
        let mut salt = [0; 16];
        salt.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(salt)
    }

    /// RFC 3711, section 4.1.1.
    fn counter(self, ssrc: u32, index: u64) -> u128 {
        u128::from_be_bytes(self.0) ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16
    }

    /// RFC 7714, sections 8.1 and 9.1: the same, in the 12 bytes that come before.
    fn nonce(self, ssrc: u32, index: u64) -> Nonce {
        let wide = u128::from_be_bytes(self.0) ^ u128::from(ssrc) << 80 ^ u128::from(index) << 32;
        let [nonce @ .., _, _, _, _] = wide.to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// RFC 3711, section 4.3, without further derivations.
pub(super) fn derived(master: &Key, label: u8, length: usize) -> Vec<u8> {
    let (key, salt) = master.parts();
    let counter = u128::from_be_bytes(Salt::new(salt).0) ^ u128::from(label) << 64;
    let mut bytes = vec![0; length];
    apply(&counter_mode(key), counter, &mut bytes);
    bytes
}

pub(super) fn counter_mode(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    let key = UnboundCipherKey::new(algorithm, key).expect("a key of the algorithm's length");
    EncryptingKey::ctr(key).expect("AES has a counter mode")
}

/// Encrypts, or decrypts: it is the same.
pub(super) fn apply(key: &EncryptingKey, counter: u128, bytes: &mut [u8]) {
    let context = EncryptionContext::Iv128(iv::FixedLength::from(counter.to_be_bytes()));
    key.less_safe_encrypt(bytes, context).expect("counter mode takes any length");
}
