//! Standard Webhooks signatures (<https://www.standardwebhooks.com>, scheme `v1`).
//!
//! The signature is HMAC-SHA256 over `id.timestamp.body`, in base64. A secret that starts with `whsec_` is
//! base64 behind that prefix, as the specification has it; any other secret is used as the bytes it is
//! written in, where the reference implementations would base64-decode it too.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::pii::Redacted;

pub const ID: &str = "webhook-id";
pub const TIMESTAMP: &str = "webhook-timestamp";
pub const SIGNATURE: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
/// The specification's padding is optional in the wild.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a key that signs: at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Secret(Redacted<Vec<u8>>);

/// The secret is empty, or starts with `whsec_` and the rest is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret that cannot sign (not shown)")]
pub struct InvalidSecret;

impl Secret {
    /// What a secret must be, for error texts.
    pub const ACCEPTED: &str = "whsec_ and base64, or any other text";

    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => LENIENT.decode(encoded).map_err(|_| InvalidSecret)?,
            None => text.as_bytes().to_vec(),
        };
        if key.is_empty() {
            return Err(InvalidSecret);
        }
        Ok(Self(Redacted::new(key)))
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.reveal())
    }
}

/// The `webhook-signature` of a body: one `v1,...` per secret, separated by spaces. `timestamp` is in Unix
/// seconds.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let one = |secret: &Secret| {
        let mut context = hmac::Context::with_key(&secret.key());
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    #[test]
    fn signatures_are_those_of_the_specification_and_its_implementations() {
        for (text, id, timestamp, body, expected) in [
            // The example of Svix' documentation, which the specification grew from.
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            // `test_sign` of the standardwebhooks crate, 1.0.1.
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            // By Python's hmac, with the secret's own bytes as the key.
            (
                "a plain secret",
                "msg_1",
                1_700_000_000,
                "{}",
                "v1,vpxR8ssj4cZ4MLNfq+xagwQHzGhB3R6PUitZHPUosDk=",
            ),
        ] {
            assert_eq!(sign(&[secret(text)], id, timestamp, body.as_bytes()), expected, "{id}");
        }
    }

    #[test]
    fn a_secret_is_base64_only_behind_its_prefix() {
        for (text, good) in [
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", true),
            ("whsec_AAA", true),
            ("whsec_not base64", false),
            ("whsec_", false),
            ("", false),
            ("anything at all", true),
        ] {
            assert_eq!(Secret::parse(text).is_ok(), good, "{text}");
        }
    }
}
