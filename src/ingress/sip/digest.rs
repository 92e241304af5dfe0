//! Digest authentication (RFC 7616, in SIP RFC 3261, section 22, and RFC 8760): what we ask for, and whether an answer is
//! right. Of the qualities of protection there is `auth`: without any, which RFC 2617 kept for clients of 1997, no
//! count tells a replay from a repetition, so that is not taken.

pub mod nonces;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use md5::{Digest, Md5};

use crate::dialplan::trunk::{Algorithm, Algorithms};

/// Ours, the same for every trunk: which one it is, the username says.
pub const REALM: &str = "dialplane";

/// What an Authorization header says. Nothing of it shows in `Debug`: there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authorization<'h> {
    pub username: &'h str,
    pub realm: &'h str,
    pub nonce: &'h str,
    pub uri: &'h str,
    response: &'h str,
    pub algorithm: Algorithm,
    cnonce: &'h str,
    /// How many times the nonce was used, as it was written.
    nc: &'h str,
    pub count: u32,
}

/// The WWW-Authenticate headers of a challenge, in the order of our preference (RFC 8760, section 2.3).
pub fn challenges(algorithms: &Algorithms, nonce: &str, stale: bool) -> Vec<String> {
    let stale = if stale { ",stale=true" } else { "" };
    let challenge = |algorithm: Algorithm| {
        let algorithm = algorithm.name();
        format!("Digest realm=\"{REALM}\",nonce=\"{nonce}\",qop=\"auth\",algorithm={algorithm}{stale}")
    };
    algorithms.iter().map(challenge).collect()
}

impl<'h> Authorization<'h> {
    /// Reads the value of a header. `None` where it is no digest, or lacks what the answer to our challenge has.
    pub fn parse(value: &'h str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let parameters = Parameters::read(rest)?;
        let nc = parameters.get("nc")?;
        let plausible = nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count = u32::from_str_radix(nc, 16).ok().filter(|count| plausible && *count > 0)?;
        parameters.get("qop").filter(|qop| qop.eq_ignore_ascii_case("auth"))?;
        Some(Self {
            username: parameters.get("username")?,
            realm: parameters.get("realm")?,
            nonce: parameters.get("nonce")?,
            uri: parameters.get("uri")?,
            response: parameters.get("response")?,
            algorithm: parameters.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::named)?,
            cnonce: parameters.get("cnonce")?,
            nc,
            count,
        })
    }

    /// Whether who wrote it knows the password.
    pub fn proves(&self, method: &str, password: &str) -> bool {
        let of = |text: String| hash(self.algorithm, &text);
        let user = of(format!("{}:{}:{password}", self.username, self.realm));
        let request = of(format!("{method}:{}", self.uri));
        let (nonce, nc, cnonce) = (self.nonce, self.nc, self.cnonce);
        let expected = of(format!("{user}:{nonce}:{nc}:{cnonce}:auth:{request}"));
        let found = self.response.to_ascii_lowercase();
        verify_slices_are_equal(expected.as_bytes(), found.as_bytes()).is_ok()
    }

    /// Whether it is for the request to this address. The parameters behind the address may be lost on the way.
    pub fn is_for(&self, uri: &str) -> bool {
        target(self.uri) == target(uri)
    }
}

/// The user as it is written, scheme and host in small letters.
fn target(uri: &str) -> (String, &str, String) {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let host = host.split([';', '?']).next().unwrap_or_default();
    (scheme.to_ascii_lowercase(), user, host.to_ascii_lowercase())
}

/// In hexadecimal digits.
fn hash(algorithm: Algorithm, text: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match algorithm {
        Algorithm::Sha256 => hex(digest(&SHA256, text.as_bytes()).as_ref()),
        Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
    }
}

/// The parameters of a header, each once: tokens, or between quotes as they stand there.
struct Parameters<'h>(Vec<(&'h str, &'h str)>);

impl<'h> Parameters<'h> {
    fn read(text: &'h str) -> Option<Self> {
        let (mut all, mut rest) = (Self(Vec::new()), text.trim());
        while !rest.is_empty() {
            let (name, behind) = rest.split_once('=')?;
            let (value, behind) = value(behind.trim_start())?;
            let name = name.trim_end();
            if all.get(name).is_some() {
                return None;
            }
            all.0.push((name, value));
            rest = match behind.trim_start() {
                "" => "",
                more => more.strip_prefix(',')?.trim_start(),
            };
        }
        Some(all)
    }

    fn get(&self, name: &str) -> Option<&'h str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// The value at the beginning of `text`, and what is behind it.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t', '"']).unwrap_or(text.len());
        return text.split_at_checked(end).filter(|(value, _)| !value.is_empty());
    };
    let mut escaped = false;
    let end = quoted.find(|each| {
        let ends = each == '"' && !escaped;
        escaped = each == '\\' && !escaped;
        ends
    })?;
    let (value, behind) = quoted.split_at_checked(end)?;
    Some((value, behind.strip_prefix('"')?))
}

#[cfg(test)]
mod tests;
