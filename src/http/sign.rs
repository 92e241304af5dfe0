//! Standard Webhooks signatures (<https://www.standardwebhooks.com>, scheme `v1`).
//!
//! The signature is HMAC-SHA256 over `id.timestamp.body`, in base64. A secret that starts with `whsec_` is
//! base64 behind that prefix, as the specification has it; any other secret is used as the bytes it is
//! written in, where the reference implementations would base64-decode it too.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::pii::Redacted;

pub const ID: &str = "webhook-id";
pub const TIMESTAMP: &str = "webhook-timestamp";
pub const SIGNATURE: &str = "webhook-signature";

/// How far a timestamp may be from the verifier's clock, as the reference implementations have it.
pub const TOLERANCE: Duration = Duration::from_secs(300);

const PREFIX: &str = "whsec_";
/// The specification's padding is optional in the wild.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a key that signs and verifies: at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Secret(Redacted<Vec<u8>>);

/// The secret is empty, or starts with `whsec_` and the rest is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret that cannot sign (not shown)")]
pub struct InvalidSecret;

/// Why a request does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the timestamp is not a number of seconds")]
    MalformedTimestamp,
    #[error("the timestamp is too far from now")]
    StaleTimestamp,
    #[error("no signature matches")]
    NoMatch,
}

/// The three headers of a signed request.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signature: &'a str,
}

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

/// Whether any secret made any of the signatures, and not longer ago (or ahead) than `tolerance` from `now`,
/// in Unix seconds. Signatures of other schemes than `v1` are passed over.
pub fn verify(
    secrets: &[Secret],
    signed: Signed<'_>,
    body: &[u8],
    now: i64,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let at: i64 = signed.timestamp.parse().map_err(|_| VerifyError::MalformedTimestamp)?;
    if at.abs_diff(now) > tolerance.as_secs() {
        return Err(VerifyError::StaleTimestamp);
    }
    let message = [signed.id.as_bytes(), b".", signed.timestamp.as_bytes(), b".", body].concat();
    let matches = |encoded: &str| {
        let Ok(tag) = STANDARD.decode(encoded) else { return false };
        secrets.iter().any(|secret| hmac::verify(&secret.key(), &message, &tag).is_ok())
    };
    let mut candidates = signed.signature.split(' ').filter_map(|s| s.strip_prefix("v1,"));
    if candidates.any(matches) { Ok(()) } else { Err(VerifyError::NoMatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"email":"test@example.com","username":"test_user"}"#;

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
                BODY,
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
    fn a_signature_verifies_only_with_its_secret_body_id_and_time() {
        const STALE: Result<(), VerifyError> = Err(VerifyError::StaleTimestamp);
        const NO_MATCH: Result<(), VerifyError> = Err(VerifyError::NoMatch);
        let both = sign(&[secret("new"), secret("old")], "cfg_1", 1000, BODY.as_bytes());
        let (first, second) = both.split_once(' ').expect("one signature a secret");
        let other_schemes = format!("v1a,AAAA {first} v2,x");
        let cut = first.get(..20).unwrap();
        let no_time = Err(VerifyError::MalformedTimestamp);
        for (what, key, id, timestamp, signature, body, now, expected) in [
            ("the new secret", "new", "cfg_1", "1000", both.as_str(), BODY, 1000, Ok(())),
            ("the old secret", "old", "cfg_1", "1000", &both, BODY, 1000, Ok(())),
            ("beside other schemes", "new", "cfg_1", "1000", &other_schemes, BODY, 1000, Ok(())),
            ("at the edge of the tolerance", "new", "cfg_1", "1000", &both, BODY, 1300, Ok(())),
            ("from a clock ahead", "new", "cfg_1", "1000", &both, BODY, 700, Ok(())),
            ("too old", "new", "cfg_1", "1000", &both, BODY, 1301, STALE),
            ("too far ahead", "new", "cfg_1", "1000", &both, BODY, 699, STALE),
            ("another time", "new", "cfg_1", "1001", &both, BODY, 1000, NO_MATCH),
            ("no time", "new", "cfg_1", "now", &both, BODY, 1000, no_time),
            ("another body", "new", "cfg_1", "1000", &both, "{}", 1000, NO_MATCH),
            ("another id", "new", "cfg_2", "1000", &both, BODY, 1000, NO_MATCH),
            ("another secret", "other", "cfg_1", "1000", &both, BODY, 1000, NO_MATCH),
            ("the other's signature", "new", "cfg_1", "1000", second, BODY, 1000, NO_MATCH),
            ("a cut signature", "new", "cfg_1", "1000", cut, BODY, 1000, NO_MATCH),
            ("an empty signature", "new", "cfg_1", "1000", "v1,", BODY, 1000, NO_MATCH),
        ] {
            let signed = Signed { id, timestamp, signature };
            let verified = verify(&[secret(key)], signed, body.as_bytes(), now, TOLERANCE);
            assert_eq!(verified, expected, "{what}");
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
