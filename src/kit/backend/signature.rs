//! Standard Webhooks, the receiver's side, written apart from the sender's so that each checks the other.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

/// How far the sender's clock may be off, in seconds, as the specification has it.
const TOLERANCE: i64 = 300;

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSignature {
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("webhook-timestamp is no number of seconds")]
    Timestamp,
    #[error("webhook-timestamp is more than five minutes off")]
    Expired,
    #[error("no v1 signature matches")]
    Mismatch,
}

/// An empty secret, or `whsec_` without base64 behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and base64, or any other text")]
pub(super) struct BadSecret;

/// `whsec_` is followed by base64; any other secret is its own bytes.
pub(super) fn key_of(secret: &str) -> Result<hmac::Key, BadSecret> {
    let bytes = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| BadSecret)?,
        None => secret.as_bytes().to_vec(),
    };
    if bytes.is_empty() { Err(BadSecret) } else { Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)) }
}

/// Checks that one of the signatures was made by one of the keys. `header` gives a header's text, or "".
pub(super) fn verify<'a>(
    keys: &[hmac::Key],
    header: impl Fn(&'static str) -> &'a str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), BadSignature> {
    let present =
        |name| Some(header(name)).filter(|text| !text.is_empty()).ok_or(BadSignature::Missing(name));
    let (id, timestamp) = (present("webhook-id")?, present("webhook-timestamp")?);
    let signatures = present("webhook-signature")?;
    let sent: i64 = timestamp.parse().map_err(|_| BadSignature::Timestamp)?;
    if sent.abs_diff(now.as_second()) > TOLERANCE.unsigned_abs() {
        return Err(BadSignature::Expired);
    }
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let tags: Vec<Vec<u8>> = signatures
        .split_ascii_whitespace()
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|tag| STANDARD.decode(tag).ok())
        .collect();
    let holds = keys.iter().any(|key| tags.iter().any(|tag| hmac::verify(key, &signed, tag).is_ok()));
    if holds { Ok(()) } else { Err(BadSignature::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the specification's own libraries (standardwebhooks, all languages).
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(secrets: &[&str], id: &str, at: &str, signature: &str, now: i64) -> Result<(), BadSignature> {
        let keys: Vec<_> = secrets.iter().map(|secret| key_of(secret).unwrap()).collect();
        let header = |name: &'static str| match name {
            "webhook-id" => id,
            "webhook-timestamp" => at,
            _ => signature,
        };
        verify(&keys, header, BODY, Timestamp::from_second(now).unwrap())
    }

    #[test]
    fn the_specifications_example_verifies_and_nothing_else_does() {
        let now = 1_614_265_330;
        let two = format!("v1,AAAA v1a,zzz {SIGNATURE}");
        for (name, found, expected) in [
            ("example", check(&[SECRET], ID, AT, SIGNATURE, now), Ok(())),
            ("second secret", check(&["old", SECRET], ID, AT, SIGNATURE, now), Ok(())),
            ("several signatures", check(&[SECRET], ID, AT, &two, now), Ok(())),
            ("clock 5 min ahead", check(&[SECRET], ID, AT, SIGNATURE, now - 300), Ok(())),
            ("late", check(&[SECRET], ID, AT, SIGNATURE, now + 301), Err(BadSignature::Expired)),
            ("early", check(&[SECRET], ID, AT, SIGNATURE, now - 301), Err(BadSignature::Expired)),
            ("wrong secret", check(&["whsec_AAAA"], ID, AT, SIGNATURE, now), Err(BadSignature::Mismatch)),
            ("other id", check(&[SECRET], "msg_2", AT, SIGNATURE, now), Err(BadSignature::Mismatch)),
            ("no version", check(&[SECRET], ID, AT, "g0hM9SsE", now), Err(BadSignature::Mismatch)),
            ("no time", check(&[SECRET], ID, "now", SIGNATURE, now), Err(BadSignature::Timestamp)),
            ("unsigned", check(&[SECRET], ID, AT, "", now), Err(BadSignature::Missing("webhook-signature"))),
            ("no id", check(&[SECRET], "", AT, SIGNATURE, now), Err(BadSignature::Missing("webhook-id"))),
        ] {
            assert_eq!(found, expected, "{name}");
        }
    }
}
