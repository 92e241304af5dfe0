use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::pii::Redacted;

/// Not every phone pads.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How packets are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    Aes128Sha1Tag80,
    Aes128Sha1Tag32,
    Aes256Sha1Tag80,
    Aes256Sha1Tag32,
    Aes128Gcm,
    Aes256Gcm,
}

impl Suite {
    pub const ALL: [Self; 6] = [
        Self::Aes128Sha1Tag80,
        Self::Aes128Sha1Tag32,
        Self::Aes256Sha1Tag80,
        Self::Aes256Sha1Tag32,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
    ];

    /// As descriptions have it (RFC 4568, RFC 6188, RFC 7714).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes128Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256Sha1Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes256Sha1Tag32 => "AES_256_CM_HMAC_SHA1_32",
            Self::Aes128Gcm => "AEAD_AES_128_GCM",
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha1Tag80 | Self::Aes128Sha1Tag32 | Self::Aes128Gcm => 16,
            Self::Aes256Sha1Tag80 | Self::Aes256Sha1Tag32 | Self::Aes256Gcm => 32,
        }
    }

    pub(super) const fn salt_length(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 12,
            _ => 14,
        }
    }
}

/// A master key and its salt, of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    suite: Suite,
    secret: Redacted<Vec<u8>>,
}

impl Key {
    /// One that nobody has had.
    pub fn fresh(suite: Suite) -> Self {
        let mut secret = vec![0; suite.key_length() + suite.salt_length()];
        aws_lc_rs::rand::fill(&mut secret).expect("the machine has randomness");
        Self { suite, secret: Redacted::new(secret) }
    }

    /// From base64.
    pub fn read(suite: Suite, text: &str) -> Option<Self> {
        let secret = BASE64.decode(text).ok()?;
        let fits = secret.len() == suite.key_length() + suite.salt_length();
        fits.then(|| Self { suite, secret: Redacted::new(secret) })
    }

    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// In base64, for a description that goes over TLS.
    pub fn reveal(&self) -> impl fmt::Display {
        BASE64.encode(self.secret.reveal())
    }

    /// Key and salt.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.secret.reveal().split_at(self.suite.key_length())
    }
}
