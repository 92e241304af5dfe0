use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::E164;

/// Where a call can be transferred to: a telephone number or a SIP address. Kept in one spelling, so that equal
/// destinations compare equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Destination(Arc<str>);

impl Destination {
    /// What [`Destination::parse`] accepts, for error texts.
    pub const ACCEPTED: &str = "tel:+ and a number in international form, or sip:user@host or sips:user@host";

    const LONGEST: usize = 256;

    /// `tel:+1-555-777-0099` (RFC 3966, global numbers), `sip:user@host:port;transport=tls` or `sips:` (RFC 3261).
    /// Whatever could lead elsewhere than the text says is refused: headers, passwords and other parameters.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':').filter(|_| text.len() <= Self::LONGEST)?;
        let uri = match scheme.to_ascii_lowercase().as_str() {
            "tel" => format!("tel:{}", parse_global_number(rest)?.reveal()),
            scheme @ ("sip" | "sips") => {
                let (address, parameters) = split_parameters(rest);
                let (user, place) = address.split_once('@')?;
                let good = is_user(user) && is_host_and_port(place) && parameters.iter().all(is_parameter);
                let parameters: String = parameters.iter().map(|p| format!(";{p}").to_lowercase()).collect();
                good.then(|| format!("{scheme}:{user}@{}{parameters}", place.to_ascii_lowercase()))?
            }
            _ => return None,
        };
        Some(Self(uri.into()))
    }

    pub fn is_number(&self) -> bool {
        self.0.starts_with("tel:")
    }

    /// For the wire, never for a log.
    pub fn as_uri(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn parse_global_number(text: &str) -> Option<E164> {
    const SEPARATORS: [char; 4] = ['-', '.', '(', ')'];
    E164::parse(&text.replace(SEPARATORS, ""))
}

fn split_parameters(text: &str) -> (&str, Vec<&str>) {
    let mut parts = text.split(';');
    (parts.next().unwrap_or_default(), parts.collect())
}

fn is_user(text: &str) -> bool {
    let mut bytes = text.bytes();
    let mut good = !text.is_empty();
    while let Some(byte) = bytes.next() {
        good &= match byte {
            b'%' => [bytes.next(), bytes.next()]
                .into_iter()
                .all(|digit| digit.is_some_and(|d| d.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-_.!~*+".contains(&byte),
        };
    }
    good
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_port = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    good_port && is_host(host)
}

fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        !label.is_empty()
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name_like = text.split('.').all(is_label);
    // A name whose last label is a number is an IPv4 address or nothing (RFC 3696).
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name_like && (!numeric || text.parse::<Ipv4Addr>().is_ok())
}

fn is_parameter(parameter: &&str) -> bool {
    const SAFE: [&str; 4] = ["transport=udp", "transport=tcp", "transport=tls", "user=phone"];
    SAFE.contains(&parameter.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_destination_is_a_global_number_or_a_sip_address_and_nothing_more() {
        for (text, uri) in [
            ("tel:+15557770099", Some("tel:+15557770099")),
            ("TEL:+1-555-777.0099", Some("tel:+15557770099")),
            ("tel:+1(555)7770099", Some("tel:+15557770099")),
            ("tel:5557770099", None),
            ("tel:+1", None),
            ("tel:+1 555 777 0099", None),
            ("tel:+15557770099;ext=7", None),
            ("tel:", None),
            ("+15557770099", None),
            ("sip:reception@pbx.acme.example", Some("sip:reception@pbx.acme.example")),
            ("SIPS:Ada@PBX.acme.example:5061", Some("sips:Ada@pbx.acme.example:5061")),
            (
                "sip:+15557770099@10.0.0.1;transport=TLS;user=phone",
                Some("sip:+15557770099@10.0.0.1;transport=tls;user=phone"),
            ),
            ("sip:a%20b@[2001:DB8::1]:5060", Some("sip:a%20b@[2001:db8::1]:5060")),
            ("sip:a@[2001:db8::1]", Some("sip:a@[2001:db8::1]")),
            ("sip:a%2@host", None),
            ("sip:host", None),
            ("sip:@host", None),
            ("sip:a@", None),
            ("sip:a:password@host", None),
            ("sip:a@host?Replaces=1", None),
            ("sip:a@host;maddr=10.0.0.1", None),
            ("sip:a@host;transport=tls@elsewhere", None),
            ("sip:a@b@host", None),
            ("sip:a@host:", None),
            ("sip:a@host:0", None),
            ("sip:a@host:+1", None),
            ("sip:a@host:65536", None),
            ("sip:a@-host", None),
            ("sip:a@ho st", None),
            ("sip:a@host\r\nVia: x", None),
            ("sip:a@1.2.3", None),
            ("sip:a@[1.2.3.4]", None),
            ("<sip:a@host>", None),
            ("https://host/", None),
            ("", None),
        ] {
            assert_eq!(Destination::parse(text).as_ref().map(Destination::as_uri), uri, "{text}");
        }
        let long = format!("sip:{}@host", "a".repeat(Destination::LONGEST));
        assert_eq!(Destination::parse(&long), None);
    }

    #[test]
    fn a_destination_never_shows() {
        let destination = Destination::parse("tel:+15557770099").unwrap();
        assert!(!format!("{destination:?}").contains("555"));
    }

    proptest! {
        #[test]
        fn what_is_parsed_stays_as_it_is(text in r"(tel|sip|sips):[+a-z0-9@.:;=\[\]%-]{0,24}|\PC{0,24}") {
            if let Some(read) = Destination::parse(&text) {
                let again = Destination::parse(read.as_uri());
                prop_assert_eq!(again, Some(read));
            }
        }
    }
}
